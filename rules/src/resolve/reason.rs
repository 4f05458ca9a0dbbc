//! The values of a reason text, with kind and format.
//!
//! It does not print them.

use super::resolver::Resolver;
use super::types::{Ty, called};
use crate::ast::{Expr, ExprKind};
use crate::graph::NodeId;
use crate::pack::ParamValue;
use crate::reason::{Format, Part, Shape, Template};
use crate::schema::{CurrencyOf, Kind};
use crate::value::Slot;

/// A part of a reason whose names are known.
pub(crate) enum ResolvedPart {
    Words(String),
    Value {
        node: NodeId,
        kind: Kind,
        shape: Shape,
        format: Option<Format>,
        /// The field whose text is printed.
        text: Option<Slot>,
    },
}

impl ResolvedPart {
    /// The node of a value.
    pub(crate) fn node(&self) -> Option<NodeId> {
        match self {
            ResolvedPart::Words(_) => None,
            ResolvedPart::Value { node, .. } => Some(*node),
        }
    }
}

/// The expressions of a reason.
pub(crate) fn expressions(template: &Template) -> impl Iterator<Item = &Expr> {
    template.parts.iter().filter_map(|part| match part {
        Part::Value(expr, _) => Some(expr),
        Part::Words(_) => None,
    })
}

/// Resolves all values and reports errors.
pub(super) fn check(resolver: &mut Resolver<'_>, template: &Template) -> Vec<ResolvedPart> {
    let mut resolved = Vec::new();
    for part in &template.parts {
        match part {
            Part::Words(words) => resolved.push(ResolvedPart::Words(words.clone())),
            Part::Value(expr, format) => resolved.extend(value(resolver, expr, *format)),
        }
    }
    resolved
}

fn value(resolver: &mut Resolver<'_>, expr: &Expr, format: Option<Format>) -> Option<ResolvedPart> {
    let mut typed = resolver.expr(expr);
    if format == Some(Format::Money) {
        resolver.as_money(&mut typed, &Ty::Is(Kind::Money(CurrencyOf::Account)));
    }
    let kind = match typed.ty {
        Ty::Is(kind) => kind,
        Ty::Invalid => return None,
        Ty::Quoted(text) => return Some(ResolvedPart::Words(text)),
    };
    let text = match kind {
        Kind::Text => {
            let field = resolver.plain_field(expr);
            if field.is_none() {
                resolver
                    .problems
                    .error("E404", "only the event's own text fields can be printed", expr.span)
                    .label("only its hash is known")
                    .help("rows hold the hash of a text, never the text; compare the value instead");
                return None;
            }
            resolver.text_slots.extend(field);
            field
        }
        _ => None,
    };
    if let (Some(format), Some(unit)) = (format, unit_of(expr))
        && !unit.formats.contains(&format)
    {
        resolver
            .problems
            .error("E311", format!("the format `{}` does not fit {}", name(format), unit.name), expr.span)
            .label(format!("these are {}", unit.name))
            .help("a format prints the number as it is and adds its own unit");
        return None;
    }
    if let Some(format) = format
        && !fits(format, &kind)
    {
        let called = called(&Ty::Is(kind));
        resolver
            .problems
            .error("E311", format!("the format `{}` does not fit {called}", name(format)), expr.span)
            .label(format!("this is {called}"));
        return None;
    }
    let shape = shape(resolver, expr);
    Some(ResolvedPart::Value { node: typed.node, kind, shape, format, text })
}

/// What a function's number counts, and the formats that say so.
struct Unit {
    name: &'static str,
    formats: &'static [Format],
}

/// The unit of a function's number, where it has one.
fn unit_of(expr: &Expr) -> Option<Unit> {
    let ExprKind::Call(function, ..) = &expr.kind else { return None };
    let (name, formats): (_, &[Format]) = match function.as_str() {
        "minutes_since" => ("minutes", &[Format::Minutes]),
        "hours_since" => ("hours", &[]),
        "days_since" => ("days", &[Format::Days]),
        "km_between" => ("kilometres", &[Format::Km]),
        "kmh" => ("kilometres an hour", &[]),
        _ => return None,
    };
    Some(Unit { name, formats })
}

fn fits(format: Format, kind: &Kind) -> bool {
    match format {
        Format::Money => matches!(kind, Kind::Money(_)),
        Format::Km | Format::Percent => *kind == Kind::Number,
        Format::Minutes | Format::Days => matches!(kind, Kind::Number | Kind::Duration),
        Format::Date | Format::Time => *kind == Kind::Time,
    }
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Money => "money",
        Format::Km => "km",
        Format::Minutes => "minutes",
        Format::Days => "days",
        Format::Percent => "percent",
        Format::Date => "date",
        Format::Time => "time",
    }
}

/// Measured values are printed in whole units, parameters that are percentages as percentages.
fn shape(resolver: &Resolver<'_>, expr: &Expr) -> Shape {
    match &expr.kind {
        ExprKind::Call(name, ..) if name.ends_with("_since") || name.starts_with("km") => Shape::Whole,
        ExprKind::Param(name) => match resolver.params.get(name.as_str()).and_then(|param| param.value) {
            Some(ParamValue::Number(_, true)) => Shape::Share,
            _ => Shape::Plain,
        },
        _ => Shape::Plain,
    }
}
