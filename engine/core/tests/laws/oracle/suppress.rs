//! Cooldowns and incidents, as the language describes them.

use super::{DAY, HOUR, MINUTE};
use std::collections::BTreeMap;

/// What a cooldown is about.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum About {
    /// The card; on an event without one, the account.
    Card,
    /// What the key space is keyed by.
    Key,
}

/// How long a rule stays silent.
#[derive(Clone, Copy)]
pub(crate) struct Cooldown {
    pub about: About,
    pub length: i64,
    pub unless_score_increases: bool,
}

pub(crate) const DEFAULT: Option<Cooldown> = cooldown(About::Card, 30 * MINUTE);
pub(crate) const NONE: Option<Cooldown> = None;

pub(crate) const fn cooldown(about: About, length: i64) -> Option<Cooldown> {
    Some(Cooldown { about, length, unless_score_increases: false })
}

pub(crate) const fn unless_higher(about: About, length: i64) -> Option<Cooldown> {
    Some(Cooldown { about, length, unless_score_increases: true })
}

pub(crate) const SIX_HOURS: i64 = 6 * HOUR;

struct Open {
    until: i64,
    score: f64,
}

struct Incident {
    seq: u32,
    newest: i64,
}

/// What is silent and which incidents are open, of one shard.
#[derive(Default)]
pub(crate) struct Decisions {
    open: BTreeMap<(&'static str, String), Open>,
    incidents: BTreeMap<String, Incident>,
}

impl Decisions {
    pub(crate) fn is_silent(
        &self,
        rule: &'static str,
        key: &str,
        cooldown: Cooldown,
        at: i64,
        score: f64,
    ) -> bool {
        self.open
            .get(&(rule, key.to_owned()))
            .is_some_and(|open| at < open.until && !(cooldown.unless_score_increases && score > open.score))
    }

    pub(crate) fn open(&mut self, rule: &'static str, key: String, until: i64, score: f64) {
        self.open.insert((rule, key), Open { until, score });
    }

    /// The number in its incident that this message, or the silence in its place, has.
    pub(crate) fn raise(&mut self, key: &str, at: i64) -> u32 {
        let incident = self.incidents.entry(key.to_owned()).or_insert(Incident { seq: 0, newest: at });
        if (at - incident.newest).abs() > DAY {
            *incident = Incident { seq: 0, newest: at };
        }
        incident.seq += 1;
        incident.newest = incident.newest.max(at);
        incident.seq
    }
}
