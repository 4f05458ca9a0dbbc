//! One result for every record that became a row, all key spaces merged: what `replay --verdicts`, `features` and
//! `evaluate` read. Nothing of it feeds back into the engine.

use crate::batch::Timestamp;
use crate::decision::{EventOutcome, Evidence};
use crate::event::Event;
use crate::judge::evidence;
use std::ops::Range;
use tripline_rules::action::Verb;
use tripline_rules::money::Currency;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::{ACCOUNT_ID, EVENT_ID, LABEL_OUTCOME, Schema, TX_AMOUNT};

/// What is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collect {
    /// Nothing: the fastest.
    Nothing,
    /// Outcomes.
    Verdicts,
    /// Outcomes and features.
    Features,
}

/// Results of one or several steps.
#[derive(Debug)]
pub struct EventResults {
    collect: Collect,
    rows: Vec<EventResult>,
    texts: String,
    rules: Vec<usize>,
    shadow: Vec<(usize, Evidence)>,
    features: Vec<f64>,
    scores: Vec<f64>,
}

/// One record.
#[derive(Clone, Debug)]
pub struct EventResult {
    event: Range<usize>,
    account: Range<usize>,
    rules: Range<usize>,
    shadow: Range<usize>,
    features: Range<usize>,
    scores: Range<usize>,
    /// Keyed hash of the account.
    pub account_key: u128,
    /// Keyed hash of the event's id.
    pub id: u64,
    /// Keyed hash of the id of the earlier event that it is about.
    pub reference: Option<u64>,
    /// Code of `label.outcome`, if the event says what an earlier one turned out to be.
    pub outcome: Option<u16>,
    /// Event time.
    pub at: Timestamp,
    /// Sum of the live rules' scores over all key spaces, at most 100.
    pub score: i32,
    /// The highest action.
    pub action: Verb,
    /// Money of the event, minor units; NaN without.
    pub amount: f64,
    /// The currency of the money.
    pub currency: Option<Currency>,
    /// The code of `label.outcome` that the record carries and that becomes known later.
    pub labelled: Option<u16>,
}

impl EventResults {
    /// Collects nothing yet.
    pub fn new(collect: Collect) -> EventResults {
        EventResults {
            collect,
            rows: Vec::new(),
            texts: String::new(),
            rules: Vec::new(),
            shadow: Vec::new(),
            features: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Forgets all; the memory stays.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.texts.clear();
        self.rules.clear();
        self.shadow.clear();
        self.features.clear();
        self.scores.clear();
    }

    /// The results, in record order.
    pub fn rows(&self) -> &[EventResult] {
        &self.rows
    }

    /// Id of a result's event.
    pub fn event(&self, result: &EventResult) -> &str {
        &self.texts[result.event.clone()]
    }

    /// The account.
    pub fn account(&self, result: &EventResult) -> &str {
        &self.texts[result.account.clone()]
    }

    /// Live rules that fired, as positions in the ruleset.
    pub fn rules(&self, result: &EventResult) -> &[usize] {
        &self.rules[result.rules.clone()]
    }

    /// Shadow rules that fired, as positions in the ruleset, each with its reason and values.
    pub fn shadow(&self, result: &EventResult) -> &[(usize, Evidence)] {
        &self.shadow[result.shadow.clone()]
    }

    /// Features, `[F]`, NaN is missing.
    pub fn features(&self, result: &EventResult) -> &[f64] {
        &self.features[result.features.clone()]
    }

    /// Scores by position in the registry, `[M]`, NaN where there is none.
    pub fn scores(&self, result: &EventResult) -> &[f64] {
        &self.scores[result.scores.clone()]
    }

    /// Adds a judged record.
    pub(crate) fn add(
        &mut self,
        (schema, ruleset): (&Schema, &Ruleset),
        event: &mut Event,
        outcome: &EventOutcome,
        scores: impl Iterator<Item = f64>,
    ) {
        if self.collect == Collect::Nothing {
            return;
        }
        let texts = self.texts.len();
        self.texts.push_str(event.texts.get(EVENT_ID).unwrap_or_default());
        let middle = self.texts.len();
        self.texts.push_str(event.texts.get(ACCOUNT_ID).unwrap_or_default());
        let rules = self.rules.len();
        self.rules.extend(&outcome.live);
        let shadow = self.shadow.len();
        self.shadow.extend(outcome.shadow.iter().map(|rule| (*rule, evidence(ruleset, *rule, event))));
        let features = self.features.len();
        if self.collect == Collect::Features {
            self.features.resize(features + ruleset.features().len(), f64::NAN);
            ruleset.features_row(&mut event.registers, &event.texts, &mut self.features[features..]);
        }
        let first_score = self.scores.len();
        self.scores.extend(scores);
        self.rows.push(EventResult {
            event: texts..middle,
            account: middle..self.texts.len(),
            rules: rules..self.rules.len(),
            shadow: shadow..self.shadow.len(),
            features: features..self.features.len(),
            scores: first_score..self.scores.len(),
            account_key: event.account,
            id: event.id,
            reference: event.reference.map(|reference| reference.id),
            outcome: event.registers.get(LABEL_OUTCOME).and_then(|code| u16::try_from(code).ok()),
            at: event.at,
            score: outcome.score,
            action: outcome.action,
            amount: event.registers.number(TX_AMOUNT).unwrap_or(f64::NAN),
            currency: event.currency_of(&schema.field(TX_AMOUNT).kind),
            labelled: event.label.map(|label| label.outcome),
        });
    }
}
