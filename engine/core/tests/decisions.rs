//! Cooldowns and incidents under any order of arrival, beside a list of everything that ever happened.

#[path = "shared/seeds.rs"]
mod seeds;

use seeds::seeds;
use tripline_core::batch::Timestamp;
use tripline_core::suppress::{Change, Decisions};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const RULES: [&str; 2] = ["R1", "R2"];

/// Streams; in a release build, or as many as `TRIPLINE_STREAMS` says.
fn streams() -> u64 {
    let usual = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    std::env::var("TRIPLINE_STREAMS").map_or(usual, |count| count.parse().expect("a number of streams"))
}

/// Numbers that look random and follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides.cast_unsigned()).cast_signed()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(i64::try_from(of.len()).expect("a short list"))).expect("not negative")]
    }
}

/// A cooldown as it was opened.
struct Opened {
    rule: &'static str,
    key: u128,
    from: i64,
    until: i64,
    score: i32,
}

/// An incident by the times of all that it holds.
struct Held {
    key: u128,
    id: u128,
    times: Vec<i64>,
}

#[derive(Debug, Default)]
struct Seen {
    firings: u64,
    late: u64,
    silenced: u64,
    /// Firings that an opening in their future would have silenced, had its beginning not counted.
    before_opening: u64,
    /// Firings after a late one that a shorter silence would have let through.
    kept_silent: u64,
    lifted: u64,
    dropped: u64,
    approximate: u64,
    into_older_incident: u64,
    restarts: u64,
}

/// What a plain list says.
#[derive(Default)]
struct Lists {
    opened: Vec<Opened>,
    incidents: Vec<Held>,
}

impl Lists {
    fn silencing(&self, rule: &str, key: u128, at: i64) -> impl Iterator<Item = &Opened> {
        let is_about = move |opened: &&Opened| opened.key == key && (opened.from..opened.until).contains(&at);
        self.opened.iter().filter(move |opened| opened.rule == rule).filter(is_about)
    }

    /// The incident whose oldest and newest alert lie around `at`, or the nearest to it within a day.
    fn incident(&mut self, key: u128, at: i64) -> Option<&mut Held> {
        let gap = |held: &Held| {
            let (oldest, newest) = (held.times.iter().min()?, held.times.iter().max()?);
            Some(if (oldest..=newest).contains(&&at) {
                0
            } else {
                (at - oldest).abs().min((at - newest).abs())
            })
        };
        let near = self.incidents.iter_mut().filter(|held| held.key == key && gap(held) <= Some(DAY));
        near.min_by_key(|held| (gap(held), std::cmp::Reverse(held.times.iter().min().copied())))
    }
}

/// One stream of firings: (event time, rule, key, score).
struct Stream {
    lateness: i64,
    length: i64,
    unless: bool,
    firings: Vec<(i64, &'static str, u128, i32)>,
}

fn stream(seed: u64) -> Stream {
    let mut dice = Dice(seed);
    let lateness = dice.pick(&[0, HOUR, DAY, 3 * DAY]);
    let length = dice.pick(&[10 * MINUTE, HOUR, 6 * HOUR, DAY]);
    let pace = dice.pick(&[20 * MINUTE, 3 * HOUR, 20 * HOUR]);
    let unless = dice.below(2) == 0;
    let (mut clock, count) = (100 * DAY, 5 + dice.below(60));
    let firings = (0..count).map(|_| {
        // Times on a grid, so that events meet the very edges of intervals.
        clock += dice.below(pace / (10 * MINUTE) + 1) * 10 * MINUTE;
        let late =
            if dice.below(2) == 0 { 0 } else { dice.below(lateness / (10 * MINUTE) + 1) * 10 * MINUTE };
        let key = u128::from(dice.below(3).cast_unsigned() / 2);
        let score = i32::try_from(10 * dice.below(4)).expect("a small number");
        (clock - late, dice.pick(&RULES), key, score)
    });
    let firings = firings.collect();
    Stream { lateness, length, unless, firings }
}

#[test]
fn every_firing_is_silenced_by_exactly_the_cooldowns_that_contain_its_time() {
    let mut seen = Seen::default();
    let count = streams();
    for seed in seeds(6_000_000, count) {
        let Stream { lateness, length, unless, firings } = stream(seed);
        let (mut decisions, mut lists) = (Decisions::default(), Lists::default());
        let mut folded = Decisions::default();
        let mut newest = i64::MIN;
        for (number, (at, rule, key, score)) in firings.into_iter().enumerate() {
            let place = format!("seed {seed}, firing {number} at {at}");
            seen.firings += 1;
            seen.late += u64::from(at < newest);
            newest = newest.max(at);
            let time = Timestamp(at);
            decisions.advance(time, lateness);
            let silence = decisions.silence(rule, key, time, score, unless);
            let containing = lists.silencing(rule, key, at).count();
            let expected = lists.silencing(rule, key, at).any(|opened| !unless || score <= opened.score);
            assert!(expected || !silence.is_silenced, "{place}: nothing silences it");
            // Of what was dropped for want of room the state says that it does not know.
            assert!(silence.is_silenced || !expected || silence.is_approximate, "{place}: it is silenced");
            let last = lists.opened.iter().rev().find(|opened| opened.rule == rule && opened.key == key);
            let by_last = last.is_some_and(|last| at < last.until);
            seen.silenced += u64::from(silence.is_silenced);
            seen.before_opening += u64::from(!expected && by_last);
            seen.kept_silent += u64::from(silence.is_silenced && !by_last);
            seen.lifted += u64::from(!expected && containing > 0);
            seen.approximate += u64::from(silence.is_approximate);
            let mut changes: Vec<Change> = Vec::new();
            let lacks = decisions.may_lack_incident(key, time);
            let id = number as u128 + 1;
            let (incident, change) = decisions.raise_incident(key, time, id);
            changes.push(change);
            let last_incident = lists.incidents.iter().rev().find(|held| held.key == key).map(|held| held.id);
            match lists.incident(key, at) {
                Some(held) if held.id == incident.id => {
                    held.times.push(at);
                    assert_eq!(incident.seq as usize, held.times.len(), "{place}");
                    seen.into_older_incident += u64::from(last_incident != Some(incident.id));
                }
                held => {
                    assert!(held.is_none() || lacks, "{place}: it belongs to an incident");
                    assert_eq!((incident.id, incident.seq), (id, 1), "{place}");
                    lists.incidents.push(Held { key, id, times: vec![at] });
                }
            }
            if !silence.is_silenced {
                let until = at + length;
                changes.push(decisions.open_cooldown(rule, key, time, Timestamp(until), score));
                lists.opened.push(Opened { rule, key, from: at, until, score });
            }
            folded.fold(time, changes, lateness);
            if number % 7 == 3 {
                seen.restarts += 1;
                assert_eq!(folded, decisions, "{place}: the recorded changes give the same state");
            }
        }
        seen.dropped += decisions.dropped().cooldowns;
    }
    println!("decisions: {count} streams, {seen:#?}");
    let Seen { late, silenced, before_opening, kept_silent, lifted, dropped, approximate, .. } = seen;
    let Seen { into_older_incident, restarts, .. } = seen;
    let all = [late, silenced, before_opening, kept_silent, lifted, dropped, approximate];
    assert!(all.iter().chain(&[into_older_incident, restarts]).all(|count| *count > 100), "{seen:?}");
}
