//! Directed crashes: how a process is made to reach a failpoint and crash there.

use super::group::Group;
use std::time::Duration;
use tripline_benches::kafka::Failure;
use tripline_benches::proxy::{Hold, Proxy};

/// Longer than the session timeout, s. The shards of a stopped static member are reassigned, and revoked from the
/// others when it returns.
const AWAY: u64 = 8;
/// Ends of transactions that are held back: enough that the member's own are among them.
const ENDS_HELD: usize = 12;

/// Makes a member crash at a place, after it has passed it a few times where it does so often. Returns whether it did.
pub(super) fn crash_at_place(
    place: &str,
    (group, proxy): (&mut Group, &Proxy),
    member: usize,
    drawn: u32,
) -> Result<bool, Failure> {
    let passed = match place {
        "polled" | "judged" | "sending" | "sent" => drawn % 200,
        "settled" | "offsets_sending" | "offsets_sent" | "committed" => drawn % 50,
        "snapshot_begun" | "chunk_handed_over" | "chunk_put" | "manifest_putting" | "manifest_put"
        | "pruned" => drawn % 3,
        // Reached once for each restored shard; some have no snapshot yet.
        "manifest_found" | "chunk_found" | "rows_read" | "verdicts_read" | "restored" | "folded" | "live" => {
            drawn % 2
        }
        _ => 0,
    };
    let action = format!("{place}={passed}*off->1*return");
    group.crash_at(member, &action, |group| match place {
        "revoked" | "released" => {
            let other = group.other_than(member);
            group.stop(other)?;
            group.start_after(other, AWAY);
            Ok(())
        }
        "aborting" | "aborted" => {
            // The member must be running before the ends of the others' transactions are held back.
            group.wait(Duration::from_secs(1))?;
            (0..ENDS_HELD).for_each(|_| proxy.hold_next(Hold::Open));
            Ok(())
        }
        _ => Ok(()),
    })
}
