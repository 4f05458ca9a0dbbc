//! Which records the decoder accepts and which it rejects.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod csv;
mod fixture;
mod hostile;
mod json;
mod mapping;
#[path = "../shared/mutation.rs"]
mod mutation;
mod oracle;
mod places;
#[path = "../shared/seen.rs"]
mod seen;
mod values;
