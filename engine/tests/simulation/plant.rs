//! Faults that are planted in the test doubles, each of which the simulation must find.

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// After an abort the shards stay as they are.
    NoReload,
    CommitBeforeSend,
    /// A commit leaves out the position of a shard whose outputs it holds.
    PartialCommit,
    /// A snapshot without a manifest is taken as whole.
    NoManifest,
    /// Snapshots are begun and finished before the commit.
    EarlySnapshot,
    /// The manifest of a snapshot does not wait for the commit that it was begun with.
    EarlyManifest,
    /// Recovery judges again instead of folding what was committed.
    JudgesAgain,
    /// What is kept beside the committed offset is not written.
    LostNote,
    /// What is in doubt is aborted by the same producer.
    TrustsDoubt,
    /// Positions are committed by members of an older generation.
    NoGeneration,
    /// What was lost is committed by the generation of the next assignment.
    ForgetsLoss,
    /// The journal is read while a transaction of a dead owner holds a part of it back.
    UncommittedJournal,
}

/// Each must be found within so many seeds. The journal, which is read once no transaction holds it back, stands in for
/// the fence by generation nearly always: only what moves a position and writes nothing gets past it.
pub const PLANTS: [(&str, Plant, u64); 12] = [
    ("no reload after an abort", Plant::NoReload, 1_000),
    ("commit before send", Plant::CommitBeforeSend, 1_000),
    ("outputs committed without the positions behind them", Plant::PartialCommit, 1_000),
    ("snapshot without a manifest taken as whole", Plant::NoManifest, 1_000),
    ("snapshot of state that may be aborted", Plant::EarlySnapshot, 1_000),
    ("snapshot finished while its commit is under way", Plant::EarlyManifest, 1_000),
    ("recovery by judging again under a newer pack", Plant::JudgesAgain, 1_000),
    ("side positions lost from the offset commit", Plant::LostNote, 1_000),
    ("crash-only rule off, an end of a transaction comes late", Plant::TrustsDoubt, 1_000),
    ("commits not fenced by the group's generation", Plant::NoGeneration, 10_000),
    ("a lost assignment committed by the next generation", Plant::ForgetsLoss, 10_000),
    ("journal read behind an open transaction", Plant::UncommittedJournal, 1_000),
];
