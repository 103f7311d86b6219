//! What people declare and what meterwise answers: the custom resources of group `meterwise.dev`, their schemas and
//! their conditions. Must not know what anything costs, nor how ConnectWise or vSphere are spoken to.
#![allow(
    unreachable_pub,
    reason = "KubeSchema copies each struct, visibility and all, into a function"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "each printer column has a name, a type and a path"
)]

pub mod basis;
pub mod billing_period;
pub mod billing_record;
pub mod change_approval;
pub mod cloud_service;
pub mod condition;
pub mod connectwise_integration;
pub mod customer_mapping;
pub mod day_one;
mod definition;
pub mod discovery;
pub mod explanation;
pub mod guards;
pub mod held;
pub mod interval;
pub mod new_product;
pub mod over_time;
pub mod rate_card;
pub mod rate_override;
pub mod reference;
mod rules;
pub mod tier_match;
pub mod usage_source;
pub mod usage_statement;

pub use definition::{crd_yaml, crds};

/// The API group of every kind.
pub const GROUP: &str = "meterwise.dev";

/// The one version there is.
pub const VERSION: &str = "v1alpha1";
