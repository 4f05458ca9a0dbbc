//! Words that are not names: texts without their quotes, and `null`.

use super::resolver::Resolver;
use super::types::{Ty, Typed};
use crate::ast::{Compare, Expr, ExprKind};
use crate::diagnostic::{Span, nearest};
use crate::schema::Kind;

/// What other languages call a value that is not there.
const NOTHING: [&str; 6] = ["null", "nil", "none", "undefined", "nan", "empty"];

impl Resolver<'_> {
    /// Whether an expression is a single word that nothing is named.
    pub(super) fn is_unknown(&self, expr: &Expr) -> bool {
        let ExprKind::Name(name) = &expr.kind else { return false };
        !name.contains('.')
            && !self.terms.contains_key(name.as_str())
            && !self.aggregates.contains_key(name.as_str())
            && self.schema.slot(name).is_none()
    }

    /// The place of a word that stands for no value.
    pub(super) fn nothing(&self, expr: &Expr) -> Option<Span> {
        let ExprKind::Name(name) = &expr.kind else { return None };
        let is_nothing = NOTHING.iter().any(|word| name.eq_ignore_ascii_case(word));
        (is_nothing && self.is_unknown(expr)).then_some(expr.span)
    }

    pub(super) fn compared_with_nothing(&mut self, op: Compare, nothing: Span, value: &Expr) {
        // Errors in the other operand are reported as well.
        self.expr(value);
        let files = self.problems.files();
        let text = |span: Span| files[span.file].text.get(span.start..span.end).unwrap_or_default();
        let written = Some(text(value.span)).filter(|text| !text.is_empty() && !text.contains('\n'));
        let not = if op == Compare::Ne { "not " } else { "" };
        let message = format!("`{}` is not a value; a value that is not there `is missing`", text(nothing));
        let help = format!("write `{} is {not}missing`", written.unwrap_or("x"));
        self.problems.error("E201", message, nothing).label("not a value").help(help);
    }

    /// A word that nothing is named and that meets a text: the quotes are what is missing.
    pub(super) fn unquoted(&mut self, expr: &Expr, meets: &Ty) -> Typed {
        let ExprKind::Name(word) = &expr.kind else { return self.expr(expr) };
        let help = match meets {
            Ty::Is(Kind::OneOf(codes)) if codes.code(word).is_some() => Some(format!("write \"{word}\"")),
            Ty::Is(Kind::OneOf(codes)) => nearest(word, codes.values().iter().map(String::as_str))
                .map(|near| format!("texts stand in quotes; did you mean \"{near}\"?")),
            Ty::Is(Kind::Text) | Ty::Quoted(_) if !self.has_near(word) => {
                Some(format!("texts stand in quotes: \"{word}\""))
            }
            _ => None,
        };
        let Some(help) = help else { return self.expr(expr) };
        self.problems
            .error("E201", format!("nothing is named `{word}`"), expr.span)
            .label("a text without quotes")
            .about(word)
            .help(help);
        self.invalid(expr.span)
    }

    /// Whether a declared name is so close that a typing error is the likelier cause.
    fn has_near(&self, word: &str) -> bool {
        let fields = self.schema.fields().iter().map(|field| field.name.as_str());
        let declared = self.terms.keys().chain(self.aggregates.keys()).copied();
        nearest(word, fields.chain(declared)).is_some()
    }
}
