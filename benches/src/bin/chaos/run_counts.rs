//! Counts of a run, which can be added up over many runs.

use super::group::StateAtKill;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use tripline_benches::kafka::Failure;

/// Injected faults, by the state of the killed processes, and what was verified.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RunCounts {
    /// Runs in which nothing was lost, doubled or torn.
    pub(super) runs: u64,
    /// Processes killed.
    pub(super) kills: u64,
    /// Of these, with an open transaction.
    pub(super) kills_in_transaction: u64,
    /// Of these, during a rebalance.
    pub(super) kills_in_rebalance: u64,
    /// Of these, while a snapshot was being written.
    pub(super) kills_in_snapshot: u64,
    /// Of these, while the killed process was restoring shards.
    pub(super) kills_in_restore: u64,
    /// Processes suspended (SIGSTOP) until others had taken over.
    pub(super) stops: u64,
    /// Processes stopped (SIGTERM).
    pub(super) leaves: u64,
    /// Duration of all storms, s.
    pub(super) storm_seconds: u64,
    /// Changes of packs.
    pub(super) pack_changes: u64,
    /// Of these, after all processes were killed.
    pub(super) pack_changes_by_kill: u64,
    /// Of these, with an open cooldown.
    pub(super) pack_changes_in_cooldown: u64,
    /// Processes that exited with status 2 after an injected fault, and were restarted.
    pub(super) gave_up: u64,
    /// Kills of the broker.
    pub(super) broker_kills: u64,
    /// Times when the proxy forwarded nothing for some seconds.
    pub(super) silences: u64,
    /// Ends of transactions that reached the broker after the client had timed out or retried.
    pub(super) late_ends: u64,
    /// Directed crashes by place.
    pub(super) crashes: BTreeMap<String, u64>,
    /// Directed crashes whose place was not reached.
    pub(super) not_reached: u64,
    /// Records written.
    pub(super) events: u64,
    /// Alerts read live.
    pub(super) alerts: u64,
    /// Of these, with an id that was read before.
    pub(super) doubled: u64,
}

impl RunCounts {
    pub(super) fn killed(&mut self, state: StateAtKill) {
        self.kills += 1;
        self.kills_in_transaction += u64::from(state.transaction);
        self.kills_in_rebalance += u64::from(state.rebalance);
        self.kills_in_snapshot += u64::from(state.snapshot);
        self.kills_in_restore += u64::from(state.restore);
    }

    /// Adds these counts to those of a file; creates it if there is none.
    pub(super) fn add_to(&self, path: &Path) -> Result<(), Failure> {
        let mut held: RunCounts = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => RunCounts::default(),
            Err(error) => return Err(error.into()),
        };
        for (place, count) in &self.crashes {
            *held.crashes.entry(place.clone()).or_default() += count;
        }
        let sum = RunCounts {
            late_ends: held.late_ends + self.late_ends,
            silences: held.silences + self.silences,
            crashes: held.crashes,
            not_reached: held.not_reached + self.not_reached,
            runs: held.runs + self.runs,
            kills: held.kills + self.kills,
            kills_in_transaction: held.kills_in_transaction + self.kills_in_transaction,
            kills_in_rebalance: held.kills_in_rebalance + self.kills_in_rebalance,
            kills_in_snapshot: held.kills_in_snapshot + self.kills_in_snapshot,
            kills_in_restore: held.kills_in_restore + self.kills_in_restore,
            storm_seconds: held.storm_seconds + self.storm_seconds,
            pack_changes: held.pack_changes + self.pack_changes,
            pack_changes_by_kill: held.pack_changes_by_kill + self.pack_changes_by_kill,
            pack_changes_in_cooldown: held.pack_changes_in_cooldown + self.pack_changes_in_cooldown,
            gave_up: held.gave_up + self.gave_up,
            stops: held.stops + self.stops,
            leaves: held.leaves + self.leaves,
            broker_kills: held.broker_kills + self.broker_kills,
            events: held.events + self.events,
            alerts: held.alerts + self.alerts,
            doubled: held.doubled + self.doubled,
        };
        // Replaced as a whole, so that an interrupted campaign keeps its counts.
        let beside = path.with_extension("new");
        fs::write(&beside, serde_json::to_string_pretty(&sum)? + "\n")?;
        Ok(fs::rename(beside, path)?)
    }
}

impl fmt::Display for RunCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crashes = self.crashes.values().sum::<u64>();
        let counted = [
            (self.kills, "kills"),
            (self.kills_in_transaction, "of them in a transaction"),
            (self.kills_in_rebalance, "in a rebalance"),
            (self.kills_in_snapshot, "in a snapshot"),
            (self.kills_in_restore, "in a restore"),
            (self.stops, "stops"),
            (self.leaves, "leaves"),
            (self.storm_seconds, "s of storm"),
            (self.pack_changes, "pack changes"),
            (self.pack_changes_by_kill, "of them by a kill of all"),
            (self.pack_changes_in_cooldown, "with a cooldown open"),
            (self.broker_kills, "broker kills"),
            (self.late_ends, "late ends"),
            (self.silences, "silences of the network"),
            (crashes, "directed crashes"),
            (self.crashes.len() as u64, "places of them"),
            (self.not_reached, "places not reached"),
            (self.gave_up, "processes gave up"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0);
        let counted: Vec<String> = counted.map(|(count, what)| format!("{count} {what}")).collect();
        write!(f, "{}", counted.join(", "))?;
        if self.runs > 0 {
            write!(f, "; {} events, {} alerts, {} doubled", self.events, self.alerts, self.doubled)?;
        }
        Ok(())
    }
}
