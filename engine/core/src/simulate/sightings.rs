//! What thieves can see: who was in a shop just now, and who was at a till on which they put a skimmer.
//!
//! It holds a bounded number of sightings, whatever the size of the bank.

use super::world::Merchant;
use crate::batch::Timestamp;
use std::collections::VecDeque;

const RECENT_MAX: usize = 256;
/// Every busy shop of the cities: a till that few customers use must not keep another from being watched.
const WATCHES_MAX: usize = 128;
/// So many tills used up are not watched again.
const CLOSED_MAX: usize = 16;
const VISITORS_MAX: usize = 32;

/// A card used at a till.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub at: Timestamp,
    pub account: u32,
    pub card: u8,
    pub city: u8,
}

/// A till with a skimmer on it.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub till: (Merchant, u8),
    pub city: u8,
    visitors: VecDeque<(u32, u8)>,
}

impl Watch {
    /// Distinct accounts with the card used, latest first.
    pub fn visitors(&self) -> impl Iterator<Item = (u32, u8)> {
        self.visitors.iter().rev().copied()
    }
}

/// All that is seen.
#[derive(Default)]
pub(super) struct Sightings {
    recent: VecDeque<Sighting>,
    watches: Vec<Watch>,
    /// Tills used up by a campaign are not watched again soon.
    closed: VecDeque<(Merchant, u8)>,
}

impl Sightings {
    /// Sees an approved, genuine use of a card at a till. The first tills seen in homes of customers get the skimmers.
    pub fn see(&mut self, seen: Sighting, till: (Merchant, u8), busy: bool) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.till == till) {
            watch.visitors.retain(|(account, _)| *account != seen.account);
            if watch.visitors.len() == VISITORS_MAX {
                watch.visitors.pop_front();
            }
            watch.visitors.push_back((seen.account, seen.card));
        } else if busy && self.watches.len() < WATCHES_MAX && !self.closed.contains(&till) {
            let visitors = VecDeque::from([(seen.account, seen.card)]);
            self.watches.push(Watch { till, city: seen.city, visitors });
        }
    }

    /// Uses of cards, latest first.
    pub fn recent(&self) -> impl Iterator<Item = &Sighting> {
        self.recent.iter().rev()
    }

    /// The watched till with the most visitors that can be struck, if they are enough.
    pub fn best_watch(&self, can_be_struck: impl Fn(u32) -> bool, visitors_min: usize) -> Option<Watch> {
        let free = |watch: &Watch| watch.visitors().filter(|(account, _)| can_be_struck(*account)).count();
        let best = self.watches.iter().max_by_key(|watch| free(watch))?;
        (free(best) >= visitors_min).then(|| best.clone())
    }

    /// Takes the skimmer away.
    pub fn close(&mut self, till: (Merchant, u8)) {
        self.watches.retain(|watch| watch.till != till);
        if self.closed.len() == CLOSED_MAX {
            self.closed.pop_front();
        }
        self.closed.push_back(till);
    }
}
