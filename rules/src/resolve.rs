//! Names and types: from expressions as written to nodes of the [graph](crate::graph).
//!
//! Names are resolved when something reads them, so unused declarations cost nothing. An error in an expression is
//! reported once; expressions that contain it are not reported again.

mod aggregate;
mod by;
mod call;
mod compare;
mod header;
mod major;
mod name;
mod plan;
mod reason;
mod resolver;
mod rule;
mod types;
mod unquoted;
mod unused;
mod window;

pub(crate) use header::{check_header, override_params};
pub(crate) use plan::{Placed, PlanBuilder};
pub(crate) use reason::{ResolvedPart, expressions};
pub(crate) use resolver::Resolver;
pub(crate) use rule::{
    CheckedFeature, CheckedRule, CheckedSignal, check_features, check_rule, check_signals,
};
pub(crate) use types::{Origin, Read, Resolution};
pub(crate) use unused::check_unused;
