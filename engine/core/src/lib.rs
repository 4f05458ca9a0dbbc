//! Tripline's core: from the bytes of events to alerts, as a pure function of the records.
//!
//! It knows no clock, no file, no network and no randomness: time enters with the records. Lowest layer first:
//!
//! - [`limits`] bounds everything; a [`batch`] of records goes in, [`outputs`] come out, an [`event`] is passed along;
//! - [`decode`] reads a record's bytes into an event; [`clock`] checks its time, [`labels`] keeps what becomes known later;
//! - rows are the state: [`fact`] computes aggregates over them, [`ledger`] holds them by key, [`profile`] reads a model's
//!   inputs from them; [`snapshot`] is the form in which state is saved;
//! - [`scores`] names the models and holds what they make of the events in hand;
//! - an [`installation`] is everything that is compiled before a record is read, with its [`settings`];
//! - [`ingested`] is what became of an event, [`judge`] makes a [`decision`] about it, for which [`suppress`] keeps
//!   cooldowns and incidents; [`render`] writes the decision as [`alert`] and [`verdict`];
//! - a [`shard`] does all this for one shard of one key space; an [`account_shard`] puts the intake of records before it
//!   and is what a worker steps;
//! - [`spaces`] runs every key space of an installation in one process, with [`signals`] between them, and collects
//!   [`results`]; [`derived`] is how a step drives them;
//! - [`simulate`] is a bank with customers and fraud, for tests and the demo.

pub mod account_shard;
pub mod alert;
pub mod batch;
pub mod clock;
pub mod counts;
pub mod decision;
pub mod decode;
pub mod derived;
pub mod event;
pub mod fact;
pub mod ingested;
pub mod installation;
mod intake;
pub mod judge;
pub mod labels;
pub mod ledger;
pub mod limits;
pub mod outputs;
pub mod profile;
pub mod render;
pub mod results;
mod row;
pub mod scores;
pub mod settings;
pub mod shard;
pub mod signals;

pub mod simulate;
pub mod snapshot;
pub mod spaces;
pub mod suppress;
pub mod verdict;
