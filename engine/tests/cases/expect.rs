//! Whether a command gave what its step expects.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;

use crate::case::{AlertLike, DeadLetterLike, Expect, FeatureRow, FindingLike, Findings, Step};
use crate::command::Ended;
use crate::report::{lines, rules, said};
use crate::text::{self, short};
use crate::want::Want;

type Checked = Result<(), String>;

pub fn check(step: &Step, ended: &Ended) -> Checked {
    if let Some(wanted) = &step.exit
        && !wanted.has(&ended.exit)
    {
        let output = if ended.stderr.is_empty() { &ended.stdout } else { &ended.stderr };
        return Err(format!("exit {}, wanted {wanted:?}: {}", ended.exit, short(output)));
    }
    expectations(&step.expect, ended)
}

fn expectations(expect: &Expect, ended: &Ended) -> Checked {
    alerts(expect, ended)?;
    if !expect.counts.is_empty() {
        figures(&expect.counts, |name, object| object.get(name), ended)?;
    }
    if !expect.json.is_empty() {
        figures(&expect.json, |path, object| path.split('.').try_fold(object, |at, key| at.get(key)), ended)?;
    }
    features(&expect.features, expect.feature_rows.as_ref(), ended)?;
    if let Some(wanted) = &expect.diagnostics {
        findings(wanted, &ended.findings()?)?;
    }
    if let Some(wanted) = &expect.dead_letters {
        dead_letters(wanted, &ended.dead_letters()?)?;
    }
    for (name, wanted) in &expect.files {
        let bytes = fs::read(ended.folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
        text::check(wanted, &String::from_utf8_lossy(&bytes), name)?;
    }
    text::check(&expect.stdout, &ended.stdout, "stdout")?;
    text::check(&expect.stderr, &ended.stderr, "stderr")?;
    text::check(&expect.output, &format!("{}{}", ended.stdout, ended.stderr), "the output")?;
    nowhere(expect, ended)?;
    one_of(&expect.any_of, ended)
}

fn one_of(ways: &[Expect], ended: &Ended) -> Checked {
    let mut problems = Vec::new();
    for way in ways {
        match expectations(way, ended) {
            Ok(()) => return Ok(()),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join(" / ")) }
}

fn alerts(expect: &Expect, ended: &Ended) -> Checked {
    if let Some(wanted) = &expect.alerts {
        exactly(wanted, &ended.alerts()?)?;
    }
    for wanted in &expect.alerts_include {
        let got = ended.alerts()?;
        if !got.iter().any(|alert| fits(wanted, alert)) {
            return Err(format!("no alert like {wanted:?}; got {}", lines(&got)));
        }
    }
    for unwanted in &expect.alerts_lack {
        if let Some(alert) = ended.alerts()?.into_iter().find(|alert| fits(unwanted, alert)) {
            return Err(format!("there should be no alert {}", lines(&[alert])));
        }
    }
    if let Some(wanted) = expect.alert_count {
        let got = ended.alerts()?;
        if got.len() != wanted {
            return Err(format!("{} alerts, wanted {wanted}: {}", got.len(), lines(&got)));
        }
    }
    if let Some(wanted) = expect.alert_ids_differ {
        let mut ids: Vec<String> = ended.alerts()?.iter().map(|alert| alert["id"].to_string()).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        if (count, ids.len()) != (wanted, wanted) {
            return Err(format!("{count} alerts with {} different ids, wanted {wanted} of each", ids.len()));
        }
    }
    Ok(())
}

/// Each wanted alert is matched by an alert of its own, and none is left.
fn exactly(wanted: &[AlertLike], got: &[Value]) -> Checked {
    let mut taken_by: Vec<Option<usize>> = vec![None; got.len()];
    for at in 0..wanted.len() {
        if !assign(at, wanted, got, &mut taken_by, &mut vec![false; got.len()]) {
            return Err(format!("no alert like {:?}; got {}", wanted[at], lines(got)));
        }
    }
    let left: Vec<Value> =
        got.iter().zip(&taken_by).filter(|(_, by)| by.is_none()).map(|(alert, _)| alert.clone()).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("not wanted: {}", lines(&left))) }
}

/// Finds an alert for a wanted one, moving earlier ones to others where that helps.
fn assign(
    at: usize,
    wanted: &[AlertLike],
    got: &[Value],
    taken_by: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for (index, alert) in got.iter().enumerate() {
        if seen[index] || !fits(&wanted[at], alert) {
            continue;
        }
        seen[index] = true;
        if taken_by[index].is_none_or(|earlier| assign(earlier, wanted, got, taken_by, seen)) {
            taken_by[index] = Some(at);
            return true;
        }
    }
    false
}

fn fits(wanted: &AlertLike, alert: &Value) -> bool {
    let rules = rules(alert);
    let is = |want: &Option<String>, got: &Value| want.as_ref().is_none_or(|want| got == want.as_str());
    let all_rules = wanted
        .rules
        .as_ref()
        .is_none_or(|ids| ids.len() == rules.len() && ids.iter().all(|id| rules.contains_key(id.as_str())));
    let reasons: Vec<&str> = rules.values().filter_map(|rule| rule["reason"].as_str()).collect();
    let has_value = |name: &str, want: &Want| {
        rules.values().any(|rule| rule["values"].get(name).is_some_and(|value| want.fits(value)))
    };
    is(&wanted.event, &alert["event"]["id"])
        && is(&wanted.account, &alert["account"])
        && all_rules
        && text::missing(&reasons.join(" | "), &wanted.reason_contains).is_none()
        && wanted.values.iter().all(|(name, want)| has_value(name, want))
}

fn figures<'a>(
    wanted: &BTreeMap<String, Want>,
    find: impl for<'v> Fn(&str, &'v Value) -> Option<&'v Value>,
    ended: &'a Ended,
) -> Checked {
    let object = ended.last_object()?;
    let wrong: Vec<String> = wanted
        .iter()
        .filter_map(|(name, want)| {
            let got = find(name, &object).unwrap_or(&Value::Null);
            (!want.fits(got)).then(|| format!("{name} is {got}, wanted {want}"))
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn features(wanted: &BTreeMap<String, FeatureRow>, count: Option<&Want>, ended: &Ended) -> Checked {
    if wanted.is_empty() && count.is_none() {
        return Ok(());
    }
    let rows = ended.feature_rows()?;
    if let Some(want) = count
        && !want.fits(&rows.len().into())
    {
        return Err(format!("{} feature rows, wanted {want}", rows.len()));
    }
    let mut wrong = Vec::new();
    for (event, want) in wanted {
        match (want, rows.get(event)) {
            (FeatureRow::Absent(_), None) => {}
            (FeatureRow::Absent(_), Some(row)) => wrong.push(format!("{event} has a row: {row:?}")),
            (FeatureRow::Columns(_), None) => wrong.push(format!("{event} has no row")),
            (FeatureRow::Columns(columns), Some(row)) => {
                for (column, want) in columns {
                    match row.get(column) {
                        None => wrong.push(format!("no column {column}")),
                        Some(got) if !want.fits(got) => {
                            wrong.push(format!("{event}.{column} is {got}, wanted {want}"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn findings(wanted: &Findings, found: &[Map<String, Value>]) -> Checked {
    let got = || found.iter().map(described).collect::<Vec<_>>().join("; ");
    if let Some(want) = wanted.contains.iter().find(|want| !found.iter().any(|one| finding_fits(want, one))) {
        return Err(format!(
            "no finding like {want:?}; got {}",
            if found.is_empty() { "none".into() } else { got() }
        ));
    }
    let unwanted = wanted.lacks.iter().find_map(|want| found.iter().find(|one| finding_fits(want, one)));
    unwanted.map_or(Ok(()), |one| Err(format!("there should be no finding {}", described(one))))
}

fn finding_fits(want: &FindingLike, finding: &Map<String, Value>) -> bool {
    let text = |key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default();
    let place = |key: &str, want: &Option<Want>| {
        want.as_ref().is_none_or(|want| finding.get(key).is_some_and(|got| want.fits(got)))
    };
    let said = said(finding);
    want.file.as_ref().is_none_or(|file| text("file").ends_with(file.as_str()))
        && place("line", &want.line)
        && place("column", &want.column)
        && want.code.as_ref().is_none_or(|codes| codes.has(&text("code").to_owned()))
        && want.severity.as_ref().is_none_or(|kinds| kinds.has(&text("severity").to_owned()))
        && want.says.iter().all(|word| said.contains(word.as_str()))
        && text::missing(&said, &want.message_contains).is_none()
}

fn described(finding: &Map<String, Value>) -> String {
    let place = |key: &str| finding.get(key).unwrap_or(&Value::Null).to_string();
    format!("{}:{} {}", place("line"), place("column"), short(&said(finding)))
}

fn dead_letters(wanted: &[DeadLetterLike], got: &[Value]) -> Checked {
    let reason = |letter: &Value| letter["reason"].as_str().unwrap_or_default().to_owned();
    let reasons: Vec<String> = got.iter().map(reason).collect();
    if wanted.is_empty() && !got.is_empty() {
        return Err(format!("dead letters: {}", reasons.join(", ")));
    }
    for want in wanted {
        let id = want.event.as_ref().map(|id| format!("\"{id}\""));
        let fit: Vec<&Value> = got
            .iter()
            .filter(|letter| want.reason.as_ref().is_none_or(|reasons| reasons.has(&reason(letter))))
            .filter(|letter| {
                id.as_ref().is_none_or(|id| letter["value"].as_str().unwrap_or_default().contains(id))
            })
            .collect();
        if want.count.map_or(fit.is_empty(), |count| fit.len() != count) {
            return Err(format!("{} dead letters like {want:?}; got {reasons:?}", fit.len()));
        }
        if let Some(field) = &want.names_field
            && let Some(other) = fit.iter().find(|letter| !without_content(letter).contains(field.as_str()))
        {
            return Err(format!("a dead letter does not name {field}: {}", short(&without_content(other))));
        }
    }
    Ok(())
}

fn without_content(letter: &Value) -> String {
    let mut letter = letter.clone();
    letter.as_object_mut().map(|letter| letter.remove("value"));
    letter.to_string()
}

fn nowhere(expect: &Expect, ended: &Ended) -> Checked {
    if expect.digits_nowhere.is_empty() && expect.words_nowhere.is_empty() {
        return Ok(());
    }
    for (name, whole) in ended.everything() {
        if let Some(word) = expect.words_nowhere.iter().find(|word| whole.contains(word.as_str())) {
            return Err(format!("{name} holds {word}"));
        }
        for line in whole.lines() {
            let digits = text::digits(line);
            if let Some(number) = expect.digits_nowhere.iter().find(|number| digits.contains(number.as_str()))
            {
                return Err(format!("{name} holds {number}: {}", short(line)));
            }
        }
    }
    Ok(())
}
