//! Names and types: from expressions as written to nodes of the [graph](crate::graph).
//!
//! Names are looked up when something reads them, so what nothing reads costs nothing. An expression that is faulty
//! has been reported once; everything that it is part of stays silent.

mod aggregate;
mod by;
mod call;
mod compare;
mod header;
mod name;
mod plan;
mod reason;
mod resolver;
mod rule;
mod types;
mod unused;

pub(crate) use header::{check_header, override_params};
pub(crate) use plan::{Placed, PlanBuilder};
pub(crate) use reason::ResolvedPart;
pub(crate) use resolver::Resolver;
pub(crate) use rule::{
    CheckedFeature, CheckedRule, CheckedSignal, check_features, check_rule, check_signals,
};
pub(crate) use types::{Origin, Read, Resolution};
pub(crate) use unused::check_unused;
