//! Cooldowns and incidents, as the language describes them.

use super::{DAY, HOUR, MINUTE};
use std::collections::BTreeMap;

/// What a cooldown is about.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum About {
    /// The card; on an event without one, the account.
    Card,
    /// The account.
    Account,
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

/// One opening: what happened before it is not about it.
struct Open {
    at: i64,
    until: i64,
    score: f64,
}

struct Incident {
    seq: u32,
    oldest: i64,
    newest: i64,
}

/// Cooldowns that were opened and every incident there ever was, of one shard.
#[derive(Default)]
pub(crate) struct Decisions {
    opened: BTreeMap<(&'static str, String), Vec<Open>>,
    incidents: BTreeMap<String, Vec<Incident>>,
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
        let opened = self.opened.get(&(rule, key.to_owned())).into_iter().flatten();
        opened
            .filter(|open| (open.at..open.until).contains(&at))
            .any(|open| !cooldown.unless_score_increases || score <= open.score)
    }

    /// Whether a cooldown was opened by an event that happened later.
    pub(crate) fn is_about_later(&self, rule: &'static str, key: &str, at: i64) -> bool {
        let opened = self.opened.get(&(rule, key.to_owned())).into_iter().flatten();
        opened.into_iter().any(|open| open.at > at && at < open.until)
    }

    pub(crate) fn open(&mut self, rule: &'static str, key: String, at: i64, until: i64, score: f64) {
        let opened = self.opened.entry((rule, key)).or_default();
        opened.push(Open { at, until, score });
        // Of more than eight those that end last are remembered.
        opened.sort_by_key(|open| (open.until, open.at));
        let surplus = opened.len().saturating_sub(8);
        opened.drain(..surplus);
    }

    /// The number in its incident that this message, or the silence in its stead, has: of the incident that lasted
    /// while it happened, or of the nearest within a day.
    pub(crate) fn raise(&mut self, key: &str, at: i64) -> u32 {
        let incidents = self.incidents.entry(key.to_owned()).or_default();
        let away = |incident: &Incident| match at {
            _ if at < incident.oldest => incident.oldest - at,
            _ if at > incident.newest => at - incident.newest,
            _ => 0,
        };
        let near = incidents.iter_mut().filter(|incident| away(incident) <= DAY);
        match near.min_by_key(|incident| (away(incident), -incident.oldest)) {
            Some(incident) => {
                incident.seq += 1;
                incident.oldest = incident.oldest.min(at);
                incident.newest = incident.newest.max(at);
                incident.seq
            }
            None => {
                incidents.push(Incident { seq: 1, oldest: at, newest: at });
                1
            }
        }
    }
}
