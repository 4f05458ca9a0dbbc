//! Streams of a small bank, from a seed: few accounts, cards and terminals, times on a coarse grid so that the edges of
//! windows are hit to the millisecond, and everything that goes wrong on the way to an engine.

use crate::oracle::{DAY, HOUR, MINUTE, SECOND, Settings};

/// One record of the input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub partition: u32,
    pub offset: i64,
    pub appended: Option<i64>,
    pub key: String,
    pub value: Vec<u8>,
}

/// One stream and how it is read.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub seed: u64,
    pub settings: Settings,
    pub records: Vec<Record>,
}

/// 2024-03-01T21:00:00Z: three hours before a day ends.
const START: i64 = 1_709_326_800_000;

/// A stream of numbers that looks random and is a function of its seed (splitmix64, Steele et al. 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        (self.next() % sides as u64) as usize
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// One event before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub partition: u32,
    pub account: String,
    pub id: String,
    pub kind: &'static str,
    pub at: i64,
    pub reference: Option<String>,
    /// Further keys with their JSON values.
    pub rest: Vec<(&'static str, String)>,
}

impl Draft {
    pub(crate) fn json(&self) -> String {
        let mut json = format!(
            r#"{{"id":"{}","kind":"{}","t":{},"account":"{}""#,
            self.id, self.kind, self.at, self.account
        );
        if let Some(reference) = &self.reference {
            json.push_str(&format!(r#","ref":"{reference}""#));
        }
        for (key, value) in &self.rest {
            json.push_str(&format!(r#","{key}":{value}"#));
        }
        json.push('}');
        json
    }

    pub(crate) fn record(&self, offset: i64, appended: Option<i64>) -> Record {
        Record {
            partition: self.partition,
            offset,
            appended,
            key: self.account.clone(),
            value: self.json().into_bytes(),
        }
    }
}

/// How a stream's time passes.
#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// Minutes between records, many at once.
    Steady,
    /// Now and then half a day or more.
    Gaps,
    /// One account, hundreds of records in an hour.
    Busy,
    /// Hours between records, for weeks.
    Weeks,
}

/// The stream of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let pace = match dice.below(100) {
        0..2 => Pace::Busy,
        2..30 => Pace::Gaps,
        _ => Pace::Steady,
    };
    let settings = settings(&mut dice, pace);
    let is_clocked = dice.percent(85);
    // Some are longer than what goes through the stages of a step together, twice.
    let is_long = pace == Pace::Busy || seed % 20 == 7;
    let length = if is_long { 140 + dice.below(120) } else { 10 + dice.below(50) };
    let mut bank = Bank::new(pace, &mut dice);
    let mut records: Vec<Record> = Vec::new();
    let mut offsets = [0i64; 2];
    while records.len() < length {
        bank.pass_time(&mut dice);
        let (partition, key, value) = bank.value(&mut dice, settings.lateness);
        let appended = is_clocked.then_some(bank.now);
        let offset = &mut offsets[usize::from(partition > 0)];
        records.push(Record { partition, offset: *offset, appended, key, value });
        *offset += 1;
    }
    Case { seed, settings, records }
}

/// A stream of one partition that outlives what is kept several times, with append times.
pub(crate) fn long_case(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let settings = settings(&mut dice, Pace::Weeks);
    let mut bank = Bank::new(Pace::Weeks, &mut dice);
    let records = (0..90 + dice.below(90) as i64).map(|offset| {
        bank.pass_time(&mut dice);
        let (partition, key, value) = bank.value(&mut dice, settings.lateness);
        Record { partition, offset, appended: Some(bank.now), key, value }
    });
    let records = records.collect();
    Case { seed, settings, records }
}

fn settings(dice: &mut Dice, pace: Pace) -> Settings {
    Settings {
        lateness: dice.pick(&[HOUR, HOUR, 30 * MINUTE, 6 * HOUR, 0]),
        retention: dice.pick(&[None, None, Some(2 * DAY), Some(2 * DAY + 5 * MINUTE), Some(5 * DAY)]),
        rows_max: match (pace, dice.below(100)) {
            (Pace::Busy, 0..50) => 100 + dice.below(60),
            (_, 0..15) => 2 + dice.below(7),
            _ => 4_096,
        },
        terminals: true,
        labels: dice.percent(40),
    }
}

/// Who lives in the stream.
pub(crate) struct Bank {
    pace: Pace,
    accounts: Vec<(u32, &'static str)>,
    pub now: i64,
    sent: Vec<Draft>,
    numbered: usize,
}

const AMOUNTS: [&str; 14] = [
    "\"1.00\"", "1.5", "2", "\"2.00\"", "5", "10", "20.00", "\"50\"", "90", "100.00", "\"110\"", "250",
    "400", "1000.5",
];
const POINTS: [&str; 6] = ["0.25", "\"1.5\"", "0.000001", "0.1", "2", "0"];

impl Bank {
    fn new(pace: Pace, dice: &mut Dice) -> Bank {
        let all = [(0, "a00"), (0, "a01"), (1, "a10"), (1, "a11")];
        let accounts = match pace {
            Pace::Busy => all[..1].to_vec(),
            Pace::Weeks => all[..1 + dice.below(2)].to_vec(),
            _ => all[..1 + dice.below(all.len())].to_vec(),
        };
        Bank {
            pace,
            accounts,
            now: START + 5 * MINUTE * dice.below(60) as i64,
            sent: Vec::new(),
            numbered: 0,
        }
    }

    fn pass_time(&mut self, dice: &mut Dice) {
        let step = match (self.pace, dice.below(100)) {
            (Pace::Busy, 0..70) => 0,
            (Pace::Busy, _) => MINUTE,
            (Pace::Weeks, 0..40) => dice.pick(&[HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, DAY - 5 * MINUTE]),
            (Pace::Weeks, 40..42) => dice.pick(&[2 * DAY, 3 * DAY, 40 * DAY]),
            (Pace::Gaps, 0..8) => {
                dice.pick(&[DAY, DAY + 1, 12 * HOUR, 2 * DAY, 2 * DAY + 2 * HOUR, 40 * DAY])
            }
            (_, 0..35) => 0,
            (_, 35..75) => 5 * MINUTE,
            (_, 75..80) => 1,
            (_, 80..84) => 5 * MINUTE - 1,
            (_, 84..90) => 10 * MINUTE,
            (_, 90..95) => 30 * MINUTE,
            (_, 95..98) => HOUR,
            _ => 7 * SECOND,
        };
        self.now += step;
    }

    /// The bytes of the next record: mostly a new event, else a repeat, a conflict or something that is no event.
    fn value(&mut self, dice: &mut Dice, lateness: i64) -> (u32, String, Vec<u8>) {
        let draft = match (dice.below(100), self.sent.len()) {
            (0..7, 1..) => self.sent[dice.below(self.sent.len())].clone(),
            (7..10, 1..) => self.conflict(dice),
            (10..13, _) => {
                let draft = self.event(dice, lateness);
                let value = spoiled(&draft, dice);
                return (draft.partition, draft.account, value);
            }
            _ => {
                let draft = self.event(dice, lateness);
                self.sent.push(draft.clone());
                draft
            }
        };
        let value = draft.json().into_bytes();
        (draft.partition, draft.account, value)
    }

    /// A known identity with something else in it.
    fn conflict(&self, dice: &mut Dice) -> Draft {
        let mut draft = self.sent[dice.below(self.sent.len())].clone();
        match dice.below(3) {
            0 => draft.at += dice.pick(&[1, -1, 5 * MINUTE]),
            // What a reference may fill in is no part of what makes a repeat equal.
            1 if draft.reference.is_none() => draft.rest.retain(|(key, _)| *key != "device"),
            _ => {
                draft.rest.retain(|(key, _)| *key != "amount");
                draft.rest.push(("amount", "77.01".to_owned()));
            }
        }
        draft
    }

    /// A new event of somebody, at a time that is now, a little ago, far ago or ahead.
    fn event(&mut self, dice: &mut Dice, lateness: i64) -> Draft {
        let (partition, account) = dice.pick(&self.accounts);
        let late = 5 * MINUTE * dice.below(16) as i64;
        let back = match dice.below(100) {
            0..65 => 0,
            65..90 => late.min(lateness),
            90..92 => lateness,
            92..95 => lateness + 1,
            95..97 => -5 * MINUTE,
            97..98 => -5 * MINUTE - 1,
            98..99 => -1,
            _ => late,
        };
        self.numbered += 1;
        let mut draft = Draft {
            partition,
            account: account.to_owned(),
            id: format!("{account}-{}", self.numbered),
            kind: dice.pick(&KINDS),
            at: self.now - back,
            reference: None,
            rest: Vec::new(),
        };
        // An event of another type may use an id again.
        if self.pace != Pace::Weeks && dice.percent(3) {
            let known = self.sent.iter().filter(|sent| sent.account == account && sent.kind != draft.kind);
            let known: Vec<&Draft> = known.collect();
            if !known.is_empty() {
                draft.id.clone_from(&known[dice.below(known.len())].id);
            }
        }
        // Now and then a payment refers to an earlier one.
        if matches!(draft.kind, "outcome" | "reversal" | "clearing" | "label") || dice.percent(4) {
            self.refer(&mut draft, dice);
        }
        describe(&mut draft, self.pace, dice);
        draft
    }

    /// Names an earlier event: mostly one of the account, sometimes one that nobody knows or another account's.
    fn refer(&self, draft: &mut Draft, dice: &mut Dice) {
        let own = self.sent.iter().filter(|sent| sent.account == draft.account);
        // A shard that is filled again does not trace chains of references back.
        let own: Vec<&Draft> =
            own.filter(|sent| self.pace != Pace::Weeks || sent.reference.is_none()).collect();
        match dice.below(100) {
            0..4 => draft.reference = Some("nobody".to_owned()),
            // Mostly the account's next event, which has not come yet.
            4..8 if self.pace != Pace::Weeks => {
                draft.reference = Some(format!("{}-{}", draft.account, self.numbered + 1));
            }
            8..12 if !self.sent.is_empty() => {
                draft.reference = Some(self.sent[dice.below(self.sent.len())].id.clone());
            }
            12..18 => {}
            18..28 if !own.is_empty() && self.pace != Pace::Weeks => {
                // A feed that gives the outcome of a payment the payment's own id.
                let target = own[dice.below(own.len())];
                if target.kind != draft.kind {
                    draft.id.clone_from(&target.id);
                }
                draft.reference = Some(target.id.clone());
            }
            _ if !own.is_empty() => draft.reference = Some(own[dice.below(own.len())].id.clone()),
            _ => {}
        }
    }
}

const KINDS: [&str; 20] = [
    "purchase", "purchase", "purchase", "purchase", "purchase", "purchase", "purchase", "purchase", "cash",
    "cash", "p2p", "p2p", "p2p", "transfer", "login", "outcome", "reversal", "clearing", "label", "label",
];

/// Fills in what the event's type has.
pub(crate) fn fill(draft: &mut Draft, dice: &mut Dice) {
    describe(draft, Pace::Steady, dice);
}

fn describe(draft: &mut Draft, pace: Pace, dice: &mut Dice) {
    let account = draft.account.clone();
    let cards = if pace == Pace::Busy { 1 } else { 2 };
    let card = format!("\"{account}c{}\"", dice.below(cards));
    let rest = &mut draft.rest;
    match draft.kind {
        "purchase" | "cash" => {
            put(rest, "reported", dice.percent(10).then(|| dice.pick(&["\"fraud\"", "\"no\""]).to_owned()));
            put(rest, "card", (!dice.percent(6)).then_some(card));
            put(rest, "amount", (!dice.percent(4)).then(|| dice.pick(&AMOUNTS).to_owned()));
            put(rest, "terminal", dice.percent(70).then(|| format!("\"t{}\"", dice.below(3))));
            put(rest, "device", dice.percent(50).then(|| format!("\"d{}\"", dice.below(2))));
            put(
                rest,
                "channel",
                dice.percent(85).then(|| dice.pick(&["\"ecom\"", "\"pos\"", "\"atm\"", "null"]).to_owned()),
            );
            put(
                rest,
                "declined",
                dice.percent(50).then(|| dice.pick(&["true", "false", "false"]).to_owned()),
            );
            put(rest, "points", dice.percent(60).then(|| dice.pick(&POINTS).to_owned()));
            put(rest, "merchant", dice.percent(90).then(|| merchant(dice)));
        }
        "p2p" | "transfer" => {
            put(rest, "reported", dice.percent(15).then(|| "\"fraud\"".to_owned()));
            put(rest, "amount", (!dice.percent(4)).then(|| dice.pick(&AMOUNTS).to_owned()));
            put(rest, "payee", dice.percent(90).then(|| format!("\"p{}\"", dice.below(3))));
            put(rest, "device", dice.percent(70).then(|| format!("\"d{}\"", dice.below(2))));
            put(rest, "declined", dice.percent(20).then(|| "true".to_owned()));
        }
        "login" => {
            put(rest, "device", dice.percent(90).then(|| format!("\"d{}\"", dice.below(2))));
            put(rest, "card", dice.percent(30).then_some(card));
            put(rest, "points", dice.percent(50).then(|| dice.pick(&POINTS).to_owned()));
        }
        "outcome" => {
            put(rest, "declined", dice.percent(85).then(|| dice.pick(&["true", "true", "false"]).to_owned()))
        }
        "clearing" => {
            put(rest, "amount", dice.percent(85).then(|| dice.pick(&["21.37", "100", "\"5.00\""]).to_owned()))
        }
        "label" => {
            let outcome =
                dice.pick(&["\"fraud\"", "\"fraud\"", "\"genuine\"", "\"scam\"", "\"first_party\""]);
            put(rest, "outcome", dice.percent(95).then(|| outcome.to_owned()));
            put(rest, "terminal", dice.percent(10).then(|| "\"t0\"".to_owned()));
        }
        _ => {}
    }
}

fn merchant(dice: &mut Dice) -> String {
    let mcc = dice.pick(&["\"5411\"", "\"6051\"", "\"7995\"", "null"]);
    let country = dice.pick(&["\"DE\"", "\"DE\"", "\"FR\"", "null"]);
    let id = dice.below(5);
    match id {
        4 => format!(r#"{{"mcc":{mcc},"country":{country}}}"#),
        _ => format!(r#"{{"id":"m{id}","mcc":{mcc},"country":{country}}}"#),
    }
}

fn put(rest: &mut Vec<(&'static str, String)>, key: &'static str, value: Option<String>) {
    rest.extend(value.map(|value| (key, value)));
}

/// A record that cannot be taken.
fn spoiled(draft: &Draft, dice: &mut Dice) -> Vec<u8> {
    let json = draft.json();
    match dice.below(9) {
        0 => json.as_bytes()[..json.len() - 1].to_vec(),
        1 => json.replacen("\"id\"", "\"nr\"", 1).into_bytes(),
        2 => json.replacen("\"kind\":\"", "\"kind\":\"un", 1).into_bytes(),
        3 => json.replacen("\"t\":", "\"t\":\"soon\",\"u\":", 1).into_bytes(),
        4 => json.replacen("\"account\"", "\"owner\"", 1).into_bytes(),
        5 => json
            .replacen('{', r#"{"amount":"1.005","#, 1)
            .replacen(r#","amount""#, r#","sum""#, 1)
            .into_bytes(),
        6 => format!("[{json}]").into_bytes(),
        7 => Vec::new(),
        _ => [json.as_bytes(), b"\xff"].concat(),
    }
}
