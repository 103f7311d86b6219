//! The report from what was read. Adds up and multiplies; asks nobody.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use meterwise::api::cloud_service::{CloudService, LineState, ServiceLine};
use meterwise::api::condition::{ConditionType, condition};
use meterwise::api::connectwise_integration::ConnectWiseIntegration;
use meterwise::api::customer_mapping::CustomerMapping;
use meterwise::api::usage_statement::UsageStatement;
use meterwise::domain::foreign::Foreign;
use rust_decimal::Decimal;

use crate::report::{Customer, Held, Integration, Line, Past, Product, Report, Sources};
use crate::unmapped;

/// Builds the report.
pub(super) fn report(mut sources: Sources, now: Timestamp) -> Report {
    sources
        .mappings
        .sort_by_key(|mapping| (mapping.namespace(), mapping.name_any()));
    let customers = sources.mappings.iter();
    Report {
        generated_at: Timestamp::from_second(now.as_second()).unwrap_or(now),
        customers: customers
            .map(|mapping| customer(mapping, &sources))
            .collect(),
        integrations: sources.integrations.iter().map(integration).collect(),
        sources: sources.sources.iter().map(unmapped::read).collect(),
        not_read: sources.not_read,
    }
}

fn customer(mapping: &CustomerMapping, sources: &Sources) -> Customer {
    let (namespace, name) = (mapping.namespace(), mapping.name_any());
    let of_mapping = |service: &&CloudService| {
        service.namespace() == namespace && service.spec.mapping_ref.name == name
    };
    let mut services: Vec<_> = sources.services.iter().filter(of_mapping).collect();
    services.sort_by_key(|service| service.name_any());
    let mut statements: Vec<_> = sources
        .statements
        .iter()
        .filter(|one| one.namespace() == namespace && one.spec.mapping_ref.name == name)
        .collect();
    statements.sort_by_key(|statement| statement.spec.period.start);
    let lines: Vec<Line> = services.iter().flat_map(|service| lines(service)).collect();
    let status = mapping.status.as_ref();
    let resolved = status.and_then(|status| status.resolved.as_ref());
    let period = status.and_then(|status| status.period.as_ref());
    let last = statements.last().map(|last| last.spec.period.clone());
    let is_last = |one: &&&UsageStatement| Some(&one.spec.period) == last.as_ref();
    let of_last: Vec<_> = statements.iter().filter(is_last).copied().collect();
    Customer {
        namespace: namespace.clone().unwrap_or_default(),
        company: resolved.map_or_else(
            || "not resolved".to_owned(),
            |resolved| Foreign::name(&resolved.company_name).to_string(),
        ),
        integration: mapping.spec.integration_ref.name.clone(),
        mode: format!("{:?}", mapping.spec.mode),
        services: services.len(),
        period: period.map(|period| [period.from.clone(), period.to.clone()]),
        last_period: last.map(|period| [day(period.start), last_day(period.end)]),
        products: products(&lines, &of_last),
        held: held(mapping, &services),
        parallel: status.and_then(|status| status.parallel.clone()),
        history: statements.iter().flat_map(|one| past(one)).collect(),
        mapping: name,
        lines,
    }
}

fn lines(service: &CloudService) -> Vec<Line> {
    let status = service.status.as_ref();
    let agreement_id = status.and_then(|status| status.agreement_id);
    let name = service.name_any();
    let display = service.spec.display_name.as_deref().unwrap_or(&name);
    let lines = status.map(|status| status.lines.as_slice());
    let line = |line: &ServiceLine| {
        let found = match line.state {
            LineState::Ended => Decimal::ZERO,
            _ => line.found.unwrap_or_default(),
        };
        let expected = match line.state {
            LineState::Ended => Some(Decimal::ZERO),
            _ => line.quantity,
        };
        let less_included = line.less_included.unwrap_or_default();
        let amount = |quantity: Decimal| {
            let charged = quantity.checked_sub(less_included)?.max(Decimal::ZERO);
            charged.checked_mul(line.unit_price?)
        };
        Line {
            service: name.clone(),
            display_name: Foreign::name(display).to_string(),
            rule: line.rule.clone(),
            product: line.product.clone(),
            unit: line.unit.clone(),
            expected,
            found,
            less_included,
            unit_price: line.unit_price,
            expected_amount: expected.and_then(amount),
            found_amount: amount(found),
            agreement_id,
            addition_id: line.addition_id,
            state: format!("{:?}", line.state),
        }
    };
    lines.unwrap_or_default().iter().map(line).collect()
}

/// A line that is not in ConnectWise costs nothing there, whatever its price will be.
fn stands(line: &Line) -> Option<Decimal> {
    if line.found.is_zero() {
        Some(Decimal::ZERO)
    } else {
        line.found_amount
    }
}

fn products(lines: &[Line], last: &[&UsageStatement]) -> Vec<Product> {
    let mut products: BTreeMap<(String, String), Product> = BTreeMap::new();
    let plus = |sum: Option<Decimal>, more: Option<Decimal>| sum?.checked_add(more?);
    let nothing_last = (!last.is_empty()).then_some(Decimal::ZERO);
    let none = |product: &str, unit: &str| Product {
        product: product.to_owned(),
        unit: unit.to_owned(),
        last: nothing_last,
        expected_amount: Some(Decimal::ZERO),
        found_amount: Some(Decimal::ZERO),
        last_amount: nothing_last,
        ..Product::default()
    };
    let mut prices = BTreeMap::new();
    for line in lines {
        let key = (line.product.clone(), line.unit.clone());
        let entry = products
            .entry(key)
            .or_insert_with(|| none(&line.product, &line.unit));
        // What cannot be read stands as it is.
        entry.expected += line.expected.unwrap_or(line.found);
        entry.found += line.found;
        let expected = match line.expected {
            Some(expected) if expected.is_zero() => Some(Decimal::ZERO),
            Some(_) => line.expected_amount,
            None => stands(line),
        };
        entry.expected_amount = plus(entry.expected_amount, expected);
        entry.found_amount = plus(entry.found_amount, stands(line));
        prices.extend(line.addition_id.zip(line.unit_price));
    }
    for line in last.iter().flat_map(|last| &last.spec.lines) {
        let key = (line.product.clone(), line.unit.clone());
        let entry = products
            .entry(key)
            .or_insert_with(|| none(&line.product, &line.unit));
        entry.last = plus(entry.last, Some(line.quantity));
        let price = line
            .unit_price
            .as_ref()
            .and_then(|price| price.parse().ok());
        let price = price.or_else(|| prices.get(&line.addition_id).copied());
        let included = line.less_included.unwrap_or_default();
        let charged = line.quantity.checked_sub(included);
        let charged = charged.map(|charged| charged.max(Decimal::ZERO));
        let amount = charged.zip(price);
        let amount = amount.and_then(|(charged, price)| charged.checked_mul(price));
        entry.last_amount = plus(entry.last_amount, amount);
    }
    products.into_values().collect()
}

fn held(mapping: &CustomerMapping, services: &[&CloudService]) -> Vec<Held> {
    let mut held = Vec::new();
    let status = mapping.status.as_ref();
    for kind in [ConditionType::Ready, ConditionType::Held] {
        let found = status.and_then(|status| condition(&status.conditions, kind));
        let bad = match kind {
            ConditionType::Ready => "False",
            _ => "True",
        };
        held.extend(found.filter(|told| told.status == bad).map(|told| Held {
            service: None,
            reason: told.reason.clone(),
            message: told.message.clone(),
        }));
    }
    for service in services {
        let name = service.name_any();
        let Some(status) = &service.status else {
            held.push(Held {
                service: Some(name),
                reason: "NotLookedAt".to_owned(),
                message: "the operator has not looked at it yet".to_owned(),
            });
            continue;
        };
        let ready = condition(&status.conditions, ConditionType::Ready);
        let not_ready = ready.filter(|ready| ready.status != "True");
        held.extend(not_ready.map(|told| Held {
            service: Some(name.clone()),
            reason: told.reason.clone(),
            message: told.message.clone(),
        }));
        held.extend(status.holds.iter().map(|hold| Held {
            service: Some(name.clone()),
            reason: hold.reason.clone(),
            message: hold.message.clone(),
        }));
    }
    held
}

fn past(statement: &UsageStatement) -> Vec<Past> {
    let mut sums: BTreeMap<&str, Decimal> = BTreeMap::new();
    for line in &statement.spec.lines {
        *sums.entry(&line.product).or_default() += line.quantity;
    }
    let from = day(statement.spec.period.start);
    let past = |(product, quantity): (&str, Decimal)| Past {
        from: from.clone(),
        product: product.to_owned(),
        quantity,
    };
    sums.into_iter().map(past).collect()
}

fn integration(integration: &ConnectWiseIntegration) -> Integration {
    let status = integration.status.as_ref();
    let ready = status.and_then(|status| condition(&status.conditions, ConditionType::Ready));
    let orphans = status.and_then(|status| status.orphans.as_ref());
    Integration {
        name: integration.name_any(),
        ready: ready.is_some_and(|ready| ready.status == "True"),
        message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
        nobodys: orphans.map_or(0, |orphans| orphans.count),
        first: orphans
            .into_iter()
            .flat_map(|orphans| &orphans.first)
            .map(|one| format!("agreement {}: {}", one.agreement_id, one.message))
            .collect(),
    }
}

/// The last day before a moment.
fn last_day(end: Timestamp) -> String {
    day(end
        .saturating_sub(SignedDuration::from_nanos(1))
        .unwrap_or(end))
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
