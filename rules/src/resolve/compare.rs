//! Comparisons, `between` and `in`: which kinds can be compared.

use super::resolver::Resolver;
use super::types::{Resolution, Ty, Typed, called, is, unquote_help};
use crate::ast::{Compare, Expr, ExprKind};
use crate::diagnostic::{Span, nearest};
use crate::function;
use crate::graph::{Node, NodeId};
use crate::list::{self, Entries};
use crate::schema::{Codes, Kind};
use crate::time::Ms;
use crate::value::number_word;
use jiff::tz::TimeZone;
use std::path::Path;

impl Resolver<'_> {
    pub(super) fn compare(&mut self, op: Compare, a: &Expr, b: &Expr, span: Span) -> Typed {
        if let Some((nothing, value)) =
            self.nothing(b).map(|at| (at, a)).or(self.nothing(a).map(|at| (at, b)))
        {
            self.compared_with_nothing(op, nothing, value);
            return self.invalid(span);
        }
        let (a, b) = match (self.is_unknown(a), self.is_unknown(b)) {
            (false, true) => {
                let a = self.expr(a);
                let b = self.unquoted(b, &a.ty);
                (a, b)
            }
            (true, false) => {
                let b = self.expr(b);
                let a = self.unquoted(a, &b.ty);
                (a, b)
            }
            _ => (self.expr(a), self.expr(b)),
        };
        match self.compared(op, a, b) {
            Some(node) => is(Kind::Bool, node, span),
            None => self.invalid(span),
        }
    }

    pub(super) fn between(&mut self, value: &Expr, low: &Expr, high: &Expr, span: Span) -> Typed {
        let (value, low, high) = (self.expr(value), self.expr(low), self.expr(high));
        let above = self.compared(Compare::Ge, value.clone(), low);
        let below = self.compared(Compare::Le, value, high);
        match (above, below) {
            (Some(above), Some(below)) => self.truth(span, Some(above), |above| Node::And(above, below)),
            _ => self.invalid(span),
        }
    }

    /// The node of a comparison; what cannot be compared is reported.
    fn compared(&mut self, op: Compare, a: Typed, b: Typed) -> Option<NodeId> {
        if a.ty == Ty::Invalid || b.ty == Ty::Invalid {
            return None;
        }
        let never = match op {
            Compare::Ne => "always be true",
            _ => "never be true",
        };
        let (left, right) = (a.clone(), b.clone());
        let Some((x, y, kind)) = self.alike(a, b, never)? else {
            self.cannot_compare(op, &left, &right);
            return None;
        };
        match (op, kind) {
            (_, Kind::Number | Kind::Money(_) | Kind::Time | Kind::Duration) => {
                Some(self.graph.add(Node::Compare(op, x, y)))
            }
            (_, Kind::Geo) => {
                self.cannot_compare(op, &left, &right);
                None
            }
            (Compare::Eq, _) => Some(self.graph.add(Node::Same(x, y))),
            (Compare::Ne, _) => {
                let same = self.graph.add(Node::Same(x, y));
                Some(self.graph.add(Node::Not(same)))
            }
            _ => {
                self.cannot_compare(op, &left, &right);
                None
            }
        }
    }

    fn cannot_compare(&mut self, op: Compare, a: &Typed, b: &Typed) {
        let (left, right) = (called(&a.ty), called(&b.ty));
        let help = unquote_help(&a.ty, &b.ty)
            .or_else(|| self.share_help(a, b))
            .or_else(|| number_help(&a.ty, &b.ty));
        // The error is placed at the quoted operand, otherwise at the right one.
        let quoted_left = matches!(a.ty, Ty::Quoted(_)) && !matches!(b.ty, Ty::Quoted(_));
        let (odd, other) = if quoted_left { ((a, left), (b, right)) } else { ((b, right), (a, left)) };
        self.problems
            .error("E301", format!("cannot compare {left} with {right} using `{}`", op.sign()), odd.0.span)
            .label(format!("this is {}", odd.1))
            .context(other.0.span, format!("this is {}", other.1))
            .help_maybe(help);
    }

    /// Help for a percentage beside money.
    fn share_help(&self, a: &Typed, b: &Typed) -> Option<String> {
        let is_money = |typed: &Typed| matches!(typed.ty, Ty::Is(Kind::Money(_)));
        let is_share = |typed: &Typed| typed.ty == Ty::Is(Kind::Number) && self.is_percentage(typed.span);
        (is_money(a) && is_share(b) || is_share(a) && is_money(b))
            .then(|| "a percentage is a share of something: write `50% * x`, or the amount itself".to_owned())
    }

    /// Converts two values to one kind. Outer `None`: invalid and reported; inner `None`: the kinds differ.
    #[expect(clippy::option_option, reason = "reported and unfit are two things")]
    pub(super) fn alike(
        &mut self,
        mut a: Typed,
        mut b: Typed,
        never: &str,
    ) -> Option<Option<(NodeId, NodeId, Kind)>> {
        self.as_money(&mut a, &b.ty);
        self.as_money(&mut b, &a.ty);
        let found = match (&a.ty, &b.ty) {
            (Ty::Is(x), Ty::Is(y)) if x == y => Some((a.node, b.node, x.clone())),
            (Ty::Is(kind), Ty::Quoted(text)) => {
                self.word(kind, text, b.span, never)?.map(|word| (a.node, word, kind.clone()))
            }
            (Ty::Quoted(text), Ty::Is(kind)) => {
                self.word(kind, text, a.span, never)?.map(|word| (word, b.node, kind.clone()))
            }
            (Ty::Quoted(x), Ty::Quoted(y)) => {
                let hash = |text: &str| self.options.key.text(text.as_bytes());
                let (x, y) = (hash(x), hash(y));
                Some((self.graph.add(Node::Const(x)), self.graph.add(Node::Const(y)), Kind::Text))
            }
            _ => None,
        };
        Some(found)
    }

    /// A quoted text as a value of a kind. Outer `None`: not a value, and reported; inner `None`: not a text kind.
    #[expect(clippy::option_option, reason = "reported and unfit are two things")]
    fn word(&mut self, kind: &Kind, text: &str, span: Span, never: &str) -> Option<Option<NodeId>> {
        let word = match kind {
            Kind::Text => self.options.key.text(text.as_bytes()),
            Kind::OneOf(codes) => u64::from(self.code(codes, text, span, never)?),
            _ => return Some(None),
        };
        Some(Some(self.graph.add(Node::Const(word))))
    }

    fn code(&mut self, codes: &Codes, text: &str, span: Span, never: &str) -> Option<u16> {
        let code = codes.code(text);
        if code.is_none() {
            let near = nearest(text, codes.values().iter().map(String::as_str));
            self.problems
                .error(
                    "E303",
                    format!("\"{text}\" is never a value of this field, so the test can {never}"),
                    span,
                )
                .label("no event carries this value")
                .help_maybe(near.map(|near| format!("did you mean \"{near}\"?")));
        }
        code
    }

    pub(super) fn within(&mut self, value: &Expr, list: &Expr, not: bool, span: Span) -> Typed {
        let value = self.expr(value);
        let node = match &list.kind {
            ExprKind::Array(items) => self.in_array(&value, items),
            ExprKind::List(name) => self.in_list(&value, name, list.span),
            _ => {
                self.problems
                    .error("E304", "`in` needs a list", list.span)
                    .label("not a list")
                    .help("write `[\"a\", \"b\"]` or `@list`; one value is compared with `==`");
                None
            }
        };
        match node {
            Some(node) => is(Kind::Bool, node, span).negated(not, &mut self.graph),
            None => self.invalid(span),
        }
    }

    /// Constants become one set; anything else is compared one by one.
    fn in_array(&mut self, value: &Typed, items: &[Expr]) -> Option<NodeId> {
        let mut words = Vec::new();
        let mut tests: Vec<NodeId> = Vec::new();
        let mut fine = true;
        for item in items {
            let item = if self.is_unknown(item) { self.unquoted(item, &value.ty) } else { self.expr(item) };
            if value.ty == Ty::Invalid || item.ty == Ty::Invalid {
                fine = false;
                continue;
            }
            let pair = (value.clone(), item.clone());
            match self.alike(pair.0, pair.1, "never be true") {
                None => fine = false,
                Some(None) => {
                    self.cannot_compare(Compare::Eq, value, &item);
                    fine = false;
                }
                Some(Some((_, _, Kind::Geo))) => {
                    self.cannot_compare(Compare::Eq, value, &item);
                    fine = false;
                }
                Some(Some((own, node, kind))) => match self.graph.constant(node) {
                    Some(word) if own == value.node => words.push(word),
                    _ => {
                        let numeric =
                            matches!(kind, Kind::Number | Kind::Money(_) | Kind::Time | Kind::Duration);
                        tests.push(self.graph.add(match numeric {
                            true => Node::Compare(Compare::Eq, own, node),
                            false => Node::Same(own, node),
                        }));
                    }
                },
            }
        }
        if !fine || value.ty == Ty::Invalid {
            return None;
        }
        let set = self.graph.within(value.node, words);
        Some(tests.into_iter().fold(set, |any, test| self.graph.add(Node::Or(any, test))))
    }

    fn in_list(&mut self, value: &Typed, name: &str, span: Span) -> Option<NodeId> {
        let entries = self.entries(name, span)?;
        let kind = match &value.ty {
            Ty::Invalid => return None,
            Ty::Is(kind) => kind,
            Ty::Quoted(_) => &Kind::Text,
        };
        let words: Vec<(u64, Option<Ms>)> = match (kind, &entries) {
            (Kind::Text, Entries::Texts(texts)) => {
                let key = self.options.key;
                texts.iter().map(|entry| (key.text(entry.value.as_bytes()), entry.end)).collect()
            }
            // Entries that the field never has are other fields' values: lists are shared.
            (Kind::OneOf(codes), Entries::Texts(texts)) => texts
                .iter()
                .filter_map(|entry| Some((u64::from(codes.code(&entry.value)?), entry.end)))
                .collect(),
            (Kind::Number, Entries::Numbers(numbers)) => {
                numbers.iter().map(|entry| (number_word(entry.value.number()), entry.end)).collect()
            }
            _ => {
                let of = if matches!(entries, Entries::Texts(_)) { "text" } else { "numbers" };
                self.problems
                    .error("E301", format!("list `@{name}` holds {of}"), span)
                    .label(format!("a list of {of}"))
                    .context(value.span, format!("this is {}", called(&value.ty)));
                return None;
            }
        };
        Some(self.graph.listed(value.node, words))
    }

    /// A list's entries, read once.
    pub(super) fn entries(&mut self, name: &str, span: Span) -> Option<Entries> {
        let Some(entry) = self.lists.get_mut(name) else {
            self.no_list(name, span);
            return None;
        };
        entry.used = true;
        if let Resolution::Done(entries) = &entry.entries {
            return entries.clone();
        }
        let file = &entry.text.file;
        let zone = entry.text.zone.as_deref().and_then(function::zone).unwrap_or(TimeZone::UTC);
        let pack = Path::new(&*self.problems.files()[file.span.file].name);
        let path = pack.parent().unwrap_or(Path::new("")).join(&file.text);
        let read = (self.options.list)(&path.to_string_lossy());
        let read = read.and_then(|text| list::read(entry.text, &text, &zone));
        let entries = match read {
            Ok(entries) => Some(entries),
            Err(error) => {
                self.problems
                    .error("S030", format!("list `@{name}` cannot be read: {error}"), file.span)
                    .label("this file");
                None
            }
        };
        entry.entries = Resolution::Done(entries.clone());
        entries
    }

    fn no_list(&mut self, name: &str, span: Span) {
        let near = nearest(name, self.lists.keys().copied()).map(str::to_owned);
        self.problems
            .error("E203", format!("no list named `@{name}`"), span)
            .label("not declared under `lists:`")
            .help_maybe(near.as_ref().map(|near| format!("did you mean `@{near}`?")));
        if let Some(list) = near.and_then(|near| self.lists.get_mut(near.as_str())) {
            list.used = true;
        }
    }
}

fn number_help(a: &Ty, b: &Ty) -> Option<String> {
    let pair = [a, b].map(|ty| match ty {
        Ty::Is(kind) => Some(kind),
        _ => None,
    });
    match pair {
        [Some(Kind::Number), Some(Kind::Duration)] | [Some(Kind::Duration), Some(Kind::Number)] => Some(
            "functions such as `minutes_since` give plain numbers: compare with `10`, not `10m`".to_owned(),
        ),
        [Some(Kind::Number), Some(Kind::Money(_))] | [Some(Kind::Money(_)), Some(Kind::Number)] => {
            Some("money compares with money, and with constants: `100`, `$param`, `0.8 * $param`".to_owned())
        }
        _ => None,
    }
}
