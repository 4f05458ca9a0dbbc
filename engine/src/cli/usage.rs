//! Resources that a command used: wall clock, CPU and peak memory, as the operating system counts them.

use std::time::Instant;

/// Ticks of `/proc/self/stat` a second; fixed by Linux's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// A measurement under way.
pub struct Usage {
    began: Instant,
    cpu_seconds: f64,
}

/// Resources used since it began.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Wall clock.
    pub seconds: f64,
    /// CPU of all threads.
    pub cpu_seconds: f64,
    /// Peak memory of the process.
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// Begins a measurement.
    pub fn begin() -> Usage {
        Usage { began: Instant::now(), cpu_seconds: cpu_seconds() }
    }

    /// Resources used until now.
    pub fn end(&self) -> Spent {
        Spent {
            seconds: self.began.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds() - self.cpu_seconds,
            peak_rss_bytes: peak_rss_bytes(),
        }
    }
}

impl Spent {
    /// Rate per second of the wall clock.
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds.max(1e-3)
    }

    /// Rate per CPU second.
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
    pub fn per_cpu_second(&self, count: u64) -> f64 {
        count as f64 / self.cpu_seconds.max(1.0 / TICKS_PER_SECOND)
    }
}

/// User and system time so far; 0 where `/proc` is missing.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, the program's name, may hold blanks; it ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
