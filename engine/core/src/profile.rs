//! The profile model's inputs: one scan over an account's newest rows, against everybody's histogram.
//!
//! Centre and spread are computed of the rows at reading time and withstand a quarter of attack rows; nothing is learnt
//! from scores. Cards' spending and payments to people are two profiles of an account: each event is read against its
//! own.

mod wire;

use crate::batch::Timestamp;
use crate::event::Event;
use crate::fact::View;
use crate::fact::population::Population;
use crate::ledger::{Ledgers, RowRef};
use crate::row::Column;
use tripline_models::profile::{INPUTS, ROWS_MAX, surprise_of_unseen};
use tripline_rules::money::Currency;
use tripline_rules::schema::{CurrencyOf, Kind, Schema, TX_AMOUNT, TX_DECLINED};
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use tripline_rules::value::Slot;

/// How far back rows are read.
pub const LOOK_BACK_MS: i64 = 90 * DAY_MS;
/// Whole days of everybody's amounts.
const POPULATION_DAYS: u32 = 30;
/// The same in ms, and a day more: what is usual today was fixed when the day began.
pub const POPULATION_MS: i64 = (POPULATION_DAYS as i64 + 1) * DAY_MS;

/// "At this time of day": an hour and a half to either side.
const THIS_HOUR_MS: i64 = 90 * MINUTE_MS;
/// The median deviation of a normal distribution, times this, is its sigma (Hampel 1974; Rousseeuw & Croux 1993).
const MAD_TO_SIGMA: f64 = 1.4826;
/// Hampel's identifier: amounts further out are left out of the mean.
const LEFT_OUT: f64 = 3.0;
/// Evidence must be rarer than what is left out of a mean.
const FAR_OUT: f64 = 4.0;
/// A spread is not narrower than a bin of the histogram, relative to the centre.
const SPREAD_MIN: f64 = 0.01;
/// Relative spread of everybody while nobody is known.
const SPREAD_UNKNOWN: f64 = 0.5;
/// Groups of everybody's amounts: two habits in each currency, or in none.
const GROUPS: usize = 2 * (Currency::COUNT + 1);
/// Fields whose first use is a surprise, in the order of the model's inputs.
const FIELDS: [&str; 5] = ["merchant.id", "merchant.mcc", "terminal.id", "merchant.country", "device.id"];

/// Which profile of an account an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Spending,
    Payments,
}

/// Reads the inputs of one partition's events.
pub struct ProfileReader {
    habits: Vec<Option<Habit>>,
    /// The kind of amounts: their currency.
    amounts: Kind,
    population: Population,
    /// The newest day seen, and what was usual among everybody when it began, by group.
    today: i64,
    usual: Vec<Option<Usual>>,
    columns: Columns,
    rows: Vec<EarlierRow>,
    sorted: Vec<f64>,
    words: Vec<u64>,
}

/// Where rows keep what is read of them.
#[derive(Clone, Copy, Debug)]
struct Columns {
    amount: Column,
    declined: Option<Column>,
    fields: [Option<(Slot, Column)>; FIELDS.len()],
}

impl Columns {
    fn new(schema: &Schema, ledgers: &Ledgers) -> Option<Columns> {
        let column = |slot| ledgers.layout().column(slot);
        let text = |name| {
            let slot = schema.slot(name)?;
            // Of one-ofs every value is known beforehand; novelty is about open texts.
            let column = column(slot).filter(|_| matches!(schema.field(slot).kind, Kind::Text))?;
            Some((slot, column))
        };
        let (amount, declined) = (column(TX_AMOUNT)?, column(TX_DECLINED));
        Some(Columns { amount, declined, fields: FIELDS.map(text) })
    }
}

/// What is read of an earlier row.
#[derive(Clone, Copy, Debug)]
struct EarlierRow {
    position: usize,
    age_ms: i64,
    amount: f64,
    declined: bool,
}

/// Quantiles of everybody's amounts, minor units.
#[derive(Clone, Copy, Debug)]
struct Usual {
    median: f64,
    upper: f64,
    most: f64,
}

/// Robust centre and spread of the own amounts, shrunk towards everybody's.
struct Baseline {
    centre: f64,
    spread: f64,
    mean: f64,
}

impl ProfileReader {
    /// A reader for rows of this schema; none when rows do not keep amounts.
    pub fn new(schema: &Schema, ledgers: &Ledgers) -> Option<ProfileReader> {
        let habits = schema.event_types().values().iter().map(|name| match name.as_str() {
            "purchase" | "cash_withdrawal" => Some(Habit::Spending),
            "transfer" | "p2p" => Some(Habit::Payments),
            _ => None,
        });
        Some(ProfileReader {
            habits: habits.collect(),
            amounts: schema.field(TX_AMOUNT).kind.clone(),
            population: Population::new(POPULATION_DAYS),
            today: i64::MIN,
            usual: vec![None; GROUPS],
            columns: Columns::new(schema, ledgers)?,
            rows: Vec::with_capacity(ROWS_MAX),
            sorted: Vec::with_capacity(ROWS_MAX),
            words: Vec::with_capacity(ROWS_MAX),
        })
    }

    /// Another plan was installed in the ledgers, so that rows lie otherwise: what was counted goes on.
    ///
    /// # Panics
    /// When the schema's kept fields are others than before.
    pub fn rebind(&mut self, schema: &Schema, ledgers: &Ledgers) {
        self.columns = Columns::new(schema, ledgers).expect("rows keep amounts, as before");
    }

    /// Whether an event has a profile score.
    pub fn reads(&self, event: &Event) -> bool {
        self.habit_of(event).is_some() && event.registers.is_known(TX_AMOUNT)
    }

    /// The habit that an event belongs to; a follow-up is no payment and belongs to none.
    fn habit_of(&self, event: &Event) -> Option<Habit> {
        self.habit(event.event_type).filter(|_| event.reference.is_none())
    }

    fn habit(&self, event_type: u16) -> Option<Habit> {
        self.habits.get(usize::from(event_type)).copied().flatten()
    }

    /// Counts an event among everybody's, once it was read.
    pub fn observe(&mut self, event: &Event) {
        if let (Some(habit), Some(amount)) = (self.habit_of(event), event.registers.number(TX_AMOUNT)) {
            self.population.observe(event.at, group(habit, event.currency_of(&self.amounts)), amount);
        }
    }

    /// Writes the inputs of an event that has its row, in the order of the model's [`INPUTS`].
    pub fn read(&mut self, ledgers: &Ledgers, row: RowRef, event: &Event, inputs: &mut [f64]) {
        let (Some(habit), Some(amount)) = (self.habit_of(event), event.registers.number(TX_AMOUNT)) else {
            return;
        };
        let view = ledgers.view(row);
        self.gather(&view, event.at, habit);
        let currency = event.currency_of(&self.amounts);
        let group = group(habit, currency);
        let usual = usize::try_from(group).ok().and_then(|group| self.usual.get(group).copied().flatten());
        let base = self.baseline(usual, amount);
        let spreads = |amount: f64| (amount - base.centre) / base.spread;
        let is_rare = |past: &EarlierRow| usual.is_some_and(|usual| past.amount > usual.most);
        let within = |ms: i64| move |past: &&EarlierRow| past.age_ms < ms;
        let newer = |ms: i64| as_f64(self.rows.iter().filter(within(ms)).count());
        let far = || self.rows.iter().filter(|past| spreads(past.amount) > FAR_OUT);
        let rare = || self.rows.iter().filter(|past| is_rare(past));
        let tail = self.population.share_at_least(group, amount).map_or(0.0, |share| {
            let total = f64::from(self.population.count(group));
            -libm::log10((share * total + 1.0) / (total + 1.0))
        });
        let major = major_units(currency);
        let values = [
            amount / major,
            base.mean / major,
            ((amount - base.mean) / base.spread).max(0.0),
            far().map(|past| recency(past.age_ms)).sum(),
            as_f64(far().filter(within(DAY_MS)).count()),
            as_f64(rare().filter(within(DAY_MS)).count()),
            as_f64(rare().filter(|past| past.age_ms >= DAY_MS).count()),
            newer(HOUR_MS),
            newer(6 * HOUR_MS),
            newer(DAY_MS),
            as_f64(self.rows.len()),
            self.rows.last().map_or(0.0, |oldest| days(oldest.age_ms)),
            tail,
            as_f64(self.rows.iter().filter(|past| same_hour(past.age_ms)).count()),
        ];
        inputs[..values.len()].copy_from_slice(&values);
        for (input, field) in inputs[values.len()..INPUTS.len()].iter_mut().zip(self.columns.fields) {
            *input =
                field.map_or(0.0, |(slot, column)| self.novelty(&view, event.registers.get(slot), column));
        }
    }

    /// At the first event of a day: what was usual is fixed over the whole days before it.
    ///
    /// Called for every event, judged or not: a shard that is filled again must fix the same.
    pub fn begin_day(&mut self, at: Timestamp) {
        let day = at.0.div_euclid(DAY_MS);
        if day <= self.today {
            return;
        }
        self.today = day;
        self.population.begin_day(at);
        for (usual, group) in self.usual.iter_mut().zip(0u64..) {
            let quantile = |share| self.population.quantile(group, share);
            *usual = match (quantile(0.5), quantile(0.75), quantile(0.99)) {
                (Some(median), Some(upper), Some(most)) if median > 0.0 => {
                    Some(Usual { median, upper, most })
                }
                _ => None,
            };
        }
    }

    /// The newest earlier rows of the same habit in the same currency, newest first.
    fn gather(&mut self, view: &View<'_>, at: Timestamp, habit: Habit) {
        self.rows.clear();
        let oldest = Timestamp((at.0 - LOOK_BACK_MS).max(view.retained_after.0));
        let layout = view.rows.layout();
        let has_many = self.amounts == Kind::Money(CurrencyOf::Account);
        for position in (0..view.event).rev() {
            let past = view.rows.at(position);
            if past <= oldest || self.rows.len() == ROWS_MAX {
                break;
            }
            let row = view.rows.row(position);
            let is_in_currency = !has_many || layout.currency_bits(layout.currency_of(row)) == view.currency;
            let is_habit = self.habit(layout.event_type(row)) == Some(habit) && !layout.is_follow_up(row);
            if !is_habit || !is_in_currency {
                continue;
            }
            let Some(amount) = self.columns.amount.number(row) else { continue };
            let declined = self.columns.declined.is_some_and(|column| column.read(row) == Some(1));
            self.rows.push(EarlierRow { position, age_ms: at.0 - past.0, amount: minor(amount), declined });
        }
    }

    /// Centre and spread of what was approved: the median, and the median deviation of the upper half (spending is
    /// skewed; Rosenmai's double MAD), each shrunk towards everybody's with the weight of one row (a unit-information
    /// prior, Kass & Wasserman 1995). Then the mean of what Hampel's identifier leaves.
    fn baseline(&mut self, usual: Option<Usual>, amount: f64) -> Baseline {
        self.sorted.clear();
        self.sorted.extend(self.rows.iter().filter(|past| !past.declined).map(|past| past.amount));
        self.sorted.sort_unstable_by(f64::total_cmp);
        let (prior, prior_spread) = usual.map_or((amount, SPREAD_UNKNOWN), |usual| {
            (usual.median, MAD_TO_SIGMA * (usual.upper - usual.median) / usual.median)
        });
        let n = self.sorted.len();
        let (own, own_spread) = if n == 0 {
            (prior, 0.0)
        } else {
            let own = middle(&self.sorted);
            (own, MAD_TO_SIGMA * (middle(&self.sorted[n / 2..]) - own))
        };
        let n = as_f64(n);
        let centre = (n * own + prior) / (n + 1.0);
        let shrunk = (n * own_spread + centre * prior_spread) / (n + 1.0);
        let narrowest = SPREAD_MIN * centre;
        // Of events without any value, an amount of one minor unit is a spread.
        let spread = if narrowest > 0.0 { shrunk.max(narrowest) } else { 1.0 };
        let (mut sum, mut count) = (prior, 1.0);
        for past in self.rows.iter().filter(|past| !past.declined) {
            if (past.amount - centre) / spread <= LEFT_OUT {
                sum += past.amount;
                count += 1.0;
            }
        }
        Baseline { centre, spread, mean: sum / count }
    }

    /// Surprise of a value the account never had, in decades; 0 for a known or absent one.
    fn novelty(&mut self, view: &View<'_>, word: Option<u64>, column: Column) -> f64 {
        let (Some(word), false) = (word, self.rows.is_empty()) else { return 0.0 };
        self.words.clear();
        for past in &self.rows {
            let Some(held) = column.read(view.rows.row(past.position)) else { continue };
            if held == word {
                return 0.0;
            }
            self.words.push(held);
        }
        self.words.sort_unstable();
        let once = self.words.chunk_by(u64::eq).filter(|same| same.len() == 1).count();
        surprise_of_unseen(self.words.len(), once)
    }
}

/// Everybody's amounts of the same habit in the same currency: 100 yen are not 100 dollars.
fn group(habit: Habit, currency: Option<Currency>) -> u64 {
    let kind = match habit {
        Habit::Spending => 0,
        Habit::Payments => 1,
    };
    2 * currency.map_or(Currency::COUNT as u64, |currency| currency.number().into()) + kind
}

/// The mean of the middle two, or the middle one, of sorted values.
fn middle(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0
}

/// How much an outlier of that age counts.
fn recency(age_ms: i64) -> f64 {
    match age_ms {
        age if age < DAY_MS => 4.0,
        age if age < 3 * DAY_MS => 3.0,
        age if age < 7 * DAY_MS => 2.0,
        age if age < 14 * DAY_MS => 1.0,
        _ => 0.0,
    }
}

fn same_hour(age_ms: i64) -> bool {
    let apart = age_ms.rem_euclid(DAY_MS);
    apart.min(DAY_MS - apart) <= THIS_HOUR_MS
}

/// Minor units of a currency in a major one.
fn major_units(currency: Option<Currency>) -> f64 {
    libm::exp10(f64::from(currency.map_or(2, Currency::exponent)))
}

#[expect(clippy::cast_precision_loss, reason = "at most a few hundred rows")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "amounts are within 10^15 minor units")]
fn minor(amount: i64) -> f64 {
    amount as f64
}

#[expect(clippy::cast_precision_loss, reason = "at most 90 days")]
fn days(ms: i64) -> f64 {
    ms as f64 / DAY_MS as f64
}
