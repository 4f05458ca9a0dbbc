//! What an engine keeps beside a committed offset. It travels with the group: a shard is restored by whoever owns it
//! next, under whichever pack.

use serde::{Deserialize, Serialize};
use tripline_core::batch::Timestamp;
use tripline_core::suppress::Horizon;

/// The note of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Hash of the pack that judged what was committed.
    pub(super) pack: String,
    /// The shard's greatest event time.
    #[serde(rename = "watermark", skip_serializing_if = "Option::is_none")]
    pub(super) watermark_ms: Option<i64>,
    /// How far back verdicts change decision state that may still be met.
    #[serde(rename = "verdicts", default, skip_serializing_if = "Option::is_none")]
    pub(super) verdicts_ms: Option<i64>,
    /// Lengths of cooldowns that may be open, and when the last of each ends, ms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) open: Vec<(i64, i64)>,
}

impl Note {
    /// None of an offset that somebody else committed.
    pub(super) fn read(note: &str) -> Option<Note> {
        serde_json::from_str(note).ok()
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are valid JSON")
    }

    /// The cooldowns that may be open.
    pub(super) fn horizon(&self) -> Horizon {
        let mut horizon = Horizon::default();
        self.open.iter().for_each(|(length, until)| horizon.opened(*length, Timestamp(*until)));
        horizon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_and_what_somebody_else_wrote_is_none() {
        let note = Note {
            pack: "0f3a".to_owned(),
            watermark_ms: Some(1_767_225_600_000),
            verdicts_ms: Some(90_000),
            open: vec![(60_000, 1_767_225_640_000), (30_000, 1_767_225_650_000)],
        };
        assert_eq!(Note::read(&note.write()), Some(note.clone()));
        let lengths =
            note.horizon().lengths().iter().map(|(length, until)| (*length, until.0)).collect::<Vec<_>>();
        assert_eq!(lengths, note.open);
        let none = Note { watermark_ms: None, verdicts_ms: None, open: Vec::new(), ..note };
        assert_eq!(none.write(), r#"{"pack":"0f3a"}"#);
        assert!(Note::read("").is_none() && Note::read("reset by hand").is_none());
    }

    #[test]
    fn a_note_of_the_previous_version_is_read() {
        let read = Note::read(r#"{"pack":"0f3a","watermark":1767225600000}"#).unwrap();
        assert_eq!(
            (&*read.pack, read.watermark_ms, read.verdicts_ms),
            ("0f3a", Some(1_767_225_600_000), None)
        );
        assert_eq!(read.horizon(), Horizon::default());
    }
}
