//! What operations refer to by number, and the currency of the event's account.

use crate::function::Zones;
use crate::graph::Listed;
use crate::money::{Currency, EXPONENT_MAX};
use crate::pattern::Pattern;
use crate::schema::ACCOUNT_CURRENCY;
use crate::value::Registers;
use jiff::tz::TimeZone;

/// Amounts of major units in minor units, one for each exponent of a currency.
pub(crate) type Amounts = Vec<[f64; EXPONENT_MAX as usize + 1]>;

/// What operations refer to by number.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) sets: Vec<Box<[u64]>>,
    pub(crate) lists: Vec<Box<[Listed]>>,
    pub(crate) amounts: Amounts,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) zones: Vec<TimeZone>,
    pub(crate) zones_by_name: Zones,
}

impl Shared {
    /// An amount of major units in minor units of the account's currency, by number; `None` when it is not finite.
    #[inline]
    pub(crate) fn amount(&self, amount: u16, registers: &Registers) -> Option<f64> {
        let amount = self.amounts[usize::from(amount)][exponent(registers)];
        Some(amount).filter(|amount| amount.is_finite())
    }
}

/// Decimal places of money in the account's currency, or 2: without a currency there is no such money but sums of none.
#[inline]
fn exponent(registers: &Registers) -> usize {
    currency(registers).map_or(2, |currency| usize::from(currency.exponent()))
}

/// The account's currency at the event, if it is known. Money in a fixed currency does not depend on it.
#[inline]
pub(crate) fn currency(registers: &Registers) -> Option<Currency> {
    Currency::by_number(registers.get(ACCOUNT_CURRENCY)?)
}
