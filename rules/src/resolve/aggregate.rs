//! Aggregates: from the declaration in a pack to the normal form in the plan of a key space.
//!
//! It does not depend on rows; it defines what is computed over them.

use super::by::Whose;
use super::plan::Placed;
use super::resolver::Resolver;
use super::types::{Fact, Origin, Resolution, Ty, called};
use crate::aggregate::{Aggregate, Lane, Op, Population, TAGS_MAX, TagId};
use crate::ast::Expr;
use crate::diagnostic::Span;
use crate::graph::NodeId;
use crate::pack::{AggregateText, OpText};
use crate::schema::{ACCOUNT_CURRENCY, CurrencyOf, EVENT_TIME, EVENT_TYPE, Kind};
use crate::time::{DAY_MS, HOUR_MS};
use crate::value::Slot;

impl Resolver<'_> {
    /// The fact of a declared aggregate; it enters its plan unless the resolver only checks.
    pub(crate) fn fact(&mut self, name: &str, span: Span) -> Option<Fact> {
        let entry = self.aggregates.get_mut(name)?;
        entry.used = true;
        let text = entry.text;
        match &entry.fact {
            Resolution::Done(fact) => return fact.clone(),
            Resolution::InProgress => {
                self.problems.error("E207", format!("aggregate `{name}` refers to itself"), span);
                return None;
            }
            Resolution::Pending => entry.fact = Resolution::InProgress,
        }
        let fact = self.resolved(text);
        self.aggregates.get_mut(name)?.fact = Resolution::Done(fact.clone());
        fact
    }

    fn resolved(&mut self, text: &AggregateText) -> Option<Fact> {
        let whose = self.whose(text);
        let condition = text.filter.as_ref().map(|filter| self.over_rows(filter, text));
        let ratio = match (text.op?, &text.value) {
            (OpText::Ratio, Some(share)) => Some(self.over_rows(share, text)?),
            (OpText::Ratio, None) => return None,
            _ => None,
        };
        let read = self.value(text);
        let (whose, (value, kind)) = (whose?, read?);
        let filter = match condition {
            Some(filter) => Some(filter?),
            None => None,
        };
        if !text.whole {
            return None;
        }
        self.check_window(text);
        let fact_kind = self.fact_kind(text, value, &kind, &whose)?;
        let follow_ups = self.asks_for_follow_ups(filter, ratio, value);
        if let Some(group) = whose.all {
            return self.population(text, value?, group, filter, follow_ups);
        }
        let slot = self.register();
        let filter = self.filter_tag(filter, whose.space, text.name.span)?;
        let op = match ratio {
            Some(node) => Op::Ratio(self.tag(node, whose.space, text.name.span)?),
            None => op(text)?,
        };
        let aggregate = Aggregate {
            name: text.name.text.clone(),
            op,
            value,
            value_kind: kind,
            lane: 0,
            over: text.over,
            delay: text.delay,
            filter,
            include_current: text.include_current,
            follow_ups,
            at_least: text.at_least,
            slot,
            kind: fact_kind.clone(),
        };
        let includes = value.filter(|_| is_centre(text.op) && text.include_current && text.delay == 0);
        self.place(aggregate, Lane { fields: whose.lane }, whose.space, text.name.span).map(|fact| Fact {
            includes,
            kind: fact_kind,
            ..fact
        })
    }

    /// The tag of a condition over rows; inner `None` for one that is always true.
    #[expect(clippy::option_option, reason = "no tag needed and no tag left are two things")]
    fn filter_tag(&mut self, filter: Option<NodeId>, space: usize, span: Span) -> Option<Option<TagId>> {
        match filter {
            Some(node) if self.graph.constant(node) != Some(1) => self.tag(node, space, span).map(Some),
            _ => Some(None),
        }
    }

    fn tag(&mut self, node: NodeId, space: usize, span: Span) -> Option<TagId> {
        if self.dry {
            return Some(TagId(0));
        }
        let tag = self.plans[space].tag(node);
        if tag.is_none() {
            self.problems.error(
                "S007",
                format!("a key space has at most {TAGS_MAX} different `where` conditions"),
                span,
            );
        }
        tag
    }

    fn place(&mut self, aggregate: Aggregate, lane: Lane, space: usize, span: Span) -> Option<Fact> {
        let kind = aggregate.kind.clone();
        let slot = aggregate.slot;
        if self.dry {
            return Some(Fact { slot, kind, space, placed: Placed::Aggregate(0), includes: None });
        }
        match self.plans[space].aggregate(aggregate, lane) {
            Ok((index, slot)) => {
                Some(Fact { slot, kind, space, placed: Placed::Aggregate(index), includes: None })
            }
            Err(bound) => {
                self.too_many(&bound, span);
                None
            }
        }
    }

    /// A key space has no room for one more.
    fn too_many(&mut self, bound: &str, span: Span) {
        self.problems.error("S007", format!("a key space has at most {bound}"), span);
    }

    fn population(
        &mut self,
        text: &AggregateText,
        value: Slot,
        group: Option<Slot>,
        filter: Option<NodeId>,
        follow_ups: bool,
    ) -> Option<Fact> {
        let days =
            text.over.filter(|over| over % DAY_MS == 0).and_then(|over| u32::try_from(over / DAY_MS).ok());
        let Some(days) = days else {
            self.problems
                .error(
                    "E414",
                    "a rank over all accounts needs a window of whole days",
                    text.over_span.unwrap_or(text.name.span),
                )
                .label("not whole days")
                .help("for example `over: 30d`");
            return None;
        };
        let filter_node = filter;
        let filter = self.filter_tag(filter, 0, text.name.span)?;
        let slot = self.register();
        let population = Population {
            name: text.name.text.clone(),
            value,
            group,
            days,
            filter,
            follow_ups,
            condition: filter_node.and_then(|node| self.graph.wording(node, self.schema)),
            at_least: text.at_least,
            slot,
        };
        let slot = if self.dry { Ok(slot) } else { self.plans[0].population(population) };
        let slot = slot.map_err(|bound| self.too_many(&bound, text.name.span)).ok()?;
        Some(Fact { slot, kind: Kind::Number, space: 0, placed: Placed::Population, includes: None })
    }

    /// `seen_before(field)`: how many earlier rows of the account hold the same value.
    pub(super) fn seen_fact(&mut self, field: Slot, span: Span) -> Option<Fact> {
        let name = format!("seen_before({})", self.schema.field(field).name);
        if !self.kept(field, span, &name) {
            return None;
        }
        let slot = self.register();
        let aggregate = Aggregate {
            name,
            op: Op::Count,
            value: None,
            value_kind: Kind::Bool,
            lane: 0,
            over: None,
            delay: 0,
            filter: None,
            include_current: false,
            follow_ups: false,
            at_least: 0,
            slot,
            kind: Kind::Number,
        };
        self.place(aggregate, Lane { fields: vec![field] }, 0, span)
    }

    /// Register of a fact's coverage.
    pub(super) fn coverage_of(&mut self, name: &str, span: Span) -> Option<Slot> {
        let windowed = self.aggregates.get(name)?.text.over.is_some();
        let fact = self.fact(name, span)?;
        let Placed::Aggregate(index) = fact.placed else {
            self.problems
                .error("E305", "the coverage of a rank over all accounts cannot be read", span)
                .label("here");
            return None;
        };
        if !windowed {
            self.problems
                .error("E305", format!("`{name}` has no window, so its coverage cannot be read"), span)
                .label("reads all rows that are kept");
            return None;
        }
        let slot = self.register();
        Some(if self.dry { slot } else { self.plans[fact.space].coverage(index, slot) })
    }

    /// A condition over rows.
    fn over_rows(&mut self, expr: &Expr, text: &AggregateText) -> Option<NodeId> {
        let outer = std::mem::replace(&mut self.over_rows, true);
        let node = self.condition(expr);
        self.over_rows = outer;
        let node = node?;
        let called = &text.name.text;
        let mut fine = true;
        for read in self.reads_of(expr) {
            match read.origin {
                Origin::Field(slot, _) => fine &= self.kept(slot, read.span, called),
                Origin::Param(_) => {}
                _ => {
                    fine = false;
                    self.problems
                        .error(
                            "E401",
                            "the condition of an aggregate can read fields of rows only",
                            read.span,
                        )
                        .label("not in a row");
                }
            }
        }
        // Functions read fields that are not written: `kmh` reads `tx.geo`. A bare amount is in the account's currency,
        // which rows with such an amount hold.
        for slot in self.slots_of([node]) {
            if fine && self.is_field(slot) && slot != ACCOUNT_CURRENCY {
                fine &= self.kept(slot, expr.span, called);
            }
        }
        fine.then_some(node)
    }

    /// Whether rows keep a field; reports an error if not.
    pub(super) fn kept(&mut self, slot: Slot, span: Span, aggregate: &str) -> bool {
        let kept = slot == EVENT_TYPE || slot == EVENT_TIME || self.schema.keep().contains(&slot);
        if !kept {
            let name = &self.schema.field(slot).name;
            self.problems
                .error("E402", format!("rows do not keep `{name}`, so `{aggregate}` cannot read it"), span)
                .label("not kept")
                .help(format!("add `{name}` to the schema's `keep:`; rows hold it from then on"));
        }
        kept
    }

    /// The field that is read of each row, and its kind.
    fn value(&mut self, text: &AggregateText) -> Option<(Option<Slot>, Kind)> {
        if matches!(text.op?, OpText::Count | OpText::Rate | OpText::Ratio) {
            return Some((None, Kind::Bool));
        }
        let expr = text.value.as_ref()?;
        let Some(slot) = self.plain_field(expr) else {
            let typed = self.expr(expr);
            if typed.ty != Ty::Invalid {
                self.problems
                    .error("E406", "an aggregate can read one field only", expr.span)
                    .label("not a field");
            }
            return None;
        };
        let kind = self.schema.field(slot).kind.clone();
        self.kept(slot, expr.span, &text.name.text).then_some((Some(slot), kind))
    }

    /// The kind of the fact; an operation that does not fit its field is reported.
    fn fact_kind(
        &mut self,
        text: &AggregateText,
        value: Option<Slot>,
        kind: &Kind,
        whose: &Whose,
    ) -> Option<Kind> {
        let op = text.op?;
        let at = text.value.as_ref().map_or(text.name.span, |value| value.span);
        let numeric = matches!(kind, Kind::Number | Kind::Money(_));
        let fits = match op {
            OpText::Count | OpText::Rate | OpText::Ratio | OpText::Last | OpText::First | OpText::Nth(_) => {
                true
            }
            OpText::Distinct => !matches!(kind, Kind::Geo),
            _ => numeric,
        };
        if !fits {
            self.problems
                .error("E302", "this operation needs a number or money", at)
                .label(format!("this is {}", called(&Ty::Is(kind.clone()))));
            return None;
        }
        let is_accounts = value.is_some() && *kind == Kind::Money(CurrencyOf::Account);
        if is_accounts && whose.has_several_currencies() {
            self.several_currencies(at);
            return None;
        }
        Some(match op {
            OpText::Count | OpText::Rate | OpText::Ratio | OpText::Rank | OpText::Distinct => Kind::Number,
            _ => kind.clone(),
        })
    }

    /// Amounts of several accounts meet, and no single currency is declared.
    pub(super) fn several_currencies(&mut self, at: Span) {
        self.problems
            .error("E410", "amounts of different accounts can be in different currencies", at)
            .label("in the currency of each account")
            .help(
                "declare one currency in the schema (`money in EUR`), add `account.currency` to `by:`, or use a \
                 number that was converted",
            );
    }

    /// Whether an aggregate asks for follow-ups: it reads a field of labels, or counts only event types that it names.
    fn asks_for_follow_ups(
        &self,
        filter: Option<NodeId>,
        ratio: Option<NodeId>,
        value: Option<Slot>,
    ) -> bool {
        let read = self.slots_of(filter.into_iter().chain(ratio)).into_iter().chain(value);
        let mut fields = read.filter(|slot| self.is_field(*slot)).map(|slot| &self.schema.field(slot).name);
        fields.any(|name| name.starts_with("label."))
            || filter.is_some_and(|filter| self.graph.names_types(filter))
    }

    fn check_window(&mut self, text: &AggregateText) {
        let (Some(over), Some(retention)) = (text.over, self.options.retention) else { return };
        if over.saturating_add(text.delay) > retention {
            let days = |ms: i64| format!("{} h", ms / HOUR_MS);
            self.problems
                .error(
                    "E411",
                    format!("the window of aggregate `{}` exceeds the retention of rows", text.name.text),
                    text.over_span.unwrap_or(text.name.span),
                )
                .label(format!(
                    "window {}, retention {}",
                    days(over.saturating_add(text.delay)),
                    days(retention)
                ));
        }
    }
}

fn is_centre(op: Option<OpText>) -> bool {
    use OpText::{Avg, Median, Quantile, Stddev, TrimmedMean};
    matches!(op, Some(Avg | Median | Quantile(_) | Stddev | TrimmedMean))
}

fn op(text: &AggregateText) -> Option<Op> {
    Some(match text.op? {
        OpText::Count => Op::Count,
        OpText::Sum => Op::Sum,
        OpText::Avg => Op::Avg,
        OpText::Min => Op::Min,
        OpText::Max => Op::Max,
        OpText::Stddev => Op::Stddev,
        OpText::Median => Op::Median,
        OpText::TrimmedMean => Op::TrimmedMean,
        OpText::Quantile(q) => Op::Quantile(q),
        OpText::Distinct => Op::Distinct { max: text.distinct_max },
        OpText::Last => Op::Last,
        OpText::First => Op::First,
        OpText::Nth(n) => Op::Nth(n),
        OpText::Rate => Op::Rate,
        OpText::Rank => Op::Rank,
        OpText::Ratio => return None,
    })
}
