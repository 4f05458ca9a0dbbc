//! How a process is asked to end. Every thread looks at it between two turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the process is to end, and whether because a worker failed. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    is_requested: AtomicBool,
    has_failed: AtomicBool,
}

impl Shutdown {
    /// The process is asked to end: each worker finishes its batch, commits and leaves.
    pub fn request(&self) {
        self.0.is_requested.store(true, Ordering::Release);
    }

    /// Whether the process is asked to end.
    pub fn is_requested(&self) -> bool {
        self.0.is_requested.load(Ordering::Acquire)
    }

    /// A worker ended with an error, or none could start: the process does no more useful work, and everything else is
    /// asked to end.
    pub fn fail(&self) {
        self.0.has_failed.store(true, Ordering::Release);
        self.request();
    }

    /// Whether a worker ended with an error.
    pub fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::Acquire)
    }
}
