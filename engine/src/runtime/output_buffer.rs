//! The outputs of a worker: sent to a sink, and committed while the worker continues judging.
//!
//! A commit takes several responses of the broker, tens of milliseconds. The sink moves to the commit executor for the
//! time of a commit. Outputs produced meanwhile wait here, in order, and are sent when the sink has returned. So a
//! commit covers exactly what was sent before it, and there is never more than one.
//!
//! Outputs without an alert may be postponed: they are sent with more outputs of their shard, or with its next commit.

#[cfg(test)]
mod tests;

use crate::runtime::sink::{CommitError, Sink, SinkError};
use crate::runtime::source::Position;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use tripline_core::batch::ShardId;
use tripline_core::outputs::Outputs;

/// Limit of waiting and postponed outputs, in bytes.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// Limit of postponed outputs, in bytes: the rest is for what is judged during a commit.
const POSTPONED_BYTES_MAX: usize = WAITING_BYTES_MAX / 2;

/// A sink, and the outputs that wait for it while it commits.
pub struct OutputBuffer<K> {
    /// None while a commit is under way.
    sink: Option<K>,
    executor: CommitExecutor<K>,
    /// Result of the last commit, until the worker has read it.
    answer: Option<Result<(), CommitError>>,
    /// Until the sink has returned, or has room.
    waiting: VecDeque<Waiting>,
    /// Of waiting and postponed outputs.
    bytes: Rc<Cell<usize>>,
}

struct Waiting {
    shard: ShardId,
    out: Outputs,
    /// The first record that is not sent.
    from: usize,
}

/// Outputs of one shard that are kept back until more of the shard is sent, or it is committed.
pub struct PostponedOutputs {
    outputs: Vec<Outputs>,
    bytes: Rc<Cell<usize>>,
}

impl PostponedOutputs {
    /// Gives them up. True when there were any.
    pub fn clear(&mut self) -> bool {
        let bytes: usize = self.outputs.iter().map(size).sum();
        self.bytes.set(self.bytes.get() - bytes);
        let had_any = !self.outputs.is_empty();
        self.outputs.clear();
        had_any
    }
}

impl Drop for PostponedOutputs {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A sink and the positions that it commits.
struct CommitJob<K> {
    sink: K,
    next: Vec<Position>,
    wait: Duration,
}

/// A sink that has returned, and the result of its commit.
type Answered<K> = (K, Result<(), CommitError>);

impl<K: Sink> CommitJob<K> {
    fn run(mut self) -> Answered<K> {
        let answer = self.sink.commit(&self.next, self.wait);
        (self.sink, answer)
    }
}

/// Runs commits while the worker continues.
enum CommitExecutor<K> {
    Thread {
        jobs: Sender<CommitJob<K>>,
        answered: Receiver<Answered<K>>,
    },
    /// A commit advances by one step per poll: to the broker, and back.
    Stepped {
        may_step: Box<dyn FnMut() -> bool>,
        job: Option<CommitJob<K>>,
        answered: Option<Answered<K>>,
    },
}

impl<K: Sink> CommitExecutor<K> {
    fn begin(&mut self, next: CommitJob<K>) {
        match self {
            CommitExecutor::Thread { jobs, .. } => {
                jobs.send(next).expect("the thread waits for jobs as long as the buffer stands");
            }
            CommitExecutor::Stepped { job, .. } => *job = Some(next),
        }
    }

    /// The sink, if it returns within this time. With steps, any time but zero is long enough.
    fn answer(&mut self, within: Duration) -> Option<Answered<K>> {
        match self {
            CommitExecutor::Thread { answered, .. } => match answered.recv_timeout(within) {
                Ok(answer) => Some(answer),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => panic!("a commit that panics ends its worker"),
            },
            CommitExecutor::Stepped { may_step, job, answered } => {
                while job.is_some() || answered.is_some() {
                    if within.is_zero() && !may_step() {
                        return None;
                    }
                    match job.take() {
                        Some(job) => *answered = Some(job.run()),
                        None => return answered.take(),
                    }
                }
                None
            }
        }
    }
}

impl<K: Sink> OutputBuffer<K> {
    /// Commits on a thread of its own, which ends with the buffer. A commit under way ends by itself then, as after a
    /// kill.
    pub fn threaded(sink: K, worker: usize) -> OutputBuffer<K>
    where
        K: Send + 'static,
    {
        let (jobs, taken) = channel::<CommitJob<K>>();
        let (answers, answered) = channel();
        let work = move || {
            for job in taken {
                // The worker has ended without waiting when nobody receives.
                if answers.send(job.run()).is_err() {
                    break;
                }
            }
        };
        let name = format!("tripline-commit-{worker}");
        std::thread::Builder::new().name(name).spawn(work).expect("the system can start a thread");
        OutputBuffer::new(sink, CommitExecutor::Thread { jobs, answered })
    }

    /// Commits in steps, each when the worker polls and `may_step` returns true: to the broker, and back. For tests and
    /// simulations.
    pub fn stepped(sink: K, may_step: impl FnMut() -> bool + 'static) -> OutputBuffer<K> {
        OutputBuffer::new(
            sink,
            CommitExecutor::Stepped { may_step: Box::new(may_step), job: None, answered: None },
        )
    }

    fn new(sink: K, executor: CommitExecutor<K>) -> OutputBuffer<K> {
        OutputBuffer {
            sink: Some(sink),
            executor,
            answer: None,
            waiting: VecDeque::new(),
            bytes: Rc::default(),
        }
    }

    /// Place for postponed outputs of a shard. They count towards the bytes of this buffer.
    pub fn postponed(&self) -> PostponedOutputs {
        PostponedOutputs { outputs: Vec::new(), bytes: Rc::clone(&self.bytes) }
    }

    /// Keeps outputs of a shard back until more of it is sent, or it is committed. False when there is no room.
    pub fn postpone(&mut self, postponed: &mut PostponedOutputs, out: &Outputs) -> bool {
        let has_room = self.bytes.get() + size(out) <= POSTPONED_BYTES_MAX;
        // What was undone is judged again, and this with it.
        if has_room && !self.is_undone() {
            self.add(size(out));
            postponed.outputs.push(out.clone());
        }
        has_room
    }

    /// Moves the postponed outputs of a shard to those that wait to be sent.
    pub fn send_postponed(&mut self, shard: ShardId, postponed: &mut PostponedOutputs) {
        if self.is_undone() {
            postponed.clear();
        }
        let outputs = postponed.outputs.drain(..);
        self.waiting.extend(outputs.map(|out| Waiting { shard, out, from: 0 }));
    }

    /// Takes outputs of a shard, from record number `from` on, behind those that wait. Gives the number of the
    /// first that found no room: `out.records.len()` when all were taken.
    ///
    /// # Errors
    /// As [`Sink::send`].
    pub fn send(&mut self, shard: ShardId, out: &Outputs, from: usize) -> Result<usize, SinkError> {
        self.drain(Duration::ZERO)?;
        if from == out.records.len() || self.is_undone() {
            // What was undone is judged again, and this with it.
            return Ok(out.records.len());
        }
        match &mut self.sink {
            Some(sink) if self.waiting.is_empty() => sink.send(shard, out, from),
            // What waits is older.
            Some(_) => Ok(from),
            None if self.bytes.get() + size(out) > WAITING_BYTES_MAX => Ok(from),
            None => {
                self.add(size(out));
                self.waiting.push_back(Waiting { shard, out: out.clone(), from });
                Ok(out.records.len())
            }
        }
    }

    /// Begins to commit these positions, with all that was sent and waits, see [`Sink::commit`]. They are those of
    /// every shard that anything was sent of since the last commit. False when not all has found room yet: nothing was
    /// begun.
    ///
    /// # Errors
    /// As [`Sink::send`].
    ///
    /// # Panics
    /// When a commit is under way.
    pub fn commit(&mut self, next: &[Position], wait: Duration) -> Result<bool, SinkError> {
        self.send_waiting()?;
        if !self.waiting.is_empty() {
            return Ok(false);
        }
        let sink = self.sink.take().expect("one commit at a time");
        self.executor.begin(CommitJob { sink, next: next.to_vec(), wait });
        Ok(true)
    }

    /// The result of the commit, once, if it ends within this time. Then the waiting outputs are sent, unless it was
    /// undone.
    ///
    /// # Errors
    /// As [`Sink::send`].
    pub fn answer(&mut self, within: Duration) -> Result<Option<Result<(), CommitError>>, SinkError> {
        self.drain(within)?;
        Ok(self.answer.take())
    }

    /// Gives up everything since the last commit, see [`Sink::abort`], except postponed outputs. Waits for the end of a
    /// commit under way.
    ///
    /// # Errors
    /// As [`Sink::abort`].
    pub fn abort(&mut self) -> Result<bool, SinkError> {
        self.poll_commit(Duration::MAX);
        self.answer = None;
        let waited = !self.waiting.is_empty();
        self.drop_waiting();
        let undone = self.sink.as_mut().expect("the sink has returned").abort()?;
        Ok(undone || waited)
    }

    /// Whether a commit is under way: until it ends nothing can be given up.
    pub fn is_committing(&self) -> bool {
        self.sink.is_none()
    }

    fn is_undone(&self) -> bool {
        matches!(&self.answer, Some(Err(error)) if !matches!(error, CommitError::Again(_)))
    }

    fn add(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    fn drop_waiting(&mut self) {
        let bytes: usize = self.waiting.drain(..).map(|one| size(&one.out)).sum();
        self.bytes.set(self.bytes.get() - bytes);
    }

    fn drain(&mut self, within: Duration) -> Result<(), SinkError> {
        self.poll_commit(within);
        self.send_waiting()
    }

    /// Takes the sink from the executor, if its commit ends within this time.
    fn poll_commit(&mut self, within: Duration) {
        if self.sink.is_none()
            && let Some((sink, answer)) = self.executor.answer(within)
        {
            self.sink = Some(sink);
            self.answer = Some(answer);
            if self.is_undone() {
                self.drop_waiting();
            }
        }
    }

    /// Sends the waiting outputs, as far as the sink has room.
    fn send_waiting(&mut self) -> Result<(), SinkError> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        while let Some(first) = self.waiting.front_mut() {
            first.from = sink.send(first.shard, &first.out, first.from)?;
            if first.from < first.out.records.len() {
                break;
            }
            self.bytes.set(self.bytes.get() - size(&first.out));
            self.waiting.pop_front();
        }
        Ok(())
    }
}

fn size(out: &Outputs) -> usize {
    let headers: usize = out.headers.iter().map(|(_, value)| value.len()).sum();
    out.bytes.len() + headers + size_of_val(&out.records[..]) + size_of_val(&out.headers[..])
}
