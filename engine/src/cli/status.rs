//! `tripline status`: the status of running processes and their shards.

use super::configured::configured_alone;
use super::error::{ArgumentError, CliError, SetupError, StatusError};
use super::report::{Exit, Report};
use super::text;
use crate::json::JsonError;
use crate::ops::status_client::{StatusClientError, get};
use crate::ops::status_report::{ShardReport, StatusReport};
use clap::Args;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use tripline_core::batch::Timestamp;

/// Show the shards of running processes: phase, lag, snapshot age, progress of a restore.
///
/// Exit 0 when all processes are ready, 1 when one is not ready or does not answer, 2 when none answers.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  tripline status --config tripline.yaml")]
pub struct Status {
    /// Configuration of the process on this host; its `http.listen` is the address.
    #[arg(long, value_name = "FILE", required_unless_present = "url")]
    config: Option<PathBuf>,
    /// Address of a process, such as `http://10.0.0.7:9464`; repeat it for several processes.
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Print the result as JSON, one line per process.
    #[arg(long)]
    json: bool,
}

/// The answer of one process.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Status {
        place: String,
        #[serde(flatten)]
        status: StatusReport,
    },
    Failed {
        place: String,
        is_ready: bool,
        #[serde(rename = "fault")]
        error: String,
    },
}

impl Status {
    /// Runs the command.
    ///
    /// # Errors
    /// When no process answers.
    pub fn run(self) -> Result<Exit, CliError> {
        let places = self.places()?;
        let answers: Vec<Answer> = places.into_iter().map(asked).collect();
        if answers.iter().all(|answer| matches!(answer, Answer::Failed { .. })) {
            let errors = answers.into_iter().filter_map(|answer| match answer {
                Answer::Failed { error, .. } => Some(error),
                Answer::Status { .. } => None,
            });
            return Err(StatusError::NoAnswer(errors.collect()).into());
        }
        let mut report = Report::new(self.json);
        let mut is_ready = true;
        for answer in &answers {
            report.json(answer)?;
            report.text(|| text(answer))?;
            is_ready &= matches!(answer, Answer::Status { status, .. } if status.is_ready);
        }
        Ok(if is_ready { Exit::Success } else { Exit::Problems })
    }

    /// `host:port` of every process to ask.
    fn places(&self) -> Result<Vec<String>, CliError> {
        if let ([], Some(path)) = (&*self.url, &self.config) {
            let listen = configured_alone(path)?.0.http.settings.listen;
            if listen.port() == 0 {
                return Err(SetupError::AnyPort.into());
            }
            return Ok(vec![reached_at(listen).to_string()]);
        }
        Ok(self.url.iter().map(|url| place(url)).collect::<Result<_, _>>()?)
    }
}

/// The address of a process on this host; one that listens on every address is reached on loopback.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listen.port())
}

fn place(url: &str) -> Result<String, ArgumentError> {
    let wrong = || ArgumentError::Url(url.to_owned());
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let parsed = url::Url::parse(&full).map_err(|_| wrong())?;
    let (Some(host), "http") = (parsed.host_str(), parsed.scheme()) else { return Err(wrong()) };
    Ok(format!("{host}:{}", parsed.port().unwrap_or(80)))
}

fn asked(place: String) -> Answer {
    let silent = |error: String| Answer::Failed { place: place.clone(), is_ready: false, error };
    match get(&place, "/status") {
        Ok(body) => match serde_json::from_str(&body) {
            Ok(status) => Answer::Status { place, status },
            Err(error) => {
                silent(format!("{place} returned an invalid status response: {}", JsonError::from(error)))
            }
        },
        Err(StatusClientError::Unreachable { address, cause }) => {
            silent(format!("no answer from {address}: {cause}"))
        }
        Err(error) => silent(error.to_string()),
    }
}

fn text(answer: &Answer) -> String {
    let (place, status) = match answer {
        Answer::Status { place, status } => (place, status),
        Answer::Failed { error, .. } => return format!("{error}\n"),
    };
    let process = &status.process;
    let packs = process.packs.get(..12).unwrap_or(&process.packs);
    let mut text = format!(
        "instance {} of group {} at {place}: {}\nversion {}, packs {packs}, {}\n",
        process.instance,
        process.group,
        if status.is_ready { "ready" } else { "not ready" },
        process.version,
        process.guarantee.replace('_', " "),
    );
    for reason in &status.reasons {
        text.push_str(&format!("  {reason}\n"));
    }
    if let Some(since) = status.stale_since {
        text.push_str(&format!("  lag is stale: the brokers last answered at {}\n", time(since)));
    }
    let heads = ["partition", "worker", "phase", "next", "lag", "log from", "snapshot", "restored"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(status.shards.iter().map(|shard| row(shard, status.stale_since.is_some())));
    for line in text::table(&rows) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.0}"))
}

fn row(shard: &ShardReport, is_stale: bool) -> [String; 8] {
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let lag = |lag: u64| if is_stale { format!("{lag} (stale)") } else { lag.to_string() };
    let restored = shard.filled.map(|filled| {
        let records = format!("{} of {} records", filled.records, filled.records_of);
        match filled.chunks_of {
            0 => records,
            chunks_of => format!("{} of {chunks_of} chunks, {records}", filled.chunks),
        }
    });
    [
        shard.partition.to_string(),
        shard.worker.to_string(),
        shard.phase.clone(),
        known(shard.next.map(|next| next.to_string())),
        known(shard.lag.map(lag)),
        known(shard.held_from.map(time)),
        known(shard.snapshot_age_ms.map(|age| format!("{} ago", text::duration(age)))),
        known(restored),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_asked_where_it_can_be_reached() {
        assert_eq!(place("http://10.0.0.7:9464/status").unwrap(), "10.0.0.7:9464");
        assert_eq!(place("bank-1:9464").unwrap(), "bank-1:9464");
        assert_eq!(place("http://[::1]:9464").unwrap(), "[::1]:9464");
        assert!(place("https://bank-1:9464").is_err() && place("").is_err());
        assert_eq!(reached_at("0.0.0.0:9464".parse().unwrap()).to_string(), "127.0.0.1:9464");
        assert_eq!(reached_at("[::1]:9464".parse().unwrap()).to_string(), "[::1]:9464");
    }
}
