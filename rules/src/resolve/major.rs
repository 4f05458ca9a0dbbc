//! Constants beside money: numbers in major units of its currency.
//!
//! It does not depend on operators.

use super::resolver::Resolver;
use super::types::{Ty, Typed};
use crate::diagnostic::Span;
use crate::graph::Node;
use crate::habit;
use crate::money::Currency;
use crate::pack::ParamValue;
use crate::schema::{CurrencyOf, Kind};

/// Decimals with which a point can stand between thousands.
const THOUSANDS: u8 = 3;

impl Resolver<'_> {
    /// A constant number that is compared or combined with money is in major units of its currency. A percentage is
    /// none: it is a share of something.
    pub(crate) fn as_money(&mut self, number: &mut Typed, meets: &Ty) {
        let (Some(constant), Ty::Is(Kind::Money(currency))) = (number.constant, meets) else { return };
        if number.ty != Ty::Is(Kind::Number) || self.is_percentage(number.span) {
            return;
        }
        let own = match currency {
            CurrencyOf::Account => None,
            CurrencyOf::Fixed(currency) => Some(*currency),
        };
        self.warn_of_thousands(number.span, own);
        number.node = match own {
            None => self.graph.add(Node::Major(constant.value)),
            Some(currency) => self.graph.number(constant.value.scaled(currency.exponent())),
        };
        number.ty = meets.clone();
        number.constant = None;
    }

    fn written(&self, span: Span) -> &str {
        self.problems.files()[span.file].text.get(span.start..span.end).unwrap_or_default().trim()
    }

    /// Whether a constant is written as a percentage, here or as a parameter.
    pub(super) fn is_percentage(&self, span: Span) -> bool {
        let text = self.written(span);
        if let Some(param) = text.strip_prefix('$').and_then(|name| self.params.get(name)) {
            return matches!(param.value, Some(ParamValue::Number(_, true)));
        }
        let number = text.strip_suffix('%').map(|number| number.strip_prefix('-').unwrap_or(number));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || b"._".contains(&byte)))
    }

    /// Warns of `10.000`, which is ten.
    fn warn_of_thousands(&mut self, span: Span, currency: Option<Currency>) {
        if currency.is_some_and(|currency| currency.exponent() >= THOUSANDS) {
            return;
        }
        let param = self.written(span).strip_prefix('$').and_then(|name| self.params.get(name));
        let span = param.and_then(|param| param.text.default_span).unwrap_or(span);
        let text = self.written(span).to_owned();
        let Some(thousands) = habit::thousands(&text) else { return };
        let is_same =
            |problem: &crate::diagnostic::Diagnostic| problem.code.0 == "W512" && problem.span == span;
        if self.problems.list().iter().any(is_same) {
            return;
        }
        let short = text.trim_end_matches('0').trim_end_matches('.');
        self.problems
            .warning("W512", format!("`{text}` beside money is a number with three decimals"), span)
            .label(format!("read as {short}"))
            .help(format!(
                "thousands are written without a sign: write `{thousands}`, or `{short}` if that is meant"
            ));
    }
}
