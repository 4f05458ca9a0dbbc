//! Another installation on a running shard: its rows, decision state and counts go on under another pack.

use super::{AccountShard, Scratch};
use crate::decode::HeaderError;
use crate::installation::Installation;
use crate::snapshot::schema_fingerprint;
use std::sync::Arc;
use thiserror::Error;

/// Why a running shard cannot take over an installation. Nothing has changed; the shard can be restored from its log
/// under the new installation instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InstallError {
    /// Rows would mean something else.
    #[error("the new schema has other event types, outcomes or kept fields")]
    Schema,
    /// Keys and ids of the rows were hashed under another secret.
    #[error("the new installation hashes under another secret")]
    Secret,
    /// Alert ids contain the stream's name: the same events would have other ids, with cooldowns and incidents open.
    #[error("the new installation has another stream name")]
    Stream,
    /// The columns of the present CSV header do not fit the new mapping.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Rows that a duplicate of the new lateness would repeat have expired.
    #[error(
        "the new lateness requires the rows of the last {needed_ms} ms; the shard holds those of the last {retained_ms} ms"
    )]
    Lateness {
        /// The new lateness and how far a clock may be ahead, ms.
        needed_ms: i64,
        /// How far before its watermark the shard holds rows, ms: no more than its shortest retention since.
        retained_ms: i64,
    },
    /// The state of a model that did not run before comes from the log alone.
    #[error("the model `{0}` was not running before; its state can only be built by a restore from the log")]
    Model(&'static str),
}

impl AccountShard {
    /// Switches to another installation between two batches. Afterwards facts, alerts and verdicts are those of a new
    /// shard of the new installation that was given the same rows and the same decision state; rows that
    /// expired under the old retention are not restored, which the coverage of facts reports. Population histograms,
    /// counts and models are identified by name. A rank that is new counts the rows held, which may be fewer days than
    /// its own; coverage does not report that.
    ///
    /// A save that is under way is given up: [`AccountShard::is_saving`] is false afterwards, begin another. The CSV
    /// header stays.
    ///
    /// # Errors
    /// Why the shard cannot switch; then nothing has changed.
    pub fn install(&mut self, new: &Arc<Installation>) -> Result<(), InstallError> {
        if schema_fingerprint(new.schema()) != schema_fingerprint(self.installation.schema()) {
            return Err(InstallError::Schema);
        }
        if new.settings().key != self.installation.settings().key {
            return Err(InstallError::Secret);
        }
        if new.settings().stream != self.installation.settings().stream {
            return Err(InstallError::Stream);
        }
        let decoder = self.intake.decoder_of(new)?;
        if let Some(name) = self.scores.lacks_state(new.models(), self.intake.has_begun()) {
            return Err(InstallError::Model(name));
        }
        let (needed_ms, retained_ms) = (new.settings().skew_ms(), self.shard.ledgers().held_ms());
        if needed_ms > retained_ms && self.shard.ledgers().keys() > 0 {
            return Err(InstallError::Lateness { needed_ms, retained_ms });
        }
        self.shard.install(new);
        self.scores.install(new.models(), new.schema(), new.ruleset(), self.shard.ledgers());
        self.intake.install(new, decoder);
        self.counts.fired.install(new.ruleset());
        // Events have as many registers as the ruleset needs.
        self.scratch = Scratch::default();
        self.save = None;
        self.installation = Arc::clone(new);
        Ok(())
    }
}
