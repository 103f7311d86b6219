//! What was seen of a vCenter's machines over time: which are there, which are missing, and which are proved to be gone.
//! A single look that lacks a machine proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::discovery::by_identity;
use super::ids::{InstanceUuid, Moref};
use super::inventory::{Inventory, Machine, MachineEvent, MachineEventKind};
use super::usage::{Evidence, Presence};

/// How many complete snapshots must lack a machine before its absence counts.
const SNAPSHOTS: u32 = 2;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    inventory: Option<Inventory>,
    /// The addresses of each identity: with ten thousand machines nobody may look through all of them for one.
    addresses: BTreeMap<InstanceUuid, BTreeSet<Moref>>,
    gone: BTreeMap<InstanceUuid, (Timestamp, Evidence)>,
    missing: BTreeMap<InstanceUuid, (Timestamp, u32)>,
    /// Removals by address: of what was gone before the first look, and of one of several clones.
    removed: BTreeMap<Moref, Timestamp>,
    first_snapshot: Option<Timestamp>,
    snapshots: u32,
}

/// What a look changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Identities whose machines changed, came or went.
    pub machines: BTreeSet<InstanceUuid>,
    /// Whether folders, pools or the like changed.
    pub places: bool,
}

impl Changed {
    /// Whether nothing did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty() && !self.places
    }
}

impl Sightings {
    /// The inventory as last seen, with what events brought since; none before the first complete snapshot.
    #[must_use]
    pub fn inventory(&self) -> Option<&Inventory> {
        self.inventory.as_ref()
    }

    /// The machines with this identity: more than one when clones were not told apart.
    #[must_use]
    pub fn machines(&self, uuid: &InstanceUuid) -> Vec<&Machine> {
        let Some(inventory) = &self.inventory else {
            return Vec::new();
        };
        let addresses = self.addresses.get(uuid).into_iter().flatten();
        addresses
            .filter_map(|moref| inventory.machines.get(moref))
            .collect()
    }

    /// Whether a machine is there, and if not, what shows it. `moref` picks one of several clones; `last` is where it
    /// was when somebody last saw it, which may have been an earlier process.
    #[must_use]
    pub fn presence(
        &self,
        uuid: &InstanceUuid,
        moref: Option<&Moref>,
        last: Option<&Moref>,
    ) -> Presence<'_> {
        let mut machines = self.machines(uuid);
        if let Some(moref) = moref {
            machines.retain(|machine| machine.moref == *moref);
        }
        if let Some(machine) = machines.first() {
            return Presence::Present(machine);
        }
        if let Some(clone) = moref
            && self.addresses.contains_key(uuid)
        {
            // Its twin is seen all the time, so looks prove nothing about this one; only its own removal does.
            return self
                .removed
                .get(clone)
                .map_or(Presence::Missing, |at| Presence::Gone {
                    at: *at,
                    evidence: Evidence::RemovalEvent,
                });
        }
        if let Some((at, evidence)) = self.gone.get(uuid) {
            return Presence::Gone {
                at: *at,
                evidence: *evidence,
            };
        }
        if let Some(at) = last.and_then(|last| self.removed.get(last)) {
            return Presence::Gone {
                at: *at,
                evidence: Evidence::RemovalEvent,
            };
        }
        let evidence = Evidence::TwoSnapshots;
        match (self.missing.get(uuid), self.first_snapshot) {
            (Some((at, seen)), _) if *seen >= SNAPSHOTS => Presence::Gone { at: *at, evidence },
            // Nobody saw it go: it went before the first look. Two looks are the evidence all the same.
            (None, Some(at)) if self.snapshots >= SNAPSHOTS => Presence::Gone { at, evidence },
            _ => Presence::Missing,
        }
    }

    /// Takes a complete snapshot in.
    pub fn snapshot(&mut self, inventory: Inventory) -> Changed {
        let at = inventory.taken_at;
        let now = by_identity(&inventory);
        let before = self.inventory.as_ref().map(by_identity).unwrap_or_default();
        let mut changed = Changed {
            machines: BTreeSet::new(),
            places: self
                .inventory
                .as_ref()
                .is_none_or(|old| old.containers != inventory.containers),
        };
        let differs = |(uuid, machines): &(&&InstanceUuid, &Vec<&Machine>)| {
            before.get(**uuid) != Some(*machines)
        };
        changed
            .machines
            .extend(now.iter().filter(differs).map(|(uuid, _)| (*uuid).clone()));

        let vanished = before.keys().copied().chain(self.missing.keys());
        let absent: BTreeSet<_> = vanished
            .filter(|uuid| !now.contains_key(*uuid))
            .cloned()
            .collect();
        self.gone.retain(|uuid, _| !now.contains_key(uuid));
        self.missing.retain(|uuid, _| !now.contains_key(uuid));
        for uuid in absent {
            let seen = &mut self.missing.entry(uuid.clone()).or_insert((at, 0)).1;
            *seen = seen.saturating_add(1);
            if *seen <= SNAPSHOTS {
                changed.machines.insert(uuid);
            }
        }
        self.addresses = now
            .iter()
            .map(|(uuid, machines)| {
                (
                    (*uuid).clone(),
                    machines
                        .iter()
                        .map(|machine| machine.moref.clone())
                        .collect(),
                )
            })
            .collect();
        self.inventory = Some(inventory);
        self.first_snapshot.get_or_insert(at);
        self.snapshots = self.snapshots.saturating_add(1);
        changed
    }

    /// Takes events in, with the machines that they name as read again afterwards. What could not be read again is left
    /// to its removal event, or to the next snapshots.
    pub fn events(&mut self, events: &[MachineEvent], read: Vec<Machine>) -> Changed {
        let mut changed = Changed::default();
        let Some(inventory) = &mut self.inventory else {
            return changed;
        };
        for event in events
            .iter()
            .filter(|event| event.kind == MachineEventKind::Removed)
        {
            self.removed.insert(event.machine.clone(), event.at);
            let Some(machine) = inventory.machines.remove(&event.machine) else {
                continue;
            };
            if let Some(uuid) = machine.instance_uuid {
                forget(&mut self.addresses, &uuid, &event.machine);
                self.gone
                    .insert(uuid.clone(), (event.at, Evidence::RemovalEvent));
                changed.machines.insert(uuid);
            }
        }
        for machine in read {
            let moref = machine.moref.clone();
            let old = inventory.machines.insert(moref.clone(), machine.clone());
            if old.as_ref() == Some(&machine) {
                continue;
            }
            if let Some(uuid) = old.and_then(|old| old.instance_uuid) {
                forget(&mut self.addresses, &uuid, &moref);
                // Given another identity: the old one is missing from now on, and not since before the first look.
                if !self.addresses.contains_key(&uuid) {
                    let of_it = events.iter().filter(|event| event.machine == moref);
                    let at = of_it
                        .map(|event| event.at)
                        .max()
                        .unwrap_or(inventory.taken_at);
                    self.missing.entry(uuid.clone()).or_insert((at, 0));
                }
                changed.machines.insert(uuid);
            }
            if let Some(uuid) = machine.instance_uuid {
                self.gone.remove(&uuid);
                self.missing.remove(&uuid);
                self.addresses
                    .entry(uuid.clone())
                    .or_default()
                    .insert(moref);
                changed.machines.insert(uuid);
            }
        }
        changed
    }
}

fn forget(
    addresses: &mut BTreeMap<InstanceUuid, BTreeSet<Moref>>,
    uuid: &InstanceUuid,
    moref: &Moref,
) {
    if let Some(known) = addresses.get_mut(uuid) {
        known.remove(moref);
        if known.is_empty() {
            addresses.remove(uuid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::inventory::{Connection, MachineKind};

    fn machine(moref: &str, uuid: &str) -> Machine {
        Machine {
            moref: Moref::new(moref),
            instance_uuid: Some(InstanceUuid::new(uuid)),
            name: moref.into(),
            kind: MachineKind::Ordinary,
            connection: Connection::Connected,
            vcpu: Some(1),
            memory_mib: Some(1),
            disks: Some(Vec::new()),
            folder: None,
            resource_pool: None,
            vapp: None,
            host: None,
            unreadable: Vec::new(),
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
            taken_at: at(second),
            machines,
            containers: BTreeMap::new(),
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
        assert!(matches!(presence(&seen, "a"), Presence::Present(_)));
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
        assert!(matches!(presence(&seen, "a"), Presence::Present(_)));
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
        assert!(matches!(presence(&seen, "a"), Presence::Present(m) if m.moref.as_str() == "vm-2"));
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
}
