//! For operators: [`http`] serves [`metrics`], [`status`] and readiness; [`status_report`] is the content of `/status`,
//! which [`status_client`] reads from another process; [`reporter`] collects the reports of the workers; [`log`] writes
//! log lines; [`control`] handles signals.

pub mod control;
pub mod http;
pub mod log;
pub mod metrics;
pub mod reporter;
pub mod status;
pub mod status_client;
pub mod status_report;
