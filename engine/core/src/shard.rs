//! One shard of one key space: an event is inserted, the facts that its rules may read are computed, it is judged.
//!
//! It holds ledgers, histograms and decision state. How a record became an event, and how a decision is written, is not
//! its business.

mod amend;
mod follow_ups;
mod install;
pub(crate) mod wire;

use crate::batch::{ACCOUNT_SPACE, Timestamp};
use crate::counts::Dropped;
use crate::event::{Event, Reference};
use crate::fact::FactMarks;
use crate::fact::populations::Populations;
use crate::ingested::{Ingested, InsertedRow, KeySource};
use crate::installation::Installation;
use crate::judge::{Judge, JudgeContext, Judged};
use crate::ledger::{Arrival, Inserted, Ledgers, RowRef};
use crate::marks::covered;
use crate::reads::EventRows;
use crate::scores::EventScores;
use crate::suppress::{Change, Decisions, Horizon};
use follow_ups::FollowUpTypes;
use hashbrown::HashTable;
use std::sync::Arc;
use tripline_rules::aggregate::FactSet;
use tripline_rules::program::Program;
use tripline_rules::schema::{ACCOUNT_CURRENCY, CurrencyOf, Kind, Schema};
use tripline_rules::value::{Registers, Slot};

/// Names of keys without rows are forgotten from so many on.
const NAMES_FROM: usize = 1024;

/// One shard of one key space.
pub struct Shard {
    installation: Arc<Installation>,
    /// Position of the key space's program in the ruleset.
    number: usize,
    program: Arc<Program>,
    ledgers: Ledgers,
    populations: Populations,
    /// Facts that are computed whatever the rules of this key space ask for.
    facts: FactSet,
    judge: Judge,
    decisions: Decisions,
    key: KeySource,
    keep: Vec<Slot>,
    follow_up_types: FollowUpTypes,
    inherited: Vec<Slot>,
    /// Ids of the keys as events wrote them: rows hold hashes, and an alert must say whom it is about.
    names: HashTable<(u64, Box<str>)>,
    scratch: Registers,
    prefetched: Vec<u32>,
    watermark: Timestamp,
    horizon: Horizon,
    /// Where the log begins: all events after this time came in.
    held_from: Option<Timestamp>,
}

/// The kept fields that a follow-up inherits: not what a label says, which is about the event that the label names.
fn inheritable(schema: &Schema) -> Vec<Slot> {
    let is_inherited = |slot: &Slot| !schema.field(*slot).name.starts_with("label.");
    schema.keep().iter().copied().filter(is_inherited).collect()
}

impl Shard {
    /// An empty shard of the key space whose program has this number in the ruleset.
    pub fn new(installation: &Arc<Installation>, number: usize) -> Shard {
        let (schema, ruleset) = (installation.schema(), installation.ruleset());
        let program = Arc::clone(&ruleset.programs()[number]);
        let plan = program.plan();
        Shard {
            ledgers: Ledgers::new(plan, schema, installation.ledger_limits()),
            populations: Populations::new(plan, schema, installation.ruleset().hash()),
            facts: *installation.facts(number),
            judge: Judge::default(),
            decisions: Decisions::default(),
            key: match program.space_index() {
                ACCOUNT_SPACE => KeySource::Account,
                _ => KeySource::Field(plan.space.key),
            },
            keep: inheritable(schema),
            follow_up_types: FollowUpTypes::new(schema),
            inherited: Vec::new(),
            names: HashTable::new(),
            scratch: Registers::new(ruleset.registers()),
            prefetched: Vec::new(),
            watermark: Timestamp(i64::MIN),
            horizon: Horizon::default(),
            held_from: None,
            program,
            number,
            installation: Arc::clone(installation),
        }
    }

    /// The program of the key space.
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

    /// Share of the packs' longest lookback for which rows exist at the watermark, 0 to 1; `None` before the first
    /// event.
    pub fn coverage(&self) -> Option<f64> {
        let held_from = self.held_from.filter(|_| self.watermark.0 > i64::MIN)?;
        Some(covered(self.program.plan().look_back, 0, self.watermark, held_from))
    }

    /// Brings events' ledgers into the cache.
    pub fn prefetch<'a>(&mut self, events: impl Iterator<Item = &'a Event>) {
        let Shard { key, ledgers, prefetched, .. } = self;
        ledgers.prefetch(events.filter_map(|event| key.of(event)), prefetched);
    }

    /// Inserts an event. When it is judged later, the facts that are wanted are computed; otherwise the row is all.
    pub fn ingest(&mut self, event: &mut Event, is_judged: bool) -> Ingested {
        let Some(key) = self.key.of(event) else { return Ingested::NoKey };
        self.watermark = self.watermark.max(event.at);
        // The event's own time advances the watermark first: it must not refer to a row that it makes expire.
        self.ledgers.advance_watermark(self.watermark);
        // What the account's other rows lend belongs to no row.
        if event.lent_currency.is_some() {
            event.registers.unset(ACCOUNT_CURRENCY);
        }
        let is_follow_up = event.reference.is_some() || self.follow_up_types.has(event.event_type);
        self.note_amendment(event);
        let is_held = self.inherit(key, event);
        let tags = self.program.tags(&mut event.registers);
        let arrival = Arrival {
            key,
            at: event.at,
            event_type: event.event_type,
            id: self.row_id(event, event.id),
            is_follow_up,
            inherited: &self.inherited,
        };
        let inserted = self.ledgers.insert(&arrival, &event.registers, tags, self.watermark);
        if !event.registers.is_known(ACCOUNT_CURRENCY) {
            event.registers.put(ACCOUNT_CURRENCY, event.lent_currency);
        }
        let (row, out_of_order) = match inserted {
            Inserted::New { row, out_of_order } => (row, out_of_order),
            Inserted::Duplicate => return Ingested::Duplicate,
            Inserted::Conflict => return Ingested::Conflict,
        };
        // A log without append times begins with its first event. An older one that follows tells nothing of others.
        let held_from = *self.held_from.get_or_insert(event.at);
        let gone = self.ledgers.gone(row);
        let gone_until = gone.until();
        let is_applied = self.amend(row, event);
        let resolved = is_held && is_applied;
        self.lend_currency(row, event);
        self.name(event);
        // Whether judged or not: a restored shard must forget the same days.
        self.populations.begin_day(event.at);
        let mut marks = FactMarks::default();
        if is_judged {
            self.populations.rank(&mut event.registers, &mut marks);
            let ledgers = &mut self.ledgers;
            self.program.demand(event.event_type, &mut event.registers, &self.facts, |want, registers| {
                ledgers.facts(row, gone, want, registers, &mut marks);
            });
            self.cover(event, held_from.max(gone_until));
        }
        self.populations.observe(event.at, &tags, &event.registers, is_follow_up);
        Ingested::New(InsertedRow { row, out_of_order, marks, held_from, gone_until, resolved })
    }

    /// An id as rows of this key space hold it. An id is unique within its account, and a ledger of another entity
    /// holds events of many accounts.
    fn row_id(&self, event: &Event, id: u64) -> u64 {
        match self.key {
            KeySource::Account => id,
            #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
            KeySource::Field(_) => self.installation.settings().key.part(event.account, id) as u64,
        }
    }

    /// What an event refers to, as rows of this key space hold it.
    fn reference(&self, event: &Event) -> Option<Reference> {
        event.reference.map(|reference| Reference { id: self.row_id(event, reference.id), ..reference })
    }

    /// The referring event takes over the kept fields of the event it refers to, where it does not carry them, but no
    /// money in another currency than its own. False when it is not held.
    fn inherit(&mut self, key: u128, event: &mut Event) -> bool {
        self.inherited.clear();
        let Some(reference) = self.reference(event) else { return true };
        let missing = self.keep.iter().copied().filter(|slot| !event.registers.is_known(*slot));
        self.inherited.extend(missing);
        let Some(target) = self.ledgers.find(key, reference) else { return false };
        let (theirs, own) = (self.ledgers.currency(target), event.registers.get(ACCOUNT_CURRENCY));
        let schema = self.installation.schema();
        let is_foreign = theirs.zip(own).is_some_and(|(theirs, own)| theirs != own);
        for slot in &self.inherited {
            if !(is_foreign && schema.field(*slot).kind == Kind::Money(CurrencyOf::Account)) {
                event.registers.put(*slot, self.ledgers.read(target, *slot));
            }
        }
        event.registers.put(ACCOUNT_CURRENCY, own.or(theirs));
        true
    }

    /// Stores the text of a key's id, or sets it on an event that has the key from a row alone.
    fn name(&mut self, event: &mut Event) {
        let KeySource::Field(slot) = self.key else { return };
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

    /// An event that does not tell the account's currency is judged with that of the account's newest money.
    #[inline]
    fn lend_currency(&self, row: RowRef, event: &mut Event) {
        if matches!(self.key, KeySource::Account) && !event.registers.is_known(ACCOUNT_CURRENCY) {
            event.lent_currency = self.ledgers.currency_at(row);
            event.registers.put(ACCOUNT_CURRENCY, event.lent_currency);
        }
    }

    /// The log of this shard begins here.
    pub(crate) fn begin_at(&mut self, from: Timestamp) {
        self.held_from = Some(from);
    }

    /// Every event of the shard after this time is held, or will be once it has been read.
    pub(crate) fn hold_from(&mut self, from: Timestamp) {
        self.held_from = Some(self.held_from.map_or(from, |held| held.min(from)));
    }

    /// Judges an event that was inserted here and, `account`, in the account's shard, once the models have scored it.
    pub fn judge(
        &mut self,
        event: &mut Event,
        inserted: &InsertedRow,
        account: &InsertedRow,
        scores: EventScores<'_>,
    ) -> Judged {
        let Shard { installation, number, program, judge, decisions, key, .. } = self;
        let rows = EventRows { installation, account, own: (program, inserted) };
        let context = JudgeContext { rows, number: *number, key: *key, scores };
        let judged = judge.judge(&context, event, decisions);
        if let Some(decision) = &judged.decision {
            self.note_cooldowns(event.at, &decision.changes);
        }
        judged
    }

    /// The cooldowns that may be open, under whichever pack they were opened.
    pub fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// Adds cooldowns that may be open although no verdict of them is taken back in.
    pub fn add_horizon(&mut self, other: &Horizon) {
        other.lengths().iter().for_each(|(length_ms, until)| self.horizon.opened(*length_ms, *until));
    }

    /// Takes note of the cooldowns that changes of an event at this time open.
    fn note_cooldowns(&mut self, at: Timestamp, changes: &[Change]) {
        self.horizon.forget(Timestamp(at.0.saturating_sub(self.installation.settings().skew_ms())));
        for change in changes {
            if let Change::Cooldown { until, .. } = change {
                self.horizon.opened(until.saturating_sub(at.0), Timestamp(*until));
            }
        }
    }

    /// Takes back in the changes of decision state that an earlier run committed with the verdict of an event.
    pub fn fold(&mut self, at: Timestamp, changes: Vec<Change>) {
        self.note_cooldowns(at, &changes);
        self.decisions.fold(at, changes, self.installation.settings().skew_ms());
    }

    /// What was dropped for want of room so far.
    pub fn dropped(&self) -> Dropped {
        let (ledgers, decisions) = (self.ledgers.evicted(), self.decisions.dropped());
        Dropped {
            keys: ledgers.keys,
            rows: ledgers.rows,
            capped_rows: ledgers.capped_rows,
            follow_ups: ledgers.follow_ups,
            cooldowns: decisions.cooldowns,
            incidents: decisions.incidents,
            rank_values: self.populations.dropped(),
        }
    }

    fn cover(&self, event: &mut Event, rows_from: Timestamp) {
        let plan = self.program.plan();
        for coverage in &plan.coverages {
            let aggregate = &plan.aggregates[coverage.aggregate];
            if let Some(over) = aggregate.over {
                event
                    .registers
                    .set_number(coverage.slot, covered(over, aggregate.delay, event.at, rows_from));
            }
        }
    }
}
