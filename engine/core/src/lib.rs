//! Tripline's core: from the bytes of events to alerts, as a pure function of the records.
//!
//! It does not depend on a clock, files, a network or randomness: time enters with the records. Lowest layer first:
//!
//! - [`limits`] bounds everything, `number` is how rows and registers hold a number; a [`batch`] of records goes in,
//!   [`outputs`] come out, an [`event`] is passed along; [`marks`] say how far a value can be relied on;
//! - [`decode`] reads a record's bytes into an event; [`clock`] checks its time, [`labels`] keeps what becomes known
//!   later;
//! - rows are the state: [`fact`] computes aggregates over them, [`ledger`] holds them by key, [`profile`] reads a
//!   model's inputs from them; [`snapshot`] is the form in which state is saved;
//! - [`scores`] names the models and holds what they make of the events in hand;
//! - an [`installation`] is everything that is compiled before a record is read, with its [`settings`];
//! - [`ingested`] is what became of an event, `reads` how far what rules read can be relied on, [`judge`] makes a
//!   [`decision`], for which [`suppress`] keeps cooldowns and incidents; [`render`] writes it as [`alert`] and
//!   [`verdict`];
//! - a [`shard`] does all this for one shard of one key space; an [`account_shard`] puts the intake of records before
//!   it and is what a worker steps;
//! - [`spaces`] runs every key space of an installation in one process, with [`signals`] between them, and collects
//!   [`results`]; [`derived`] is how a step drives them;
//! - [`simulate`] is a bank with customers and fraud, for tests and the demo.
//!
//! From a schema, a pack and a mapping to an alert:
//!
//! ```
//! use std::sync::Arc;
//! use tripline_core::account_shard::AccountShard;
//! use tripline_core::batch::{Batch, ShardId, Timestamp};
//! use tripline_core::decode::{FieldMapping, FieldSource, Format, Mapping};
//! use tripline_core::installation::Installation;
//! use tripline_core::outputs::{Outputs, Topic};
//! use tripline_core::settings::Settings;
//! use tripline_core::signals::NoSignals;
//! use tripline_rules::compile::CompileOptions;
//! use tripline_rules::diagnostic::File;
//! use tripline_rules::ruleset::Ruleset;
//! use tripline_rules::schema::Schema;
//! use tripline_rules::value::TextKey;
//!
//! let schema = "version: 1\nfields: {card.id: text}\nkeep: [card.id]\n";
//! let schema = Schema::load(&File::new("schema.yaml", schema)).0.expect("a schema without errors");
//! let pack = "
//! version: 1
//! aggregates:
//!   card_tries_10m: {count: events, by: card, over: 10m}
//! rules:
//!   - id: BURST
//!     event: purchase
//!     when: card_tries_10m >= 3
//!     score: 50
//!     action: review
//!     reason: '{card_tries_10m} attempts in 10 minutes'
//! ";
//! let no_list = |path: &str| Err(format!("{path} does not exist"));
//! let options =
//!     CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
//! let (ruleset, _) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
//! let ruleset = ruleset.expect("a pack without errors");
//!
//! let place = |name: &str, pointer: &str| {
//!     let slot = schema.slot(name).expect("a field of the schema");
//!     FieldMapping::new(slot, FieldSource::Pointer(pointer.into()))
//! };
//! let fields = vec![
//!     place("event.id", "/id"),
//!     place("event.type", "/type"),
//!     place("event.time", "/time"),
//!     place("account.id", "/account"),
//!     place("card.id", "/card"),
//! ];
//! let mapping = Mapping::new(Format::Json, fields);
//! let (schema, ruleset) = (Arc::new(schema), Arc::new(ruleset));
//! let installation = Installation::compile(&schema, &ruleset, &mapping, Settings::new("cards"));
//! let mut shard = AccountShard::new(&Arc::new(installation.expect("the mapping fits the schema")));
//!
//! let mut batch = Batch::new(ShardId::account(0));
//! for second in 0..3 {
//!     let record = format!(
//!         r#"{{"id":"e{second}","type":"purchase","time":"2024-03-01T12:00:0{second}Z","account":"a","card":"c"}}"#
//!     );
//!     batch.push(second, Some(Timestamp(1_709_294_400_000 + second * 1_000)), b"a", record.as_bytes());
//! }
//! let mut out = Outputs::default();
//! shard.step(&batch, &NoSignals, &mut out);
//! let alerts: Vec<_> = out.records.iter().filter(|record| record.topic == Topic::Alerts).collect();
//! assert_eq!((alerts.len(), alerts[0].cause), (1, 2));
//! let alert = String::from_utf8_lossy(out.value(alerts[0]));
//! assert!(alert.contains(r#""reason":"3 attempts in 10 minutes""#), "{alert}");
//! ```

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
pub mod lookahead;
pub mod marks;
mod number;
pub mod outputs;
pub mod placement;
pub mod profile;
mod reads;
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
