//! Time from the start of a process that was just killed or stopped until its first correct alert can be read.

use super::site::{
    Context, Member, Setup, Site, TOPIC, check, time_outs, until, until_balanced, until_saved,
};
use super::stream::Stream;
use clap::{Args, ValueEnum};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};
use tripline_benches::kafka::{Failure, PARTITIONS, Writer};
use tripline_benches::open_loop::LINGER_MS;
use tripline_benches::probe;
use tripline_benches::report::{Column, Report};

/// `restart`.
#[derive(Args)]
pub(super) struct Restart {
    /// Accounts of the bank, each with about three events before the first restart.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..))]
    accounts: u32,
    /// Restarts of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events per second throughout.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Interval between two snapshots of a shard.
    #[arg(long, default_value = "60s")]
    snapshots_every: String,
    /// How the process is ended and which snapshots it finds at its restart.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kill,stop,log")]
    kinds: Vec<Kind>,
}

/// How the process is ended and which snapshots it finds at its restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Kill -9, with its snapshots.
    Kill,
    /// SIGTERM, with its snapshots.
    Stop,
    /// Kill -9; its snapshots are deleted.
    Log,
}

const COLUMNS: &[Column] = &[
    ("first_alert_s", 3),
    ("last_partition_s", 3),
    ("status_answers_s", 3),
    ("status_first_live_s", 3),
    ("status_all_live_s", 3),
    ("records_read_back", 0),
    ("end_of_process_s", 3),
];
/// All alerts must be read within this time of the restart.
const ALERTED_WITHIN: Duration = Duration::from_secs(300);
/// Pause between two restarts, so that the log has records after the snapshots.
const PAUSE: Duration = Duration::from_secs(3);

struct Bench<'a> {
    site: &'a Site,
    members: Vec<Member>,
    stream: Stream,
    writer: Writer,
    next_probe: u32,
}

impl Restart {
    /// Names of the reports.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.name()).collect()
    }

    /// Runs the measurement: a report for each kind.
    pub(super) fn measure(&self, context: &Context) -> Result<Vec<Report>, Failure> {
        let (site, feed) = Site::start(self.accounts, context)?;
        let every = Some(self.snapshots_every.as_str());
        let mut member = site.member(Setup { instance: "0", workers: 2, snapshots_every: every })?;
        member.start()?;
        let mut members = vec![member];
        site.await_committed(&mut members)?;
        until_balanced(&mut members, 2)?;
        let stream = Stream::start(&site.address(), feed, self.rate)?;
        // A snapshot begins together with a commit, so every shard needs new records.
        until_saved(&mut members)?;
        let writer = Writer::new(&site.address(), TOPIC, LINGER_MS)?;
        let mut bench = Bench { site: &site, members, stream, writer, next_probe: 0 };
        let mut reports = Vec::new();
        for kind in &self.kinds {
            let mut rounds = Vec::new();
            for _ in 0..self.rounds {
                let figures = bench.round(*kind)?;
                eprintln!(
                    "recovery: {kind:?}: first alert after {:.3} s, all live after {:.3} s",
                    figures[0], figures[4]
                );
                rounds.push(figures);
            }
            let about = format!(
                "{}; 1 process of 2 workers, {} events a second; from the start of the process until the first alert is read, \
                 and the last partition's; {}; {}",
                kind.words(&self.snapshots_every),
                self.rate,
                time_outs(),
                site.about
            );
            reports.push(Report { about, columns: COLUMNS, rounds });
        }
        let Bench { mut members, stream, .. } = bench;
        stream.stop()?;
        site.await_committed(&mut members)?;
        site.watch.check()?;
        members[0].stop()?;
        site.compare(&members[0])?;
        Ok(reports)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Kill => "restart-kill",
            Kind::Stop => "restart-stop",
            Kind::Log => "restart-log",
        }
    }

    fn words(self, every: &str) -> String {
        match self {
            Kind::Kill => format!("killed (-9) and started at once, snapshots every {every}"),
            Kind::Stop => format!("stopped (SIGTERM) and started at once, snapshots every {every}"),
            Kind::Log => "killed (-9) and started at once, its snapshots deleted".to_owned(),
        }
    }
}

/// The reports of `/status` since the start.
#[derive(Default)]
struct StartProgress {
    answers: Option<Duration>,
    first_live: Option<Duration>,
    all_live: Option<Duration>,
    /// Records read back from the log, by shard.
    records: Vec<u64>,
}

impl StartProgress {
    fn look(&mut self, member: &Member, since: Instant) {
        let Some(view) = member.overview() else { return };
        let now = since.elapsed();
        self.answers.get_or_insert(now);
        let live = view.shards.iter().filter(|shard| shard.phase == "live").count();
        if live > 0 {
            self.first_live.get_or_insert(now);
        }
        if live == self.records.len() && self.all_live.is_none() {
            self.all_live = Some(now);
        }
        for shard in view.shards {
            let at = shard.partition as usize;
            if let Some(filled) = shard.filled {
                self.records[at] = self.records[at].max(filled.records_of);
            }
        }
    }
}

impl Bench<'_> {
    fn round(&mut self, kind: Kind) -> Result<Vec<f64>, Failure> {
        let probes = self.next_probe..self.next_probe + PARTITIONS.unsigned_abs();
        self.next_probe = probes.end;
        probe::arm(&self.writer, probes.clone(), self.stream.now())?;
        self.writer.finish()?;
        self.site.await_committed(&mut self.members)?;
        thread::sleep(PAUSE);
        let ended = Instant::now();
        match kind {
            Kind::Stop => self.members[0].stop()?,
            Kind::Kill | Kind::Log => self.members[0].kill(),
        }
        let ended = ended.elapsed();
        if kind == Kind::Log {
            fs::remove_dir_all(self.site.snapshots())?;
        }
        for number in probes.clone() {
            probe::fire(&self.writer, number, self.stream.now())?;
        }
        self.writer.finish()?;
        let ids: Vec<String> = probes.map(probe::id).collect();
        if ids.iter().any(|id| self.site.watch.seen(id).is_some()) {
            return Err("an alert was read before the process was started".into());
        }
        let logged = self.members[0].log()?.len();
        let began = Instant::now();
        self.members[0].start()?;
        let partitions = PARTITIONS.unsigned_abs() as usize;
        let mut progress = StartProgress { records: vec![0; partitions], ..StartProgress::default() };
        let members = &mut self.members;
        let seen = self.site.watch.await_all(&ids, ALERTED_WITHIN, || {
            check(members)?;
            progress.look(&members[0], began);
            Ok(())
        })?;
        until(members, "all partitions are live", |members| {
            progress.look(&members[0], began);
            progress.all_live.is_some()
        })?;
        let whole = self.members[0].restored_without_snapshot(logged)?;
        if kind != Kind::Log && whole > 0 {
            return Err(format!("{whole} of {partitions} shards were restored from the log alone").into());
        }
        let times = seen.iter().map(|seen| seen.at - began);
        let first = times.clone().min().ok_or("a round has probes")?;
        let last = times.max().ok_or("a round has probes")?;
        let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
        let mut figures: Vec<f64> =
            [Some(first), Some(last), progress.answers, progress.first_live, progress.all_live]
                .map(seconds)
                .to_vec();
        figures.push(f64::from(u32::try_from(progress.records.iter().sum::<u64>())?));
        figures.push(ended.as_secs_f64());
        Ok(figures)
    }
}
