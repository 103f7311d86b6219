//! Looks and events in every order, and what each is taken to prove.

use super::*;
use crate::domain::inventory::{Allocation, Connection, Container, ContainerKind, MachineKind};

fn machine(moref: &str, uuid: &str) -> Machine {
    Machine {
        instance_uuid: Some(InstanceUuid::new(uuid)),
        name: moref.into(),
        kind: MachineKind::Ordinary,
        connection: Connection::Connected,
        vcpu: Some(1),
        memory_mib: Some(1),
        disks: Some(Vec::new()),
        ..Machine::unknown(Moref::new(moref))
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn inventory(second: i64, machines: &[Machine]) -> Inventory {
    let machines = machines
        .iter()
        .map(|m| (m.moref.clone(), m.clone()))
        .collect();
    Inventory {
        machines,
        ..Inventory::empty(at(second))
    }
}

fn presence<'a>(seen: &'a Sightings, uuid: &str) -> Presence<'a> {
    seen.presence(&InstanceUuid::new(uuid), None, None)
}

#[test]
fn one_look_without_a_machine_proves_nothing_and_two_do() {
    let mut seen = Sightings::default();
    assert_eq!(presence(&seen, "a"), Presence::Missing);
    seen.snapshot(inventory(10, &[machine("vm-1", "a")]));
    assert_eq!(presence(&seen, "b"), Presence::Missing);
    seen.snapshot(inventory(20, &[]));
    assert_eq!(presence(&seen, "a"), Presence::Missing);
    seen.snapshot(inventory(30, &[]));
    let gone = Presence::Gone {
        at: at(20),
        evidence: Evidence::TwoSnapshots,
    };
    assert_eq!(presence(&seen, "a"), gone);
    seen.snapshot(inventory(40, &[machine("vm-9", "a")]));
    assert!(matches!(presence(&seen, "a"), Presence::Present(..)));
}

#[test]
fn a_removal_event_dates_the_end_and_registering_again_undoes_it() {
    let mut seen = Sightings::default();
    seen.snapshot(inventory(10, &[machine("vm-1", "a")]));
    let moref = Moref::new("vm-1");
    let removed = MachineEvent {
        key: 1,
        at: at(17),
        kind: MachineEventKind::Removed,
        machine: moref,
    };
    assert_eq!(seen.events(&[removed], Vec::new()).machines.len(), 1);
    let gone = Presence::Gone {
        at: at(17),
        evidence: Evidence::RemovalEvent,
    };
    assert_eq!(presence(&seen, "a"), gone);
    seen.snapshot(inventory(20, &[]));
    assert_eq!(
        presence(&seen, "a"),
        gone,
        "a snapshot without it changes nothing"
    );
    seen.events(&[], vec![machine("vm-2", "a")]);
    assert!(matches!(presence(&seen, "a"), Presence::Present(..)));
}

#[test]
fn a_removal_from_before_the_first_look_is_dated_by_its_event() {
    let mut seen = Sightings::default();
    seen.snapshot(inventory(10, &[]));
    let moref = Moref::new("vm-1");
    let kind = MachineEventKind::Removed;
    let removed = MachineEvent {
        key: 1,
        at: at(5),
        kind,
        machine: moref.clone(),
    };
    seen.events(&[removed], Vec::new());
    let gone = Presence::Gone {
        at: at(5),
        evidence: Evidence::RemovalEvent,
    };
    assert_eq!(
        seen.presence(&InstanceUuid::new("a"), None, Some(&moref)),
        gone
    );
    assert_eq!(
        presence(&seen, "a"),
        Presence::Missing,
        "whose address nobody knows waits"
    );
}

#[test]
fn of_two_clones_the_one_that_stays_is_present() {
    let mut seen = Sightings::default();
    seen.snapshot(inventory(10, &[machine("vm-1", "a"), machine("vm-2", "a")]));
    assert_eq!(seen.machines(&InstanceUuid::new("a")).len(), 2);
    let moref = Moref::new("vm-1");
    let removed = MachineEvent {
        key: 1,
        at: at(17),
        kind: MachineEventKind::Removed,
        machine: moref,
    };
    seen.events(&[removed], Vec::new());
    assert!(matches!(presence(&seen, "a"), Presence::Present(m, _) if m.moref.as_str() == "vm-2"));
}

#[test]
fn of_two_clones_only_its_own_removal_ends_one() {
    let mut seen = Sightings::default();
    let twins = [machine("vm-1", "a"), machine("vm-2", "a")];
    seen.snapshot(inventory(10, &twins));
    seen.snapshot(inventory(20, &twins[1..]));
    seen.snapshot(inventory(30, &twins[1..]));
    let (uuid, moref) = (InstanceUuid::new("a"), Moref::new("vm-1"));
    assert_eq!(seen.presence(&uuid, Some(&moref), None), Presence::Missing);
    let removed = MachineEvent {
        key: 1,
        at: at(17),
        kind: MachineEventKind::Removed,
        machine: moref.clone(),
    };
    seen.events(&[removed], Vec::new());
    seen.snapshot(inventory(40, &twins[1..]));
    let gone = Presence::Gone {
        at: at(17),
        evidence: Evidence::RemovalEvent,
    };
    assert_eq!(seen.presence(&uuid, Some(&moref), None), gone);
}

#[test]
fn a_machine_with_a_new_identity_is_missing_since_then_under_the_old_one() {
    let mut seen = Sightings::default();
    seen.snapshot(inventory(10, &[machine("vm-1", "a")]));
    seen.snapshot(inventory(20, &[machine("vm-1", "a")]));
    let changed = MachineEvent {
        key: 1,
        at: at(25),
        kind: MachineEventKind::Changed,
        machine: Moref::new("vm-1"),
    };
    seen.events(&[changed], vec![machine("vm-1", "b")]);
    assert_eq!(presence(&seen, "a"), Presence::Missing);
    seen.snapshot(inventory(30, &[machine("vm-1", "b")]));
    seen.snapshot(inventory(40, &[machine("vm-1", "b")]));
    let gone = Presence::Gone {
        at: at(25),
        evidence: Evidence::TwoSnapshots,
    };
    assert_eq!(presence(&seen, "a"), gone);
}

#[test]
fn an_unchanged_look_wakes_nobody() {
    let mut seen = Sightings::default();
    assert!(
        !seen
            .snapshot(inventory(10, &[machine("vm-1", "a")]))
            .is_empty()
    );
    assert!(
        seen.snapshot(inventory(20, &[machine("vm-1", "a")]))
            .is_empty()
    );
    assert!(seen.events(&[], vec![machine("vm-1", "a")]).is_empty());
}

#[test]
fn machines_are_all_there_only_when_each_that_is_missing_is_proved_to_be_gone() {
    let all = |_: &InstanceUuid| true;
    let mut seen = Sightings::default();
    assert!(!seen.is_settled(all));
    let both = [machine("vm-1", "a"), machine("vm-2", "b")];
    seen.snapshot(inventory(10, &both));
    assert!(!seen.is_settled(all), "what one look lacks proves nothing");
    seen.snapshot(inventory(20, &both));
    assert!(seen.is_settled(all));
    seen.snapshot(inventory(30, &both[..1]));
    assert!(!seen.is_settled(all));
    assert!(seen.is_settled(|uuid| *uuid != InstanceUuid::new("b")));
    seen.snapshot(inventory(40, &both[..1]));
    assert!(seen.is_settled(all));
}

#[test]
fn what_a_pool_uses_is_no_change_of_places() {
    let using = |second, used| {
        let mut inventory = inventory(second, &[]);
        let pool = Container {
            moref: Moref::new("resgroup-1"),
            kind: ContainerKind::ResourcePool,
            name: "acme".into(),
            parent: None,
            folder: None,
            allocation: Allocation::default(),
            cpu_used_mhz: Some(used),
            attributes: BTreeMap::new(),
        };
        inventory.containers.insert(pool.moref.clone(), pool);
        inventory
    };
    let mut seen = Sightings::default();
    seen.snapshot(using(10, 100));
    let changed = seen.snapshot(using(20, 200));
    assert!(changed.uses && !changed.places && !changed.is_empty());
    assert!(seen.snapshot(using(30, 200)).is_empty());
}
