//! A parallel run in numbers: what is billed by hand, what the usage amounts to, and what is in the way of the change from
//! one to the other. Reads statuses and the ledger; asks nobody.

use kube::ResourceExt;
use rust_decimal::Decimal;

use crate::api::cloud_service::{CloudService, LineState, ServiceLine};
use crate::api::condition::{ConditionStatus, ConditionType, Reason, condition};
use crate::api::day_one::{OldAddition, ParallelSide};
use crate::controllers::context::{Context, Name};
use crate::domain::foreign::Foreign;
use crate::domain::handover::{Old, Replaced, amount};
use crate::domain::ledger::Addition;
use crate::domain::period::date_of;

/// The lines that are to bill.
#[derive(Debug, Default)]
pub(super) struct New {
    /// How many they are, and what they come to.
    pub(super) side: ParallelSide,
    /// What an approval says of each service, without the day.
    pub(super) begins: Vec<(String, String)>,
    /// Services that are not as they should be.
    pub(super) problems: Vec<String>,
    /// Services with lines that stand and do not bill.
    pub(super) inert: Vec<String>,
}

/// Looks at the services of a mapping. Where `free` is false, a price of zero is in the way.
pub(super) fn new(mapping: &Name, ctx: &Context, free: bool) -> New {
    let mut services = ctx.services_of(mapping);
    services.sort_by_key(|service| service.name_any());
    let mut new = New {
        side: ParallelSide {
            lines: 0,
            amount: Some(Decimal::ZERO),
        },
        ..New::default()
    };
    for service in &services {
        new.add(service, free);
    }
    new
}

impl New {
    fn add(&mut self, service: &CloudService, free: bool) {
        let name = Name::of(service).to_string();
        let status = service.status.as_ref();
        let seen = status.filter(|s| s.observed_generation == service.metadata.generation);
        let Some(status) = seen else {
            self.problems
                .push(format!("{name}: the operator has not looked at it yet"));
            return;
        };
        let about = |about| condition(&status.conditions, about);
        let ready = about(ConditionType::Ready);
        if ready.is_some_and(|ready| ready.reason == Reason::NotBillable.as_str()) {
            return;
        }
        let wrong = [ConditionType::Ready, ConditionType::Synced]
            .into_iter()
            .filter_map(about)
            .find(|told| told.status != ConditionStatus::True.as_str());
        if service.spec.suspend {
            self.problems.push(format!(
                "{name}: spec.suspend is set, so its lines would not begin"
            ));
        }
        if let Some(told) = wrong {
            self.problems.push(format!("{name}: {}", told.message));
        }
        let mut begins = Vec::new();
        for line in &status.lines {
            let counts = matches!(
                line.state,
                LineState::Planned | LineState::Inert | LineState::Active
            );
            let Some(quantity) = line.quantity.filter(|_| counts) else {
                continue;
            };
            self.side.lines += 1;
            let included = line.less_included.unwrap_or_default();
            let comes_to = amount(quantity, included, line.unit_price);
            self.side.amount = plus(self.side.amount, comes_to);
            if line.state == LineState::Inert {
                begins.push(words(line));
                if !free && line.unit_price.is_some_and(|price| price.is_zero()) {
                    self.problems.push(format!(
                        "{name}: {} has a unit price of 0; enter its price on the addition, or set guards.price.zero: Allow on the ConnectWiseIntegration",
                        line.rule
                    ));
                }
            }
        }
        if !begins.is_empty() {
            self.inert.push(name.clone());
            self.begins.push((name, begins.join(", ")));
        }
    }
}

fn words(line: &ServiceLine) -> String {
    let price = line.unit_price;
    let price = price.map_or_else(String::new, |price| format!(" at {}", price.normalize()));
    format!("{}{price}", line.rule)
}

fn plus(sum: Option<Decimal>, more: Option<Decimal>) -> Option<Decimal> {
    sum?.checked_add(more?)
}

/// What is billed by hand.
pub(super) fn old(standing: &[Replaced]) -> ParallelSide {
    let amounts = standing.iter().map(Replaced::amount);
    ParallelSide {
        lines: u32::try_from(standing.len()).unwrap_or(u32::MAX),
        amount: amounts
            .fold(Some(Decimal::ZERO), plus)
            .map(|sum| sum.normalize()),
    }
}

/// One of them, as it stands or does not.
pub(super) fn shown(old: Old, record: Option<&Addition>) -> OldAddition {
    let stands = record.map(|record| Replaced::of(old, record));
    let product = stands.as_ref().map(|it| it.identifier.clone());
    OldAddition {
        agreement_id: old.agreement.0,
        addition_id: old.line.0,
        product: product.map(|product| Foreign::name(&product).to_string()),
        quantity: stands.as_ref().map(|it| it.quantity.normalize()),
        unit_price: stands
            .as_ref()
            .and_then(|it| it.price)
            .map(|price| price.normalize()),
        amount: stands
            .as_ref()
            .and_then(Replaced::amount)
            .map(|sum| sum.normalize()),
        ends: record
            .and_then(|record| record.cancelled_date)
            .map(|date| date_of(date).to_string()),
    }
}
