//! Faults on a real Kafka and real processes: several `tripline run` of one group, killed and stopped at random while a
//! bank's events stream in. Nothing may be lost, doubled or torn for readers of committed records.
//!
//! Two verify: one reads the alerts live and knows every id only once, the other compares alerts and verdicts with
//! `replay` of the dumped input afterwards, byte for byte. A run says how many faults bit: kills inside an open
//! transaction, while shards were filled, of the broker itself.

mod crew;
mod feed;
mod tally;

use clap::Parser;
use crew::Crew;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tally::Tally;
use tripline::edge::failpoint::PLACES;
use tripline_benches::equal::compare;
use tripline_benches::kafka::{Broker, Failure, Stamp, asking, ends};
use tripline_benches::proxy::{Hold, Proxy};
use tripline_benches::service::program;

/// The input topic and the prefix of the others.
const TOPIC: &str = "chaos.events";
const PREFIX: &str = "chaos";
/// Between two faults, ms: least and most.
const BREATH_MS: (u32, u32) = (500, 4_000);
/// The network holds the end of a transaction back for so long: longer than the service waits for an answer.
const HELD_FOR: Duration = Duration::from_secs(7);
/// After the last record everything must be committed within this time.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

/// What is done to the service or its broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Fault {
    /// A process is killed, and comes back at once, after a second, or when the others have taken over.
    Kill,
    /// A process is stopped for so long that the others take over, and then goes on.
    Stop,
    /// A process is asked to leave, and comes back.
    Leave,
    /// The broker is killed and started again.
    Broker,
    /// The end of a transaction is held back by the network until the client has given up, or asked again.
    Late,
    /// A process dies at one place of the program after the other. Needs `--features tripline/failpoints`.
    Place,
}

/// Kills and stops `tripline run` on a real Kafka; exit 0 when nothing was lost, doubled or torn.
#[derive(Parser)]
struct Arguments {
    /// Faults in all.
    #[arg(long, default_value_t = 10)]
    faults: u32,
    /// Kinds of fault, drawn with equal chance.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kill")]
    kinds: Vec<Fault>,
    /// Processes of the group.
    #[arg(long, default_value_t = 3)]
    processes: usize,
    /// Events a second.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Accounts of the bank.
    #[arg(long, default_value_t = 20_000)]
    accounts: u32,
    /// Another seed draws other faults and another bank.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Adds the counts to this file, so that a campaign may take many runs.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Leaves logs and dumped topics here.
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let folder = arguments.keep.clone().unwrap_or(folder.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let mut proxy = None;
    // A proxy accepts connections while the broker is away, which a client takes for a broker of the old kind.
    let is_needed = !arguments.kinds.contains(&Fault::Broker);
    let broker = Broker::start_behind(|port| {
        let started = Proxy::start(port, HELD_FOR)?;
        let to = if is_needed { started.port() } else { port };
        proxy = Some(started);
        Ok(to)
    })?;
    let proxy = proxy.ok_or("the broker has started, so there is a proxy")?;
    if !is_needed && arguments.kinds.iter().any(|kind| matches!(kind, Fault::Late | Fault::Place)) {
        return Err("`broker` goes with neither `late` nor `place`".into());
    }
    // The bank's days pass in seconds, so its own clock stamps the events.
    broker.topic(TOPIC, Stamp::CreateTime)?;
    for output in ["alerts", "verdicts", "dead-letters", "late"] {
        broker.topic(&format!("{PREFIX}.{output}"), Stamp::LogAppendTime)?;
    }
    let mut crew = Crew::new(program()?, &broker, &folder, arguments.processes)?;
    crew.start_all()?;
    // Topics that were made a moment before a broker is killed may be lost with it.
    crew.pass(Duration::from_secs(5))?;
    let mut tally = Tally::default();
    let is_over = AtomicBool::new(false);
    let address = broker.address();
    let (written, live) = thread::scope(|scope| -> Result<_, Failure> {
        let writing =
            scope.spawn(|| feed::write(&address, &arguments, &is_over).map_err(|fault| fault.to_string()));
        let reading = scope.spawn(|| feed::read(&address, &is_over).map_err(|fault| fault.to_string()));
        let done = disturb(&arguments, (&broker, &proxy), &mut crew, &mut tally);
        // Whatever became of it: the threads must end.
        let done = done.and_then(|()| crew.start_all());
        is_over.store(true, Ordering::Release);
        let written = writing.join().map_err(|_| "the writer panicked")?;
        let settled = done.and_then(|()| settle(&mut crew, &address));
        let live = reading.join().map_err(|_| "the reader panicked")?;
        settled?;
        Ok((written?, live?))
    })?;
    crew.stop_all()?;
    tally.events = u64::from(written);
    (tally.alerts, tally.doubled) = live;
    compare(&program()?, &broker, PREFIX, &crew.config()?, &folder)?;
    if tally.doubled > 0 {
        return Err(format!("{} alerts were read twice", tally.doubled).into());
    }
    if tally.alerts == 0 || (tally.kills >= 10 && tally.kills_in_transaction == 0) {
        return Err(format!("it proves too little: {tally}").into());
    }
    tally.runs = 1;
    println!("{tally}");
    match &arguments.report {
        Some(path) => tally.add_to(path),
        None => Ok(()),
    }
}

/// One fault after the other, each counted with what it met.
fn disturb(
    arguments: &Arguments,
    (broker, proxy): (&Broker, &Proxy),
    crew: &mut Crew,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut dice = ChaCha8Rng::seed_from_u64(arguments.seed);
    let mut draw = |sides: u32| dice.next_u32() % sides.max(1);
    let kinds = u32::try_from(arguments.kinds.len())?;
    for number in 1..=arguments.faults {
        let (least, most) = BREATH_MS;
        crew.pass(Duration::from_millis(u64::from(least + draw(most - least))))?;
        let kind = arguments.kinds[draw(kinds) as usize];
        match kind {
            Fault::Kill => {
                let member = crew.living(draw(u32::MAX));
                tally.killed(crew.kill(member)?);
                crew.return_after(member, [0, 0, 1, 9][draw(4) as usize]);
            }
            Fault::Stop => {
                let member = crew.living(draw(u32::MAX));
                crew.signal(member, "STOP")?;
                crew.pass(Duration::from_secs(10))?;
                crew.signal(member, "CONT")?;
                tally.stops += 1;
            }
            Fault::Leave => {
                let member = crew.living(draw(u32::MAX));
                crew.leave(member)?;
                crew.return_after(member, [0, 2][draw(2) as usize]);
                tally.leaves += 1;
            }
            Fault::Broker => {
                broker.kill()?;
                crew.pass(Duration::from_secs(u64::from(draw(8))))?;
                broker.restart()?;
                tally.broker_kills += 1;
            }
            Fault::Late => {
                let before = proxy.held();
                proxy.hold_next(if draw(2) == 0 { Hold::Open } else { Hold::Cut });
                crew.pass(HELD_FOR + Duration::from_secs(1))?;
                tally.late_ends += u64::from(proxy.held() - before);
            }
            Fault::Place => {
                let (member, other) = (crew.living(draw(u32::MAX)), crew.living(draw(u32::MAX)));
                let place = PLACES[(number as usize - 1) % PLACES.len()];
                // Frequent places are passed a few times first.
                let passed = match place {
                    "polled" | "judged" | "sent" => draw(200),
                    "accepted" | "revoked" | "released" | "aborting" | "aborted" => 0,
                    _ => draw(3),
                };
                let action = format!("{place}={passed}*off->1*return");
                let is_reached = crew.die_at(member, &action, |crew| match place {
                    "revoked" | "released" | "accepted" if other != member => {
                        crew.leave(other)?;
                        crew.return_after(other, 8);
                        Ok(())
                    }
                    "aborting" | "aborted" => {
                        // It must meet this process, and others commit, too.
                        (0..12).for_each(|_| proxy.hold_next(Hold::Open));
                        Ok(())
                    }
                    _ => Ok(()),
                })?;
                if is_reached {
                    *tally.crashes.entry(place.to_owned()).or_default() += 1;
                } else {
                    tally.not_reached += 1;
                    eprintln!("chaos: {action} was not reached");
                }
            }
        }
        eprintln!("chaos: fault {number} of {}: {kind:?}; {tally}", arguments.faults);
    }
    Ok(())
}

/// Waits until every record is committed.
fn settle(crew: &mut Crew, address: &str) -> Result<(), Failure> {
    let asking = asking(address, PREFIX)?;
    let (goal, began) = (ends(&asking, TOPIC)?, Instant::now());
    loop {
        crew.pass(Duration::from_millis(200))?;
        let now = tripline_benches::kafka::committed(&asking, TOPIC).unwrap_or_default();
        if !now.is_empty() && now.iter().zip(&goal).all(|(now, goal)| now >= goal) {
            return Ok(());
        }
        if began.elapsed() > SETTLED_WITHIN {
            return Err(format!("the group stands at {now:?} of {goal:?}").into());
        }
    }
}
