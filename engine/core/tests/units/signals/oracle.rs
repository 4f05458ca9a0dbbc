//! Signals by hand, from the text of docs/rules.md: every question is answered from the whole log before it.

use super::stream::{Entity, HOUR, MINUTE, Sent};

/// A signal of the pack, in its smallest unit: events, cents, quarters, 0 or 1.
pub struct Declared {
    pub entity: Entity,
    /// `None` is a missing value.
    value: fn(&[&Sent], &Sent) -> Option<i64>,
    step: i64,
    valid_for: i64,
    /// How many of the smallest unit are one of a feature.
    pub unit: f64,
}

/// What an event found the value to be, and when.
#[derive(Clone, Copy)]
struct Finding {
    at: i64,
    value: i64,
}

/// What a reader sees, and what was interesting about it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    pub value: Option<i64>,
    /// A value was published and is no longer valid.
    pub has_expired: bool,
    /// The newest finding is of the reader's own time.
    pub is_of_equal_time: bool,
    /// The newest finding is newer than the reader.
    pub is_of_the_future: bool,
    /// The newest finding differs from the published value by less than the step.
    pub is_held: bool,
    /// The value would have ended without the events that confirmed it.
    pub is_confirmed: bool,
    /// Milliseconds to the end.
    pub left: Option<i64>,
    /// How many findings came late and count for nothing.
    pub late: u64,
}

/// The signals in the order of the pack's features.
pub const SIGNALS: [Declared; 7] = [
    declared(Entity::Terminal, |rows, own| Some(count(rows, own, 10 * MINUTE)), 1, 10 * MINUTE, 1.0),
    declared(Entity::Terminal, |rows, own| Some(count(rows, own, 10 * MINUTE)), 2, HOUR, 1.0),
    declared(Entity::Terminal, |rows, own| Some(amounts(rows, own, HOUR).iter().sum()), 10_000, HOUR, 100.0),
    declared(Entity::Terminal, most_before, 1, 5 * MINUTE, 100.0),
    declared(
        Entity::Terminal,
        |rows, own| Some(i64::from(count(rows, own, 10 * MINUTE) >= 3)),
        1,
        HOUR / 2,
        1.0,
    ),
    declared(Entity::Merchant, |rows, own| Some(quarters(rows, own)), 2, HOUR, 4.0),
    declared(
        Entity::Merchant,
        |rows, own| Some(i64::from(count(rows, own, 10 * MINUTE) < 2)),
        1,
        10 * MINUTE,
        1.0,
    ),
];

const fn declared(
    entity: Entity,
    value: fn(&[&Sent], &Sent) -> Option<i64>,
    step: i64,
    valid_for: i64,
    unit: f64,
) -> Declared {
    Declared { entity, value, step, valid_for, unit }
}

/// Rows of a window that ends at an event: no follow-ups.
fn window<'a>(rows: &'a [&Sent], own: &'a Sent, over: i64) -> impl Iterator<Item = &'a Sent> {
    let in_window = move |row: &&Sent| own.at - over < row.at && row.at <= own.at && !row.is_follow_up;
    rows.iter().copied().filter(in_window)
}

fn count(rows: &[&Sent], own: &Sent, over: i64) -> i64 {
    i64::try_from(window(rows, own, over).count()).unwrap()
}

fn amounts(rows: &[&Sent], own: &Sent, over: i64) -> Vec<i64> {
    window(rows, own, over).filter_map(|row| row.amount).collect()
}

/// The largest amount of ten minutes without the event itself; missing without rows.
fn most_before(rows: &[&Sent], own: &Sent) -> Option<i64> {
    let others: Vec<&Sent> = rows.iter().copied().filter(|row| row.number != own.number).collect();
    amounts(&others, own, 10 * MINUTE).into_iter().max()
}

fn quarters(rows: &[&Sent], own: &Sent) -> i64 {
    window(rows, own, HOUR).filter_map(|row| row.quarters).sum()
}

impl Declared {
    /// What an event reads about an entity; `rows`: the entity's events before it in the log.
    pub fn reading(&self, rows: &[&Sent], at: i64) -> Reading {
        let finding = |number: usize| {
            let own = rows[number];
            (self.value)(&rows[..=number], own).map(|value| Finding { at: own.at, value })
        };
        let found: Vec<Finding> = (0..rows.len()).filter_map(finding).collect();
        // A late event takes no value back: it is older than a finding before it.
        let newest_before = |number: usize| found[..number].iter().map(|finding| finding.at).max();
        let counts = |number: &usize| newest_before(*number).is_none_or(|newest| newest <= found[*number].at);
        let counted: Vec<Finding> = (0..found.len()).filter(counts).map(|number| found[number]).collect();
        let late = (found.len() - counted.len()) as u64;
        let Some(last) = counted.last() else { return Reading { late, ..Reading::default() } };
        let (value, since) = self.published(&counted);
        let left = last.at + self.valid_for - at;
        let is_valid = left > 0;
        Reading {
            value: is_valid.then_some(value),
            has_expired: !is_valid,
            is_of_equal_time: last.at == at,
            is_of_the_future: last.at > at,
            is_held: is_valid && last.value != value,
            is_confirmed: is_valid && since + self.valid_for <= at,
            left: Some(left),
            late,
        }
    }

    /// The value that the last of these has left published, and the time of the event that published it.
    fn published(&self, counted: &[Finding]) -> (i64, i64) {
        let (own, earlier) = counted.split_last().expect("at least one");
        let anew = (own.value, own.at);
        let Some(before) = earlier.last() else { return anew };
        if own.at >= before.at + self.valid_for {
            return anew;
        }
        let held = self.published(earlier);
        if (own.value - held.0).abs() >= self.step { anew } else { held }
    }
}
