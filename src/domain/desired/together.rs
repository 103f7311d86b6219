//! What several machines come to that are billed as one service: each rule takes of them what it would take of each alone.

use proptest::prelude::*;

use super::tests::{at, machine, priced, service, terms};
use super::*;
use crate::domain::inventory::{
    Allocation, Connection, Container, ContainerKind, Disk, Inventory, Limit, Machine, Share,
};
use crate::domain::quantity::Unit;
use crate::domain::usage::{Promise, Resource, Together};

const GIB: u64 = 1 << 30;

fn rule(property: Property, unit: Unit, position: i32, tier: Tier) -> PricedRule {
    let mut rule = priced(property, unit);
    (rule.rule.position, rule.rule.tier) = (position, tier);
    rule
}

/// Processors by operating system, memory by size, and disks by size.
fn tiered() -> Terms {
    let windows = Tier {
        guest: Some("windows"),
        ..Tier::default()
    };
    let up_to = |most: i64| Tier {
        up_to: Some(most.into()),
        ..Tier::default()
    };
    let rules = [
        ("vcpu-windows", Property::Vcpu, Unit::Vcpu, windows),
        ("vcpu", Property::Vcpu, Unit::Vcpu, Tier::default()),
        ("memory-small", Property::Memory, Unit::Gib, up_to(4)),
        ("memory", Property::Memory, Unit::Gib, Tier::default()),
        ("disk", Property::StorageProvisioned, Unit::Gib, up_to(50)),
        ("count", Property::Count, Unit::Count, Tier::default()),
    ];
    let mut terms = terms();
    let rules = rules.into_iter().enumerate();
    terms.rules = rules
        .map(|(place, (name, property, unit, tier))| {
            let place = i32::try_from(place).unwrap();
            (RuleName::new(name), rule(property, unit, place, tier))
        })
        .collect();
    terms
}

fn look(terms: &Terms, machines: &[Machine], settled: bool) -> Desired {
    look_at(terms, machines, settled, None)
}

fn look_at(
    terms: &Terms,
    machines: &[Machine],
    settled: bool,
    pool: Option<&Container>,
) -> Desired {
    let inventory = Inventory::empty(Timestamp::UNIX_EPOCH);
    let presence = Presence::Together(Together {
        machines: machines.iter().collect(),
        inventory: &inventory,
        pool,
        settled,
    });
    let now = at("2026-03-10T12:00:00Z");
    desired(&service(), terms, None, &presence, now)
}

fn quantities(desired: &Desired) -> BTreeMap<String, Result<Decimal, Unknown>> {
    let lines = desired.goal.lines.iter();
    lines
        .map(|(name, line)| (name.to_string(), line.quantity.clone()))
        .collect()
}

fn any_machine() -> impl Strategy<Value = Machine> {
    let guest = prop_oneof![Just("windows2019srv_64Guest"), Just("ubuntu64Guest")];
    let disks = prop::collection::vec(1_u64..100, 0..4);
    (1_u32..9, 1_u64..9, guest, disks).prop_map(|(vcpu, gib, guest, disks)| {
        let disk = |(key, gib): (i32, u64)| Disk {
            key,
            capacity_bytes: Some(gib * GIB),
            ..Disk::default()
        };
        Machine {
            vcpu: Some(vcpu),
            memory_mib: Some(gib * 1024),
            guest_id: Some(guest.to_owned()),
            disks: Some((2000..).zip(disks).map(disk).collect()),
            ..machine()
        }
    })
}

proptest! {
    /// Whatever the machines and tiers: a sum bills what its machines would come to one by one.
    #[test]
    fn a_sum_comes_to_what_its_machines_come_to(machines in prop::collection::vec(any_machine(), 0..6)) {
        let terms = tiered();
        let mut expected: BTreeMap<String, Decimal> = BTreeMap::new();
        for name in terms.rules.keys() {
            expected.insert(name.to_string(), Decimal::ZERO);
        }
        for one in &machines {
            for (name, quantity) in quantities(&look(&terms, std::slice::from_ref(one), true)) {
                *expected.get_mut(&name).unwrap() += quantity.unwrap();
            }
        }
        let found = quantities(&look(&terms, &machines, true));
        let found: BTreeMap<_, _> = found.into_iter().map(|(name, found)| (name, found.unwrap())).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn one_machine_that_cannot_be_read_makes_all_of_it_unknown_and_is_named() {
    let away = Machine {
        name: "web\n2".to_owned(),
        connection: Connection::Disconnected,
        ..machine()
    };
    let found = quantities(&look(&tiered(), &[machine(), away], true));
    let why = found["vcpu"].as_ref().unwrap_err().to_string();
    assert_eq!(
        why,
        "web\\u{a}2: vCenter reports the machine as Disconnected; the last billed quantity stands"
    );
    assert!(found.values().all(Result::is_err), "{found:?}");
}

#[test]
fn nothing_shrinks_while_a_machine_may_be_missing_and_none_is_zero() {
    let incomplete = |desired: &Desired| desired.goal.lines.values().all(|line| line.incomplete);
    let unsettled = look(&tiered(), &[machine()], false);
    assert!(incomplete(&unsettled));
    let none = look(&terms(), &[], true);
    assert!(!incomplete(&none));
    assert!(
        quantities(&none)
            .values()
            .all(|it| *it == Ok(Decimal::ZERO))
    );
    // No line begins with it: the first machine is not growth without measure.
    assert!(none.goal.lines.values().all(|line| line.empty));
    assert!(none.goal.ending.is_none());
}

#[test]
fn an_entry_that_is_not_there_changes_nothing() {
    let presence = Presence::Unsure(Unknown::Undeclared);
    let now = at("2026-03-10T12:00:00Z");
    let desired = desired(&service(), &tiered(), None, &presence, now);
    let found = quantities(&desired);
    assert!(found.values().all(|it| *it == Err(Unknown::Undeclared)));
    assert!(desired.goal.ending.is_none());
}

fn pool(cpu_mhz: Share, memory_mib: Share) -> Container {
    Container {
        moref: Moref::new("resgroup-1"),
        kind: ContainerKind::ResourcePool,
        name: "acme".into(),
        parent: None,
        folder: None,
        allocation: Allocation {
            cpu_mhz,
            memory_mib,
        },
        cpu_used_mhz: Some(7_500),
        attributes: BTreeMap::new(),
    }
}

fn share(reservation: u64, limit: Limit) -> Share {
    Share {
        reservation: Some(reservation),
        limit: Some(limit),
    }
}

/// Both kinds of promise, what is above them, and what is in use.
fn ordered() -> Terms {
    let (cpu, memory) = (Resource::Cpu, Resource::Memory);
    let (limit, reserved) = (Promise::Limit, Promise::Reservation);
    let rules = [
        ("cpu", Property::Cpu, Unit::Ghz),
        ("cpu-limit", Property::Ordered(cpu, limit), Unit::Ghz),
        ("cpu-over", Property::Above(cpu, reserved), Unit::Ghz),
        ("cpu-reserved", Property::Ordered(cpu, reserved), Unit::Ghz),
        ("mem-limit", Property::Ordered(memory, limit), Unit::Gib),
        ("mem-over", Property::Above(memory, limit), Unit::Gib),
    ];
    let mut terms = terms();
    let rules = rules.into_iter();
    terms.rules = rules
        .map(|(name, property, unit)| {
            (
                RuleName::new(name),
                rule(property, unit, 0, Tier::default()),
            )
        })
        .collect();
    terms
}

fn words(desired: &Desired) -> Vec<String> {
    let lines = desired.goal.lines.iter();
    let words = lines.map(|(name, line)| match &line.quantity {
        Ok(quantity) if line.empty => format!("{name} {quantity} empty"),
        Ok(quantity) => format!("{name} {quantity}"),
        Err(why) => format!("{name} {why}"),
    });
    words.collect()
}

#[test]
fn what_is_ordered_is_the_pools_and_what_is_above_it_is_counted_apart() {
    let big = |gib: u64| Machine {
        memory_mib: Some(gib * 1024),
        ..machine()
    };
    let of = pool(
        share(5_000, Limit::At(12_500)),
        share(0, Limit::At(16 * 1024)),
    );
    let look = |machines: &[Machine]| words(&look_at(&ordered(), machines, true, Some(&of)));
    assert_eq!(
        look(&[big(12), big(9)]),
        [
            "cpu 7.5",
            "cpu-limit 12.5",
            "cpu-over 2.5",
            "cpu-reserved 5",
            "mem-limit 16",
            "mem-over 5",
        ]
    );
    assert_eq!(look(&[big(12)])[5], "mem-over 0 empty");
    // What was ordered is ordered, whether or not there are machines, or they can be read.
    let away = Machine {
        connection: Connection::Disconnected,
        ..machine()
    };
    assert_eq!(look(&[away])[4], "mem-limit 16");
    assert_eq!(look(&[])[4], "mem-limit 16");
}

#[test]
fn what_was_ordered_is_never_guessed() {
    let nothing = pool(share(0, Limit::Unlimited), Share::default());
    let found = words(&look_at(&ordered(), &[machine()], true, Some(&nothing)));
    let refused = |what: &str| {
        format!(
            "resource pool acme has no {what} in vCenter, so nothing says what was ordered; set one there, or bill this service by another rule"
        )
    };
    assert_eq!(found[1], format!("cpu-limit {}", refused("limit")));
    assert_eq!(found[2], format!("cpu-over {}", refused("reservation")));
    assert_eq!(found[3], format!("cpu-reserved {}", refused("reservation")));
    assert!(
        found[4].contains("vCenter refused the allocation of resource pool acme"),
        "{found:?}"
    );
    let without = words(&look_at(&ordered(), &[machine()], true, None));
    assert!(
        without
            .iter()
            .all(|it| it.contains("does not choose a resource pool")),
        "{without:?}"
    );
}
