//! For those who operate it: [`http`], [`metrics`], [`status`], [`overview`], [`ask`] and [`log`]; [`control`] answers
//! signals.

pub mod ask;
pub mod control;
pub mod http;
pub mod log;
pub mod metrics;
pub mod overview;
pub mod reporter;
pub mod status;
