//! How far a value can be relied on: the share of its windows that was held, and whether state that it needs was
//! dropped. Where the value was computed makes no difference.

use crate::batch::Timestamp;

/// The marks of a value, or of several values together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marks {
    /// The smallest covered share of a window, 0 to 1.
    pub coverage: f64,
    /// Whether state was dropped that might have changed the value, or a count stopped at its maximum.
    pub approximate: bool,
}

impl Marks {
    /// Everything was held.
    pub const WHOLE: Marks = Marks { coverage: 1.0, approximate: false };

    /// A share of the window was held, and nothing was dropped.
    pub(crate) fn covering(coverage: f64) -> Marks {
        Marks { coverage, approximate: false }
    }

    /// The marks of two values together.
    #[must_use]
    pub(crate) fn and(self, other: Marks) -> Marks {
        Marks {
            coverage: self.coverage.min(other.coverage),
            approximate: self.approximate || other.approximate,
        }
    }
}

/// Share of the window `(at - delay - over, at - delay]` that lies after the time from which rows are held; 1 of a
/// window without length.
pub(crate) fn covered(over: i64, delay: i64, at: Timestamp, held_from: Timestamp) -> f64 {
    if over <= 0 {
        return 1.0;
    }
    let held = (at.0 - delay - held_from.0).clamp(0, over);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a window are far below 2^53")]
    let share = held as f64 / over as f64;
    share
}
