//! Places where a test lets the process die, and rules that a test switches off: only with the feature `failpoints`, by
//! the environment variable `FAILPOINTS` (`sent=9*off->1*return`: the tenth time). Without the feature nothing of it is
//! there.

/// Places where the process can be made to die, in the order in which a shard meets them.
pub const PLACES: [&str; 26] = [
    "accepted",
    "manifest_found",
    "chunk_found",
    "rows_read",
    "verdicts_read",
    "restored",
    "folded",
    "live",
    "polled",
    "judged",
    "sending",
    "sent",
    "snapshot_begun",
    "offsets_sending",
    "offsets_sent",
    "settled",
    "committed",
    "chunk_handed_over",
    "chunk_put",
    "manifest_putting",
    "manifest_put",
    "pruned",
    "revoked",
    "released",
    "aborting",
    "aborted",
];

/// The rule that a producer in doubt is given up.
pub const REPLACE_IN_DOUBT: &str = "replace_in_doubt";

/// Dies here, as by `kill -9`, when a test asks for it.
#[inline]
pub fn reached(place: &'static str) {
    #[cfg(feature = "failpoints")]
    if fail::eval(place, |_| ()).is_some() {
        debug_assert!(PLACES.contains(&place));
        std::process::abort();
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = place;
}

/// Whether a rule applies; a test may switch it off.
#[inline]
pub fn applies(rule: &'static str) -> bool {
    #[cfg(feature = "failpoints")]
    return fail::eval(rule, |_| ()).is_none();
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = rule;
        true
    }
}

/// Reads the environment; what it says applies until the process ends.
pub fn start() {
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}
