//! Functions: checks of their arguments, and their nodes.
//!
//! It does not compute them; most are composed of simpler nodes.

use super::header::zone_help;
use super::resolver::Resolver;
use super::types::{Ty, Typed, called, is};
use crate::ast::{Arithmetic, Compare, Expr, ExprKind};
use crate::diagnostic::{Span, nearest};
use crate::function::{self, Extreme, Local, Unary};
use crate::graph::{Node, NodeId};
use crate::pattern::{Pattern, TextTest};
use crate::schema::{EVENT_TIME, Kind};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Ms, ms_as_f64};

/// The functions, with the minimum and maximum number of arguments.
pub const FUNCTIONS: [(&str, usize, usize); 17] = [
    ("abs", 1, 1),
    ("coalesce", 2, 8),
    ("coverage", 1, 1),
    ("days_since", 1, 1),
    ("hours_since", 1, 1),
    ("is_multiple_of", 2, 2),
    ("km_between", 2, 2),
    ("kmh", 2, 2),
    ("local_hour", 1, 1),
    ("local_weekday", 1, 1),
    ("log", 1, 1),
    ("matches", 2, 2),
    ("max", 2, 8),
    ("min", 2, 8),
    ("minutes_since", 1, 1),
    ("ratio", 2, 2),
    ("seen_before", 1, 1),
];
/// A function that is not in [`FUNCTIONS`]: a test for a prefix.
const STARTS_WITH: (&str, usize, usize) = ("starts_with", 2, 2);

/// The shortest time between two places, ms.
const APART_MS_MIN: f64 = 1.0;

impl Resolver<'_> {
    pub(super) fn call(&mut self, name: &str, at: Span, args: &[Expr], span: Span) -> Typed {
        let known = FUNCTIONS.iter().chain([&STARTS_WITH]).find(|(known, ..)| *known == name);
        let Some((_, least, most)) = known else {
            let all = FUNCTIONS.iter().chain([&STARTS_WITH]).map(|(known, ..)| *known);
            let window = self.window_help(name, args);
            let is_window = window.is_some();
            let near = || nearest(name, all).map(|near| format!("did you mean `{near}`?"));
            self.problems
                .error("E204", format!("no function named `{name}`"), at)
                .label("unknown function")
                .help_maybe(window.or_else(near));
            // Errors in the arguments are reported as well, unless they are an entity and a window.
            args.iter().filter(|_| !is_window).for_each(|arg| {
                self.expr(arg);
            });
            return self.invalid(span);
        };
        if !(*least..=*most).contains(&args.len()) {
            let takes = if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.problems
                .error("E305", format!("`{name}` takes {takes} arguments, not {}", args.len()), span)
                .label("here");
            args.iter().for_each(|arg| {
                self.expr(arg);
            });
            return self.invalid(span);
        }
        let result = match name {
            "km_between" => self.km_between(&args[0], &args[1]).map(|node| (Kind::Number, node)),
            "kmh" => self.kmh(&args[0], &args[1], span).map(|node| (Kind::Number, node)),
            "minutes_since" => self.since(&args[0], MINUTE_MS),
            "hours_since" => self.since(&args[0], HOUR_MS),
            "days_since" => self.since(&args[0], DAY_MS),
            "local_hour" => self.local(Local::Hour, &args[0]),
            "local_weekday" => self.local(Local::Weekday, &args[0]),
            "coalesce" => self.folded(name, args, Node::Coalesce),
            "min" => self.folded(name, args, |a, b| Node::Extreme(Extreme::Min, a, b)),
            "max" => self.folded(name, args, |a, b| Node::Extreme(Extreme::Max, a, b)),
            "abs" => self.abs(&args[0]),
            "log" => self.log(&args[0]),
            "ratio" => {
                self.pair(name, args, |a, b| Node::Arithmetic(Arithmetic::Div, a, b, false), Kind::Number)
            }
            "is_multiple_of" => self.pair(name, args, Node::MultipleOf, Kind::Bool),
            "starts_with" => self.text_test(TextTest::StartsWith, args),
            "matches" => self.text_test(TextTest::Matches, args),
            "seen_before" => self.seen_before(&args[0], span),
            _ => self.coverage(&args[0]),
        };
        match result {
            Some((kind, node)) => is(kind, node, span),
            None => self.invalid(span),
        }
    }

    /// An argument that must be of one kind.
    fn argument(&mut self, expr: &Expr, wanted: &Kind, what: &str) -> Option<NodeId> {
        let typed = self.expr(expr);
        match &typed.ty {
            Ty::Is(kind) if kind == wanted => Some(typed.node),
            Ty::Invalid => None,
            other => {
                self.wrong(expr.span, what, other);
                None
            }
        }
    }

    fn wrong(&mut self, span: Span, what: &str, ty: &Ty) {
        self.problems
            .error("E305", format!("{what} is required here"), span)
            .label(format!("this is {}", called(ty)));
    }

    fn km_between(&mut self, a: &Expr, b: &Expr) -> Option<NodeId> {
        let (a, b) = (self.argument(a, &Kind::Geo, "a location"), self.argument(b, &Kind::Geo, "a location"));
        Some(self.graph.add(Node::KmBetween(a?, b?)))
    }

    /// The speed from a place and time to those of this event. Two different places are at least [`APART_MS_MIN`] apart
    /// in time, so that no speed is infinite; the same place is no travel.
    fn kmh(&mut self, geo: &Expr, time: &Expr, span: Span) -> Option<NodeId> {
        let from = self.argument(geo, &Kind::Geo, "a location");
        let time = self.argument(time, &Kind::Time, "a time");
        let here = self.schema.slot("tx.geo").filter(|slot| self.schema.field(*slot).kind == Kind::Geo);
        let Some(here) = here else {
            self.problems
                .error("E305", "`kmh` needs the field `tx.geo`, which the schema does not declare", span)
                .label("here")
                .about("tx.geo")
                .help("add `tx.geo: location` to the schema's `fields:`");
            return None;
        };
        let here = self.graph.add(Node::Read(here));
        let km = self.graph.add(Node::KmBetween(from?, here));
        let elapsed = self.elapsed_since(time?);
        let length = self.graph.add(Node::Unary(Unary::Abs, elapsed));
        let apart = self.graph.number(APART_MS_MIN);
        let elapsed = self.graph.add(Node::Extreme(Extreme::Max, length, apart));
        let hours = self.in_units(elapsed, HOUR_MS);
        Some(self.graph.add(Node::Arithmetic(Arithmetic::Div, km, hours, false)))
    }

    fn since(&mut self, time: &Expr, unit: Ms) -> Option<(Kind, NodeId)> {
        let time = self.argument(time, &Kind::Time, "a time")?;
        let elapsed = self.elapsed_since(time);
        Some((Kind::Number, self.in_units(elapsed, unit)))
    }

    /// Milliseconds from a time to the event.
    fn elapsed_since(&mut self, time: NodeId) -> NodeId {
        let now = self.graph.add(Node::Read(EVENT_TIME));
        self.graph.add(Node::Arithmetic(Arithmetic::Sub, now, time, false))
    }

    fn in_units(&mut self, elapsed: NodeId, unit: Ms) -> NodeId {
        let unit = self.graph.number(ms_as_f64(unit));
        self.graph.add(Node::Arithmetic(Arithmetic::Div, elapsed, unit, false))
    }

    fn local(&mut self, what: Local, zone: &Expr) -> Option<(Kind, NodeId)> {
        let typed = self.expr(zone);
        let node = match &typed.ty {
            Ty::Invalid => return None,
            Ty::Is(Kind::Text) => {
                self.zone_slots.extend(self.plain_field(zone));
                self.zones_by_field = true;
                Node::LocalOf(what, typed.node)
            }
            Ty::Quoted(name) => Node::LocalIn(what, self.zone(name, zone.span)?),
            other => {
                let other = other.clone();
                self.wrong(zone.span, "a time zone", &other);
                return None;
            }
        };
        Some((Kind::Number, self.graph.add(node)))
    }

    fn zone(&mut self, name: &str, span: Span) -> Option<u32> {
        let at = match self.zones.iter().position(|(held, _)| held == name) {
            Some(at) => at,
            None => {
                let Some(zone) = function::zone(name) else {
                    self.problems
                        .error("E309", format!("no time zone named \"{name}\""), span)
                        .label("not in the tz database")
                        .help(zone_help(name));
                    return None;
                };
                self.zones.push((name.to_owned(), zone));
                self.zones.len() - 1
            }
        };
        u32::try_from(at).ok()
    }

    /// Several values of one kind, joined from the left.
    fn folded(
        &mut self,
        name: &str,
        args: &[Expr],
        join: impl Fn(NodeId, NodeId) -> Node,
    ) -> Option<(Kind, NodeId)> {
        let mut all = Vec::new();
        for arg in args {
            all.push(self.expr(arg));
        }
        if all.iter().any(|arg| arg.ty == Ty::Invalid) {
            return None;
        }
        // An argument that is not a constant decides the kind of constants, in any position.
        let lead = all
            .iter()
            .find(|arg| matches!(arg.ty, Ty::Is(_)) && arg.constant.is_none())
            .or(all.first())?
            .clone();
        let mut kind = None;
        let mut joined: Option<NodeId> = None;
        for arg in all {
            let span = arg.span;
            let ty = arg.ty.clone();
            let Some((_, node, own)) = self.alike(lead.clone(), arg, "never be chosen")? else {
                let window = self.window_help(name, args);
                self.problems
                    .error("E305", format!("the arguments of `{name}` must be of one kind"), span)
                    .label(format!("this is {}", called(&ty)))
                    .context(lead.span, format!("this is {}", called(&lead.ty)))
                    .help_maybe(window);
                return None;
            };
            let numeric = matches!(own, Kind::Number | Kind::Money(_) | Kind::Time | Kind::Duration);
            if name != "coalesce" && !numeric {
                self.wrong(span, "something that has an order", &ty);
                return None;
            }
            kind = Some(own);
            joined = Some(match joined {
                None => node,
                Some(joined) => self.graph.add(join(joined, node)),
            });
        }
        kind.zip(joined)
    }

    fn abs(&mut self, arg: &Expr) -> Option<(Kind, NodeId)> {
        let typed = self.expr(arg);
        match typed.ty {
            Ty::Is(kind @ (Kind::Number | Kind::Money(_) | Kind::Duration)) => {
                Some((kind, self.graph.add(Node::Unary(Unary::Abs, typed.node))))
            }
            Ty::Invalid => None,
            other => {
                self.wrong(arg.span, "a number", &other);
                None
            }
        }
    }

    fn log(&mut self, arg: &Expr) -> Option<(Kind, NodeId)> {
        let number = self.argument(arg, &Kind::Number, "a number")?;
        Some((Kind::Number, self.graph.add(Node::Unary(Unary::Log, number))))
    }

    /// Two numbers, or two amounts of one currency.
    fn pair(
        &mut self,
        name: &str,
        args: &[Expr],
        node: impl Fn(NodeId, NodeId) -> Node,
        result: Kind,
    ) -> Option<(Kind, NodeId)> {
        let (a, b) = (self.expr(&args[0]), self.expr(&args[1]));
        if a.ty == Ty::Invalid || b.ty == Ty::Invalid {
            return None;
        }
        let (span, left, right) = (b.span, a.ty.clone(), b.ty.clone());
        match self.alike(a, b, "never be true")? {
            Some((a, b, Kind::Number | Kind::Money(_) | Kind::Duration)) => {
                Some((result, self.graph.add(node(a, b))))
            }
            _ => {
                self.problems
                    .error("E305", format!("`{name}` takes two numbers or two amounts"), span)
                    .label(format!("{} and {}", called(&left), called(&right)));
                None
            }
        }
    }

    fn text_test(&mut self, test: TextTest, args: &[Expr]) -> Option<(Kind, NodeId)> {
        let slot = self.plain_field(&args[0]).filter(|slot| self.schema.field(*slot).kind == Kind::Text);
        let Some(slot) = slot else {
            let typed = self.expr(&args[0]);
            if typed.ty != Ty::Invalid {
                self.problems
                    .error("E404", "only the event's own text fields can be searched", args[0].span)
                    .label("not a text field of the event")
                    .help("facts and rows hold the hash of a text, not the text");
            }
            return None;
        };
        if self.over_rows {
            self.problems
                .error("E401", "rows hold the hash of a text, so an aggregate cannot search it", args[0].span)
                .label("not in a row");
            return None;
        }
        let ExprKind::Text(text) = &args[1].kind else {
            self.problems
                .error("E305", "the pattern must be a quoted text", args[1].span)
                .label("not a text");
            return None;
        };
        let pattern = match test {
            TextTest::StartsWith => Pattern::Start(text.clone()),
            TextTest::Matches => match Pattern::regex(text) {
                Ok(pattern) => pattern,
                Err(error) => {
                    self.problems
                        .error("E313", format!("invalid pattern: {error}"), args[1].span)
                        .label("here");
                    return None;
                }
            },
        };
        let at = match self
            .patterns
            .iter()
            .position(|held| held.text() == pattern.text() && held.test() == test)
        {
            Some(at) => at,
            None => {
                self.patterns.push(pattern);
                self.patterns.len() - 1
            }
        };
        self.text_slots.insert(slot);
        Some((Kind::Bool, self.graph.add(Node::Text(test, slot, u32::try_from(at).ok()?))))
    }

    /// Whether an earlier row of the account has the same value of a field as the event.
    fn seen_before(&mut self, field: &Expr, span: Span) -> Option<(Kind, NodeId)> {
        let Some(slot) = self.plain_field(field) else {
            self.problems.error("E305", "a field is required here", field.span).label("not a field");
            return None;
        };
        if self.over_rows {
            self.problems
                .error("E401", "the condition of an aggregate can read fields of rows only", span)
                .label("a fact");
            return None;
        }
        let fact = self.seen_fact(slot, field.span)?;
        let count = self.graph.add(Node::Read(fact.slot));
        let zero = self.graph.number(0.0);
        Some((Kind::Bool, self.graph.add(Node::Compare(Compare::Gt, count, zero))))
    }

    fn coverage(&mut self, fact: &Expr) -> Option<(Kind, NodeId)> {
        let name = match &fact.kind {
            ExprKind::Name(name) if self.aggregates.contains_key(name.as_str()) => name.clone(),
            _ => {
                let typed = self.expr(fact);
                if typed.ty != Ty::Invalid {
                    self.wrong(fact.span, "an aggregate", &typed.ty);
                }
                return None;
            }
        };
        if self.expr(fact).ty == Ty::Invalid {
            return None;
        }
        let slot = self.coverage_of(&name, fact.span)?;
        Some((Kind::Number, self.graph.add(Node::Read(slot))))
    }
}
