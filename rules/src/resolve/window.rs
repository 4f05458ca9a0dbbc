//! Windows written as functions, `count(card, 10m)`: what to declare instead.
//!
//! It does not depend on how aggregates are resolved.

use super::resolver::Resolver;
use crate::ast::{Expr, ExprKind};
use crate::pack::is_operation;

/// The window where the arguments name none.
const DEFAULT_WINDOW: &str = "24h";

impl Resolver<'_> {
    /// What to declare, if a call is an aggregate as other languages write it.
    pub(super) fn window_help(&self, function: &str, args: &[Expr]) -> Option<String> {
        let has_window = args.iter().any(|arg| matches!(arg.kind, ExprKind::Duration(_)));
        let is_function = super::call::FUNCTIONS.iter().any(|(known, ..)| *known == function);
        if !is_operation(function) || (is_function && !has_window) {
            return None;
        }
        let (mut entity, mut window, mut value) = ("account", DEFAULT_WINDOW, None);
        for arg in args {
            match &arg.kind {
                ExprKind::Duration(_) => {
                    let text = &self.problems.files()[arg.span.file].text;
                    window = text.get(arg.span.start..arg.span.end).unwrap_or(DEFAULT_WINDOW);
                }
                ExprKind::Name(name) if self.is_entity(name) => entity = name,
                ExprKind::Name(name) => value = Some(name.as_str()),
                _ => {}
            }
        }
        let counted = match function {
            "count" | "rate" => "events",
            "ratio" => "tx.declined",
            "distinct" => value.unwrap_or("merchant.id"),
            _ => value.unwrap_or("tx.amount"),
        };
        let name = format!("{entity}_{function}_{window}");
        Some(format!(
            "a window is declared under `aggregates:` and read by its name: \
             `{name}: {{{function}: {counted}, by: {entity}, over: {window}}}`, then `{name}` here"
        ))
    }
}
