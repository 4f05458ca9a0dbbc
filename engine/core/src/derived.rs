//! The other key spaces of an installation, as the step of an account's shard drives them where they run in the same
//! process. It is independent of which key spaces exist.

use crate::batch::{SourceRecord, Timestamp};
use crate::counts::Counts;
use crate::decision::Decision;
use crate::event::Event;
use crate::ingested::InsertedRow;
use crate::installation::Installation;
use crate::judge::Judged;
use crate::outputs::Outputs;
use crate::render::render;
use crate::scores::EventScores;
use crate::signals::Signals;

/// Key spaces that go along with the account's, event by event.
pub trait DerivedSpaces {
    /// The signals that rules read.
    fn signals(&self) -> &impl Signals;

    /// The log of a partition begins here.
    fn begin_at(&mut self, partition: u32, from: Timestamp);

    /// Brings the ledgers of events into the cache.
    fn prefetch<'a>(&mut self, events: impl Iterator<Item = &'a Event> + Clone);

    /// Takes an event that has its row, `account`, in the account's shard. Events that are judged are remembered in
    /// their order.
    fn ingest(&mut self, event: &mut Event, account: &InsertedRow, is_judged: bool);

    /// Judges the next of the remembered events.
    fn judge(&mut self, event: &mut Event, judged: &AccountJudged<'_>, sink: &mut DecisionSink<'_>);
}

/// An event that was judged in the account's shard.
#[derive(Clone, Copy, Debug)]
pub struct AccountJudged<'a> {
    /// Its row there.
    pub inserted: &'a InsertedRow,
    /// What was decided there.
    pub decision: Option<&'a Decision>,
    /// What the models made of it.
    pub scores: EventScores<'a>,
    /// Whether it is a label that a record carried, and no record of its own.
    pub is_label: bool,
}

/// Where the decisions about one event go: rendered into outputs, and counted.
pub struct DecisionSink<'a> {
    pub(crate) installation: &'a Installation,
    pub(crate) source: SourceRecord,
    pub(crate) out: &'a mut Outputs,
    pub(crate) counts: &'a mut Counts,
}

impl DecisionSink<'_> {
    /// Takes the result of one key space.
    #[inline]
    pub(crate) fn take(&mut self, judged: &Judged) {
        self.counts.unknown += judged.unknown as u64;
        if let Some(decision) = &judged.decision {
            render(decision, self.installation, self.source, self.out);
            self.counts.decided(decision);
        }
    }
}

/// No other key space runs in this process; signals come from elsewhere.
pub(crate) struct AccountOnly<'a, S> {
    pub(crate) signals: &'a S,
}

impl<S: Signals> DerivedSpaces for AccountOnly<'_, S> {
    #[inline]
    fn signals(&self) -> &impl Signals {
        self.signals
    }

    #[inline]
    fn begin_at(&mut self, _: u32, _: Timestamp) {}

    #[inline]
    fn prefetch<'a>(&mut self, _: impl Iterator<Item = &'a Event> + Clone) {}

    #[inline]
    fn ingest(&mut self, _: &mut Event, _: &InsertedRow, _: bool) {}

    #[inline]
    fn judge(&mut self, _: &mut Event, _: &AccountJudged<'_>, _: &mut DecisionSink<'_>) {}
}
