//! Transactions of a log in memory: by producer's name and epoch, as a broker keeps them. A broker without KIP-890's
//! check at the client: an end applies to whatever its producer has open when it arrives.

use std::collections::{BTreeMap, VecDeque};

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Open,
    Committed,
    Aborted,
}

/// Committed positions and their notes, by partition.
pub(super) type Positions = BTreeMap<u32, (i64, String)>;

#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    open: Option<usize>,
}

/// All transactions there ever were.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    outcomes: Vec<Outcome>,
    /// Positions that the transactions under way will commit.
    pending: BTreeMap<usize, Positions>,
    producers: BTreeMap<String, Producer>,
    /// Commits that are on their way to the broker: name and epoch of the producer.
    late: VecDeque<(String, u64)>,
}

/// A newer producer has this name.
pub(super) struct Fenced;

impl Transactions {
    /// A new producer of a name: what an earlier one left open is aborted, and it may write no more.
    pub(super) fn begin(&mut self, name: &str) -> u64 {
        let producer = self.producers.entry(name.to_owned()).or_default();
        producer.epoch += 1;
        let (epoch, open) = (producer.epoch, producer.open.take());
        if let Some(number) = open {
            self.close(number, Outcome::Aborted);
        }
        epoch
    }

    pub(super) fn is_current(&self, name: &str, epoch: u64) -> bool {
        self.producers.get(name).is_some_and(|producer| producer.epoch == epoch)
    }

    /// The transaction that the producer has open, or a new one.
    pub(super) fn open(&mut self, name: &str, epoch: u64) -> Result<usize, Fenced> {
        let producer =
            self.producers.get_mut(name).filter(|producer| producer.epoch == epoch).ok_or(Fenced)?;
        let number = *producer.open.get_or_insert(self.outcomes.len());
        if number == self.outcomes.len() {
            self.outcomes.push(Outcome::Open);
            self.pending.insert(number, Positions::new());
        }
        Ok(number)
    }

    /// Positions that the transaction will commit.
    pub(super) fn add(&mut self, number: usize, positions: Positions) {
        self.pending.entry(number).or_default().extend(positions);
    }

    /// Ends what the producer has open. Says whether there was anything.
    pub(super) fn end(
        &mut self,
        (name, epoch): (&str, u64),
        commits: bool,
        committed: &mut Positions,
    ) -> Result<bool, Fenced> {
        let producer =
            self.producers.get_mut(name).filter(|producer| producer.epoch == epoch).ok_or(Fenced)?;
        let Some(number) = producer.open.take() else { return Ok(false) };
        let positions = self.close(number, if commits { Outcome::Committed } else { Outcome::Aborted });
        if commits {
            committed.extend(positions);
        }
        Ok(true)
    }

    /// A commit is on its way.
    pub(super) fn delay(&mut self, name: &str, epoch: u64) {
        self.late.push_back((name.to_owned(), epoch));
    }

    /// The oldest commit that is on its way arrives: none, or whether it ended anything.
    pub(super) fn deliver(&mut self, committed: &mut Positions) -> Option<bool> {
        let (name, epoch) = self.late.pop_front()?;
        Some(self.end((&name, epoch), true, committed).unwrap_or(false))
    }

    /// Whether a transaction under way may still move a partition's position.
    pub(super) fn may_move(&self, partition: u32) -> bool {
        self.pending.values().any(|positions| positions.contains_key(&partition))
    }

    fn close(&mut self, number: usize, outcome: Outcome) -> Positions {
        self.outcomes[number] = outcome;
        self.pending.remove(&number).unwrap_or_default()
    }

    pub(super) fn is_any_open(&self) -> bool {
        !self.pending.is_empty()
    }

    /// How the transaction of a record stands; a record outside any counts as committed.
    pub(super) fn of(&self, transaction: Option<usize>) -> Outcome {
        transaction.map_or(Outcome::Committed, |number| self.outcomes[number])
    }
}
