//! One operation: what it reads, where it writes.
//!
//! It does not know why it is there.

use crate::ast::{Arithmetic, Compare};
use crate::function::{Extreme, Local, Unary, Zones};
use crate::money::{Currency, EXPONENT_MAX};
use crate::pattern::Pattern;
use crate::schema::{ACCOUNT_CURRENCY, TX_CURRENCY};
use crate::value::{Registers, Slot, TextSource};
use jiff::tz::TimeZone;

/// An operation. Registers are read and written by slot; unknown operands give unknown results unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Loads a known word.
    Load {
        to: Slot,
        word: u64,
    },
    /// Makes unknown.
    Unknown {
        to: Slot,
    },
    /// Loads an amount of the event's currency, by number.
    Major {
        to: Slot,
        amount: u16,
    },
    /// Three-valued.
    Not {
        to: Slot,
        a: Slot,
    },
    /// Three-valued.
    And {
        to: Slot,
        a: Slot,
        b: Slot,
    },
    /// Three-valued.
    Or {
        to: Slot,
        a: Slot,
        b: Slot,
    },
    Compare {
        to: Slot,
        op: Compare,
        a: Slot,
        b: Slot,
    },
    CompareTo {
        to: Slot,
        op: Compare,
        a: Slot,
        value: f64,
    },
    /// Compares with an amount of the event's currency, by number.
    CompareMajor {
        to: Slot,
        op: Compare,
        a: Slot,
        amount: u16,
    },
    Same {
        to: Slot,
        a: Slot,
        b: Slot,
    },
    SameTo {
        to: Slot,
        a: Slot,
        word: u64,
    },
    Within {
        to: Slot,
        a: Slot,
        set: u32,
    },
    /// Always known.
    Known {
        to: Slot,
        a: Slot,
    },
    /// The second where the first is unknown.
    Coalesce {
        to: Slot,
        a: Slot,
        b: Slot,
    },
    Arithmetic {
        to: Slot,
        op: Arithmetic,
        a: Slot,
        b: Slot,
        money: bool,
    },
    Unary {
        to: Slot,
        op: Unary,
        a: Slot,
    },
    Extreme {
        to: Slot,
        op: Extreme,
        a: Slot,
        b: Slot,
    },
    MultipleOf {
        to: Slot,
        a: Slot,
        b: Slot,
    },
    KmBetween {
        to: Slot,
        a: Slot,
        b: Slot,
    },
    LocalIn {
        to: Slot,
        what: Local,
        zone: u32,
    },
    LocalOf {
        to: Slot,
        what: Local,
        a: Slot,
    },
    Text {
        to: Slot,
        field: Slot,
        pattern: u32,
    },
    /// Goes on at operation `to` where the condition is known and false.
    SkipIfFalse {
        a: Slot,
        to: u32,
    },
    /// Gives a rule's answer.
    Judge {
        rule: u32,
        a: Slot,
    },
}

/// Some operations, and where their results are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) ops: Vec<Op>,
    pub(crate) results: Vec<Slot>,
}

impl Block {
    /// Computes the results.
    pub(crate) fn run(&self, shared: &Shared, registers: &mut Registers, texts: &dyn TextSource) {
        super::run::run(&self.ops, shared, registers, texts, &mut super::Fired::default(), &mut ());
    }
}

/// Amounts of major units in minor units, each by the currency's exponent.
pub(crate) type Amounts = Vec<[f64; EXPONENT_MAX as usize + 1]>;

/// What operations refer to by number.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) sets: Vec<Box<[u64]>>,
    pub(crate) amounts: Amounts,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) zones: Vec<TimeZone>,
    pub(crate) zones_by_name: Zones,
}

impl Shared {
    /// An amount of major units in the minor units of the event's currency, by number; none where it has none.
    #[inline]
    pub(crate) fn amount(&self, amount: u16, registers: &Registers) -> Option<f64> {
        let amount = self.amounts[usize::from(amount)][exponent(registers)];
        Some(amount).filter(|amount| amount.is_finite())
    }
}

/// Decimal places of the event's money: the transaction's currency, else the account's, else 2.
#[inline]
fn exponent(registers: &Registers) -> usize {
    currency(registers).map_or(2, |currency| usize::from(currency.exponent()))
}

/// The currency of the event's money, if it says so.
#[inline]
pub(crate) fn currency(registers: &Registers) -> Option<Currency> {
    Currency::by_number(registers.get(TX_CURRENCY).or_else(|| registers.get(ACCOUNT_CURRENCY))?)
}
