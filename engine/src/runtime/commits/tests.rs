//! The scheduler's rules as tables: what has happened, and what is decided then.

use super::*;
use Event::{
    Alerts, Answered, Begins, FindsNoRoom, IsBehind, IsThrough, Judges, Passes, Releases, RollsBack, Sends,
};

const INTERVAL: Duration = Duration::from_millis(100);
const GAP: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many milliseconds pass.
    Passes(u64),
    /// Records of a partition are judged without outputs.
    Judges(u32),
    /// Outputs of a partition without an alert are sent.
    Sends(u32),
    /// Outputs of a partition with an alert are sent.
    Alerts(u32),
    /// The last batch was full.
    IsBehind,
    /// The last batch was not full.
    IsThrough,
    /// The commit that is due begins.
    Begins,
    /// The commit that is due finds no room for its outputs.
    FindsNoRoom,
    /// The commit under way is answered so.
    Answered(Result<(), fn(String) -> CommitError>),
    /// A partition is released.
    Releases(u32),
    /// All live shards go back to their committed positions.
    RollsBack,
}

/// Scope and partitions of a commit that is due, or how long to wait, ms; none while nothing waits for a commit.
type Decision = Result<(CommitScope, Vec<u32>), Option<u64>>;

struct Scene {
    scheduler: CommitScheduler,
    now: Instant,
    shards: Vec<(ShardId, Uncommitted)>,
    /// The last answer in words.
    answer: String,
}

impl Scene {
    fn new(alert_gap: Option<Duration>) -> Scene {
        let now = Instant::now();
        let shard = |partition| (ShardId::account(partition), Uncommitted::Nothing);
        let scheduler = CommitScheduler::new(INTERVAL, alert_gap, now);
        Scene { scheduler, now, shards: (0..4).map(shard).collect(), answer: String::new() }
    }

    fn after(alert_gap: Option<Duration>, events: &[Event]) -> Scene {
        let mut scene = Scene::new(alert_gap);
        events.iter().for_each(|event| scene.happens(*event));
        scene
    }

    fn of(&mut self, partition: u32) -> &mut Uncommitted {
        &mut self.shards.iter_mut().find(|(shard, _)| shard.partition == partition).unwrap().1
    }

    fn happens(&mut self, event: Event) {
        let now = self.now;
        match event {
            Passes(ms) => self.now += Duration::from_millis(ms),
            Judges(partition) => self.judges(partition),
            Sends(partition) | Alerts(partition) => {
                let (of, has_alert) = (*self.of(partition), matches!(event, Alerts(_)));
                self.scheduler.may_postpone(of, has_alert);
                *self.of(partition) = Uncommitted::Sent;
                self.judges(partition);
            }
            IsBehind => self.scheduler.polled(true),
            IsThrough => self.scheduler.polled(false),
            Begins => {
                let scope = self.scheduler.due(now).expect("a commit is due");
                let covered = self.covered(scope);
                let at = |shard| Position { shard, next: 7, note: String::new() };
                let positions = covered.into_iter().map(at).collect();
                self.scheduler.begun(positions, &mut marks(&mut self.shards), now);
            }
            FindsNoRoom => {
                let scope = self.scheduler.due(now).expect("a commit is due");
                self.covered(scope);
                let is_long = self.scheduler.has_no_room(now);
                self.answer = format!("no room, {}", if is_long { "reported" } else { "not reported" });
            }
            Answered(result) => {
                let result = result.map_err(|error| error("away".to_owned()));
                let answer = self.scheduler.answered(result, &mut marks(&mut self.shards), now);
                self.answer = match answer {
                    Answer::Committed(positions) => format!("committed {}", positions.len()),
                    Answer::Retry(_) => "retry".to_owned(),
                    Answer::Rollback(_) => "roll back".to_owned(),
                    Answer::Fail(_) => "fail".to_owned(),
                };
            }
            Releases(partition) => {
                self.shards.retain(|(shard, _)| shard.partition != partition);
                self.scheduler.released(&marks(&mut self.shards));
            }
            RollsBack => {
                self.shards.iter_mut().for_each(|(_, of)| *of = Uncommitted::Nothing);
                self.scheduler.rolled_back();
            }
        }
    }

    fn judges(&mut self, partition: u32) {
        let now = self.now;
        let of = &mut self.shards.iter_mut().find(|(shard, _)| shard.partition == partition).unwrap().1;
        self.scheduler.judged(of, now);
    }

    fn covered(&mut self, scope: CommitScope) -> Vec<ShardId> {
        self.scheduler.cover(scope, &mut marks(&mut self.shards))
    }

    fn decision(&mut self) -> Decision {
        match self.scheduler.due(self.now) {
            Some(scope) => {
                Ok((scope, self.covered(scope).into_iter().map(|shard| shard.partition).collect()))
            }
            None => Err(self.scheduler.wait(self.now).map(|wait| u64::try_from(wait.as_millis()).unwrap())),
        }
    }
}

fn marks(shards: &mut [(ShardId, Uncommitted)]) -> Vec<(ShardId, &mut Uncommitted)> {
    shards.iter_mut().map(|(shard, of)| (*shard, of)).collect()
}

fn everything(partitions: &[u32]) -> Decision {
    Ok((CommitScope::AllJudged, partitions.to_vec()))
}

fn sent(partitions: &[u32]) -> Decision {
    Ok((CommitScope::WithOutputs, partitions.to_vec()))
}

fn waits(ms: u64) -> Decision {
    Err(Some(ms))
}

const IDLE: Decision = Err(None);

#[test]
fn when_a_commit_begins_and_which_shards_it_covers() {
    let again = Answered(Err(CommitError::Again));
    let table: [(&str, &[Event], Decision); 19] = [
        ("nothing was judged", &[Passes(500)], IDLE),
        ("judged records wait for the interval", &[Judges(1), Passes(30)], waits(70)),
        (
            "the interval counts from the first",
            &[Judges(1), Passes(60), Sends(2), Passes(40)],
            everything(&[1, 2]),
        ),
        ("an alert waits for the gap", &[Judges(2), Alerts(1)], waits(2)),
        ("a commit for an alert leaves judged shards out", &[Judges(2), Alerts(1), Passes(2)], sent(&[1])),
        ("it covers every shard that sent", &[Sends(3), Judges(2), Alerts(1), Passes(2)], sent(&[1, 3])),
        ("outputs without an alert wait for the interval", &[Sends(1), Passes(2)], waits(98)),
        ("the interval takes all along", &[Judges(2), Passes(99), Alerts(1), Passes(1)], everything(&[1, 2])),
        ("while more records wait, so do alerts", &[IsBehind, Alerts(1), Passes(2)], waits(98)),
        ("until the worker is through", &[IsBehind, Alerts(1), Passes(2), IsThrough], sent(&[1])),
        ("one commit at a time", &[Alerts(1), Passes(2), Begins, Alerts(2), Passes(500)], waits(62)),
        ("an answer is looked for at least so often", &[Alerts(1), Passes(2), Begins], waits(1)),
        (
            "the gap counts from the last success",
            &[Alerts(1), Passes(2), Begins, Passes(9), Answered(Ok(())), Alerts(2), Passes(1)],
            waits(1),
        ),
        ("what was not committed rests", &[Alerts(1), Passes(2), Begins, again, Alerts(2)], waits(20)),
        ("then it is covered again", &[Alerts(1), Passes(2), Begins, again, Passes(20)], sent(&[1])),
        (
            "and has waited since the first commit",
            &[Judges(1), Passes(100), Begins, Judges(2), again, Passes(20)],
            everything(&[1, 2]),
        ),
        ("what finds no room rests and stays covered", &[Judges(1), Passes(100), FindsNoRoom], waits(2)),
        ("a released shard takes along what waited", &[Alerts(1), Releases(1)], IDLE),
        (
            "after a rollback nothing waits",
            &[Alerts(1), Passes(2), Begins, Judges(2), Answered(Err(CommitError::Aborted)), RollsBack],
            IDLE,
        ),
    ];
    for (rule, events, expected) in table {
        assert_eq!(Scene::after(Some(GAP), events).decision(), expected, "{rule}");
    }
}

#[test]
fn without_transactions_an_alert_is_readable_at_once_and_waits_for_the_interval() {
    assert_eq!(Scene::after(None, &[Alerts(1), Passes(2)]).decision(), waits(98));
    assert_eq!(Scene::after(None, &[Alerts(1), Judges(2), Passes(100)]).decision(), everything(&[1, 2]));
}

#[test]
fn what_each_answer_means() {
    let permanent: fn(String) -> CommitError = |reason| CommitError::Permanent(reason.into());
    type Row = (Result<(), fn(String) -> CommitError>, &'static str, Uncommitted);
    // The commit covered partitions 1 and 2; of 2 more was judged meanwhile.
    let table: [Row; 5] = [
        (Ok(()), "committed 2", Uncommitted::Nothing),
        (Err(CommitError::Again), "retry", Uncommitted::Sent),
        (Err(CommitError::Aborted), "roll back", Uncommitted::Nothing),
        (Err(CommitError::Unknown), "roll back", Uncommitted::Nothing),
        (Err(permanent), "fail", Uncommitted::Nothing),
    ];
    for (result, answer, of) in table {
        let events = [Alerts(1), Judges(2), Passes(100), Begins, Judges(2), Answered(result)];
        let mut scene = Scene::after(Some(GAP), &events);
        assert_eq!(scene.answer, answer);
        assert_eq!(*scene.of(1), of, "{answer}");
        assert!(!scene.scheduler.is_under_way());
        let is_retried =
            matches!(result, Err(error) if matches!(error(String::new()), CommitError::Again(_)));
        let of_2 = if is_retried { Uncommitted::Sent } else { Uncommitted::Judged };
        assert_eq!(*scene.of(2), of_2, "{answer}");
    }
}

#[test]
fn a_commit_says_whether_it_covers_everything() {
    for (events, is_everything) in
        [(vec![Judges(2), Alerts(1), Passes(2)], false), (vec![Alerts(1), Passes(2)], true)]
    {
        let mut scene = Scene::after(Some(GAP), &events);
        let (_, covered) = scene.decision().unwrap();
        let at = |partition| Position { shard: ShardId::account(partition), next: 7, note: String::new() };
        let positions = covered.into_iter().map(at).collect();
        let begun = scene.scheduler.begun(positions, &mut marks(&mut scene.shards), scene.now);
        assert_eq!(begun, is_everything);
    }
}

#[test]
fn a_commit_without_room_is_reported_after_a_second() {
    let mut events = vec![Judges(1), Passes(100), FindsNoRoom];
    assert_eq!(Scene::after(Some(GAP), &events).answer, "no room, not reported");
    events.extend([Passes(1_001), FindsNoRoom]);
    let mut scene = Scene::after(Some(GAP), &events);
    assert_eq!(scene.answer, "no room, reported");
    scene.happens(Passes(2));
    scene.happens(Begins);
    scene.happens(Answered(Ok(())));
    assert_eq!(scene.decision(), IDLE);
}

#[test]
fn which_outputs_may_be_postponed() {
    // Whether alerts wait for commits, more records wait, an alert is among the outputs, and what of the shard waits.
    let table = [
        (true, false, false, Uncommitted::Nothing, true),
        (true, false, false, Uncommitted::Judged, true),
        (true, false, false, Uncommitted::Sent, false),
        (true, false, true, Uncommitted::Nothing, false),
        (true, true, false, Uncommitted::Nothing, false),
        (false, false, false, Uncommitted::Nothing, false),
    ];
    for (waits, is_behind, has_alert, of, may) in table {
        let mut scene = Scene::new(waits.then_some(GAP));
        scene.scheduler.polled(is_behind);
        assert_eq!(
            scene.scheduler.may_postpone(of, has_alert),
            may,
            "{waits} {is_behind} {has_alert} {of:?}"
        );
    }
}
