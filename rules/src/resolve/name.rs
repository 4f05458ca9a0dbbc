//! Names: terms, facts, fields, signals and scores of models.
//!
//! It does not depend on operators.

use super::resolver::Resolver;
use super::types::{Origin, Read, Resolution, Ty, Typed, called, is};
use crate::ast::{Expr, ExprKind};
use crate::catalogue;
use crate::diagnostic::{Span, nearest};
use crate::graph::{Node, NodeId};
use crate::parser::DEPTH_MAX;
use crate::schema::{CurrencyOf, Kind};
use crate::value::Slot;
use std::collections::BTreeSet;

impl Resolver<'_> {
    pub(super) fn name(&mut self, name: &str, span: Span) -> Typed {
        if self.terms.contains_key(name) {
            return self.term(name, span);
        }
        if self.aggregates.contains_key(name) {
            return self.fact_value(name, span);
        }
        if let Some(slot) = self.schema.slot(name) {
            let kind = self.schema.field(slot).kind.clone();
            return self.read(slot, kind, span);
        }
        match name.split_once('.') {
            Some(("signal", signal)) => self.signal(signal, span),
            Some(("model", model)) => self.model(model, span),
            _ => self.unknown(name, span),
        }
    }

    fn read(&mut self, slot: Slot, kind: Kind, span: Span) -> Typed {
        let node = self.graph.add(Node::Read(slot));
        is(kind, node, span)
    }

    fn unknown(&mut self, name: &str, span: Span) -> Typed {
        if name.split('.').nth(1) == Some("mark") {
            self.problems
                .error("S005", "marks are not supported in this version yet", span)
                .label("not supported yet");
            return self.invalid(span);
        }
        let fields = self.schema.fields().iter().map(|field| ("field", field.name.as_str()));
        let aggregates = self.aggregates.keys().map(|name| ("aggregate", *name));
        let terms = self.terms.keys().map(|name| ("term", *name));
        let all: Vec<(&str, &str)> = aggregates.chain(fields).chain(terms).collect();
        let near = nearest(name, all.iter().map(|(_, known)| *known)).map(str::to_owned);
        let kind = near.as_ref().and_then(|near| all.iter().find(|(_, known)| known == near));
        let help = match (kind, catalogue::field(name)) {
            (_, Some(_)) => {
                Some(format!("`{name}` is a well-known field; add it to the schema's `fields:` to read it"))
            }
            (Some((kind, near)), None) => Some(format!("did you mean the {kind} `{near}`?")),
            (None, None) => None,
        };
        self.problems
            .error("E201", format!("nothing is named `{name}`"), span)
            .label("not a field, aggregate or term")
            .about(name)
            .help_maybe(help);
        let near = near.unwrap_or_default();
        if let Some(aggregate) = self.aggregates.get_mut(near.as_str()) {
            aggregate.used = true;
        }
        if let Some(term) = self.terms.get_mut(near.as_str()) {
            term.used = true;
        }
        self.invalid(span)
    }

    fn term(&mut self, name: &str, span: Span) -> Typed {
        let over_rows = self.over_rows;
        let entry = self.terms.get_mut(name).expect("the caller found it");
        entry.used = true;
        let seen_before = entry.is_resolved();
        let text = entry.text;
        let expr = match (&*entry.typed(over_rows), &text.expr) {
            (Resolution::Done(typed), _) => return Typed { span, constant: None, ..typed.clone() },
            (Resolution::InProgress, _) => {
                self.problems
                    .error("E207", format!("term `{name}` refers to itself"), span)
                    .label("circular reference");
                return self.invalid(span);
            }
            (Resolution::Pending, None) => return self.invalid(span),
            (Resolution::Pending, Some(expr)) => expr,
        };
        if self.term_depth == DEPTH_MAX {
            self.problems
                .error("E104", format!("terms are nested more than {DEPTH_MAX} levels deep"), span)
                .label("nested too deep");
            return self.invalid(span);
        }
        *entry.typed(over_rows) = Resolution::InProgress;
        let problems = self.problems.list().len();
        self.term_depth += 1;
        let node = self.condition(expr);
        self.term_depth -= 1;
        if seen_before {
            // Errors that do not depend on the context have been reported in the other one.
            self.problems.forget_repeated(problems);
        }
        let typed = match node {
            Some(node) => is(Kind::Bool, node, span),
            None => self.invalid(span),
        };
        let entry = self.terms.get_mut(name).expect("the caller found it");
        *entry.typed(over_rows) = Resolution::Done(typed.clone());
        typed
    }

    fn fact_value(&mut self, name: &str, span: Span) -> Typed {
        if self.over_rows {
            self.problems
                .error("E401", "the condition of an aggregate can read fields of rows only", span)
                .label("a fact")
                .help("compare facts in a rule's `when:`");
            return self.invalid(span);
        }
        match self.fact(name, span) {
            Some(fact) => self.read(fact.slot, fact.kind, span),
            None => self.invalid(span),
        }
    }

    fn signal(&mut self, name: &str, span: Span) -> Typed {
        let Some(entry) = self.signals.get_mut(name) else {
            let near = nearest(name, self.signals.keys().copied()).map(str::to_owned);
            self.problems
                .error("E205", format!("no signal named `{name}`"), span)
                .label("not declared under `signals:`")
                .help_maybe(near.map(|near| format!("did you mean `signal.{near}`?")));
            return self.invalid(span);
        };
        let slot = entry.slot;
        let typed = self.signal_value(name);
        let Ty::Is(kind) = typed.ty else { return self.invalid(span) };
        let slot = slot.unwrap_or_else(|| self.register());
        self.signals.get_mut(name).expect("found above").slot = Some(slot);
        self.read(slot, kind, span)
    }

    /// The value that the key space of a signal publishes.
    pub(crate) fn signal_value(&mut self, name: &str) -> Typed {
        let entry = self.signals.get_mut(name).expect("the caller found it");
        let at = entry.text.name.span;
        match (&entry.typed, &entry.text.value) {
            (Resolution::Done(typed), _) => typed.clone(),
            (Resolution::Pending, Some(expr)) => {
                entry.typed = Resolution::InProgress;
                let mut typed = self.expr(expr);
                if !matches!(typed.ty, Ty::Is(Kind::Number | Kind::Money(_) | Kind::Bool) | Ty::Invalid) {
                    self.problems
                        .error("E308", "a signal must be a number, money or yes/no", typed.span)
                        .label(format!("this is {}", called(&typed.ty)));
                    typed = self.invalid(at);
                }
                if typed.ty == Ty::Is(Kind::Money(CurrencyOf::Account)) {
                    // Another account would read it in its own currency.
                    self.several_currencies(typed.span);
                    typed = self.invalid(at);
                }
                self.signals.get_mut(name).expect("found above").typed = Resolution::Done(typed.clone());
                typed
            }
            (Resolution::InProgress, _) => {
                self.problems.error("E207", format!("signal `{name}` refers to itself"), at);
                self.invalid(at)
            }
            (Resolution::Pending, None) => self.invalid(at),
        }
    }

    fn model(&mut self, path: &str, span: Span) -> Typed {
        let name = path.strip_suffix(".score").filter(|name| self.options.models.contains(name));
        let Some(name) = name else {
            let known = self.options.models.iter().map(|name| format!("{name}.score")).collect::<Vec<_>>();
            let near = nearest(path, known.iter().map(String::as_str)).map(str::to_owned);
            self.problems
                .error("E206", format!("no model provides `model.{path}`"), span)
                .label("not the score of a configured model")
                .help_maybe(near.map(|near| format!("did you mean `model.{near}`?")));
            return self.invalid(span);
        };
        let slot = match self.models.get(name) {
            Some(slot) => *slot,
            None => {
                let slot = self.register();
                self.models.insert(name.to_owned(), slot);
                slot
            }
        };
        self.read(slot, Kind::Number, span)
    }

    /// All names that an expression reads, directly or through terms, each once, in the order written.
    pub(crate) fn reads_of(&self, expr: &Expr) -> Vec<Read> {
        let mut reads = Vec::new();
        self.collect(expr, None, &mut BTreeSet::new(), &mut reads);
        reads
    }

    /// A term is collected once, so that shared terms take no longer, and a term that refers to itself ends.
    fn collect<'t>(
        &'t self,
        expr: &'t Expr,
        outer: Option<Span>,
        seen: &mut BTreeSet<&'t str>,
        reads: &mut Vec<Read>,
    ) {
        expr.walk(&mut |part| {
            let span = outer.unwrap_or(part.span);
            let (name, origin) = match &part.kind {
                ExprKind::Name(name) => match self.terms.get(name.as_str()) {
                    Some(term) => {
                        // A term without a type has been reported.
                        let collect = term.is_sound() && seen.insert(name);
                        if let (true, Some(expr)) = (collect, &term.text.expr) {
                            self.collect(expr, Some(span), seen, reads);
                        }
                        return;
                    }
                    None => (name.clone(), self.origin(name)),
                },
                ExprKind::Param(name) => {
                    let value = self.params.get(name.as_str()).and_then(|param| param.value);
                    (format!("${name}"), value.map(Origin::Param))
                }
                _ => return,
            };
            if let Some(origin) = origin
                && !reads.iter().any(|read| read.name == name)
            {
                reads.push(Read { name, span, origin });
            }
        });
    }

    fn origin(&self, name: &str) -> Option<Origin> {
        if let Some(aggregate) = self.aggregates.get(name) {
            return match &aggregate.fact {
                Resolution::Done(Some(fact)) => Some(Origin::Fact(fact.clone())),
                _ => None,
            };
        }
        if let Some(slot) = self.schema.slot(name) {
            return Some(Origin::Field(slot, self.schema.field(slot).kind.clone()));
        }
        match name.split_once('.') {
            Some(("signal", signal)) => {
                let entry = self.signals.get(signal)?;
                match &entry.typed {
                    Resolution::Done(Typed { ty: Ty::Is(kind), .. }) => {
                        Some(Origin::Other(entry.slot?, kind.clone()))
                    }
                    _ => None,
                }
            }
            Some(("model", model)) => {
                let slot = self.models.get(model.strip_suffix(".score")?)?;
                Some(Origin::Other(*slot, Kind::Number))
            }
            _ => None,
        }
    }

    /// The field, if an expression consists of a field only.
    pub(crate) fn plain_field(&self, expr: &Expr) -> Option<Slot> {
        match &expr.kind {
            ExprKind::Name(name)
                if !self.terms.contains_key(name.as_str())
                    && !self.aggregates.contains_key(name.as_str()) =>
            {
                self.schema.slot(name)
            }
            _ => None,
        }
    }

    /// Whether a register holds a field of the event.
    pub(crate) fn is_field(&self, slot: Slot) -> bool {
        slot.index() < self.schema.fields().len()
    }

    /// Registers that some nodes read, in order, each once.
    pub(crate) fn slots_of(&self, nodes: impl IntoIterator<Item = NodeId>) -> Vec<Slot> {
        let mut slots = std::collections::BTreeSet::new();
        self.graph.reads(nodes, &mut |slot| {
            slots.insert(slot);
        });
        slots.into_iter().collect()
    }
}
