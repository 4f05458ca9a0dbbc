//! `by:`: the key space and the lane of an aggregate.
//!
//! It does not depend on operations and windows.

use super::resolver::Resolver;
use crate::diagnostic::nearest;
use crate::pack::{AggregateText, Name, OpText};
use crate::schema::ACCOUNT_CURRENCY;
use crate::value::Slot;

/// The rows that an aggregate reads.
pub(super) struct Whose {
    pub(super) space: usize,
    pub(super) lane: Vec<Slot>,
    /// For `by: all`, the field by which histograms are grouped.
    pub(super) all: Option<Option<Slot>>,
}

impl Whose {
    /// Whether the rows are those of several accounts in several currencies.
    pub(super) fn has_several_currencies(&self) -> bool {
        let is_one = self.lane.contains(&ACCOUNT_CURRENCY) || self.all == Some(Some(ACCOUNT_CURRENCY));
        (self.space != 0 || self.all.is_some()) && !is_one
    }
}

impl Resolver<'_> {
    /// Key space and lane of `by:`.
    pub(super) fn whose(&mut self, text: &AggregateText) -> Option<Whose> {
        let (first, rest) = text.by.split_first()?;
        if first.text == "all" {
            return self.everybody(text, first, rest);
        }
        let own = |name: &str| name == "account" || name == "card";
        let declared = self.schema.entities().iter().position(|entity| *entity == first.text);
        let space = match declared {
            Some(at) => at + 1,
            None if text.by.iter().any(|name| own(&name.text)) => 0,
            None => {
                self.undeclared(first);
                return None;
            }
        };
        let key = self.plans[space].space().key;
        let mut lane = Vec::new();
        for name in &text.by {
            let slot = self.by_field(name)?;
            if slot != key && !self.kept(slot, name.span, &text.name.text) {
                return None;
            }
            let whole = slot == key;
            if !whole && !lane.contains(&slot) {
                lane.push(slot);
            }
        }
        lane.sort_unstable();
        Some(Whose { space, lane, all: None })
    }

    fn everybody(&mut self, text: &AggregateText, first: &Name, rest: &[Name]) -> Option<Whose> {
        if text.op != Some(OpText::Rank) || rest.len() > 1 {
            self.problems
                .error("E415", "`by: all` needs `rank`, with at most one field to group by", first.span)
                .label("here");
            return None;
        }
        let group = match rest.first() {
            None => None,
            Some(name) => {
                let slot = self.by_field(name)?;
                self.kept(slot, name.span, &text.name.text).then_some(())?;
                Some(slot)
            }
        };
        Some(Whose { space: 0, lane: Vec::new(), all: Some(group) })
    }

    pub(super) fn undeclared(&mut self, entity: &Name) {
        let near = nearest(
            &entity.text,
            ["account", "card"].into_iter().chain(self.schema.entities().iter().map(String::as_str)),
        );
        let help = match near {
            _ if self.entity_of(&entity.text).is_some() => {
                format!("an entity is named without `.id`: write `{}`", entity.text.trim_end_matches(".id"))
            }
            Some(near) => format!("did you mean `{near}`?"),
            None if self.schema.slot(&entity.text).is_some() => {
                format!("a field is grouped by together with the account: write `[account, {}]`", entity.text)
            }
            None => "declare it under the schema's `entities:`, or pair it with the account: `[account, …]`"
                .to_owned(),
        };
        self.problems
            .error("E405", format!("`{}` has no key space of its own", entity.text), entity.span)
            .label("not declared")
            .help(help);
    }

    /// The entity whose id a field is: `card` of `card.id`.
    pub(super) fn entity_of<'t>(&self, field: &'t str) -> Option<&'t str> {
        let entity = field.strip_suffix(".id")?;
        self.is_entity(entity).then_some(entity)
    }

    /// Whether rows are grouped by this name alone.
    pub(super) fn is_entity(&self, name: &str) -> bool {
        name == "account" || name == "card" || self.schema.entities().iter().any(|entity| entity == name)
    }

    /// The field of an entity, or the field with this name.
    fn by_field(&mut self, name: &Name) -> Option<Slot> {
        let field = if name.text.contains('.') { name.text.clone() } else { format!("{}.id", name.text) };
        let slot = self.schema.slot(&field);
        if slot.is_none() {
            let near = nearest(&field, self.schema.fields().iter().map(|field| field.name.as_str()));
            self.problems
                .error("E201", format!("nothing is named `{field}`"), name.span)
                .label("not a field of the schema")
                .about(&field)
                .help_maybe(near.map(|near| format!("did you mean `{near}`?")));
        }
        slot
    }
}
