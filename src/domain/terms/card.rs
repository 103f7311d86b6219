//! A rate card as declared, read into rules, or refused with every problem at once. What a rule takes and what it bills is
//! not known here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::api::basis::{Basis, Ordered};
use crate::api::over_time;
use crate::api::rate_card as declared;
use crate::api::reference::ServiceType;
use crate::api::tier_match::{DatastoreTag, GuestFamily, TierMatch};
use crate::domain::ids::{ProductId, RuleName};
use crate::domain::inventory::Tag;
use crate::domain::metering::{Aggregation, Change, Gaps};
use crate::domain::quantity::{Measure, Rounding, RoundingMode, Unit};
use crate::domain::terms::versions::{remarks, succession};
use crate::domain::terms::{OverTime, Problem, ProductName, Rule};
use crate::domain::tier::Tier;
use crate::domain::usage::{Promise, Property, Resource};

/// The rules of a card, with all their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    pub(super) versions: Vec<Version>,
}

/// One version of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) name: RuleName,
    pub(super) rule: Rule,
    /// The first moment at which it is valid.
    pub(super) from: Timestamp,
    /// The first moment at which it no longer is.
    pub(super) until: Timestamp,
}

impl Card {
    /// Reads rules; `field` is where they stand, as in `spec.rules`.
    ///
    /// # Errors
    /// Every [`Problem`] at once. The API server refuses most of them already; what it cannot see is seen here.
    pub fn read(rules: &[declared::RateRule], field: &str) -> Result<Self, Vec<Problem>> {
        let mut versions = Vec::new();
        let mut problems = Vec::new();
        for (position, rule) in rules.iter().enumerate() {
            let position = i32::try_from(position).unwrap_or(i32::MAX);
            match Reader::of(rule, field).read(position) {
                Ok(rule_read) => versions.push(Version {
                    name: RuleName::new(rule.name.clone()),
                    rule: rule_read,
                    from: rule.valid_from.unwrap_or(Timestamp::MIN),
                    until: rule.valid_until.unwrap_or(Timestamp::MAX),
                }),
                Err(mut found) => problems.append(&mut found),
            }
        }
        problems.extend(succession(&versions, field));
        problems.extend(quarrels(&versions, field));
        if problems.is_empty() {
            Ok(Self { versions })
        } else {
            Err(problems)
        }
    }

    /// The rules that are valid at a moment.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> BTreeMap<RuleName, Rule> {
        let valid = self
            .versions
            .iter()
            .filter(|v| v.from <= now && now < v.until);
        valid.map(|v| (v.name.clone(), v.rule.clone())).collect()
    }

    /// When the next version begins or ends to be valid.
    #[must_use]
    pub fn turns_at(&self, now: Timestamp) -> Option<Timestamp> {
        let moments = self.versions.iter().flat_map(|v| [v.from, v.until]);
        moments.filter(|at| *at > now && *at < Timestamp::MAX).min()
    }

    /// What is allowed, and may all the same be a mistake.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        remarks(&self.versions)
    }
}

/// Rules that would make one product in two ways.
fn quarrels(versions: &[Version], field: &str) -> Vec<Problem> {
    let mut made: BTreeMap<&ProductName, &Version> = BTreeMap::new();
    let mut problems = Vec::new();
    for version in versions.iter().filter(|one| one.rule.create.is_some()) {
        let first = made.entry(&version.rule.product).or_insert(version);
        if first.rule.create != version.rule.create {
            problems.push(Problem {
                field: format!("{field}[{}].product.create", version.name),
                message: format!(
                    "says otherwise than rule {} how product {} is made; say it once, or the same in both",
                    first.name, version.rule.product
                ),
            });
        }
    }
    problems
}

/// One rule as declared, and what is wrong with it.
struct Reader<'a> {
    rule: &'a declared::RateRule,
    field: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn of(rule: &'a declared::RateRule, field: &'a str) -> Self {
        Self {
            rule,
            field,
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, field: &str, message: &str) {
        self.problems.push(Problem {
            field: format!("{}[{}].{field}", self.field, self.rule.name),
            message: message.to_owned(),
        });
    }

    fn read(mut self, position: i32) -> Result<Rule, Vec<Problem>> {
        let rule = self.rule;
        let (unit, property) = (unit(rule.unit), property(rule));
        self.check_bounds();
        let fits = match property {
            Property::Vcpu => unit == Unit::Vcpu,
            Property::Cpu
            | Property::Ordered(Resource::Cpu, _)
            | Property::Above(Resource::Cpu, _) => unit == Unit::Ghz,
            Property::Count | Property::Gpu => unit == Unit::Count,
            Property::Memory
            | Property::Ordered(Resource::Memory, _)
            | Property::Above(Resource::Memory, _)
            | Property::StorageProvisioned
            | Property::StorageConsumed
            | Property::StorageSnapshot => !matches!(unit, Unit::Vcpu | Unit::Ghz | Unit::Count),
        };
        if !fits {
            self.problem(
                "unit",
                "does not fit the property: vcpu is counted in vCPU, cpu in GHz, count and gpu in Count, memory and storage in MiB, GiB, TiB, MB, GB or TB",
            );
        }
        self.check_basis(property);
        if rule
            .valid_from
            .zip(rule.valid_until)
            .is_some_and(|(from, until)| from >= until)
        {
            self.problem("validUntil", "must lie after validFrom");
        }
        let product = match (&rule.product.id, &rule.product.identifier) {
            (Some(id), None) => Some(ProductName::Id(ProductId(*id))),
            (None, Some(identifier)) => Some(ProductName::Identifier(identifier.clone())),
            _ => {
                self.problem("product", "must name exactly one of id and identifier");
                None
            }
        };
        match product {
            Some(product) if self.problems.is_empty() => Ok(Rule {
                property,
                version: rule.version,
                position,
                service_types: rule.service_types.iter().map(|one| one.as_str()).collect(),
                tier: rule.tier.as_ref().map(tier).unwrap_or_default(),
                product,
                create: rule.product.create.clone().map(Box::new),
                measure: Measure {
                    unit,
                    minimum: rule.minimum,
                    maximum: rule.maximum,
                    rounding: rule.rounding.as_ref().map(rounding),
                    block: rule.block_size,
                },
                less_included: rule.less_included,
                over_time: over_time(rule),
            }),
            _ => Err(self.problems),
        }
    }

    fn check_basis(&mut self, property: Property) {
        let rule = self.rule;
        let fits = match (rule.basis, rule.property) {
            (None, _)
            | (Some(Basis::Ordered), declared::Property::Cpu | declared::Property::Memory) => true,
            (Some(Basis::Ordered), _) => false,
            (Some(basis), of) => {
                let used = matches!(
                    of,
                    declared::Property::Cpu
                        | declared::Property::StorageConsumed
                        | declared::Property::StorageSnapshot
                );
                (basis == Basis::Used) == used
            }
        };
        if !fits {
            self.problem(
                "basis",
                "does not fit the property: cpu, storage.consumed and storage.snapshot are Used, everything else Allocated; only cpu and memory can be Ordered",
            );
        }
        let ordered = rule.basis == Some(Basis::Ordered);
        if rule.ordered.is_some() && !ordered {
            self.problem("ordered", "goes with basis Ordered only");
        }
        let is_whole = !matches!(
            rule.property,
            declared::Property::Cpu | declared::Property::Memory
        );
        if rule.above_ordered.is_some() && (ordered || is_whole) {
            self.problem(
                "aboveOrdered",
                "goes with cpu and memory, and not with basis Ordered",
            );
        }
        let of_pool = matches!(
            property,
            Property::Cpu | Property::Ordered(..) | Property::Above(..)
        );
        let types = &rule.service_types;
        let is_vdc = !types.is_empty()
            && types
                .iter()
                .all(|one| *one == ServiceType::VirtualDataCenter);
        if of_pool && (!is_vdc || rule.tier.is_some()) {
            self.problem(
                "serviceTypes",
                "must be VirtualDataCenter only, and match absent, for cpu, basis Ordered and aboveOrdered",
            );
        }
    }

    fn check_bounds(&mut self) {
        let rule = self.rule;
        let size = rule.tier.as_ref().and_then(|tier| tier.size.as_ref());
        let bounds = [
            ("minimum", rule.minimum),
            ("maximum", rule.maximum),
            ("lessIncluded", rule.less_included),
            ("match.size.over", size.and_then(|size| size.over)),
            ("match.size.upTo", size.and_then(|size| size.up_to)),
        ];
        for (field, value) in bounds {
            if value.is_some_and(|value| value.is_sign_negative()) {
                self.problem(field, "must be zero or more");
            }
        }
        let crossed = |low: Option<Decimal>, high| low.zip(high).is_some_and(|(l, h)| l > h);
        if crossed(rule.minimum, rule.maximum) {
            self.problem(
                "minimum",
                "is greater than maximum; lower it or raise maximum",
            );
        }
        if size.is_some_and(|size| size.over.zip(size.up_to).is_some_and(|(l, h)| l >= h)) {
            self.problem(
                "match.size.over",
                "must be less than upTo; lower it or raise upTo",
            );
        }
        let step = rule.rounding.as_ref().map(|rounding| rounding.step);
        for (field, value) in [("rounding.step", step), ("blockSize", rule.block_size)] {
            if value.is_some_and(|value| value <= Decimal::ZERO) {
                self.problem(field, "must be greater than 0");
            }
        }
    }
}

fn rounding(rounding: &declared::Rounding) -> Rounding {
    Rounding {
        mode: match rounding.mode {
            declared::RoundingMode::Up => RoundingMode::Up,
            declared::RoundingMode::Down => RoundingMode::Down,
            declared::RoundingMode::Nearest => RoundingMode::Nearest,
        },
        step: rounding.step,
    }
}

fn tier(tier: &TierMatch) -> Tier {
    let size = tier.size.clone().unwrap_or_default();
    Tier {
        datastores: tier.datastores.clone(),
        clusters: tier.datastore_clusters.clone(),
        tags: tier.datastore_tags.iter().map(tag).collect(),
        policies: tier.storage_policies.clone(),
        classes: tier.classes.clone(),
        over: size.over,
        up_to: size.up_to,
        guest: tier.guest.map(|guest| match guest {
            GuestFamily::Windows => "windows",
            GuestFamily::Linux => "linux",
            GuestFamily::Other => "other",
        }),
    }
}

fn tag(tag: &DatastoreTag) -> Tag {
    Tag {
        category: tag.category.clone(),
        name: tag.name.clone(),
    }
}

fn over_time(rule: &declared::RateRule) -> OverTime {
    OverTime {
        aggregation: match rule.aggregation {
            over_time::Aggregation::Latest => Aggregation::Latest,
            over_time::Aggregation::Average => Aggregation::Average,
            over_time::Aggregation::Peak => Aggregation::Peak,
            over_time::Aggregation::P95 => Aggregation::P95,
            over_time::Aggregation::Hours => Aggregation::Hours,
        },
        gaps: match rule.gaps {
            None | Some(over_time::Gaps::Hold) => Gaps::Hold,
            Some(over_time::Gaps::Exclude) => Gaps::Exclude,
        },
        change: match rule.change {
            over_time::Change::InPlace => Change::InPlace,
            over_time::Change::Prorate => Change::Prorate,
        },
    }
}

fn unit(unit: declared::Unit) -> Unit {
    match unit {
        declared::Unit::Vcpu => Unit::Vcpu,
        declared::Unit::Ghz => Unit::Ghz,
        declared::Unit::MiB => Unit::Mib,
        declared::Unit::GiB => Unit::Gib,
        declared::Unit::TiB => Unit::Tib,
        declared::Unit::MB => Unit::Mb,
        declared::Unit::GB => Unit::Gb,
        declared::Unit::TB => Unit::Tb,
        declared::Unit::Count => Unit::Count,
    }
}

fn property(rule: &declared::RateRule) -> Property {
    let resource = match rule.property {
        declared::Property::Cpu => Some(Resource::Cpu),
        declared::Property::Memory => Some(Resource::Memory),
        _ => None,
    };
    let ordered = rule.ordered.unwrap_or(Ordered::Limit);
    match (resource, rule.above_ordered) {
        (Some(resource), None) if rule.basis == Some(Basis::Ordered) => {
            Property::Ordered(resource, promise(ordered))
        }
        (Some(resource), Some(above)) => Property::Above(resource, promise(above)),
        _ => plain(rule.property),
    }
}

fn promise(ordered: Ordered) -> Promise {
    match ordered {
        Ordered::Limit => Promise::Limit,
        Ordered::Reservation => Promise::Reservation,
    }
}

fn plain(property: declared::Property) -> Property {
    match property {
        declared::Property::Cpu => Property::Cpu,
        declared::Property::Vcpu => Property::Vcpu,
        declared::Property::Memory => Property::Memory,
        declared::Property::StorageProvisioned => Property::StorageProvisioned,
        declared::Property::StorageConsumed => Property::StorageConsumed,
        declared::Property::StorageSnapshot => Property::StorageSnapshot,
        declared::Property::Gpu => Property::Gpu,
        declared::Property::Count => Property::Count,
    }
}
