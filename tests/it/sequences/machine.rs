//! The one machine of a life: what vCenter shows of it, and where its two disks lie. What that comes to is not known here.

use jiff::Timestamp;
use meterwise::domain::ids::{InstanceUuid, Moref};
use meterwise::domain::inventory::{
    Allocation, Connection, Container, ContainerKind, Disk, Inventory, Machine, MachineKind, Tag,
};

/// Processors, MiB of memory, and MiB of the one disk and of the other. `None` is what vCenter cannot read.
pub(super) type Usage = [Option<u64>; 4];

/// A disk, as people would describe where it lies.
pub(super) struct Lies {
    pub(super) datastore: &'static str,
    pub(super) cluster: Option<&'static str>,
    /// The tag's name in the category `tier`, of the datastore or its cluster.
    pub(super) tag: Option<&'static str>,
    pub(super) policy: &'static str,
}

/// Both disks.
pub(super) const DISKS: [Lies; 2] = [
    Lies {
        datastore: "gold-01",
        cluster: Some("pod-1"),
        tag: Some("fast"),
        policy: "Gold Encrypted",
    },
    Lies {
        datastore: "silver-01",
        cluster: None,
        tag: None,
        policy: "Standard",
    },
];

/// The family of its guest.
pub(super) const GUEST: &str = "linux";

/// The machine.
pub(super) fn machine(usage: &Usage) -> Machine {
    let disk = |(place, lies): (usize, &Lies)| Disk {
        key: 2000 + i32::try_from(place).unwrap(),
        datastore: Some(Moref::new(lies.datastore)),
        policy: Some(lies.policy.to_owned()),
        capacity_bytes: usage[2 + place].map(|mebibytes| mebibytes << 20),
        ..Disk::default()
    };
    Machine {
        instance_uuid: Some(InstanceUuid::new("5029a3c1-0000-0000-0000-000000000001")),
        name: "web-1".into(),
        kind: MachineKind::Ordinary,
        connection: Connection::Connected,
        guest_id: Some("ubuntu64Guest".into()),
        vcpu: usage[0].and_then(|count| count.try_into().ok()),
        memory_mib: usage[1],
        disks: Some(DISKS.iter().enumerate().map(disk).collect()),
        ..Machine::unknown(Moref::new("vm-1"))
    }
}

/// The datastores.
pub(super) fn places() -> Inventory {
    let container = |name: &str, kind, parent: &str| Container {
        moref: Moref::new(name),
        kind,
        name: name.into(),
        parent: Some(Moref::new(parent)),
        folder: None,
        allocation: Allocation::default(),
        cpu_used_mhz: None,
        attributes: std::collections::BTreeMap::new(),
    };
    let mut containers = vec![container("datastores", ContainerKind::Folder, "dc")];
    let mut tags = std::collections::BTreeMap::new();
    for lies in &DISKS {
        let parent = lies.cluster.unwrap_or("datastores");
        containers.push(container(lies.datastore, ContainerKind::Datastore, parent));
        let cluster = |name| container(name, ContainerKind::DatastoreCluster, "datastores");
        containers.extend(lies.cluster.map(cluster));
        if let Some(tag) = lies.tag {
            let tag = Tag {
                category: "tier".into(),
                name: tag.into(),
            };
            tags.insert(Moref::new(parent), [tag].into());
        }
    }
    Inventory {
        containers: containers
            .into_iter()
            .map(|it| (it.moref.clone(), it))
            .collect(),
        tags: Some(tags),
        ..Inventory::empty(Timestamp::UNIX_EPOCH)
    }
}
