//! The faults that are injected into the service and its broker, one after the other, and their counts.

use super::group::Group;
use super::packs::has_open_cooldown;
use super::places::crash_at_place;
use super::run_counts::RunCounts;
use super::{Arguments, HELD_FOR};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use tripline::failpoint::PLACES;
use tripline_benches::kafka::{Broker, Failure};
use tripline_benches::proxy::{Hold, Proxy};

/// Pause between two faults, ms: minimum and maximum.
const PAUSE_MS: (u32, u32) = (500, 4_000);
/// Pause before a directed crash, whose moment the failpoint decides.
const SHORT_PAUSE_MS: (u32, u32) = (300, 1_000);
/// A failpoint that is not reached this many times in a row is an error.
const MISSED_MAX: u32 = 5;
/// Duration of a storm.
const STORM: Duration = Duration::from_secs(30);
/// Pause between two changes of the group in a storm, ms: minimum and maximum.
const STORM_PAUSE_MS: (u32, u32) = (600, 1_400);

/// A process reports within this time that no broker answers.
const REPORTED_WITHIN: Duration = Duration::from_secs(5);
/// The silence continues for this long afterwards, ms: minimum and maximum.
const SILENT_LONGER_MS: (u32, u32) = (0, 10_000);

/// A kind of injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Fault {
    /// A process is killed and restarted at once, after a second, or after the others have taken over.
    Kill,
    /// A process is killed, restarted at once, and killed again while its shards are restored.
    RestartKill,
    /// A process is killed as soon as it writes a snapshot.
    SnapshotKill,
    /// A process is suspended (SIGSTOP) until the others have taken over, and then continued.
    Stop,
    /// A process is stopped (SIGTERM) and restarted.
    Leave,
    /// For 30 s, one process per second is stopped, killed or restarted.
    Storm,
    /// All processes are stopped or killed, and started with other packs that give the same alerts.
    Pack,
    /// The broker is killed and restarted.
    Broker,
    /// The proxy forwards nothing for 5 to 15 s; connections stay open.
    Silent,
    /// The proxy delays the ends of one to four transactions until the clients have timed out or retried.
    Late,
    /// A process crashes at each failpoint in turn. Needs `--features tripline/failpoints`.
    Place,
}

/// Injects the faults that the arguments ask for, at random.
pub(super) struct FaultInjector<'a> {
    arguments: &'a Arguments,
    broker: &'a Broker,
    proxy: &'a Proxy,
    group: &'a mut Group,
    counts: &'a mut RunCounts,
    random: ChaCha8Rng,
    /// Directed crashes so far, and how many times in a row the next place was not reached.
    directed: usize,
    missed: u32,
}

impl<'a> FaultInjector<'a> {
    /// With the arguments' seed.
    pub(super) fn new(
        arguments: &'a Arguments,
        (broker, proxy): (&'a Broker, &'a Proxy),
        group: &'a mut Group,
        counts: &'a mut RunCounts,
    ) -> FaultInjector<'a> {
        let random = ChaCha8Rng::seed_from_u64(arguments.seed);
        FaultInjector { arguments, broker, proxy, group, counts, random, directed: 0, missed: 0 }
    }

    /// Injects all faults.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        let kinds = u32::try_from(self.arguments.kinds.len())?;
        for number in 1..=self.arguments.faults {
            let kind = self.arguments.kinds[self.draw(kinds) as usize];
            let pause = self.between(if kind == Fault::Place { SHORT_PAUSE_MS } else { PAUSE_MS });
            self.group.wait(pause)?;
            self.inject(kind)?;
            self.counts.gave_up = self.group.gave_up();
            eprintln!("chaos: fault {number} of {}: {kind:?}; {}", self.arguments.faults, self.counts);
        }
        Ok(())
    }

    fn draw(&mut self, sides: u32) -> u32 {
        self.random.next_u32() % sides.max(1)
    }

    fn between(&mut self, (least, most): (u32, u32)) -> Duration {
        Duration::from_millis(u64::from(least + self.draw(most - least)))
    }

    fn member(&mut self) -> Result<usize, Failure> {
        let drawn = self.draw(u32::MAX);
        self.group.running_member(drawn)
    }

    fn inject(&mut self, kind: Fault) -> Result<(), Failure> {
        match kind {
            Fault::Kill => {
                let member = self.member()?;
                self.kill(member)?;
                let seconds = [0, 0, 1, 9][self.draw(4) as usize];
                self.group.start_after(member, seconds);
            }
            Fault::RestartKill => self.restart_kill()?,
            Fault::SnapshotKill => {
                let member = self.member()?;
                let state = self.group.kill_in_snapshot(member)?;
                self.counts.killed(state);
                self.group.start_after(member, 0);
            }
            Fault::Stop => {
                let member = self.member()?;
                self.group.signal(member, "STOP")?;
                self.group.wait(Duration::from_secs(10))?;
                self.group.signal(member, "CONT")?;
                self.counts.stops += 1;
            }
            Fault::Leave => {
                let member = self.member()?;
                self.group.stop(member)?;
                let seconds = [0, 2][self.draw(2) as usize];
                self.group.start_after(member, seconds);
                self.counts.leaves += 1;
            }
            Fault::Storm => self.storm()?,
            Fault::Pack => self.pack()?,
            Fault::Broker => {
                self.group.may_exit_with_error();
                self.broker.kill()?;
                let seconds = u64::from(self.draw(8));
                self.group.wait(Duration::from_secs(seconds))?;
                self.broker.restart()?;
                self.counts.broker_kills += 1;
            }
            Fault::Silent => self.silent()?,
            Fault::Late => {
                let before = self.proxy.held();
                // Several workers may be affected at once.
                for _ in 0..=self.draw(4) {
                    self.proxy.hold_next(if self.draw(2) == 0 { Hold::Open } else { Hold::Cut });
                }
                self.group.wait(HELD_FOR + Duration::from_secs(1))?;
                self.counts.late_ends += u64::from(self.proxy.held() - before);
            }
            Fault::Place => self.place()?,
        }
        Ok(())
    }

    fn kill(&mut self, member: usize) -> Result<(), Failure> {
        let state = self.group.kill(member)?;
        self.counts.killed(state);
        Ok(())
    }

    fn restart_kill(&mut self) -> Result<(), Failure> {
        let member = self.member()?;
        self.kill(member)?;
        self.group.start_after(member, 0);
        let until = self.between((200, 1_500));
        self.group.wait(until)?;
        self.kill(member)?;
        self.group.start_after(member, 0);
        Ok(())
    }

    fn storm(&mut self) -> Result<(), Failure> {
        // The last commit of a process that stops during a rebalance may be refused. The process exits with status 2,
        // and the next owner judges those records again.
        self.group.may_exit_with_error();
        let began = Instant::now();
        while began.elapsed() < STORM {
            let pause = self.between(STORM_PAUSE_MS);
            self.group.wait(pause)?;
            let member = self.draw(u32::try_from(self.arguments.processes)?) as usize;
            if self.group.can_stop(member) {
                if self.draw(2) == 0 {
                    self.kill(member)?;
                } else {
                    self.group.request_stop(member)?;
                    self.counts.leaves += 1;
                }
                let seconds = u64::from(self.draw(9));
                self.group.start_after(member, seconds);
            } else {
                self.group.start_after(member, 0);
            }
        }
        self.counts.storm_seconds += began.elapsed().as_secs();
        self.group.start_all()
    }

    /// Every process must report that no broker answers within [`REPORTED_WITHIN`].
    fn silent(&mut self) -> Result<(), Failure> {
        // A member that lost the response to its join request joins again and fences its own first request.
        self.group.may_exit_with_error();
        let longer = self.between(SILENT_LONGER_MS);
        self.proxy.silence(true);
        let reported = self.group.wait(REPORTED_WITHIN).map(|()| self.group.reports_no_broker());
        let passed = self.group.wait(longer);
        self.proxy.silence(false);
        passed?;
        self.counts.silences += 1;
        if reported? {
            Ok(())
        } else {
            Err(format!("a process is ready {REPORTED_WITHIN:?} after the brokers stopped answering").into())
        }
    }

    fn pack(&mut self) -> Result<(), Failure> {
        if self.draw(2) == 0 {
            self.group.stop_all()?;
        } else {
            self.group.kill_all();
            self.counts.pack_changes_by_kill += 1;
        }
        self.counts.pack_changes += 1;
        let is_open = has_open_cooldown(&self.broker.address())?;
        self.counts.pack_changes_in_cooldown += u64::from(is_open);
        self.group.change_pack()
    }

    fn place(&mut self) -> Result<(), Failure> {
        self.group.may_exit_with_error();
        let place = PLACES[self.directed % PLACES.len()];
        let member = self.member()?;
        let drawn = self.draw(u32::MAX);
        if crash_at_place(place, (self.group, self.proxy), member, drawn)? {
            (self.directed, self.missed) = (self.directed + 1, 0);
            *self.counts.crashes.entry(place.to_owned()).or_default() += 1;
        } else {
            self.counts.not_reached += 1;
            self.missed += 1;
            if self.missed == MISSED_MAX {
                return Err(format!("{place} was not reached {MISSED_MAX} times in a row").into());
            }
            eprintln!("chaos: {place} was not reached; trying again");
        }
        Ok(())
    }
}
