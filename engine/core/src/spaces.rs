//! All key spaces of an installation in one process: how files are replayed and the demo runs.
//!
//! Every partition of the input has its shard; the other key spaces see all partitions' events, in the order given.

mod derived;

pub use derived::{Collecting, DerivedShards};

use crate::account_shard::AccountShard;
use crate::batch::Batch;
use crate::counts::Counts;
use crate::decode::HeaderError;
use crate::installation::Installation;
use crate::outputs::Outputs;
use crate::results::EventResults;
use crate::shard::Shard;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All key spaces in one process.
pub struct Spaces {
    installation: Arc<Installation>,
    accounts: BTreeMap<u32, AccountShard>,
    derived: DerivedShards,
    header: Option<Vec<u8>>,
}

impl Spaces {
    /// Empty spaces.
    pub fn new(installation: &Arc<Installation>) -> Spaces {
        // The first partition's shard is built at once: a header that does not fit shows before the first record.
        let accounts = BTreeMap::from([(0, AccountShard::new(installation))]);
        let derived = DerivedShards::new(installation);
        Spaces { installation: Arc::clone(installation), accounts, derived, header: None }
    }

    /// Takes the names of the columns from a CSV header line, for all partitions.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn set_header(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        for account in self.accounts.values_mut() {
            account.set_header(line)?;
        }
        self.header = Some(line.to_vec());
        Ok(())
    }

    /// Takes consecutive records of one partition through every key space, and collects the results of their events.
    ///
    /// # Panics
    /// Never: all partitions have the same columns.
    pub fn step(&mut self, batch: &Batch, out: &mut Outputs, results: &mut EventResults) {
        let Spaces { installation, accounts, derived, header } = self;
        let account = accounts.entry(batch.shard.partition).or_insert_with(|| {
            let mut account = AccountShard::new(installation);
            if let Some(header) = header {
                account.set_header(header).expect("another partition's shard accepted the header");
            }
            account
        });
        account.step_with(batch, &mut derived.collecting(results), out);
    }

    /// What became of all records.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        self.accounts.values().for_each(|account| sum.add(account.counts()));
        self.derived.shards().for_each(|shard| sum.dropped.add(&shard.dropped()));
        sum
    }

    /// The account's shards by partition.
    pub fn accounts(&self) -> impl Iterator<Item = (u32, &AccountShard)> {
        self.accounts.iter().map(|(partition, account)| (*partition, account))
    }

    /// The shards of the key spaces beside the account's.
    pub fn derived(&self) -> impl Iterator<Item = &Shard> {
        self.derived.shards()
    }
}
