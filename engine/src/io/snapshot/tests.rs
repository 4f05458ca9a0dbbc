//! What an operator relies on: snapshots come back as they were written, only whole ones count, two are kept, and a
//! store that fails costs the snapshot alone.

use super::*;
use crate::ops::reporter::Reporter;
use crate::runtime::clock::Clock;
use crate::runtime::snapshot::SnapshotStore;
use crate::runtime::snapshots::Snapshots;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tripline_core::batch::{ShardId, Timestamp};
use tripline_core::snapshot::InputTopic;

const SHARD: ShardId = ShardId::account(3);

fn names(catalogue: &Catalogue) -> Vec<(i64, i64)> {
    catalogue.list(SHARD).unwrap().iter().map(|stored| (stored.offset, stored.epoch)).collect()
}

fn in_memory() -> Catalogue {
    Catalogue::new(Store::over(Arc::new(InMemory::new()), Path::from("bank/a"), false), "tripline")
}

#[test]
fn a_folder_and_an_object_store_hold_the_same_names() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("made/here");
    let local = Store::open(&place.to_string_lossy()).unwrap();
    let remote = Store::over(Arc::new(InMemory::new()), Path::from("bank/a"), false);
    assert!(local.is_local() && !remote.is_local());
    for store in [local, remote] {
        assert_eq!(store.list("g/3").unwrap(), Vec::<String>::new(), "what is not there is empty");
        store.put("g/3/17-1/000000", b"chunk".to_vec()).unwrap();
        store.put("g/3/17-1/manifest", b"all".to_vec()).unwrap();
        assert_eq!(store.list("g/3").unwrap(), ["17-1"]);
        assert_eq!(store.list("g/3/17-1").unwrap(), ["000000", "manifest"]);
        assert_eq!(store.get("g/3/17-1/manifest").unwrap(), b"all");
        store.delete("g/3/17-1/manifest").unwrap();
        let error = store.get("g/3/17-1/manifest").unwrap_err().to_string();
        assert!(error.contains("read g/3/17-1/manifest"), "{error}");
    }
}

#[test]
fn a_place_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for place in [file.join("below").to_string_lossy().as_ref(), "gopher://somewhere/bucket"] {
        let error = Store::open(place).err().unwrap().to_string();
        assert!(error.contains(place), "{error}");
        let refusal = Store::refusal(place).unwrap();
        assert!(refusal.error.to_string().contains(place) && !refusal.is_denied, "{refusal:?}");
    }
    // No user can create anything there.
    let refusal = Store::refusal("/proc/tripline/snapshots").unwrap().error.to_string();
    assert!(refusal.contains("no folder can be created in /proc: "), "{refusal}");
}

#[test]
fn a_store_is_looked_at_without_creating_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("made/here").to_string_lossy().into_owned();
    assert!(Store::refusal(&place).is_none() && Store::open_existing(&place).unwrap().is_none());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    Store::open(&place).unwrap();
    assert!(Store::refusal(&place).is_none() && Store::open_existing(&place).unwrap().is_some());
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
}

#[test]
fn the_newest_comes_first_and_one_without_a_manifest_is_none() {
    let catalogue = in_memory();
    for (offset, epoch) in [(9, 1), (100, 2), (100, 3), (20, 4)] {
        catalogue.put_chunk(&catalogue.place(SHARD, offset, Timestamp(epoch)), 0, vec![1]).unwrap();
    }
    assert_eq!(names(&catalogue), [(100, 3), (100, 2), (20, 4), (9, 1)]);
    let newest = &catalogue.list(SHARD).unwrap()[0];
    assert!(catalogue.manifest(newest).unwrap().is_none());
    let other = Catalogue::new(catalogue_store(&catalogue), "another group");
    assert_eq!(names(&other), []);
}

#[test]
fn a_pruned_snapshot_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::new(Store::open(&folder.path().to_string_lossy()).unwrap(), "tripline");
    let shard = folder.path().join("tripline/3");
    // Folders that are left of earlier ones go, too.
    std::fs::create_dir_all(shard.join("00000000000000000001-1")).unwrap();
    for offset in 2..40 {
        let stored = catalogue.place(SHARD, offset, Timestamp(offset));
        for name in ["000000", "manifest"] {
            catalogue.store().put(&format!("{}/{name}", stored.name), vec![1]).unwrap();
        }
        catalogue.prune(SHARD).unwrap();
    }
    assert_eq!(names(&catalogue), [(39, 39), (38, 38)]);
    assert_eq!(std::fs::read_dir(&shard).unwrap().count(), 2);
}

fn catalogue_store(catalogue: &Catalogue) -> Store {
    catalogue.store().clone()
}

/// Whether a snapshot of a shard that went live just now with one so old is due after so much time.
fn is_due_after(age: Option<Duration>, time: Duration) -> bool {
    let clock = Clock::by_hand(Timestamp(1_000_000_000));
    let (writer, _queue) = Writer::stepped(in_memory(), Arc::<Reporter>::default());
    let snapshots = Snapshots::new(
        Arc::new(writer),
        Duration::from_secs(60),
        InputTopic::new("", "events", 4),
        clock.clone(),
    );
    let begun_at = |age: Duration| Timestamp(clock.wall().0 - i64::try_from(age.as_millis()).unwrap());
    let of = snapshots.of(SHARD, age.map(|age| (7, begun_at(age))));
    clock.pass(time);
    assert!(snapshots.due(&of, 7).is_none() || age.is_none(), "the snapshot is of this very position");
    snapshots.due(&of, 8).is_some()
}

#[test]
fn a_restart_does_not_postpone_a_snapshot() {
    let seconds = Duration::from_secs;
    // The last of four shards begins in the last quarter of a minute.
    assert!(!is_due_after(None, seconds(44)) && is_due_after(None, seconds(46)));
    assert!(!is_due_after(Some(seconds(5)), seconds(44)) && is_due_after(Some(seconds(5)), seconds(46)));
    assert!(!is_due_after(Some(seconds(50)), seconds(9)) && is_due_after(Some(seconds(50)), seconds(11)));
    assert!(is_due_after(Some(seconds(3_600)), Duration::ZERO));
}
