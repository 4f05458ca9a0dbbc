//! Rows: what the core keeps of an event, and how it lies in memory. Facts and ledgers both read rows; a row does
//! not depend on them.
//!
//! - `column`: where one value lies in a row and how it is written there
//! - `layout`: the columns of a schema's rows and the conditions of a plan
//! - `group_key`: equality of rows in some columns
//! - `wire`: a row as snapshots hold it
//! - `rows`: the rows of one ledger, to be read
//! - `pool`: memory for rows, in blocks of size classes
//! - `hash`: how words are spread over hash tables

mod column;
mod group_key;
mod hash;
mod layout;
mod pool;
mod rows;
mod wire;

pub(crate) use column::{Bit, Column, head};
pub(crate) use group_key::GroupKey;
pub(crate) use hash::mix;
pub(crate) use layout::{Identity, Layout, at, id, set_at};
pub(crate) use pool::{Block, Pool, capacity, class_for};
pub(crate) use rows::Rows;
pub(crate) use wire::RowForm;

/// Most rows that a ledger can be configured to hold.
pub const ROWS_MAX: u16 = 32_000;
