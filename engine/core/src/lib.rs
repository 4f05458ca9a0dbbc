//! Tripline's core: from the bytes of events to alerts, as a pure function of the records.
//!
//! It knows no clock, no file, no network and no randomness: time enters with the records. From the outside in:
//! [`spaces`] runs every key space of an installation; an [`engine`] is one partition of the input and its `step`;
//! [`decode`] makes an [`event`] of a record's bytes; a [`space`] gives it its row in [`ledger`]s and computes [`fact`]s and
//! the inputs of the [`profile`];
//! [`judge`] makes a [`decision`], for which [`suppress`] keeps cooldowns and incidents, and [`render`] writes it as
//! [`alert`] and [`verdict`] into [`outputs`].

pub mod alert;
pub mod batch;
pub mod clock;
pub mod counts;
pub mod decision;
pub mod decode;
pub mod engine;
pub mod event;
pub mod fact;
pub mod installation;
pub mod judge;
pub mod labels;
pub mod ledger;
pub mod limits;
pub mod lines;
pub mod outputs;
pub mod profile;
pub mod render;
mod row;
pub mod settings;
pub mod signals;
pub mod simulate;
pub mod snapshot;
pub mod space;
pub mod spaces;
pub mod suppress;
pub mod verdict;
