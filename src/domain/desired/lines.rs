//! The quantities of a service: each property measured once, shared among the rules that take it, and converted. What
//! becomes of the quantities is not known here.

use std::collections::BTreeMap;

use crate::domain::desired::{Line, Service};
use crate::domain::ids::RuleName;
use crate::domain::portions::{portions, together};
use crate::domain::protocol::Hold;
use crate::domain::quantity::{Explained, Step};
use crate::domain::terms::PricedRule;
use crate::domain::tier::{Portion, share};
use crate::domain::usage::{Presence, Property, Unknown, Unmatched};

/// Unmatched parts that a hold names; the rest are counted.
const NAMED: usize = 3;

/// What the rules make of a service.
#[derive(Debug, Default)]
pub(super) struct Computed {
    /// The lines, by rule.
    pub(super) lines: BTreeMap<RuleName, Line>,
    /// What belongs to no rule.
    pub(super) unmatched: Vec<Unmatched>,
    /// Whether some of the service may be missing without having gone.
    pub(super) unsettled: bool,
    /// Whether it is a sum of no machines: then nothing of it is a quantity to begin a line with.
    void: bool,
}

impl Computed {
    /// Whether some of a property may be missing from its lines: it belongs to no rule, or to a machine that is not seen.
    pub(super) fn is_incomplete(&self, property: Property) -> bool {
        self.unsettled || self.unmatched.iter().any(|left| left.property == property)
    }

    /// What is held.
    pub(super) fn holds(&self) -> Vec<Hold> {
        self.unmatched
            .iter()
            .cloned()
            .map(Hold::Unmatched)
            .collect()
    }
}

/// Computes the lines of a service.
pub(super) fn compute(
    rules: &BTreeMap<RuleName, PricedRule>,
    service: &Service,
    presence: &Presence<'_>,
) -> Computed {
    let mut by_property: BTreeMap<Property, Vec<(&RuleName, &PricedRule)>> = BTreeMap::new();
    for (name, rule) in rules {
        let types = &rule.rule.service_types;
        if types.is_empty() || types.contains(&service.service_type) {
            let of = by_property.entry(rule.rule.property).or_default();
            of.push((name, rule));
        }
    }
    let mut computed = Computed {
        unsettled: matches!(presence, Presence::Together(sum) if !sum.settled),
        void: matches!(presence, Presence::Together(sum) if sum.machines.is_empty()),
        ..Computed::default()
    };
    for (property, mut rules) in by_property {
        rules.sort_by_key(|(name, rule)| (rule.rule.position, *name));
        let mut measured = match presence {
            Presence::Present(machine, inventory) => portions(machine, inventory, property),
            Presence::Together(sum) => together(sum, property),
            Presence::Unsure(why) => Err(why.clone()),
            Presence::Missing | Presence::Gone { .. } => Err(Unknown::Missing),
        };
        for portion in measured.iter_mut().flatten() {
            portion.place.class.clone_from(&service.class);
        }
        computed.add(property, &rules, measured);
    }
    computed
}

impl Computed {
    fn add(
        &mut self,
        property: Property,
        rules: &[(&RuleName, &PricedRule)],
        measured: Result<Vec<Portion>, Unknown>,
    ) {
        let tiers: Vec<_> = rules
            .iter()
            .map(|(name, rule)| (*name, &rule.rule.tier, rule.rule.measure.unit))
            .collect();
        let shared = measured.and_then(|all| share(&tiers, all).map_err(Unknown::Untold));
        let mut shares = match shared {
            Ok(shares) => shares,
            Err(why) => {
                for (name, rule) in rules {
                    self.lines
                        .insert((*name).clone(), unread(rule, why.clone()));
                }
                return;
            }
        };
        let alone = rules.len() == 1;
        for (name, rule) in rules {
            let of = shares.of.remove(*name).unwrap_or_default();
            // Of what one rule takes whole, nothing is a quantity like any other.
            let counts =
                alone && rule.rule.tier.takes_everything() && !property.is_extra() && !self.void;
            let empty = of.is_empty() && !counts;
            self.lines.insert((*name).clone(), line(rule, of, empty));
        }
        if !shares.left.is_empty() {
            self.unmatched.push(unmatched(property, &shares.left));
        }
    }
}

fn unmatched(property: Property, left: &[Portion]) -> Unmatched {
    let named = left.iter().take(NAMED);
    let named: Vec<_> = named
        .map(|portion| format!("{} ({})", portion.what, portion.reading))
        .collect();
    let more = left.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Unmatched {
        property,
        what: named.join(", ") + &more,
    }
}

fn unread(rule: &PricedRule, why: Unknown) -> Line {
    Line {
        property: rule.rule.property,
        version: rule.rule.version,
        tier: rule.rule.tier.clone(),
        portions: Vec::new(),
        reading: Err(why),
        explained: None,
        empty: false,
    }
}

fn line(rule: &PricedRule, portions: Vec<Portion>, empty: bool) -> Line {
    let property = rule.rule.property;
    let sum = portions
        .iter()
        .try_fold(property.zero(), |sum, portion| sum.and(portion.reading));
    let Some(sum) = sum else {
        return unread(rule, Unknown::Overflow);
    };
    let explained = if empty {
        Some(Explained {
            quantity: rust_decimal::Decimal::ZERO,
            steps: vec![Step::Empty],
        })
    } else {
        rule.rule.measure.apply(sum).ok()
    };
    Line {
        property,
        version: rule.rule.version,
        tier: rule.rule.tier.clone(),
        portions,
        reading: Ok(sum.to_string()),
        explained,
        empty,
    }
}
