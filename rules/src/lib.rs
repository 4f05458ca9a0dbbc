//! Tripline's rule language.
//!
//! From the outside in: a [`schema`] says which fields exist; a pack (YAML) defines aggregates, features and rules over
//! them; compiling gives a [`ruleset`]: per key space a [`AggregatePlan`](aggregate::AggregatePlan) of what must be looked back at, and one
//! [`program`] that evaluates conditions over [`Registers`](value::Registers).
//! Everything here is pure: it reads no clock, no file, no environment.

pub mod action;
pub mod aggregate;
pub mod ast;
pub mod catalogue;
pub mod compile;
pub mod diagnostic;
pub mod function;
pub mod graph;
pub mod lexer;
mod lint;
pub mod list;
pub mod money;
mod options;
pub mod pack;
pub mod parser;
pub mod pattern;
pub mod program;
pub mod reason;
mod resolve;
pub mod ruleset;
pub mod schema;
pub mod time;
pub mod typology;
pub mod value;
pub mod yaml;
