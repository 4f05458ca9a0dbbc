//! Amounts: exact minor units in a currency, without floats. It does not depend on where values come from.

use super::capture::{Captures, Raw, SourceId};
use super::convert::{CodeTable, no_number};
use super::decimal::{Rounding, scaled};
use super::mapping::{AmountForm, Sign};
use super::reject::Reason;
use crate::limits::MONEY_MINOR_MAX;
use tripline_rules::money::Currency;
use tripline_rules::schema::{ACCOUNT_CURRENCY, TX_AMOUNT, TX_CURRENCY};
use tripline_rules::value::{Registers, Slot};

/// How an amount is converted.
#[derive(Clone, Debug)]
pub(super) struct MoneyPlan {
    pub(super) form: AmountForm,
    pub(super) sign: Sign,
    pub(super) currency: CurrencyPlan,
    /// The fixed currency of the field; none if it is the account's.
    pub(super) own: Option<u16>,
}

/// Where the currency of an amount comes from.
#[derive(Clone, Debug)]
pub(super) enum CurrencyPlan {
    Fixed(u16),
    Source(SourceId, CodeTable),
    /// The record's `account.currency`.
    Account,
}

/// Zeros after the point of an amount in minor units: floats print `5716.0`, and `5.716` or `5.000` has thousands.
const MINOR_ZEROS: u8 = 2;
/// Decimals beyond the minor unit that a printed float must round to zeros. With them the range still fits an `i64`.
const GUARD_PLACES: u8 = 3;
const GUARD: i64 = 1_000;

/// The amount that was printed from a float.
fn near_whole(text: &[u8], exponent: u8) -> Option<i64> {
    let max = MONEY_MINOR_MAX * GUARD.unsigned_abs();
    let guarded = scaled(text, exponent + GUARD_PLACES, Rounding::HalfAway, max)?;
    (guarded % GUARD == 0).then_some(guarded / GUARD)
}

impl MoneyPlan {
    /// The currency of the amount in this record, checked against the currency of its field: a fixed one, or the
    /// account's. Where the record does not state the account's currency, its first amount does.
    #[inline]
    pub(super) fn currency(
        &self,
        captures: &Captures,
        record: &[u8],
        registers: &Registers,
        slot: Slot,
    ) -> Result<u16, Reason> {
        let code =
            |slot: Slot| registers.get(slot).map(|word| u16::try_from(word).expect("a code of a one-of"));
        let account = code(ACCOUNT_CURRENCY);
        let found = match &self.currency {
            CurrencyPlan::Fixed(code) => Some(*code),
            CurrencyPlan::Source(source, table) => table.find(captures.raw(*source, record)),
            CurrencyPlan::Account => account,
        };
        let found = found.ok_or(Reason::BadMoney)?;
        let expected = self.own.or(account);
        // The currency of the transaction is known before its amount only when it is mapped itself.
        let stated = if slot == TX_AMOUNT { code(TX_CURRENCY) } else { None };
        let differs = |other: Option<u16>| other.is_some_and(|other| other != found);
        if differs(expected) || differs(stated) { Err(Reason::CurrencyMismatch) } else { Ok(found) }
    }

    /// Whether the field is in the account's currency.
    #[inline]
    pub(super) fn is_accounts(&self) -> bool {
        self.own.is_none()
    }

    /// Whether a text can be the amount: in the currency of the mapping or the field, or else in any.
    pub(super) fn accepts(&self, text: &str, slot: Slot) -> bool {
        let fixed = match self.currency {
            CurrencyPlan::Fixed(code) => Some(code),
            CurrencyPlan::Source(..) | CurrencyPlan::Account => self.own,
        };
        let is_amount = |currency: u16| self.minor(Raw::constant(text), currency, slot).is_ok();
        match fixed {
            Some(currency) => is_amount(currency),
            None => Currency::all().map(Currency::number).any(is_amount),
        }
    }

    /// The amount in minor units of a known currency.
    #[inline(always)]
    pub(super) fn minor(&self, raw: Raw<'_>, currency: u16, slot: Slot) -> Result<i64, Reason> {
        let exponent = Currency::by_number(currency).ok_or(Reason::BadMoney)?.exponent();
        let written = raw.decimal().and_then(|text| match self.form {
            AmountForm::Major => scaled(text, exponent, Rounding::Exact(0), MONEY_MINOR_MAX),
            AmountForm::Minor => scaled(text, 0, Rounding::Exact(MINOR_ZEROS), MONEY_MINOR_MAX),
            AmountForm::MajorFloat => near_whole(text, exponent),
        });
        let written = written.ok_or_else(|| no_number(raw, Reason::BadMoney))?;
        let minor = match self.sign {
            Sign::AsWritten => written,
            Sign::Absolute => written.abs(),
            Sign::Negate => -written,
        };
        if minor < 0 && slot == TX_AMOUNT { Err(Reason::NegativeAmount) } else { Ok(minor) }
    }
}
