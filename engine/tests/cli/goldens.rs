//! Stories of fraud and of honest people, written by hand, and the alerts that the demo's packs raise on them.
//!
//! `TRIPLINE_BLESS=1` rewrites the alerts; the difference is to be read against the rules. The packs' hash is left
//! out: an alert changes when what it says changes.

use crate::tripline::{DEMO, replay, root};
use std::collections::BTreeSet;
use std::fs;

/// The stories, and whether alerts are due.
const STORIES: [(&str, bool); 7] = [
    ("card_testing_burst", true),
    ("cloned_card_impossible_travel", true),
    ("compromised_terminal", true),
    ("p2p_mule", true),
    ("takeover_and_drain", true),
    ("transit_taps_stay_silent", false),
    ("traveller_stays_silent", false),
];

fn alerts_of(story: &str) -> String {
    let replayed = replay(DEMO, root().join(format!("engine/tests/golden/{story}/events.jsonl")), &[]);
    assert_eq!(replayed.summary["rows"], replayed.summary["records"], "{story}: {}", replayed.dead_letters);
    replayed.alerts.lines().map(without_hash).collect()
}

fn without_hash(alert: &str) -> String {
    let (before, after) = alert.split_once(",\"pack\":\"").unwrap();
    let (hash, after) = after.split_once('"').unwrap();
    assert_eq!(hash.len(), 32, "{alert}");
    format!("{before}{after}\n")
}

#[test]
fn each_story_raises_its_alerts_and_no_other() {
    for (story, is_fraud) in STORIES {
        let path = root().join(format!("engine/tests/golden/{story}/alerts.jsonl"));
        let alerts = alerts_of(story);
        if std::env::var_os("TRIPLINE_BLESS").is_some() {
            fs::write(&path, &alerts).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap();
        assert!(
            alerts == golden,
            "{story}: other alerts than the golden ones\n--- golden\n{golden}--- now\n{alerts}"
        );
        assert_eq!(is_fraud, !alerts.is_empty(), "{story}:\n{alerts}");
    }
}

#[test]
fn every_story_is_run() {
    let folders = fs::read_dir(root().join("engine/tests/golden")).unwrap();
    let found: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, STORIES.iter().map(|(story, _)| (*story).to_owned()).collect());
}
