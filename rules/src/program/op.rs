//! One operation: the registers that it reads and writes.
//!
//! It does not depend on the rule it belongs to.

use crate::ast::{Arithmetic, Compare};
use crate::function::{Extreme, Local, Unary};
use crate::value::Slot;

/// An operation. Registers are read and written by slot; unknown operands give unknown results unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Loads a known word.
    Load {
        to: Slot,
        word: u64,
    },
    /// Makes a register unknown.
    Unknown {
        to: Slot,
    },
    /// Loads an amount of the account's currency, by number.
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
    /// Compares with an amount of the account's currency, by number.
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
    /// Whether a word is in a list at the event's time.
    Listed {
        to: Slot,
        a: Slot,
        list: u32,
    },
    /// Always known.
    Known {
        to: Slot,
        a: Slot,
    },
    /// The second operand when the first is unknown.
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
    /// Continues at operation `to` when the condition is known and false.
    SkipIfFalse {
        a: Slot,
        to: u32,
    },
    /// Reports the result of a rule.
    Judge {
        rule: u32,
        a: Slot,
    },
}
