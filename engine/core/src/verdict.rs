//! The verdict: the outcome for one event on which any rule fired, live, shadow or silenced.
//!
//! The verdicts topic is the changelog of decision state: a restore applies every change that it contains.

use crate::alert::{ActionPart, Entity, EventPart, SourcePart};
use crate::batch::Timestamp;
use crate::installation::Installation;
use crate::suppress::Change;
use serde::{Deserialize, Serialize, Serializer};
use tripline_rules::value::TextKey;

/// Version of what verdicts record: how keys and ids are hashed.
pub const VERDICT_VERSION: u8 = 2;

/// A verdict.
#[derive(Debug, Serialize)]
pub struct Verdict<'a> {
    /// [`VERDICT_VERSION`].
    pub version: u8,
    /// The judged event.
    pub event: EventPart<'a>,
    /// When it happened.
    pub at: Timestamp,
    /// The account.
    pub account: &'a str,
    /// The entity whose rules these are.
    pub entity: Entity<'a>,
    /// Sum of the live rules' scores, 0 to 100.
    pub score: i32,
    /// The final action.
    pub action: ActionPart<'a>,
    /// Live rules that fired.
    pub rules: Vec<&'a str>,
    /// Shadow rules that fired.
    pub shadow: Vec<&'a str>,
    /// Those of `rules` that a cooldown kept silent.
    pub silenced: Vec<&'a str>,
    /// How many rules' conditions were unknown.
    pub unknown: usize,
    /// Model scores.
    pub models: ModelScores<'a>,
    /// Id of the alert, if one was raised.
    pub alert: Option<&'a str>,
    /// Every change of decision state.
    pub changes: &'a [Change],
    /// Hash of the pack.
    pub pack: &'a str,
    /// Where the event was read.
    pub source: SourcePart<'a>,
}

/// Scores by model; absent where a model gave none.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelScores<'a> {
    /// Names and scores.
    pub scores: Vec<(&'a str, f64)>,
}

impl<'a> ModelScores<'a> {
    /// From scores by position in the registry, NaN where there is none.
    pub fn of(scores: impl Iterator<Item = (usize, f64)>, installation: &'a Installation) -> ModelScores<'a> {
        let known = scores.filter(|(_, score)| !score.is_nan());
        let named = known.map(|(model, score)| (installation.models().model(model).name(), score));
        ModelScores { scores: named.collect() }
    }
}

impl Serialize for ModelScores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.scores.iter().copied())
    }
}

/// What recovery reads of a committed verdict.
#[derive(Debug, Deserialize)]
pub struct Recorded {
    /// Version of its keys; those of the first version said none.
    #[serde(default = "first_version")]
    pub version: u8,
    /// The account.
    pub account: String,
    /// Event time, ISO 8601.
    pub at: Timestamp,
    /// The changes to fold.
    pub changes: Vec<Change>,
    /// Where the event was read.
    pub source: RecordedSource,
}

fn first_version() -> u8 {
    1
}

impl Recorded {
    /// The changes with their keys hashed as now, and how many cannot be taken over.
    ///
    /// The first version hashed keys otherwise. Its incident is that of the account, which the verdict names, and so
    /// are the cooldowns of the same key; the key of any other cooldown (of a card, say) cannot be known.
    pub fn into_changes(self, key: &TextKey) -> (Vec<Change>, usize) {
        if self.version >= VERDICT_VERSION {
            return (self.changes, 0);
        }
        let account = key.entity(self.account.as_bytes());
        let incident = self.changes.iter().find_map(|change| match change {
            Change::Incident { key, .. } => Some(*key),
            Change::Cooldown { .. } => None,
        });
        let all = self.changes.len();
        let rehashed = self.changes.into_iter().filter_map(|mut change| {
            let (Change::Incident { key, .. } | Change::Cooldown { key, .. }) = &mut change;
            (Some(*key) == incident).then(|| *key = account)?;
            Some(change)
        });
        let changes: Vec<Change> = rehashed.collect();
        let lost = all - changes.len();
        (changes, lost)
    }
}

/// Where a recorded verdict's event was read.
#[derive(Debug, Deserialize)]
pub struct RecordedSource {
    /// Partition of the input.
    pub partition: u32,
    /// Offset in it.
    pub offset: i64,
}
