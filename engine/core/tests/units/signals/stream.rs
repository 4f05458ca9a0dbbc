//! Events of several accounts and partitions at few terminals and merchants, at and beside the ends of validity, in any
//! order of arrival.

use crate::dice::Dice;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
const NOON: i64 = 1_709_294_400_000;

/// What a signal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    Terminal,
    Merchant,
}

/// An event as it is sent. A repeat has the number of the event that it repeats.
#[derive(Clone, Debug)]
pub struct Sent {
    pub number: u64,
    pub partition: u32,
    pub at: i64,
    pub appended: i64,
    pub is_follow_up: bool,
    /// Cents.
    pub amount: Option<i64>,
    pub quarters: Option<i64>,
    pub terminal: Option<u64>,
    pub merchant: Option<u64>,
    kind: &'static str,
    account: u64,
    reference: u64,
}

impl Sent {
    pub fn id(&self) -> String {
        format!("e{}", self.number)
    }

    pub fn entity(&self, entity: Entity) -> Option<u64> {
        match entity {
            Entity::Terminal => self.terminal,
            Entity::Merchant => self.merchant,
        }
    }

    pub fn json(&self) -> String {
        let mut json = format!(
            r#"{{"event_id":"{}","event_type":"{}","event_time":{},"account_id":"A{}""#,
            self.id(),
            self.kind,
            self.at,
            self.account
        );
        let mut put = |key: &str, value: String| json.push_str(&format!(r#","{key}":{value}"#));
        if self.is_follow_up {
            put("event_ref", format!(r#""e{}""#, self.reference));
        }
        self.amount.iter().for_each(|cents| put("tx_amount", cents.to_string()));
        self.quarters.iter().for_each(|quarters| put("my_number", format!("{}e-2", quarters * 25)));
        self.terminal.iter().for_each(|terminal| put("terminal_id", format!(r#""T{terminal}""#)));
        self.merchant.iter().for_each(|merchant| put("merchant_id", format!(r#""M{merchant}""#)));
        json.push('}');
        json
    }
}

/// How a stream is drawn.
pub struct Shape {
    pub length: u64,
    pub entities: u64,
    pub partitions: u64,
    /// How long after the last record the next one is appended.
    pub waits: &'static [i64],
}

/// One in thirty is longer than the records that a step takes at once.
pub fn shape(dice: &mut Dice) -> Shape {
    let length = if dice.percent(3) { 150 } else { 6 + dice.below(40) };
    Shape {
        length,
        entities: 2,
        partitions: dice.pick(&[1, 2]),
        waits: &[0, 0, 1, 1_000, MINUTE, 5 * MINUTE - 1, 5 * MINUTE, 20 * MINUTE, HOUR],
    }
}

pub fn stream(dice: &mut Dice, shape: &Shape) -> Vec<Sent> {
    let mut now = NOON;
    let mut sent: Vec<Sent> = Vec::new();
    for number in 0..shape.length {
        now += dice.pick(shape.waits);
        if number > 0 && dice.percent(4) {
            let repeated = sent[usize::try_from(dice.below(number)).unwrap()].clone();
            sent.push(Sent { appended: now, ..repeated });
            continue;
        }
        // An event that ends a value to the millisecond, one that comes late, or one whose clock is ahead.
        let newest = sent.last().map_or(now, |last| last.at);
        let at = match dice.below(10) {
            0 => now - dice.pick(&[1, MINUTE, 5 * MINUTE, 10 * MINUTE, HOUR, 23 * HOUR, DAY, DAY + 1]),
            1 => now + dice.pick(&[1, MINUTE, 5 * MINUTE]),
            2 => newest.max(now - DAY).min(now + 5 * MINUTE),
            3 => (newest + dice.pick(&[5, 10, 30, 60]) * MINUTE - dice.pick(&[0, 1]))
                .clamp(now - DAY, now + 5 * MINUTE),
            _ => now,
        };
        let is_follow_up = number > 0 && dice.percent(6);
        // A follow-up states everything, so that it takes nothing over from the event that it refers to.
        let states = |dice: &mut Dice| is_follow_up || dice.percent(80);
        let account = dice.below(4);
        sent.push(Sent {
            number,
            partition: u32::try_from(account % shape.partitions).unwrap(),
            at,
            appended: now,
            is_follow_up,
            amount: states(dice).then(|| dice.pick(&[1, 4_999, 5_000, 9_999, 10_000, 10_001])),
            quarters: states(dice).then(|| dice.below(5).cast_signed() - 2),
            terminal: states(dice).then(|| dice.below(shape.entities)),
            merchant: states(dice).then(|| dice.below(shape.entities)),
            kind: if is_follow_up { "reversal" } else { dice.pick(&["purchase", "login"]) },
            account,
            reference: dice.below(number.max(1)),
        });
    }
    sent
}
