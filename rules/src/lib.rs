//! Tripline's rule language.
//!
//! From the outside in: a [`schema`] says which fields exist; a pack (YAML) defines aggregates, features and rules over
//! them; compiling gives a [`ruleset`]: per key space a [`AggregatePlan`](aggregate::AggregatePlan) of what must be looked back at, and one
//! [`program`] that evaluates conditions over [`Registers`](value::Registers).
//! Everything here is pure: it reads no clock, no file, no environment.

pub mod action;
pub mod aggregate;
mod ast;
mod catalogue;
pub mod compile;
pub mod diagnostic;
mod function;
mod graph;
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
pub mod time;
pub mod typology;
pub mod value;
pub mod yaml;
