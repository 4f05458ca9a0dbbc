//! What the models know beside the rows, into a snapshot and out of one. The format has room for one model's state.

use super::{InputReader, Scores};
use crate::snapshot::bytes::Reader;
use crate::snapshot::chunk::ChunkWriter;
use crate::snapshot::{ProfileSummary, SnapshotError};

impl Scores {
    /// Writes the state, if any model has some.
    pub(crate) fn save(&self, chunks: &mut ChunkWriter) -> Option<ProfileSummary> {
        let mut readers = self.models.iter().filter_map(|model| model.reader.as_deref());
        let summary = readers.next().map(|reader| reader.save(chunks));
        assert!(readers.next().is_none(), "the snapshot format has room for one model's state");
        summary
    }

    /// Begins with what a snapshot says of the state; of a model that does not run now it is left alone.
    pub(crate) fn begin_load(&mut self, summary: Option<&ProfileSummary>) -> Result<(), SnapshotError> {
        let Some((name, reader)) = self.stateful() else { return Ok(()) };
        match summary {
            Some(summary) => reader.begin_load(summary),
            None => Err(SnapshotError::NoModel { name: name.to_owned() }),
        }
    }

    /// Takes the next item; false when no model that runs now has state.
    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<bool, SnapshotError> {
        match self.stateful() {
            Some((_, reader)) => reader.load(from).map(|()| true),
            None => Ok(false),
        }
    }

    /// Whether a model that runs now has state.
    pub(crate) fn has_state(&self) -> bool {
        self.models.iter().any(|model| model.reader.is_some())
    }

    fn stateful(&mut self) -> Option<(&'static str, &mut Box<dyn InputReader>)> {
        self.models.iter_mut().find_map(|model| Some((model.model.name(), model.reader.as_mut()?)))
    }
}
