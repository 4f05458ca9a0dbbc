//! What would make the runner pass what is wrong: each expectation against an answer that it must refuse.

use serde_json::json;
use std::fs;
use std::path::Path;

use crate::case::Case;
use crate::want::Want;
use crate::{find, run, text};

/// A case of one shell command with these keys in its step.
fn outcome(command: &str, step: serde_json::Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("input"), "as it was\n").unwrap();
    let mut step = step;
    step["run"] = json!(["-c", command, "sh", "--output", "out", "--dead-letters", "dead"]);
    run::one(Path::new("/bin/sh"), folder.path(), case(json!([step]))?.ways())
}

fn case(steps: serde_json::Value) -> Result<Case, String> {
    Case::parse(&json!({"class": "c", "what": "w", "why": "y", "now": "n", "steps": steps}).to_string())
}

#[track_caller]
fn refused(command: &str, step: serde_json::Value, because: &str) {
    let why = outcome(command, step.clone()).expect_err(&format!("{command} passes {step}"));
    assert!(why.contains(because), "{command}: {why}");
}

/// The expectation refuses one answer and takes another.
#[track_caller]
fn distinguishes(expect: serde_json::Value, wrong: &str, because: &str, right: &str) {
    refused(wrong, json!({"expect": expect.clone()}), because);
    outcome(right, json!({"expect": expect.clone()}))
        .unwrap_or_else(|why| panic!("{right}: {expect}: {why}"));
}

#[test]
fn a_panic_a_signal_and_a_limit_fail_whatever_is_expected() {
    let ends = json!({"exit": [0, 1, 101, -9, -6]});
    refused("echo \"thread 'main' panicked at x.rs\" >&2", ends.clone(), "panic");
    refused("exit 101", ends.clone(), "panic");
    refused("kill -9 $$", ends.clone(), "signal 9");
    refused("exec sleep 30", json!({"seconds": 1, "exit": 0}), "still runs after 1 s");
    let hoards = "x=$(head -c 60000000 /dev/zero | tr '\\0' a); while :; do sleep 1; done";
    refused(hoards, json!({"mb": 30, "exit": 0}), "MB of memory");
    refused("exit 3", json!({"exit": [0, 1]}), "exit 3");
    outcome("kill -13 $$", json!({"exit": -13, "stdout": "closed"})).unwrap();
    refused("kill -13 $$", json!({"exit": -13}), "signal 13");
    refused("echo x; echo $?", json!({"exit": 0, "stdout": "closed"}), "exit -13");
}

#[test]
fn alerts_are_matched_one_to_one() {
    let alert = |id: &str, event: &str, rule: &str, minor: u32| {
        let rule = json!({"id": rule, "reason": "5,000 JPY at once", "values": {"sum": {"minor": minor}}});
        let alert = json!({"id": id, "account": "A", "event": {"id": event}, "rules": [rule]});
        format!("echo '{alert}' >> out; ")
    };
    let two = alert("1", "e1", "BIG", 5) + &alert("2", "e2", "BIG", 6);
    let one = alert("1", "e1", "BIG", 5);
    // The loose expectation must leave e1 to the strict one.
    distinguishes(json!({"alerts": [{"account": "A"}, {"event": "e1"}]}), &one, "no alert like", &two);
    distinguishes(json!({"alerts": [{"event": "e1"}]}), &two, "not wanted", &one);
    distinguishes(json!({"alerts": [{"rules": ["BIG"]}]}), &alert("1", "e1", "SMALL", 5), "no alert", &one);
    distinguishes(json!({"alerts": [{"account": "B"}]}), &one, "no alert", &one.replace("\"A\"", "\"B\""));
    let reason = json!({"alerts": [{"reason_contains": ["jpy", ["x", "5,000"]]}]});
    distinguishes(reason, &one.replace("JPY", "EUR"), "no alert", &one);
    let value = json!({"alerts": [{"values": {"sum": {"minor": 5}}}]});
    distinguishes(value, &alert("1", "e1", "BIG", 6), "no alert", &one);
    distinguishes(json!({"alerts_include": [{"event": "e2"}]}), &one, "no alert", &two);
    distinguishes(json!({"alerts_lack": [{"event": "e2"}]}), &two, "should be no alert", &one);
    distinguishes(json!({"alert_count": 2}), &one, "1 alerts", &two);
    let same_id = alert("1", "e1", "BIG", 5) + &alert("1", "e2", "BIG", 6);
    distinguishes(json!({"alert_ids_differ": 2}), &same_id, "1 different ids", &two);
}

#[test]
fn figures_rows_findings_and_dead_letters_are_compared() {
    distinguishes(
        json!({"counts": {"rows": 2}}),
        "echo '{\"rows\": 3}'",
        "rows is 3",
        "echo '{\"rows\": 2}'",
    );
    distinguishes(json!({"counts": {"rows": 2}}), "echo '{}'", "rows is null", "echo '{\"rows\": 2}'");
    let nested = json!({"json": {"a.b": {"above": 1}}});
    distinguishes(nested, "echo '{\"a\": {\"b\": 1}}'", "a.b is 1", "echo x; echo '{\"a\": {\"b\": 2}}'");
    let csv = |second: &str| format!("printf 'event,n\\ne,1\\n{second}\\n' > out");
    let second_row = json!({"features": {"e#2": {"n": null}}, "feature_rows": 2});
    distinguishes(second_row, &csv("e,4"), "e#2.n is \"4\"", &csv("e,"));
    distinguishes(json!({"features": {"f": "absent"}}), &csv("f,1"), "f has a row", &csv("e,1"));
    distinguishes(json!({"features": {"f": {"n": 1}}}), &csv("e,1"), "f has no row", &csv("f,1"));
    distinguishes(json!({"feature_rows": 2}), "printf 'event\\ne\\n' > out", "1 feature rows", &csv("e,1"));
    let finding = |line: u32, code: &str| {
        let found = json!([{"file": "a/pack.yaml", "line": line, "code": code, "severity": "error", "help": "Write it"}]);
        format!("echo '{found}'")
    };
    let like = json!({"file": "pack.yaml", "line": {"from": 5, "to": 6}, "code": ["E1", "E2"], "message_contains": ["write"]});
    let contains = json!({"diagnostics": {"contains": [like]}});
    distinguishes(contains.clone(), &finding(7, "E1"), "no finding like", &finding(6, "E2"));
    distinguishes(contains, &finding(5, "E3"), "no finding like", &finding(5, "E1"));
    let lacks = json!({"diagnostics": {"lacks": [{"says": ["Write"]}]}});
    distinguishes(lacks, &finding(1, "E1"), "should be no finding", "echo '[]'");
    let dead = |reason: &str, field: &str| {
        let value = "{\"id\": \"e1\", \"f\": \"tx.amount\"}";
        format!("echo '{}' >> dead; ", json!({"reason": reason, "field": field, "value": value}))
    };
    let letter = json!({"dead_letters": [{"reason": "bad_money", "event": "e1", "count": 1, "names_field": "tx.amount"}]});
    distinguishes(
        letter.clone(),
        &dead("bad_money", "x"),
        "does not name tx.amount",
        &dead("bad_money", "tx.amount"),
    );
    distinguishes(letter, &dead("bad_time", "tx.amount"), "0 dead letters", &dead("bad_money", "tx.amount"));
    distinguishes(json!({"dead_letters": []}), &dead("bad_money", "x"), "dead letters: bad_money", "true");
    distinguishes(json!({"dead_letters": [{}]}), "true", "0 dead letters", &dead("bad_money", "x"));
}

#[test]
fn texts_are_searched_wherever_they_may_be() {
    distinguishes(json!({"stdout": {"contains": ["Late"]}}), "echo late >&2", "stdout lacks", "echo late");
    distinguishes(json!({"stderr": {"lacks": ["LATE"]}}), "echo late >&2", "stderr holds", "echo late");
    distinguishes(
        json!({"output": {"matches": ["^late$"]}}),
        "echo too late",
        "does not match",
        "echo x; echo late",
    );
    let ahead = json!({"output": {"matches": ["(?im)^(?!missing).*id"]}});
    distinguishes(ahead, "echo missing id", "does not match", "echo Id");
    distinguishes(json!({"output": {"lacks_pattern": ["[0-9]{2}"]}}), "echo 12", "matches", "echo 1");
    distinguishes(json!({"files": {"out": {"contains": ["x"]}}}), "true", "out: ", "echo x > out");
    let digits = json!({"digits_nowhere": ["4111"]});
    distinguishes(digits.clone(), "echo 4-1.1/1 > new", "new holds 4111", "echo 4-1.1");
    distinguishes(digits, "echo ４１١1", "stdout holds 4111", "echo ４１١");
    distinguishes(json!({"words_nowhere": ["secret"]}), "echo a secret >&2", "stderr holds", "echo Secret");
    distinguishes(json!({"words_nowhere": ["as it was"]}), "cat input > copy", "copy holds", "true");
    let either = json!({"any_of": [{"stdout": {"contains": ["a"]}}, {"stdout": {"contains": ["b"]}}]});
    distinguishes(either, "echo c", "lacks `a`", "echo b");
    assert_eq!(text::digits("𝟗 ٣x۷ 7½"), "9377");
}

#[test]
fn values_fit_by_size_and_kind() {
    let fits = |want: serde_json::Value, got: serde_json::Value| {
        serde_json::from_value::<Want>(want).unwrap().fits(&got)
    };
    assert!(fits(json!(0.1), json!("0.1")) && !fits(json!(0.1), json!(0.2)) && !fits(json!(1), json!(true)));
    assert!(fits(json!(null), json!("")) && !fits(json!(null), json!("0")));
    assert!(fits(json!({"near": 5, "tol": 1}), json!(6)) && !fits(json!({"near": 5, "tol": 1}), json!(6.5)));
    assert!(fits(json!({"from": 5, "to": 8}), json!(8)) && !fits(json!({"from": 5, "to": 8}), json!(9)));
    assert!(!fits(json!({"below": 0.9}), json!(0.9)) && !fits(json!({"above": 0}), json!(0)));
    assert!(fits(json!({"one_of": [1, null]}), json!("")) && !fits(json!({"one_of": [1, 2]}), json!(3)));
    assert!(
        fits(json!({"a": {"above": 1}}), json!({"a": 2, "b": 0})) && !fits(json!({"a": 1}), json!({"b": 1}))
    );
    for misspelt in [json!({"near": 5, "toll": 1}), json!({"tol": 1}), json!({"one_of": [1], "to": 2})] {
        assert!(serde_json::from_value::<Want>(misspelt.clone()).is_err(), "{misspelt}");
    }
}

#[test]
fn a_case_that_asserts_nothing_or_holds_an_unknown_key_is_refused() {
    let problem = |steps| case(steps).err().unwrap_or_else(|| panic!("is accepted"));
    assert!(problem(json!([])).contains("neither"));
    assert!(problem(json!([{"run": ["check"]}])).contains("expects anything"));
    assert!(problem(json!([{"run": ["check"], "exti": 0}])).contains("exti"));
    for expect in [
        json!({"alert": []}),
        json!({"alerts": [{"evnt": "e"}]}),
        json!({"diagnostics": {"none": true}}),
        json!({"diagnostics": {"contains": [{"lin": 1}]}}),
        json!({"dead_letters": [{"reasons": "x"}]}),
        json!({"stdout": {"contain": ["x"]}}),
        json!({"features": {"e": "gone"}}),
        json!({"any_of": [{"stdot": {}}]}),
    ] {
        assert!(case(json!([{"run": ["x"], "expect": expect.clone()}])).is_err(), "{expect} is accepted");
    }
}

#[test]
fn a_folder_without_a_case_is_a_problem() {
    let root = tempfile::tempdir().unwrap();
    let problem = |chosen: &[&str]| find::cases(root.path(), chosen).err().unwrap_or_default();
    assert!(problem(&[]).contains("no case"));
    let folder = root.path().join("area/name");
    fs::create_dir_all(&folder).unwrap();
    assert!(problem(&[]).contains("area/name: case.json"), "{}", problem(&[]));
    let steps = json!([{"run": ["x"], "exit": 0}]);
    let good = json!({"class": "c", "what": "w", "why": "y", "now": "n", "steps": steps});
    fs::write(folder.join("case.json"), good.to_string()).unwrap();
    assert_eq!(find::cases(root.path(), &["area/name"]).map(|found| found.len()), Ok(1));
    assert!(problem(&["area/nam"]).contains("no case is called area/nam"));
    fs::write(folder.join("case.json"), good.to_string().replace("\"now\"", "\"nwo\"")).unwrap();
    assert!(problem(&[]).contains("nwo"));
}

#[test]
fn two_steps_are_compared_and_the_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("n"), "1").unwrap();
    let step = json!({"run": ["-c", "echo $(cat n); echo 2 > n"], "exit": 0});
    let way = |equal: bool| {
        let compare = json!([{"what": "stdout", "steps": [1, 2], "equal": equal}]);
        let case = json!({"class": "c", "what": "w", "why": "y", "now": "n", "any_of": [
            {"way": "compared", "steps": [step, step], "compare": compare}]});
        run::one(Path::new("/bin/sh"), folder.path(), Case::parse(&case.to_string()).unwrap().ways())
    };
    assert!(way(true).unwrap_err().contains("(compared) Stdout differ"));
    way(false).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("n")).unwrap(), "1");
}
