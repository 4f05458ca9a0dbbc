//! `case.json` as data. A key that is not listed here is an error, so that no expectation goes unchecked.

use serde::Deserialize;
use std::collections::BTreeMap;

use crate::want::Want;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub class: String,
    pub what: String,
    pub why: String,
    pub now: String,
    #[serde(default)]
    pub guard: bool,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    compare: Vec<Comparison>,
    #[serde(default)]
    any_of: Vec<Way>,
}

/// One way of being right: all its steps and comparisons must hold.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    #[serde(default)]
    pub way: String,
    pub steps: Vec<Step>,
    #[serde(default)]
    pub compare: Vec<Comparison>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub run: Vec<String>,
    pub exit: Option<OneOrMany<i32>>,
    #[serde(default)]
    pub expect: Expect,
    pub seconds: Option<u64>,
    pub mb: Option<u64>,
    pub stdout: Option<Stdout>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Stdout {
    /// A pipe that nobody reads.
    Closed,
}

/// Outcomes of two steps, counted from 1, that are equal or differ.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub what: Compared,
    pub steps: [usize; 2],
    #[serde(default = "yes")]
    pub equal: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    Alerts,
    AlertIds,
    Features,
    Stdout,
    Diagnostics,
    Exit,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    pub alerts: Option<Vec<AlertLike>>,
    pub alerts_include: Vec<AlertLike>,
    pub alerts_lack: Vec<AlertLike>,
    pub alert_count: Option<usize>,
    pub alert_ids_differ: Option<usize>,
    pub counts: BTreeMap<String, Want>,
    pub json: BTreeMap<String, Want>,
    pub features: BTreeMap<String, FeatureRow>,
    pub feature_rows: Option<Want>,
    pub diagnostics: Option<Findings>,
    pub dead_letters: Option<Vec<DeadLetterLike>>,
    pub files: BTreeMap<String, TextLike>,
    pub stdout: TextLike,
    pub stderr: TextLike,
    pub output: TextLike,
    pub digits_nowhere: Vec<String>,
    pub words_nowhere: Vec<String>,
    pub any_of: Vec<Expect>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertLike {
    pub event: Option<String>,
    pub account: Option<String>,
    /// All rules that fired, in any order.
    pub rules: Option<Vec<String>>,
    #[serde(default)]
    pub reason_contains: Vec<Word>,
    #[serde(default)]
    pub values: BTreeMap<String, Want>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum FeatureRow {
    Columns(BTreeMap<String, Want>),
    Absent(Absent),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    Absent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    #[serde(default)]
    pub contains: Vec<FindingLike>,
    #[serde(default)]
    pub lacks: Vec<FindingLike>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingLike {
    /// The end of the path.
    pub file: Option<String>,
    pub line: Option<Want>,
    pub column: Option<Want>,
    pub code: Option<OneOrMany<String>>,
    pub severity: Option<OneOrMany<String>>,
    /// In message, label or help; capitals do not matter.
    #[serde(default)]
    pub message_contains: Vec<Word>,
    /// As `message_contains`, but capitals matter.
    #[serde(default)]
    pub says: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterLike {
    pub reason: Option<OneOrMany<String>>,
    /// Id of the event in the content.
    pub event: Option<String>,
    pub count: Option<usize>,
    /// Everything but the content names this field.
    pub names_field: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextLike {
    pub contains: Vec<Word>,
    pub lacks: Vec<String>,
    pub matches: Vec<String>,
    pub lacks_pattern: Vec<String>,
}

/// A word, or a list of words of which one is enough.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Word {
    One(String),
    AnyOf(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

fn yes() -> bool {
    true
}

impl<T: PartialEq> OneOrMany<T> {
    pub fn has(&self, value: &T) -> bool {
        match self {
            Self::One(one) => one == value,
            Self::Many(many) => many.contains(value),
        }
    }
}

impl Case {
    pub fn parse(text: &str) -> Result<Self, String> {
        let case: Case = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for (key, said) in
            [("class", &case.class), ("what", &case.what), ("why", &case.why), ("now", &case.now)]
        {
            if said.trim().is_empty() {
                return Err(format!("`{key}` is empty"));
            }
        }
        match (case.steps.is_empty(), case.any_of.is_empty()) {
            (true, true) => return Err("neither `steps` nor `any_of`".to_owned()),
            (false, false) => return Err("both `steps` and `any_of`".to_owned()),
            (true, false) if !case.compare.is_empty() => {
                return Err("`compare` belongs into its way".to_owned());
            }
            _ => {}
        }
        let case = if case.any_of.is_empty() { case.of_one_way() } else { case };
        case.any_of.iter().try_for_each(Way::check)?;
        Ok(case)
    }

    /// The ways of being right; at least one.
    pub fn ways(&self) -> &[Way] {
        &self.any_of
    }

    fn of_one_way(mut self) -> Self {
        let steps = std::mem::take(&mut self.steps);
        let compare = std::mem::take(&mut self.compare);
        self.any_of = vec![Way { way: String::new(), steps, compare }];
        self
    }
}

impl Way {
    fn check(&self) -> Result<(), String> {
        if self.compare.is_empty() && self.steps.iter().all(Step::expects_nothing) {
            return Err("no step expects anything".to_owned());
        }
        let known = 1..=self.steps.len();
        match self.compare.iter().flat_map(|one| one.steps).find(|step| !known.contains(step)) {
            Some(step) => Err(format!("`compare` names step {step} of {}", self.steps.len())),
            None => Ok(()),
        }
    }
}

impl Step {
    /// Only that it ends without a panic, a signal or a limit.
    fn expects_nothing(&self) -> bool {
        let is_bounded = self.seconds.is_some() || self.mb.is_some() || self.stdout.is_some();
        self.exit.is_none() && !is_bounded && self.expect.is_empty()
    }
}

impl Expect {
    fn is_empty(&self) -> bool {
        let texts = [&self.stdout, &self.stderr, &self.output];
        let alerts = self.alerts.is_some() || self.alert_count.is_some() || self.alert_ids_differ.is_some();
        let others = self.feature_rows.is_some() || self.diagnostics.is_some() || self.dead_letters.is_some();
        let listed = [&self.alerts_include, &self.alerts_lack].iter().any(|list| !list.is_empty());
        let figures = !self.counts.is_empty() || !self.json.is_empty() || !self.features.is_empty();
        let nowhere = !self.digits_nowhere.is_empty() || !self.words_nowhere.is_empty();
        let written = !self.files.is_empty() || texts.iter().any(|text| !text.is_empty());
        !(alerts || others || listed || figures || nowhere || written || !self.any_of.is_empty())
    }
}

impl TextLike {
    fn is_empty(&self) -> bool {
        let words = self.contains.is_empty() && self.lacks.is_empty();
        words && self.matches.is_empty() && self.lacks_pattern.is_empty()
    }
}
