//! Tripline's rule language: schema, packs, lint, compiler and evaluator.
//!
//! A [schema](schema::Schema) declares the fields of an event. A pack (YAML) declares lists, parameters, aggregates,
//! features and rules over them. [Compiling](compile) checks packs against the schema and gives a
//! [`Ruleset`](ruleset::Ruleset): for each key space an [`AggregatePlan`](aggregate::AggregatePlan), which says what is
//! computed over rows, and a [`Program`](program::Program), which evaluates conditions over
//! [`Registers`](value::Registers). This crate is pure: it reads no clock, no file and no environment.
//!
//! # Layers
//!
//! A module uses modules of its own and lower layers only, and no two modules import each other.
//!
//! | layer | modules | purpose |
//! |---|---|---|
//! | 1 | [`time`], [`money`], [`value`] | units of time; currencies and decimals; registers |
//! | 1 | [`text`], [`card_number`] | hidden characters; card numbers where none belong |
//! | 1 | [`diagnostic`], `pattern`, `catalogue`, [`typology`] | problems; patterns; well-known fields; fraud types |
//! | 2 | [`yaml`], `ast`, [`action`], `options` | YAML files; syntax tree; what a rule leads to; options |
//! | 2 | [`zones`], `habit` | names of time zones; what other languages write |
//! | 3 | [`schema`], `lexer`, `function` | fields and their kinds; tokens; arithmetic on plain numbers |
//! | 4 | `parser`, [`aggregate`] | expressions from tokens; aggregates in normal form |
//! | 5 | `reason`, `graph` | reason texts; typed expressions, equal parts once |
//! | 6 | [`pack`], [`program`] | a pack as written; operations and THE evaluator |
//! | 7 | `list`, [`ruleset`] | entries of lists; compiled rules, features and signals |
//! | 8 | `resolve` | names and types of everything that a pack declares |
//! | 9 | `lint` | checks beyond names and types, one a file |
//! | 10 | [`compile`] | from resolved packs to programs; no module below uses it |
//!
//! # Example
//!
//! ```
//! use tripline_rules::aggregate::FactSet;
//! use tripline_rules::compile::CompileOptions;
//! use tripline_rules::diagnostic::File;
//! use tripline_rules::program::Fired;
//! use tripline_rules::ruleset::Ruleset;
//! use tripline_rules::schema::{EVENT_TYPE, Schema};
//! use tripline_rules::value::{NoTexts, Registers, TextKey};
//!
//! let schema = "version: 1\nfields: {card.id: text}\nkeep: [card.id]\n";
//! let (schema, _) = Schema::load(&File::new("schema.yaml", schema));
//! let schema = schema.expect("a schema without errors");
//! let pack = "
//! version: 1
//! aggregates:
//!   card_tries_10m: {count: events, by: card, over: 10m}
//! rules:
//!   - id: BURST
//!     event: purchase
//!     when: card_tries_10m >= 6
//!     action: review
//!     reason: '{card_tries_10m} attempts in 10 minutes'
//! ";
//! let no_list = |path: &str| Err(format!("{path} does not exist"));
//! let options =
//!     CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
//! let (ruleset, problems) = Ruleset::compile(&[File::new("pack.yaml", pack)], &schema, &options);
//! let ruleset = ruleset.expect("a pack without errors");
//! assert_eq!(problems.list(), []);
//!
//! // One event: its registers, the facts that its rules need, and the rules that fire.
//! let purchase = schema.event_types().code("purchase").expect("a built-in type");
//! let mut registers = Registers::new(ruleset.registers());
//! registers.set(EVENT_TYPE, u64::from(purchase));
//! let program = &ruleset.programs()[0];
//! let tries = program.plan().aggregates[0].slot;
//! program.tags(&mut registers);
//! program.demand(purchase, &mut registers, &FactSet::default(), |facts, registers| {
//!     assert!(facts.has(0));
//!     registers.set_number(tries, 7.0);
//! });
//! let mut fired = Fired::default();
//! program.judge(purchase, &mut registers, &NoTexts, &mut fired, &mut ());
//! assert_eq!(fired.rules, [0]);
//! let mut reason = String::new();
//! ruleset.reason(0, &mut registers, &NoTexts, &mut reason);
//! assert_eq!(reason, "7 attempts in 10 minutes");
//! ```

pub mod action;
pub mod aggregate;
mod ast;
pub mod card_number;
pub mod catalogue;
pub mod compile;
pub mod diagnostic;
mod function;
mod graph;
mod habit;
mod lexer;
mod lint;
mod list;
pub mod money;
mod options;
pub mod pack;
mod parser;
mod pattern;
pub mod program;
mod reason;
mod resolve;
pub mod ruleset;
pub mod schema;
pub mod text;
pub mod time;
pub mod typology;
pub mod value;
pub mod yaml;
pub mod zones;
