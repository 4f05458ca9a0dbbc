//! The state of one shard of one key space, and the first half of a step: the event takes its place, facts are computed.
//!
//! A space knows ledgers and histograms. What an event is worth (rules, scores, alerts) is `judge`'s business.

pub(crate) mod wire;

use crate::batch::Timestamp;
use crate::event::Event;
use crate::fact::FactMarks;
use crate::fact::populations::Populations;
use crate::installation::Installation;
use crate::ledger::{Arrival, Inserted, Ledgers, RowRef};
use crate::limits::FUTURE_MS_MAX;
use crate::suppress::{Change, Decisions};
use hashbrown::HashTable;
use std::sync::Arc;
use tripline_rules::aggregate::FactSet;
use tripline_rules::program::Program;
use tripline_rules::schema::{ACCOUNT_CURRENCY, TX_AMOUNT, TX_CURRENCY, TX_DECLINED, TX_REVERSED};
use tripline_rules::value::{Registers, Slot};

/// Names of keys without rows are forgotten from so many on.
const NAMES_FROM: usize = 1024;

/// One shard of one key space.
pub struct Space {
    program: Arc<Program>,
    ledgers: Ledgers,
    populations: Populations,
    /// Facts that are computed whatever the rules of this key space ask for.
    facts: FactSet,
    pub(crate) decisions: Decisions,
    /// The field whose word is the key; the account's key travels beside the registers.
    key: Option<Slot>,
    keep: Vec<Slot>,
    amendments: Amendments,
    inherited: Vec<Slot>,
    /// Ids of the keys as events wrote them: rows hold hashes, and an alert must say whom it is about.
    names: HashTable<(u64, Box<str>)>,
    scratch: Registers,
    touched: Vec<u32>,
    watermark: Timestamp,
    /// The greatest event time that was judged on which a rule fired.
    judged: Timestamp,
    held_from: Option<Timestamp>,
}

/// An event that has its row, and what its facts are worth.
#[derive(Clone, Copy, Debug)]
pub struct Seated {
    /// Its row, until the next one is inserted.
    pub row: RowRef,
    /// Whether newer rows of the same key exist.
    pub out_of_order: bool,
    /// Facts computed from fewer rows than their definition asks for.
    pub marks: FactMarks,
    /// How far back the shard's rows reach.
    pub held_from: Timestamp,
    /// Whether the event refers to none, or to one that is held.
    pub resolved: bool,
}

/// What a space made of an event.
#[derive(Clone, Copy, Debug)]
pub enum Taken {
    /// It has a row.
    Row(Seated),
    /// It came before.
    Duplicate,
    /// Another event with its identity came before.
    Conflict,
    /// It has no key in this space.
    Elsewhere,
}

/// Which event types amend the event they refer to.
struct Amendments {
    outcome: Option<u16>,
    reversal: Option<u16>,
    clearing: Option<u16>,
}

impl Space {
    /// An empty shard of the key space whose program has this number in the ruleset.
    pub fn new(installation: &Arc<Installation>, number: usize) -> Space {
        let (schema, ruleset) = (installation.schema(), installation.ruleset());
        let program = Arc::clone(&ruleset.programs()[number]);
        let plan = program.plan();
        let code = |name| schema.event_types().code(name);
        Space {
            ledgers: Ledgers::new(plan, schema, installation.ledger_limits()),
            populations: Populations::new(plan, schema, installation.ruleset().hash()),
            facts: *installation.facts(number),
            decisions: Decisions::default(),
            key: (program.space_index() > 0).then_some(plan.space.key),
            keep: schema.keep().to_vec(),
            amendments: Amendments {
                outcome: code("outcome"),
                reversal: code("reversal"),
                clearing: code("clearing"),
            },
            inherited: Vec::new(),
            names: HashTable::new(),
            scratch: Registers::new(ruleset.registers()),
            touched: Vec::new(),
            watermark: Timestamp(i64::MIN),
            judged: Timestamp(i64::MIN),
            held_from: None,
            program,
        }
    }

    /// The program that judges in this space.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The ledgers, for counting.
    pub fn ledgers(&self) -> &Ledgers {
        &self.ledgers
    }

    /// The greatest event time seen.
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Share of the packs' longest look back that is held at the watermark, 0 to 1; `None` before the first event.
    pub fn coverage(&self) -> Option<f64> {
        let held_from = self.held_from.filter(|_| self.watermark.0 > i64::MIN)?;
        Some(covered(Some(self.program.plan().look_back), 0, self.watermark, held_from))
    }

    /// The key an event has here.
    pub fn key(&self, event: &Event) -> Option<u128> {
        match self.key {
            None => Some(event.account),
            Some(slot) => event.registers.get(slot).map(u128::from),
        }
    }

    /// Brings events' ledgers into the cache.
    pub fn touch<'a>(&mut self, events: impl Iterator<Item = &'a Event>) {
        let mut touched = std::mem::take(&mut self.touched);
        self.ledgers.prefetch(events.filter_map(|event| self.key(event)), &mut touched);
        self.touched = touched;
    }

    /// Gives an event its row. When it is judged, the facts that are wanted are computed; otherwise the row is all.
    pub fn take(&mut self, event: &mut Event, is_judged: bool) -> Taken {
        let Some(key) = self.key(event) else { return Taken::Elsewhere };
        self.watermark = self.watermark.max(event.at);
        // The event's own time counts for what is held: it must not refer to a row that it makes pass.
        self.ledgers.advance_watermark(self.watermark);
        let resolved = self.inherit(key, event);
        let tags = self.program.tags(&mut event.registers);
        let arrival = Arrival {
            key,
            at: event.at,
            event_type: event.event_type,
            id: event.id,
            inherited: &self.inherited,
        };
        let (row, out_of_order) = match self.ledgers.insert(&arrival, &event.registers, tags, self.watermark)
        {
            Inserted::New { row, out_of_order } => (row, out_of_order),
            Inserted::Duplicate => return Taken::Duplicate,
            Inserted::Conflict => return Taken::Conflict,
        };
        let held_from = self.held_from.map_or(event.at, |held| held.min(event.at));
        self.held_from = Some(held_from);
        self.amend(row, event);
        self.name(event);
        // Whether judged or not: a shard that is filled again must forget the same days.
        self.populations.begin_day(event.at);
        let mut marks = FactMarks::default();
        if is_judged {
            self.populations.rank(&mut event.registers);
            let ledgers = &mut self.ledgers;
            self.program.demand(event.event_type, &mut event.registers, &self.facts, |want, registers| {
                ledgers.facts(row, want, registers, &mut marks);
            });
            self.cover(event, held_from);
        }
        self.populations.observe(event.at, &tags, &event.registers);
        Taken::Row(Seated { row, out_of_order, marks, held_from, resolved })
    }

    /// The referring event takes over the kept fields of the event it refers to, where it does not carry them.
    /// False when it is not held.
    fn inherit(&mut self, key: u128, event: &mut Event) -> bool {
        self.inherited.clear();
        let Some(reference) = event.reference else { return true };
        let missing = self.keep.iter().copied().filter(|slot| !event.registers.is_known(*slot));
        self.inherited.extend(missing);
        let Some(target) = self.ledgers.find(key, reference) else { return false };
        for slot in &self.inherited {
            event.registers.put(*slot, self.ledgers.read(target, *slot));
        }
        if let Some((slot, word)) = self.ledgers.currency(target)
            && ![TX_CURRENCY, ACCOUNT_CURRENCY].iter().any(|own| event.registers.is_known(*own))
        {
            event.registers.set(slot, word);
        }
        true
    }

    /// Remembers how a key's id is written, or gives it to an event that knows it from a row alone.
    fn name(&mut self, event: &mut Event) {
        let Some(slot) = self.key else { return };
        let word = event.registers.word(slot);
        let known = self.names.find(word, |held| held.0 == word);
        match (known, event.texts.get(slot)) {
            (Some((_, name)), None) => event.texts.set(slot, name),
            (None, Some(text)) => {
                let name = (word, Box::from(text));
                self.names.insert_unique(word, name, |held| held.0);
            }
            _ => {}
        }
        if self.names.len() > self.ledgers.keys() * 2 + NAMES_FROM {
            let ledgers = &self.ledgers;
            self.names.retain(|held| ledgers.holds(u128::from(held.0)));
        }
    }

    /// Outcome, reversal and clearing change the row they refer to.
    fn amend(&mut self, own: RowRef, event: &Event) {
        let Some(reference) = event.reference else { return };
        let own_type = Some(event.event_type);
        let (slot, word) = match own_type {
            _ if own_type == self.amendments.outcome => (TX_DECLINED, event.registers.get(TX_DECLINED)),
            _ if own_type == self.amendments.reversal => (TX_REVERSED, Some(1)),
            _ if own_type == self.amendments.clearing => (TX_AMOUNT, event.registers.get(TX_AMOUNT)),
            _ => return,
        };
        let target = self.ledgers.find_beside(own, reference);
        if let (Some(target), Some(word)) = (target, word) {
            let program = &self.program;
            self.ledgers
                .amend(target, slot, Some(word), &mut self.scratch, |registers| program.tags(registers));
        }
    }

    /// Every event of the shard after this time is held, or will be once it has been read.
    pub(crate) fn hold_from(&mut self, from: Timestamp) {
        self.held_from = Some(self.held_from.map_or(from, |held| held.min(from)));
    }

    /// Takes back in the changes of decision state that an earlier run committed.
    pub fn fold(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.decisions.fold(change));
    }

    /// Forgets decision state that no event can meet any more.
    ///
    /// `at`: the event that was just judged. The watermark may be ahead of it: events are judged once all that go
    /// through the stages with them have their rows.
    pub(crate) fn sweep_decisions(&mut self, at: Timestamp, lateness_ms: i64) {
        self.judged = self.judged.max(at);
        self.decisions.sweep(self.judged, lateness_ms + FUTURE_MS_MAX);
    }

    fn cover(&self, event: &mut Event, held_from: Timestamp) {
        let plan = self.program.plan();
        for coverage in &plan.coverages {
            let aggregate = &plan.aggregates[coverage.aggregate];
            let share = covered(aggregate.over, aggregate.delay, event.at, held_from);
            event.registers.set_number(coverage.slot, share);
        }
    }
}

/// Share of the window `(t - delay - over, t - delay]` that lies after the oldest row held; 1 without a window.
pub fn covered(over: Option<i64>, delay: i64, at: Timestamp, held_from: Timestamp) -> f64 {
    let Some(over) = over.filter(|over| *over > 0) else { return 1.0 };
    let held = (at.0 - delay - held_from.0).clamp(0, over);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a window are far below 2^53")]
    let share = held as f64 / over as f64;
    share
}
