//! Directed crashes: how a process is led to one place of the program, where it dies.

use super::crew::Crew;
use std::time::Duration;
use tripline_benches::kafka::Failure;
use tripline_benches::proxy::{Hold, Proxy};

/// Another member that has left without a word is missed after the time that the group's sessions last; then its shards
/// are spread, and given back when it returns.
const AWAY: u64 = 8;
/// Ends of transactions that are held back, so that some are those of the process that is to meet them.
const ENDS_HELD: usize = 12;

/// Lets a member die at a place, having passed it a few times where it is met often. Gives whether it came there.
pub(super) fn lead_to(
    place: &str,
    (crew, proxy): (&mut Crew, &Proxy),
    member: usize,
    drawn: u32,
) -> Result<bool, Failure> {
    let passed = match place {
        "polled" | "judged" | "sending" | "sent" => drawn % 200,
        "settled" | "offsets_sending" | "offsets_sent" | "committed" => drawn % 50,
        "cut" | "chunk_handed_over" | "chunk_put" | "manifest_putting" | "manifest_put" | "pruned" => {
            drawn % 3
        }
        // Once for each shard that is filled, and some have no snapshot yet.
        "manifest_found" | "chunk_found" | "rows_read" | "verdicts_read" | "restored" | "folded" | "live" => {
            drawn % 2
        }
        _ => 0,
    };
    let action = format!("{place}={passed}*off->1*return");
    crew.die_at(member, &action, |crew| match place {
        "revoked" | "released" => {
            let other = crew.other_than(member);
            crew.leave(other)?;
            crew.return_after(other, AWAY);
            Ok(())
        }
        "aborting" | "aborted" => {
            // He should have begun before the others' ends are held.
            crew.pass(Duration::from_secs(1))?;
            (0..ENDS_HELD).for_each(|_| proxy.hold_next(Hold::Open));
            Ok(())
        }
        _ => Ok(()),
    })
}
