//! Which event's row an outcome, reversal or clearing amends, for as long as more about that event may come.
//!
//! Follow-ups are held by spans of event time, each as long as events may come out of order: at most two spans hold
//! what is asked for, and the oldest goes as a whole. Of those of one type about one event a span holds the newest, one
//! for each currency.

use crate::batch::Timestamp;
use crate::row::mix;
use hashbrown::HashTable;
use std::collections::VecDeque;
use tripline_rules::time::Ms;

/// A follow-up and the event whose row it amends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FollowUp {
    pub(super) key: u128,
    pub(super) at: Timestamp,
    pub(super) event_type: u16,
    pub(super) id: u64,
    /// The id of the event whose row it amends.
    pub(super) amended: u64,
    /// The number of the currency that its row has.
    pub(super) currency: Option<u16>,
}

impl FollowUp {
    fn is_same_event(&self, other: &FollowUp) -> bool {
        (self.key, self.at, self.event_type, self.id) == (other.key, other.at, other.event_type, other.id)
    }

    /// Whether the newer one of both is all that matters.
    fn says_the_same_as(&self, other: &FollowUp) -> bool {
        let what = |own: &FollowUp| (own.key, own.amended, own.event_type, own.currency);
        what(self) == what(other)
    }
}

/// Bytes of a follow-up: two tables have it, at the worst half full.
const BYTES_EACH: usize = 4 * size_of::<FollowUp>();

/// The follow-ups of a span of event time.
#[derive(Debug)]
struct Span {
    number: i64,
    by_amended: HashTable<FollowUp>,
    by_own: HashTable<FollowUp>,
}

impl Span {
    fn new(number: i64, room: usize) -> Span {
        let (by_amended, by_own) = (HashTable::with_capacity(room), HashTable::with_capacity(room));
        Span { number, by_amended, by_own }
    }

    fn remove(&mut self, own: &FollowUp) {
        let (amended, id) = (hash(own.key, own.amended), hash(own.key, own.id));
        if let Ok(held) = self.by_amended.find_entry(amended, |held| held == own) {
            held.remove();
        }
        if let Ok(held) = self.by_own.find_entry(id, |held| held == own) {
            held.remove();
        }
    }

    fn insert(&mut self, own: FollowUp) {
        let (amended, id) = (hash(own.key, own.amended), hash(own.key, own.id));
        // A limit dropped its row, and the same event came again.
        if let Some(gone) = self.by_own.find(id, |held| held.is_same_event(&own)).copied() {
            self.remove(&gone);
        }
        if let Some(held) = self.by_amended.find(amended, |held| held.says_the_same_as(&own)).copied() {
            if held.at > own.at {
                return;
            }
            self.remove(&held);
        }
        self.by_amended.insert_unique(amended, own, |held| hash(held.key, held.amended));
        self.by_own.insert_unique(id, own, |held| hash(held.key, held.id));
    }
}

/// The follow-ups of one shard. Those whose rows are gone stay until their span goes.
#[derive(Debug)]
pub(super) struct FollowUps {
    /// How long a span is.
    length: Ms,
    /// How many there may be.
    most: usize,
    /// The oldest first.
    spans: VecDeque<Span>,
}

#[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
fn hash(key: u128, id: u64) -> u64 {
    mix(key as u64 ^ id.rotate_left(32))
}

impl FollowUps {
    /// None yet. `length`: how far apart in event time two events can be of which the older one comes later; `bytes`:
    /// how much memory they may take.
    pub(super) fn new(length: Ms, bytes: usize) -> FollowUps {
        FollowUps { length, most: bytes / BYTES_EACH, spans: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// False, and it is not held, when there is no room.
    pub(super) fn insert(&mut self, own: FollowUp) -> bool {
        if self.spans.iter().map(|span| span.by_own.len()).sum::<usize>() >= self.most {
            return false;
        }
        let number = own.at.0.div_euclid(self.length);
        let place = self.spans.partition_point(|span| span.number < number);
        if self.spans.get(place).is_none_or(|span| span.number != number) {
            // Most spans have about as many as the one before: their tables do not grow while events wait.
            let room = self.spans.back().map_or(0, |span| span.by_own.len());
            self.spans.insert(place, Span::new(number, room));
        }
        self.spans[place].insert(own);
        true
    }

    /// Drops the spans that end at or before a time.
    pub(super) fn drop_until(&mut self, time: Timestamp) {
        let ends = |span: &Span| (span.number + 1) * self.length - 1;
        let gone = self.spans.iter().take_while(|span| ends(span) <= time.0).count();
        self.spans.drain(..gone);
    }

    /// Those that amend the row of an event, in no order.
    pub(super) fn about(&self, key: u128, amended: u64) -> impl Iterator<Item = &FollowUp> {
        let hash = hash(key, amended);
        let found = self.spans.iter().flat_map(move |span| span.by_amended.iter_hash(hash));
        found.filter(move |held| held.key == key && held.amended == amended)
    }

    /// The id of the event whose row a follow-up amends.
    pub(super) fn amended_by(&self, key: u128, at: Timestamp, event_type: u16, id: u64) -> Option<u64> {
        let is_meant =
            |held: &FollowUp| (held.key, held.at, held.event_type, held.id) == (key, at, event_type, id);
        let held = self.spans.iter().find_map(|span| span.by_own.find(hash(key, id), is_meant))?;
        Some(held.amended)
    }

    /// The same follow-ups in spans of another length and with other room. Returns how many have none.
    pub(super) fn install(&mut self, length: Ms, bytes: usize) -> u64 {
        let old = std::mem::replace(self, FollowUps::new(length, bytes));
        let held = old.spans.iter().flat_map(|span| &span.by_own);
        held.filter(|own| !self.insert(**own)).count() as u64
    }

    /// Bytes of memory.
    pub(super) fn counted_bytes(&self) -> usize {
        let of_span = |span: &Span| span.by_amended.allocation_size() + span.by_own.allocation_size();
        self.spans.iter().map(of_span).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow_up(at: i64, id: u64, amended: u64) -> FollowUp {
        FollowUp { key: 1, at: Timestamp(at), event_type: 14, id, amended, currency: None }
    }

    #[test]
    fn follow_ups_are_found_by_both_ids_until_their_span_goes() {
        let mut held = FollowUps::new(100, 1 << 20);
        let all = [follow_up(99, 1, 7), follow_up(-1, 2, 7), follow_up(100, 3, 7), follow_up(99, 4, 8)];
        all.iter().for_each(|own| assert!(held.insert(*own)));
        let about = |held: &FollowUps| {
            let mut ids: Vec<u64> = held.about(1, 7).map(|own| own.id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!((about(&held), held.about(2, 7).count()), (vec![1, 2, 3], 0));
        let of = |held: &FollowUps, own: FollowUp| held.amended_by(own.key, own.at, own.event_type, own.id);
        all.iter().for_each(|own| assert_eq!(of(&held, *own), Some(own.amended)));
        assert_eq!(of(&held, FollowUp { at: Timestamp(98), ..all[0] }), None, "the id at another time");
        held.drop_until(Timestamp(98));
        assert_eq!(about(&held), [1, 3], "a span goes as a whole");
        assert_eq!(held.install(30, 1 << 20), 0);
        assert_eq!(about(&held), [3], "in one span the newer one says what both say");
        held.drop_until(Timestamp(119));
        assert!(held.is_empty());
    }

    #[test]
    fn of_those_that_say_the_same_the_newest_is_held_and_a_full_table_takes_no_more() {
        let mut held = FollowUps::new(1000, 3 * BYTES_EACH);
        let euro = |at, id, amended| FollowUp { currency: Some(978), ..follow_up(at, id, amended) };
        let about = |held: &FollowUps, amended| {
            let mut ids: Vec<u64> = held.about(1, amended).map(|own| own.id).collect();
            ids.sort_unstable();
            ids
        };
        for (at, id) in [(10, 1), (30, 2), (20, 3), (30, 4)] {
            assert!(held.insert(euro(at, id, 7)));
        }
        assert_eq!(about(&held, 7), [4], "the newest, and of one time the later one");
        assert!(held.insert(FollowUp { currency: Some(840), ..euro(5, 5, 7) }));
        assert_eq!(about(&held, 7), [4, 5], "another currency says something else");
        assert!(held.insert(euro(30, 4, 8)));
        assert_eq!((about(&held, 7), about(&held, 8)), (vec![5], vec![4]), "an event amends one row");
        assert!(held.insert(euro(40, 6, 9)));
        assert!(!held.insert(euro(50, 7, 10)), "there is room for three");
        assert_eq!(held.install(1000, 2 * BYTES_EACH), 1);
    }
}
