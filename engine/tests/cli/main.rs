//! The commands as a user runs them: the real binary, files in, files out, without a broker.

#![expect(clippy::unwrap_used, reason = "test code: what cannot be unwrapped has failed")]

mod canaries;
mod check;
mod compare;
mod configuration;
mod editor;
mod effects;
mod files;
mod goldens;
mod handbook;
mod help;
mod keys;
mod metrics;
mod operations;
mod profile;
mod replay;
mod sample;
mod schemas;
mod service;
mod signals;
mod tripline;
