//! Events that alert exactly if the ledger has the earlier ones: the third password reset of an account within a day
//! (rule LOAD-207 of the load pack). Each probe has its own account, so each alerts once.

use crate::kafka::{Failure, PARTITIONS, Writer};
use tripline_core::batch::Timestamp;
use tripline_core::placement::Partitioner;

/// Resets before the one that alerts.
const BEFORE: u32 = 2;

/// The partition of a probe: all partitions in turn.
pub fn partition(number: u32) -> u32 {
    number % PARTITIONS.unsigned_abs()
}

/// The id of the event that alerts.
pub fn id(number: u32) -> String {
    event_id(number, BEFORE)
}

fn event_id(number: u32, reset: u32) -> String {
    format!("P{number}r{reset}")
}

/// An account of the probe's partition that no simulated bank has.
fn account(number: u32) -> String {
    let named = (0_u32..).map(|salt| format!("P{number}x{salt}"));
    let mut fitting = named.filter(|name| {
        Partitioner::Murmur2.partition(name.as_bytes(), PARTITIONS.unsigned_abs()) == partition(number)
    });
    fitting.next().expect("one name in twelve lies in any partition")
}

/// A record of a probe.
#[derive(Clone, Debug)]
pub struct Reset {
    /// Id of the event.
    pub id: String,
    /// The account.
    pub key: String,
    /// The record.
    pub value: String,
}

fn reset(number: u32, which: u32, at: Timestamp) -> Reset {
    let (key, id) = (account(number), event_id(number, which));
    let value = format!(
        r#"{{"id":"{id}","type":"password_reset","time":"{at}","account":{{"id":"{key}","segment":"retail"}}}}"#
    );
    Reset { id, key, value }
}

/// The records before the one that alerts.
pub fn arming(number: u32, at: Timestamp) -> [Reset; BEFORE as usize] {
    [0, 1].map(|which| reset(number, which, at))
}

/// The record that alerts.
pub fn firing(number: u32, at: Timestamp) -> Reset {
    reset(number, BEFORE, at)
}

/// Publishes the records before the alerts of these probes.
///
/// # Errors
/// When it cannot be published.
pub fn arm(writer: &Writer, numbers: impl IntoIterator<Item = u32>, at: Timestamp) -> Result<(), Failure> {
    let mut resets = numbers.into_iter().flat_map(|number| arming(number, at));
    resets.try_for_each(|reset| writer.send(at, reset.key.as_bytes(), reset.value.as_bytes()))
}

/// Publishes the event of a probe that alerts.
///
/// # Errors
/// When it cannot be published.
pub fn fire(writer: &Writer, number: u32, at: Timestamp) -> Result<(), Failure> {
    let reset = firing(number, at);
    writer.send(at, reset.key.as_bytes(), reset.value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;
    use crate::records::START;
    use tripline_core::account_shard::AccountShard;
    use tripline_core::batch::{Batch, ShardId};
    use tripline_core::outputs::{Outputs, Topic};
    use tripline_core::signals::NoSignals;

    /// Alerts of these records, in a fresh engine.
    fn alerts(resets: impl IntoIterator<Item = Reset>) -> usize {
        let config = load::config();
        let mut engine: AccountShard = load::engine(&config, config.settings().clone());
        let mut batch = Batch::new(ShardId::account(0));
        for (offset, Reset { key, value, .. }) in (0..).zip(resets) {
            batch.push(offset, Some(START), key.as_bytes(), value.as_bytes());
        }
        let mut out = Outputs::default();
        engine.step(&batch, &NoSignals, &mut out);
        out.records.iter().filter(|output| output.topic == Topic::Alerts).count()
    }

    #[test]
    fn a_probe_alerts_once_and_only_behind_what_goes_before_it() {
        let at = START;
        assert_eq!(alerts([firing(7, at)]), 0, "its ledger is empty");
        assert_eq!(alerts(arming(7, at)), 0);
        assert_eq!(alerts(arming(7, at).into_iter().chain([firing(7, at)])), 1);
    }

    #[test]
    fn probes_lie_in_one_partition_after_the_other() {
        for number in 0..40 {
            let found = Partitioner::Murmur2.partition(account(number).as_bytes(), PARTITIONS.unsigned_abs());
            assert_eq!(found, number % 12, "{}", account(number));
        }
    }
}
