//! What should stand, from usage that is whole, missing or in its grace.

use super::*;
use crate::domain::ids::{AgreementId, AgreementTypeId, CompanyId, ContactId, ProductId};
use crate::domain::inventory::{Connection, Inventory, Machine, MachineKind};
use crate::domain::ledger::{Agreement, Inherited};
use crate::domain::period::Billing;
use crate::domain::protocol::{MarkFields, QuantityDrift, Reach};
use crate::domain::quantity::{Measure, Unit};
use crate::domain::terms::{OverTime, PricedRule, ProductName, Rule};
use crate::domain::usage::Evidence;
use jiff::SignedDuration;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn master() -> Agreement {
    Agreement {
        id: AgreementId(50),
        name: "Acme".into(),
        agreement_type: None,
        company: None,
        parent: None,
        mark: None,
        start_date: None,
        end_date: None,
        cancelled: false,
        date_cancelled: None,
        reason_cancelled: None,
        bill_start_date: None,
        contract_year: false,
        next_invoice_date: None,
        prorate: true,
        inherited: Inherited::default(),
        last_updated: None,
    }
}

pub(super) fn priced(property: Property, unit: Unit) -> PricedRule {
    PricedRule {
        rule: Rule {
            property,
            version: 1,
            position: 0,
            service_types: Vec::new(),
            tier: Tier::default(),
            product: ProductName::Id(ProductId(1)),
            create: None,
            measure: Measure::plain(unit),
            less_included: None,
            over_time: OverTime::default(),
        },
        product: ProductId(1),
        identifier: "CLOUD".into(),
    }
}

pub(super) fn terms() -> Terms {
    let rules = [
        ("memory", priced(Property::Memory, Unit::Gib)),
        ("storage", priced(Property::StorageProvisioned, Unit::Gib)),
        ("vcpu", priced(Property::Vcpu, Unit::Vcpu)),
    ];
    Terms {
        company: CompanyId(7),
        company_name: "Acme".into(),
        contact: ContactId(9),
        master: master(),
        billing: Billing::default(),
        rules: rules
            .into_iter()
            .map(|(name, rule)| (RuleName::new(name), rule))
            .collect(),
        overrides: Vec::new(),
        reach: Reach::Whole,
        removal_grace: SignedDuration::from_hours(1),
        name_template: "{company}".into(),
        agreement_type: AgreementTypeId(3),
        installation: "test".into(),
        database: "acme_c".into(),
        launch: crate::domain::launch::Launch::Bills,
        quantity_drift: QuantityDrift::Revert,
        mark_fields: MarkFields::default(),
    }
}

pub(super) fn service() -> Service {
    Service {
        reference: "acme/web-1".into(),
        display_name: "web-1".into(),
        labels: BTreeMap::new(),
        source: "vc1".into(),
        instance_uuid: InstanceUuid::new("a"),
        clone_moref: None,
        settled_at: Timestamp::MIN,
        adopts: None,
        service_type: "VirtualMachine",
        class: Some(None),
        moved_at: None,
        first_seen: None,
        billable: true,
        resume_after: None,
        cancelled_at: None,
    }
}

fn places() -> Inventory {
    Inventory::empty(Timestamp::UNIX_EPOCH)
}

pub(super) fn machine() -> Machine {
    Machine {
        instance_uuid: Some(InstanceUuid::new("a")),
        name: "web-1".into(),
        kind: MachineKind::Ordinary,
        connection: Connection::Connected,
        vcpu: Some(4),
        memory_mib: Some(16 << 10),
        disks: Some(Vec::new()),
        ..Machine::unknown(Moref::new("vm-1"))
    }
}

fn quantities(presence: &Presence<'_>) -> Vec<Result<String, Unknown>> {
    let now = at("2026-03-10T12:00:00Z");
    let desired = desired(&service(), &terms(), None, presence, now);
    let lines = desired.goal.lines.into_values();
    lines
        .map(|line| line.quantity.map(|quantity| quantity.to_string()))
        .collect()
}

#[test]
fn a_missing_machine_is_neither_zero_nor_gone() {
    let unknown = vec![Err(Unknown::Missing); 3];
    assert_eq!(quantities(&Presence::Missing), unknown);
    let now = at("2026-03-10T12:00:00Z");
    let desired = desired(&service(), &terms(), None, &Presence::Missing, now);
    assert_eq!((desired.goal.ending, desired.ends_at), (None, None));
}

#[test]
fn a_value_that_was_not_read_is_not_zero() {
    let blank = Machine {
        vcpu: Some(0),
        memory_mib: None,
        ..machine()
    };
    let unread = Err(Unknown::NotReadable(Vec::new()));
    // It has a device list, and no disk is on it.
    let expected = vec![unread.clone(), Ok("0".to_owned()), unread];
    assert_eq!(quantities(&Presence::Present(&blank, &places())), expected);
    let away = Machine {
        connection: Connection::Disconnected,
        ..machine()
    };
    let stale = vec![Err(Unknown::NotConnected(Connection::Disconnected)); 3];
    assert_eq!(quantities(&Presence::Present(&away, &places())), stale);
    let read = ["16", "0", "4"].map(|quantity| Ok(quantity.to_owned()));
    assert_eq!(quantities(&Presence::Present(&machine(), &places())), read);
}

#[test]
fn an_end_waits_for_its_grace_and_is_dated_by_the_evidence() {
    let evidence = Evidence::RemovalEvent;
    let gone = Presence::Gone {
        at: at("2026-03-10T23:30:00Z"),
        evidence,
    };
    let judged = |now: &str| {
        let desired = desired(&service(), &terms(), None, &gone, at(now));
        (desired.goal.ending.map(|end| end.date), desired.ends_at)
    };
    let due = at("2026-03-11T00:30:00Z");
    assert_eq!(judged("2026-03-11T00:29:59Z"), (None, Some(due)));
    let day = at("2026-03-10T00:00:00Z");
    assert_eq!(judged("2026-03-11T00:30:00Z"), (Some(day), None));
}

#[test]
fn what_moves_where_nothing_is_prorated_begins_with_the_next_month() {
    let first = |day: &str| {
        let mut terms = terms();
        terms.master.prorate = false;
        let moved = Service {
            moved_at: Some(day.parse().unwrap()),
            ..service()
        };
        let desired = desired(
            &moved,
            &terms,
            None,
            &Presence::Missing,
            at("2026-03-20T12:00:00Z"),
        );
        desired.goal.agreement.start_date.to_string()
    };
    assert_eq!(first("2026-03-01T00:00:00Z"), "2026-03-01T00:00:00Z");
    assert_eq!(first("2026-03-02T00:00:00Z"), "2026-04-01T00:00:00Z");
    assert_eq!(first("2028-02-29T00:00:00Z"), "2028-03-01T00:00:00Z");
    assert_eq!(first("2026-12-31T00:00:00Z"), "2027-01-01T00:00:00Z");
}
