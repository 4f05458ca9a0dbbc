//! The share of the recent records of a shard that have a property, such as being refused.

/// Records after which older ones begin to count less: each time, all counts are halved.
const RECENT_RECORDS: u64 = 10_000;

/// Counts of recent records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RecentShare {
    records: u64,
    found: u64,
}

/// A share that is worth reporting: at least so many records, and at least so many of a hundred.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threshold {
    pub(super) records: u64,
    pub(super) percent: u64,
}

impl RecentShare {
    /// Adds records, of which `found` have the property.
    pub(super) fn add(&mut self, records: u64, found: u64) {
        self.records += records;
        self.found += found;
        while self.records > RECENT_RECORDS {
            self.records /= 2;
            self.found /= 2;
        }
    }

    /// Whether the share has reached a threshold.
    pub(super) fn reaches(&self, threshold: Threshold) -> bool {
        self.found >= threshold.records && self.found * 100 >= self.records * threshold.percent
    }

    /// Records with the property, and all of them.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.found, self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_PER_CENT: Threshold = Threshold { records: 20, percent: 5 };

    #[test]
    fn a_share_is_reached_by_enough_records_and_enough_of_a_hundred() {
        let mut share = RecentShare::default();
        share.add(19, 19);
        assert!(!share.reaches(FIVE_PER_CENT), "19 records may be chance");
        share.add(1, 1);
        assert!(share.reaches(FIVE_PER_CENT));
        share.add(381, 0);
        assert!(!share.reaches(FIVE_PER_CENT), "20 of 401");
    }

    #[test]
    fn a_long_good_past_does_not_hide_what_begins_now() {
        let mut share = RecentShare::default();
        (0..1_000).for_each(|_| share.add(1_000, 0));
        (0..2).for_each(|_| share.add(500, 500));
        assert!(share.reaches(FIVE_PER_CENT), "{share:?}");
        (0..200).for_each(|_| share.add(1_000, 0));
        assert_eq!(share.counts().0, 0, "and what is over is forgotten");
    }
}
