//! Where records come from and where outputs go: [`kafka`]; [`mod@file`] reads and writes files; [`snapshot`] keeps
//! ledgers beside the log.

pub mod file;
pub mod kafka;
pub mod snapshot;
