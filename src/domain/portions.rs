//! What a machine amounts to, property by property, in the parts that tiers take. Absence is never zero. Which rule takes a
//! part, and what it bills, is not known here.

use std::collections::BTreeSet;

use crate::domain::foreign::Foreign;
use crate::domain::ids::Moref;
use crate::domain::inventory::{
    Connection, ContainerKind, Disk, Inventory, Machine, MachineKind, StorageUse,
};
use crate::domain::pool;
use crate::domain::quantity::Reading;
use crate::domain::tier::{Place, Portion};
use crate::domain::usage::{Property, Together, Unknown};

/// Reads one property of a machine.
///
/// # Errors
/// [`Unknown`] when the machine's values are absent or stale: never zero instead.
pub fn portions(
    machine: &Machine,
    inventory: &Inventory,
    property: Property,
) -> Result<Vec<Portion>, Unknown> {
    if machine.kind != MachineKind::Ordinary {
        return Err(Unknown::NotOrdinary(machine.kind));
    }
    if machine.connection != Connection::Connected {
        return Err(Unknown::NotConnected(machine.connection));
    }
    let portions = match property {
        Property::StorageProvisioned => disks(machine, inventory),
        Property::StorageConsumed => used(machine, inventory),
        extra if extra.is_extra() && read(machine, extra)? == Some(extra.zero()) => {
            return Ok(Vec::new());
        }
        whole => read(machine, whole)?.map(|reading| {
            vec![Portion {
                what: whole.as_str().to_owned(),
                reading,
                place: nowhere(machine),
            }]
        }),
    };
    portions.ok_or_else(|| Unknown::NotReadable(machine.unreadable.clone()))
}

/// Reads one property of several machines, each part under the name of its machine, so that a tier takes of each what it would
/// take of it alone. One machine that cannot be read makes all of it unknown; of no machines it is nothing.
///
/// # Errors
/// [`Unknown`] with the name of the machine that cannot be read.
pub fn together(sum: &Together<'_>, property: Property) -> Result<Vec<Portion>, Unknown> {
    if matches!(
        property,
        Property::Cpu | Property::Ordered(..) | Property::Above(..)
    ) {
        return pool::portions(sum, property);
    }
    let mut all = Vec::new();
    for machine in &sum.machines {
        let of = portions(machine, sum.inventory, property);
        let of = of.map_err(|why| Unknown::Of(machine.name.clone(), Box::new(why)))?;
        let named = of.into_iter().map(|portion| Portion {
            what: format!("{}: {}", Foreign::name(&machine.name), portion.what),
            ..portion
        });
        all.extend(named);
    }
    Ok(all)
}

/// What has no parts.
fn read(machine: &Machine, property: Property) -> Result<Option<Reading>, Unknown> {
    Ok(match property {
        Property::Vcpu => machine
            .vcpu
            .filter(|n| *n > 0)
            .map(|n| Reading::Vcpu(n.into())),
        Property::Memory => {
            let Some(mib) = machine.memory_mib.filter(|n| *n > 0) else {
                return Ok(None);
            };
            let bytes = mib.checked_mul(1 << 20).ok_or(Unknown::Overflow)?;
            Some(Reading::Bytes(bytes))
        }
        Property::StorageSnapshot => machine.snapshots.and_then(|snapshots| {
            let none = (snapshots.count == 0).then_some(0);
            snapshots.bytes.or(none).map(Reading::Bytes)
        }),
        Property::Gpu => machine.gpus.map(|n| Reading::Count(n.into())),
        Property::Count => Some(Reading::Count(1)),
        Property::StorageProvisioned | Property::StorageConsumed => None,
        Property::Cpu | Property::Ordered(..) | Property::Above(..) => return Err(Unknown::NoPool),
    })
}

/// A machine without disks has a device list without disks: that zero was read, not guessed. One disk of unknown size makes
/// the sum unknown.
fn disks(machine: &Machine, inventory: &Inventory) -> Option<Vec<Portion>> {
    let portion = |disk: &Disk| {
        let mut place = place(machine, inventory, disk.datastore.as_ref());
        place.policy.clone_from(&disk.policy);
        Some(Portion {
            what: described(&format!("disk {}", disk.key), &place),
            reading: Reading::Bytes(disk.capacity_bytes?),
            place,
        })
    };
    machine.own_disks()?.into_iter().map(portion).collect()
}

/// By datastore where vCenter says so, and whole where it does not.
fn used(machine: &Machine, inventory: &Inventory) -> Option<Vec<Portion>> {
    if machine.storage_by_datastore.is_empty() {
        let whole = Portion {
            what: "files".to_owned(),
            reading: Reading::Bytes(machine.storage?.committed),
            place: nowhere(machine),
        };
        return Some(vec![whole]);
    }
    let portion = |(datastore, used): (&Moref, &StorageUse)| {
        let place = place(machine, inventory, Some(datastore));
        Portion {
            what: described("files", &place),
            reading: Reading::Bytes(used.committed),
            place,
        }
    };
    Some(machine.storage_by_datastore.iter().map(portion).collect())
}

fn nowhere(machine: &Machine) -> Place {
    Place {
        guest: machine.guest_family().map(|family| family.as_str()),
        ..Place::default()
    }
}

/// Where something on a datastore lies.
fn place(machine: &Machine, inventory: &Inventory, datastore: Option<&Moref>) -> Place {
    let container = |moref: Option<&Moref>| moref.and_then(|moref| inventory.containers.get(moref));
    let datastore = container(datastore);
    // Outside a cluster a datastore lies in a folder, which is seen as well; where not even that is seen, nothing is known.
    let parent = container(datastore.and_then(|datastore| datastore.parent.as_ref()));
    let cluster = parent.map(|parent| {
        let is_cluster = parent.kind == ContainerKind::DatastoreCluster;
        is_cluster.then(|| parent.name.clone())
    });
    // A datastore cluster's tags are its datastores' as well.
    let holders = datastore
        .into_iter()
        .chain(parent.filter(|_| cluster != Some(None)));
    let tags = inventory.tags.as_ref().filter(|_| datastore.is_some());
    let tags = tags.map(|tags| {
        let of = holders.filter_map(|holder| tags.get(&holder.moref));
        of.flatten().cloned().collect::<BTreeSet<_>>()
    });
    Place {
        datastore: datastore.map(|datastore| datastore.name.clone()),
        cluster,
        tags,
        ..nowhere(machine)
    }
}

fn described(what: &str, place: &Place) -> String {
    match &place.datastore {
        Some(datastore) => format!("{what} on {datastore}"),
        None => what.to_owned(),
    }
}
