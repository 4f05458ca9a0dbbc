//! Whether the records behind an event of a file contradict its time. A file has no time of arrival: only the events
//! themselves can say whether a jump is a pause or a wrong clock. A log is never read ahead.

use crate::batch::{Batch, Record, Timestamp};
use crate::clock::IntakeClock;
use crate::decode::Decoder;
use crate::event::Event;
use crate::limits::TIME_JUMP_MS_MAX;
use std::collections::VecDeque;

/// Times of the records that were read ahead, each decoded once.
#[derive(Default)]
pub struct Lookahead {
    /// By offset, in the order of the file; `None` of a record that is no event.
    times: VecDeque<(i64, Option<Timestamp>)>,
    event: Option<Event>,
}

impl Lookahead {
    /// Whether the time of an event is refused that is farther ahead of the events before it than the clock's limit:
    /// most events among the next records would be late if it were accepted. `number`: its record's in the batch.
    ///
    /// Where records are not read ahead, the jump itself decides.
    pub fn contradicts(
        &mut self,
        clock: &IntakeClock,
        (batch, number): (&Batch, usize),
        at: Timestamp,
        decoder: &mut Decoder,
        registers: usize,
    ) -> bool {
        let Some(ahead) = &batch.ahead else {
            return clock.greatest().is_some_and(|greatest| at.0 - greatest.0 > TIME_JUMP_MS_MAX);
        };
        let next = batch.records[number + 1..].iter().chain(ahead);
        let next = next.take(Batch::AHEAD_MAX).map(|record| (record, batch.value(record)));
        let earliest = at.0 - clock.lateness_ms();
        let (mut events, mut contradict) = (0, 0);
        for (position, (record, value)) in next.enumerate() {
            let time = self.time(
                position,
                record,
                |event: &mut Event| {
                    decoder.decode(value, batch.source(record), event).ok().map(|()| event.at)
                },
                registers,
            );
            events += u32::from(time.is_some());
            contradict += u32::from(time.is_some_and(|time| time.0 < earliest));
        }
        2 * contradict > events
    }

    /// The time of the record at a position behind the event.
    fn time(
        &mut self,
        position: usize,
        record: &Record,
        decode: impl FnOnce(&mut Event) -> Option<Timestamp>,
        registers: usize,
    ) -> Option<Timestamp> {
        if position == 0 {
            // What lies before it will not be read again.
            let known = self.times.iter().position(|(offset, _)| *offset == record.offset);
            self.times.drain(..known.unwrap_or(self.times.len()));
        }
        if let Some((_, time)) = self.times.get(position) {
            return *time;
        }
        let time = decode(self.event.get_or_insert_with(|| Event::new(registers)));
        self.times.push_back((record.offset, time));
        time
    }
}
