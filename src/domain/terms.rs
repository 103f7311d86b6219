//! What was declared, made ready to decide on: rules with products, and customers with their place in ConnectWise.
//! Built from specs, or refused with every problem at once.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rust_decimal::Decimal;

use super::guard::Limits;
use super::ids::{CompanyId, ContactId, ProductId, RuleName};
use super::ledger::Agreement;
use super::period::Billing;
use super::protocol::{MarkFields, QuantityDrift, Reach};
use super::quantity::{Measure, Rounding, RoundingMode, Unit};
use super::usage::Property;
use crate::api::guards::{GuardChoice, Guards};
use crate::api::rate_card as declared;

/// One rule of a rate card, before its product was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is counted.
    pub property: Property,
    /// How the catalogue is asked for the product.
    pub product: ProductName,
    /// How the reading becomes a quantity.
    pub measure: Measure,
    /// The part that is not charged.
    pub less_included: Option<Decimal>,
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
    /// How the customer is billed.
    pub billing: Billing,
    /// The rules, each with its product.
    pub rules: BTreeMap<RuleName, PricedRule>,
    /// How far the mode lets a pass go; under `Observe` it is shown whole.
    pub reach: Reach,
    /// What becomes of a quantity that a person set in ConnectWise.
    pub quantity_drift: QuantityDrift,
    /// Where people find the marks.
    pub mark_fields: MarkFields,
    /// How long a removed machine is billed on, in case it comes back.
    pub removal_grace: SignedDuration,
    /// The integration's name template, checked.
    pub name_template: String,
    /// The type of new bundled agreements.
    pub agreement_type: super::ids::AgreementTypeId,
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

/// Reads a rate card.
///
/// # Errors
/// Every [`Problem`] of the card at once. The API server refuses most of them already; what it cannot see is seen here.
pub fn rules(spec: &declared::RateCardSpec) -> Result<BTreeMap<RuleName, Rule>, Vec<Problem>> {
    let mut rules = BTreeMap::new();
    let mut problems = Vec::new();
    for rule in &spec.rules {
        match read_rule(rule) {
            Ok(read) => {
                rules.insert(RuleName::new(rule.name.clone()), read);
            }
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(problems)
    }
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

fn read_rule(rule: &declared::RateRule) -> Result<Rule, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut problem = |field: &str, message: &str| {
        let field = format!("spec.rules[{}].{field}", rule.name);
        problems.push(Problem {
            field,
            message: message.to_owned(),
        });
    };
    let bounds = [
        ("minimum", rule.minimum),
        ("maximum", rule.maximum),
        ("lessIncluded", rule.less_included),
    ];
    for (field, _) in bounds
        .iter()
        .filter(|(_, v)| v.is_some_and(|v| v.is_sign_negative()))
    {
        problem(field, "must be zero or more");
    }
    if rule
        .minimum
        .zip(rule.maximum)
        .is_some_and(|(low, high)| low > high)
    {
        problem(
            "minimum",
            "is greater than maximum; lower it or raise maximum",
        );
    }
    if rule
        .rounding
        .as_ref()
        .is_some_and(|rounding| rounding.step <= Decimal::ZERO)
    {
        problem("rounding.step", "must be greater than 0");
    }
    let (unit, property) = (unit(rule.unit), property(rule.property));
    if (property == Property::Vcpu) != (unit == Unit::Vcpu) {
        problem(
            "unit",
            "does not fit the property: vcpu is counted in vCPU, memory and storage in MiB, GiB, TiB, MB, GB or TB",
        );
    }
    let product = match (&rule.product.id, &rule.product.identifier) {
        (Some(id), None) => Some(ProductName::Id(ProductId(*id))),
        (None, Some(identifier)) => Some(ProductName::Identifier(identifier.clone())),
        _ => {
            problem("product", "must name exactly one of id and identifier");
            None
        }
    };
    let rounding = rule.rounding.as_ref().map(|rounding| Rounding {
        mode: match rounding.mode {
            declared::RoundingMode::Up => RoundingMode::Up,
            declared::RoundingMode::Down => RoundingMode::Down,
            declared::RoundingMode::Nearest => RoundingMode::Nearest,
        },
        step: rounding.step,
    });
    match product {
        Some(product) if problems.is_empty() => {
            let (minimum, maximum) = (rule.minimum, rule.maximum);
            let measure = Measure {
                unit,
                minimum,
                maximum,
                rounding,
            };
            Ok(Rule {
                property,
                product,
                measure,
                less_included: rule.less_included,
            })
        }
        _ => Err(problems),
    }
}

fn unit(unit: declared::Unit) -> Unit {
    match unit {
        declared::Unit::Vcpu => Unit::Vcpu,
        declared::Unit::MiB => Unit::Mib,
        declared::Unit::GiB => Unit::Gib,
        declared::Unit::TiB => Unit::Tib,
        declared::Unit::MB => Unit::Mb,
        declared::Unit::GB => Unit::Gb,
        declared::Unit::TB => Unit::Tb,
    }
}

fn property(property: declared::Property) -> Property {
    match property {
        declared::Property::Vcpu => Property::Vcpu,
        declared::Property::Memory => Property::Memory,
        declared::Property::StorageProvisioned => Property::StorageProvisioned,
    }
}
