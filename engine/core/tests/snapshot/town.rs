//! Streams of a town: many accounts that come and go, so that ledgers are born, changed, evicted and swept while a
//! snapshot is written.

use crate::generator::{Case, Dice, Draft, Record, fill, long_case};
use crate::oracle::{DAY, HOUR, MINUTE, Settings};

/// 2024-03-01T21:00:00Z.
const START: i64 = 1_709_326_800_000;
const KINDS: [&str; 16] = [
    "purchase", "purchase", "purchase", "purchase", "purchase", "cash", "p2p", "p2p", "transfer", "login",
    "outcome", "reversal", "clearing", "clearing", "label", "label",
];

/// A stream, and bounds on the shard's keys and bytes.
pub(crate) struct Stream {
    pub case: Case,
    pub keys: usize,
    pub bytes: usize,
}

/// The stream of a seed: a town's, or one or two accounts' over weeks.
pub(crate) fn stream(seed: u64) -> Stream {
    if seed.is_multiple_of(4) {
        return Stream { case: long_case(seed), keys: 1_000, bytes: 1 << 30 };
    }
    let mut dice = Dice::new(seed);
    let settings = Settings {
        lateness: dice.pick(&[HOUR, 30 * MINUTE, 6 * HOUR]),
        retention: dice.pick(&[Some(2 * DAY), Some(2 * DAY), Some(3 * DAY), None]),
        rows_max: dice.pick(&[3, 6, 9, 4_096]),
        terminals: false,
        labels: dice.percent(50),
    };
    let keys = dice.pick(&[6, 11, 17, 1_000, 1_000]);
    let bytes = dice.pick(&[4_000, 9_000, 1 << 30, 1 << 30, 1 << 30]);
    let is_clocked = dice.percent(80);
    let mut town = Town { now: START, first: 0, sent: Vec::new() };
    let records = (0..150 + dice.below(120) as i64)
        .map(|offset| {
            let draft = town.event(offset, settings.lateness, &mut dice);
            draft.record(offset, is_clocked.then_some(town.now))
        })
        .collect();
    Stream { case: Case { seed, settings, records }, keys, bytes }
}

struct Town {
    now: i64,
    /// The oldest account that still lives here.
    first: usize,
    sent: Vec<Draft>,
}

impl Town {
    fn event(&mut self, number: i64, lateness: i64, dice: &mut Dice) -> Draft {
        self.now += match dice.below(100) {
            0..45 => 0,
            45..80 => 5 * MINUTE,
            80..93 => 30 * MINUTE,
            93..97 => 3 * HOUR,
            97..99 => 14 * HOUR,
            _ => 2 * DAY,
        };
        self.first += usize::from(dice.percent(12));
        match dice.below(100) {
            0..7 if !self.sent.is_empty() => {
                let newest = self.sent.len().min(9);
                return self.sent[self.sent.len() - 1 - dice.below(newest)].clone();
            }
            7..10 if !self.sent.is_empty() => {
                let mut conflict = self.sent[dice.below(self.sent.len())].clone();
                conflict.at += dice.pick(&[1, -1, 5 * MINUTE]);
                return conflict;
            }
            _ => {}
        }
        let account = format!("a{}", self.first + dice.below(14));
        let back = match dice.below(100) {
            0..60 => 0,
            60..90 => (5 * MINUTE * dice.below(20) as i64).min(lateness),
            90..93 => lateness,
            93..96 => lateness + 1,
            96..98 => -5 * MINUTE,
            _ => -5 * MINUTE - 1,
        };
        let mut draft = Draft {
            partition: 0,
            id: format!("e{number}"),
            kind: dice.pick(&KINDS),
            at: self.now - back,
            reference: None,
            rest: Vec::new(),
            account,
        };
        if matches!(draft.kind, "outcome" | "reversal" | "clearing" | "label") {
            let own: Vec<&Draft> = self.sent.iter().filter(|sent| sent.account == draft.account).collect();
            draft.reference = match own.len() {
                0 => Some("nobody".to_owned()),
                _ => Some(own[dice.below(own.len())].id.clone()),
            };
        }
        fill(&mut draft, dice);
        self.sent.push(draft.clone());
        draft
    }
}

/// What a record says it is.
pub(crate) fn kind(record: &Record) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(&record.value).ok()?;
    value["kind"].as_str().map(str::to_owned)
}
