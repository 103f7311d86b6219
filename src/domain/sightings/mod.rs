//! What was seen of a vCenter's machines over time: which are there, which are missing, and which are proved to be gone.
//! A single look that lacks a machine proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::discovery::by_identity;
use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::inventory::{Inventory, Machine, MachineEvent, MachineEventKind, Tag};
use crate::domain::usage::{Evidence, Presence};

/// How many complete snapshots must lack a machine before its absence counts.
const SNAPSHOTS: u32 = 2;

/// How far back a machine's creation is believed to be the moment at which it would have been seen.
const RECENT: SignedDuration = SignedDuration::from_hours(48);

/// When a machine was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstSeen {
    /// By somebody who looked; the moment of its creation, where nobody looked then and that is not long ago.
    pub at: Timestamp,
    /// Since when it exists at least, seen or not.
    pub exists_since: Timestamp,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    inventory: Option<Inventory>,
    /// The addresses of each identity: with ten thousand machines nobody may look through all of them for one.
    addresses: BTreeMap<InstanceUuid, BTreeSet<Moref>>,
    gone: BTreeMap<InstanceUuid, (Timestamp, Evidence)>,
    missing: BTreeMap<InstanceUuid, (Timestamp, u32)>,
    first_seen: BTreeMap<InstanceUuid, FirstSeen>,
    /// Removals by address: of what was gone before the first look, and of one of several clones.
    removed: BTreeMap<Moref, Timestamp>,
    first_snapshot: Option<Timestamp>,
    snapshots: u32,
    /// When a machine came, and when it last changed, where either was seen.
    appeared: BTreeMap<Moref, Timestamp>,
    altered: BTreeMap<Moref, Timestamp>,
}

/// What a look changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Identities whose machines changed, came or went.
    pub machines: BTreeSet<InstanceUuid>,
    /// Whether folders, pools or the like changed.
    pub places: bool,
    /// Whether pools use more or less than before.
    pub uses: bool,
}

impl Changed {
    /// Whether nothing did.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty() && !self.places && !self.uses
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

    /// When a machine that is there was first seen. It begins anew with one that was gone.
    #[must_use]
    pub fn first_seen(&self, uuid: &InstanceUuid) -> Option<FirstSeen> {
        self.first_seen.get(uuid).copied()
    }

    /// Remembers when these were first seen, and forgets those that are neither there nor missed.
    fn remember(&mut self, at: Timestamp) {
        let Some(inventory) = &self.inventory else {
            return;
        };
        let (addresses, missing) = (&self.addresses, &self.missing);
        self.first_seen
            .retain(|uuid, _| addresses.contains_key(uuid) || missing.contains_key(uuid));
        for (uuid, morefs) in addresses {
            if self.first_seen.contains_key(uuid) {
                continue;
            }
            let machines = morefs
                .iter()
                .filter_map(|moref| inventory.machines.get(moref));
            let created = machines.filter_map(|machine| machine.created).min();
            let created = created.filter(|created| *created < at);
            let recent = created.filter(|created| at.duration_since(*created) < RECENT);
            let first = FirstSeen {
                at: recent.unwrap_or(at),
                exists_since: created.unwrap_or(at),
            };
            self.first_seen.insert(uuid.clone(), first);
        }
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
        if let (Some(machine), Some(inventory)) = (machines.first(), &self.inventory) {
            return Presence::Present(machine, inventory);
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

    /// Whether the machines that are there are all that there were, but for those that are proved to be gone. Machines that
    /// `concerns` says no to do not count.
    #[must_use]
    pub fn is_settled(&self, concerns: impl Fn(&InstanceUuid) -> bool) -> bool {
        let mut missing = self.missing.iter();
        let unproved = |(uuid, (_, seen)): (&InstanceUuid, &(Timestamp, u32))| {
            *seen < SNAPSHOTS && !self.gone.contains_key(uuid) && concerns(uuid)
        };
        self.snapshots >= SNAPSHOTS && !missing.any(unproved)
    }

    /// When a machine came, where that was seen.
    #[must_use]
    pub fn appeared(&self, machine: &Moref) -> Option<Timestamp> {
        self.appeared.get(machine).copied()
    }

    /// When a machine last changed, where that was seen.
    #[must_use]
    pub fn altered(&self, machine: &Moref) -> Option<Timestamp> {
        self.altered.get(machine).copied()
    }

    /// Notes since when a machine is as it is.
    fn note(&mut self, machine: &Moref, is_new: bool, at: Timestamp) {
        if is_new {
            self.appeared.insert(machine.clone(), at);
        }
        self.altered.insert(machine.clone(), at);
    }

    /// Takes a complete snapshot in.
    pub fn snapshot(&mut self, mut inventory: Inventory) -> Changed {
        // Tags are read on their own.
        let known = self.inventory.as_mut().and_then(|old| old.tags.take());
        inventory.tags = inventory.tags.take().or(known);
        let at = inventory.taken_at;
        let now = by_identity(&inventory);
        let before = self.inventory.as_ref().map(by_identity).unwrap_or_default();
        let mut changed = Changed {
            machines: BTreeSet::new(),
            uses: self
                .inventory
                .as_ref()
                .is_some_and(|old| old.containers != inventory.containers),
            places: self.inventory.as_ref().is_none_or(|old| {
                !old.has_like_places(&inventory) || old.attribute_names != inventory.attribute_names
            }),
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
        if let Some(old) = self.inventory.take() {
            for (moref, machine) in &inventory.machines {
                let known = old.machines.get(moref);
                if known != Some(machine) {
                    self.note(moref, known.is_none(), at);
                }
            }
        }
        let is_there = |moref: &Moref| inventory.machines.contains_key(moref);
        self.appeared.retain(|moref, _| is_there(moref));
        self.altered.retain(|moref, _| is_there(moref));
        self.inventory = Some(inventory);
        self.remember(at);
        self.first_snapshot.get_or_insert(at);
        self.snapshots = self.snapshots.saturating_add(1);
        changed
    }

    /// Takes the tags in, or that they cannot be read.
    pub fn tags(&mut self, tags: Option<BTreeMap<Moref, BTreeSet<Tag>>>) -> Changed {
        let mut changed = Changed::default();
        if let Some(inventory) = &mut self.inventory
            && inventory.tags != tags
        {
            inventory.tags = tags;
            changed.places = true;
        }
        changed
    }

    /// Takes events in, with the machines that they name as read again afterwards. What could not be read again is left
    /// to its removal event, or to the next snapshots.
    pub fn events(&mut self, events: &[MachineEvent], read: Vec<Machine>) -> Changed {
        let mut changed = Changed::default();
        let taken_at = match &self.inventory {
            Some(inventory) => inventory.taken_at,
            None => return changed,
        };
        for machine in &read {
            self.note_read(machine, events, taken_at);
        }
        let Some(inventory) = &mut self.inventory else {
            return changed;
        };
        let taken_at = inventory.taken_at;
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
                    let at = of_it.map(|event| event.at).max().unwrap_or(taken_at);
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
        // A disk that was shared may have come to a machine that no event names.
        for moref in inventory.settle_shared_disks() {
            let machine = inventory.machines.get(&moref);
            changed
                .machines
                .extend(machine.and_then(|machine| machine.instance_uuid.clone()));
        }
        let latest = events.iter().map(|event| event.at).max();
        self.remember(latest.unwrap_or(taken_at));
        changed
    }
}

impl Sightings {
    /// Notes when a machine that was read again changed: its last event says so.
    fn note_read(&mut self, machine: &Machine, events: &[MachineEvent], taken_at: Timestamp) {
        let known = self.inventory.as_ref();
        let known = known.and_then(|inventory| inventory.machines.get(&machine.moref));
        if known == Some(machine) {
            return;
        }
        let is_new = known.is_none();
        let of_it = events.iter().filter(|event| event.machine == machine.moref);
        let at = of_it.map(|event| event.at).max().unwrap_or(taken_at);
        self.note(&machine.moref, is_new, at);
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
mod tests;
