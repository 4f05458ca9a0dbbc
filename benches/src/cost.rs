//! CPU time and memory of a thread or a process, read from Linux.

use std::fs::read_to_string;

/// CPU time of this thread so far, s; 0 where the system does not report it.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a benchmark are far below 2^53")]
pub fn thread_cpu_seconds() -> f64 {
    let stat = read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = stat.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
    ns.unwrap_or(0) as f64 / 1e9
}

/// Resident memory of this process, bytes; 0 where the system does not report it.
pub fn rss_bytes() -> u64 {
    status_kib("self", "VmRSS:") * 1024
}

/// A line in kB of a process's status; 0 without it.
pub fn status_kib(process: &str, line: &str) -> u64 {
    let status = read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|written| written.strip_prefix(line));
    found.and_then(|written| written.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

/// The middle of several measurements.
///
/// # Panics
/// Without any.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
