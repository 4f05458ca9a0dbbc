//! The slow oracle: what must come out, recomputed from nothing for every record.
//!
//! It keeps every accepted event in a plain list in order of arrival and filters the whole list for every fact. It was
//! written from the language's and the ledgers' description alone, and shares no code with the engine.

mod bank;
mod facts;
mod follow_ups;
mod looks;
mod record;
mod rules;
mod self_checks;
mod suppress;
mod tally;
mod terminal_looks;
mod truth;

pub(crate) use bank::{Judged, LABEL_AFTER, Oracle, Outcome, Settings, Taken};
pub(crate) use looks::FEATURES_ACCOUNT;
pub(crate) use tally::Tally;
pub(crate) use terminal_looks::FEATURES_TERMINAL;

/// Milliseconds of a second, a minute, an hour, a day.
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
/// How far the clock of an event may be ahead.
pub(crate) const FUTURE_MAX: i64 = 5 * MINUTE;
