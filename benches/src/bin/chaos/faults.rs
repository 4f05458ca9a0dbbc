//! What is done to the service and its broker, one fault after the other, each counted with what it met.

use super::crew::Crew;
use super::packs::has_open_cooldown;
use super::places::lead_to;
use super::run_counts::RunCounts;
use super::{Arguments, HELD_FOR};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use tripline::failpoint::PLACES;
use tripline_benches::kafka::{Broker, Failure};
use tripline_benches::proxy::{Hold, Proxy};

/// Between two faults, ms: least and most.
const BREATH_MS: (u32, u32) = (500, 4_000);
/// Before a directed crash, which comes where it is to come and not at a random time.
const SHORT_BREATH_MS: (u32, u32) = (300, 1_000);
/// So often in a row a place may not be reached.
const MISSED_MAX: u32 = 5;
/// A storm lasts so long.
const STORM: Duration = Duration::from_secs(30);
/// Between two changes of the group in a storm, ms: least and most.
const GUST_MS: (u32, u32) = (600, 1_400);

/// So long after the brokers fell silent a process says so.
const REPORTED_WITHIN: Duration = Duration::from_secs(5);
/// And for so long they are silent still, ms: least and most.
const SILENT_LONGER_MS: (u32, u32) = (0, 10_000);

/// What is done to the service or its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Fault {
    /// A process is killed, and comes back at once, after a second, or when the others have taken over.
    Kill,
    /// A process is killed, comes back at once, and is killed again while its shards are filled.
    RestartKill,
    /// A process is killed as soon as it writes a snapshot.
    SnapshotKill,
    /// A process is stopped for so long that the others take over, and then goes on.
    Stop,
    /// A process is asked to leave, and comes back.
    Leave,
    /// For half a minute processes leave, are killed or come back, one a second.
    Storm,
    /// All processes end, asked to or killed, and start under another pack that judges alike.
    Pack,
    /// The broker is killed and started again.
    Broker,
    /// The network hands nothing on for up to a quarter of a minute, and every connection stays.
    Silent,
    /// Ends of one to four transactions are held back by the network until the clients have given up, or asked again.
    Late,
    /// A process dies at one place of the program after the other. Needs `--features tripline/failpoints`.
    Place,
}

/// Who disturbs whom, by which dice.
pub(super) struct Disturbance<'a> {
    arguments: &'a Arguments,
    broker: &'a Broker,
    proxy: &'a Proxy,
    crew: &'a mut Crew,
    counts: &'a mut RunCounts,
    dice: ChaCha8Rng,
    /// Directed crashes so far, and how often in a row the next place was not reached.
    directed: usize,
    missed: u32,
}

impl<'a> Disturbance<'a> {
    /// Nothing done yet.
    pub(super) fn new(
        arguments: &'a Arguments,
        (broker, proxy): (&'a Broker, &'a Proxy),
        crew: &'a mut Crew,
        counts: &'a mut RunCounts,
    ) -> Disturbance<'a> {
        let dice = ChaCha8Rng::seed_from_u64(arguments.seed);
        Disturbance { arguments, broker, proxy, crew, counts, dice, directed: 0, missed: 0 }
    }

    /// All faults that were asked for.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        let kinds = u32::try_from(self.arguments.kinds.len())?;
        for number in 1..=self.arguments.faults {
            let kind = self.arguments.kinds[self.draw(kinds) as usize];
            let breath = self.between(if kind == Fault::Place { SHORT_BREATH_MS } else { BREATH_MS });
            self.crew.pass(breath)?;
            self.strike(kind)?;
            self.counts.gave_up = self.crew.gave_up();
            eprintln!("chaos: fault {number} of {}: {kind:?}; {}", self.arguments.faults, self.counts);
        }
        Ok(())
    }

    fn draw(&mut self, sides: u32) -> u32 {
        self.dice.next_u32() % sides.max(1)
    }

    fn between(&mut self, (least, most): (u32, u32)) -> Duration {
        Duration::from_millis(u64::from(least + self.draw(most - least)))
    }

    fn member(&mut self) -> Result<usize, Failure> {
        let drawn = self.draw(u32::MAX);
        self.crew.living(drawn)
    }

    fn strike(&mut self, kind: Fault) -> Result<(), Failure> {
        match kind {
            Fault::Kill => {
                let member = self.member()?;
                self.kill(member)?;
                let seconds = [0, 0, 1, 9][self.draw(4) as usize];
                self.crew.return_after(member, seconds);
            }
            Fault::RestartKill => self.restart_kill()?,
            Fault::SnapshotKill => {
                let member = self.member()?;
                let met = self.crew.kill_in_snapshot(member)?;
                self.counts.killed(met);
                self.crew.return_after(member, 0);
            }
            Fault::Stop => {
                let member = self.member()?;
                self.crew.signal(member, "STOP")?;
                self.crew.pass(Duration::from_secs(10))?;
                self.crew.signal(member, "CONT")?;
                self.counts.stops += 1;
            }
            Fault::Leave => {
                let member = self.member()?;
                self.crew.leave(member)?;
                let seconds = [0, 2][self.draw(2) as usize];
                self.crew.return_after(member, seconds);
                self.counts.leaves += 1;
            }
            Fault::Storm => self.storm()?,
            Fault::Pack => self.pack()?,
            Fault::Broker => {
                self.crew.may_give_up();
                self.broker.kill()?;
                let seconds = u64::from(self.draw(8));
                self.crew.pass(Duration::from_secs(seconds))?;
                self.broker.restart()?;
                self.counts.broker_kills += 1;
            }
            Fault::Silent => self.silent()?,
            Fault::Late => {
                let before = self.proxy.held();
                // The network may hold up several workers at once.
                for _ in 0..=self.draw(4) {
                    self.proxy.hold_next(if self.draw(2) == 0 { Hold::Open } else { Hold::Cut });
                }
                self.crew.pass(HELD_FOR + Duration::from_secs(1))?;
                self.counts.late_ends += u64::from(self.proxy.held() - before);
            }
            Fault::Place => self.place()?,
        }
        Ok(())
    }

    fn kill(&mut self, member: usize) -> Result<(), Failure> {
        let met = self.crew.kill(member)?;
        self.counts.killed(met);
        Ok(())
    }

    fn restart_kill(&mut self) -> Result<(), Failure> {
        let member = self.member()?;
        self.kill(member)?;
        self.crew.return_after(member, 0);
        let until = self.between((200, 1_500));
        self.crew.pass(until)?;
        self.kill(member)?;
        self.crew.return_after(member, 0);
        Ok(())
    }

    fn storm(&mut self) -> Result<(), Failure> {
        // Who is asked to leave as the group changes may find the last commit refused: it says so, and the next one
        // judges again.
        self.crew.may_give_up();
        let began = Instant::now();
        while began.elapsed() < STORM {
            let gust = self.between(GUST_MS);
            self.crew.pass(gust)?;
            let member = self.draw(u32::try_from(self.arguments.processes)?) as usize;
            if self.crew.can_go(member) {
                if self.draw(2) == 0 {
                    self.kill(member)?;
                } else {
                    self.crew.ask_to_leave(member)?;
                    self.counts.leaves += 1;
                }
                let seconds = u64::from(self.draw(9));
                self.crew.return_after(member, seconds);
            } else {
                self.crew.return_after(member, 0);
            }
        }
        self.counts.storm_seconds += began.elapsed().as_secs();
        self.crew.start_all()
    }

    /// After some seconds of silence every process must say that no broker answers.
    fn silent(&mut self) -> Result<(), Failure> {
        // A member whose question to join was answered into the silence asks again, and fences itself.
        self.crew.may_give_up();
        let longer = self.between(SILENT_LONGER_MS);
        self.proxy.silence(true);
        let reported = self.crew.pass(REPORTED_WITHIN).map(|()| self.crew.misses_brokers());
        let passed = self.crew.pass(longer);
        self.proxy.silence(false);
        passed?;
        self.counts.silences += 1;
        if reported? {
            Ok(())
        } else {
            Err(format!("a process is ready {REPORTED_WITHIN:?} after the brokers fell silent").into())
        }
    }

    fn pack(&mut self) -> Result<(), Failure> {
        if self.draw(2) == 0 {
            self.crew.stop_all()?;
        } else {
            self.crew.strike_all();
            self.counts.pack_changes_by_kill += 1;
        }
        self.counts.pack_changes += 1;
        let is_open = has_open_cooldown(&self.broker.address())?;
        self.counts.pack_changes_in_cooldown += u64::from(is_open);
        self.crew.change_pack()
    }

    fn place(&mut self) -> Result<(), Failure> {
        self.crew.may_give_up();
        let place = PLACES[self.directed % PLACES.len()];
        let member = self.member()?;
        let drawn = self.draw(u32::MAX);
        if lead_to(place, (self.crew, self.proxy), member, drawn)? {
            (self.directed, self.missed) = (self.directed + 1, 0);
            *self.counts.crashes.entry(place.to_owned()).or_default() += 1;
        } else {
            self.counts.not_reached += 1;
            self.missed += 1;
            if self.missed == MISSED_MAX {
                return Err(format!("{place} was not reached {MISSED_MAX} times in a row").into());
            }
            eprintln!("chaos: {place} was not reached; it is tried again");
        }
        Ok(())
    }
}
