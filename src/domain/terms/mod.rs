//! What was declared, made ready to decide on: rules with products, and customers with their place in ConnectWise.
//! Built from specs, or refused with every problem at once.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rust_decimal::Decimal;

use crate::api::guards::{GuardChoice, Guards};
use crate::api::new_product::NewProduct;
use crate::domain::guard::Limits;
use crate::domain::ids::{CompanyId, ContactId, ProductId, RuleName};
use crate::domain::launch::Launch;
use crate::domain::ledger::Agreement;
use crate::domain::metering::{Aggregation, Change, Gaps};
use crate::domain::period::Billing;
use crate::domain::protocol::{MarkFields, QuantityDrift, Reach};
use crate::domain::quantity::Measure;
use crate::domain::tier::Tier;
use crate::domain::usage::Property;

mod card;
mod overrides;
mod versions;

pub use card::Card;
pub use overrides::{Override, ServiceMatch};

/// One rule of a rate card, before its product was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is counted.
    pub property: Property,
    /// Which version of the rule this is.
    pub version: i32,
    /// Its place among the rules: the first that matches takes what it matches.
    pub position: i32,
    /// The services that it is for, by the spec's words; empty for all of them.
    pub service_types: Vec<&'static str>,
    /// What of the property it is for.
    pub tier: Tier,
    /// How the catalogue is asked for the product.
    pub product: ProductName,
    /// How it is made where the catalogue has none.
    pub create: Option<Box<NewProduct>>,
    /// How the reading becomes a quantity.
    pub measure: Measure,
    /// The part that is not charged.
    pub less_included: Option<Decimal>,
    /// What of a period is billed, and how that changes.
    pub over_time: OverTime,
}

/// What of a billing period is billed, and how that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverTime {
    /// What a period comes to.
    pub aggregation: Aggregation,
    /// What counts for time that nobody saw.
    pub gaps: Gaps,
    /// How a quantity is changed.
    pub change: Change,
}

/// How people name a product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProductName {
    /// By record id.
    Id(ProductId),
    /// By `identifier`.
    Identifier(String),
}

impl std::fmt::Display for ProductName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id {id}"),
            Self::Identifier(identifier) => write!(f, "{identifier:?}"),
        }
    }
}

/// A problem in a declaration: the field, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// `spec.rules[vcpu].minimum`.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What a mapping resolved to, and by which rules its services are billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The customer.
    pub company: CompanyId,
    /// The customer's name, for agreement names.
    pub company_name: String,
    /// Whom new agreements are addressed to.
    pub contact: ContactId,
    /// The master agreement as last read.
    pub master: Agreement,
    /// How billing periods are kept.
    pub billing: Billing,
    /// The rules, each with its product.
    pub rules: BTreeMap<RuleName, PricedRule>,
    /// What is otherwise for some services, the later before the earlier.
    pub overrides: Vec<Override>,
    /// How far the mode lets a pass go; under `Observe` it is shown whole.
    pub reach: Reach,
    /// Whether new lines may bill.
    pub launch: Launch,
    /// What becomes of a quantity that a person set in ConnectWise.
    pub quantity_drift: QuantityDrift,
    /// Where people find the marks.
    pub mark_fields: MarkFields,
    /// How long a removed machine is billed on, in case it comes back.
    pub removal_grace: SignedDuration,
    /// The integration's name template, checked.
    pub name_template: String,
    /// The type of new bundled agreements.
    pub agreement_type: crate::domain::ids::AgreementTypeId,
    /// `installationId` of the integration.
    pub installation: String,
    /// The company database of the integration.
    pub database: String,
}

/// A rule whose product was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedRule {
    /// The rule.
    pub rule: Rule,
    /// The product's record id.
    pub product: ProductId,
    /// The product's identifier.
    pub identifier: String,
}

/// Reads how strict the guard is to be.
#[must_use]
pub fn limits(guards: &Guards) -> Limits {
    Limits {
        // The API server refuses what is negative; here it would be the strictest.
        lines: usize::try_from(guards.ends.lines).unwrap_or_default(),
        lines_percent: guards.ends.percent.into(),
        total_percent: guards.total.percent.into(),
        to_zero: guards.total.to_zero == GuardChoice::Allow,
        growth: guards.line_growth,
        other_price: guards.price.different == GuardChoice::Allow,
        zero_price: guards.price.zero == GuardChoice::Allow,
    }
}

#[cfg(test)]
mod tests;
