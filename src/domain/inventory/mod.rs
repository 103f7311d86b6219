//! What a vCenter holds, as read: machines and the containers they lie in. Values only; how they were read is
//! `crate::vsphere`'s business, and what they cost is `usage`'s.

mod machine;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::ids::Moref;

pub use crate::domain::inventory::machine::{
    Connection, Disk, GuestFamily, Machine, MachineKind, Power, Snapshots, StorageUse,
};

/// A vCenter read whole at one moment. A read that was not whole is never an `Inventory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The vCenter's own clock when the read began.
    pub taken_at: Timestamp,
    /// Every virtual machine, templates and agents included, by address.
    pub machines: BTreeMap<Moref, Machine>,
    /// Folders, datacentres, clusters, hosts, resource pools, vApps and datastores, by address.
    pub containers: BTreeMap<Moref, Container>,
    /// The names of custom attributes by the number of their definition; `None` when they could not be read.
    pub attribute_names: Option<BTreeMap<i32, String>>,
    /// The tags attached to each object; `None` when they could not be read.
    pub tags: Option<BTreeMap<Moref, BTreeSet<Tag>>>,
}

impl Inventory {
    /// One that holds nothing.
    #[must_use]
    pub fn empty(taken_at: Timestamp) -> Self {
        Self {
            taken_at,
            machines: BTreeMap::new(),
            containers: BTreeMap::new(),
            attribute_names: None,
            tags: None,
        }
    }

    /// The value that a machine or container has in the custom attribute of this name; `None` when the names of attributes
    /// could not be read, and `Some(None)` when it has none.
    #[must_use]
    pub fn attribute<'a>(
        &self,
        values: &'a BTreeMap<i32, String>,
        name: &str,
    ) -> Option<Option<&'a str>> {
        let names = self.attribute_names.as_ref()?;
        let value = |(key, _): (&i32, &String)| values.get(key).map(String::as_str);
        let named = names.iter().filter(|(_, found)| *found == name);
        Some(named.filter_map(value).find(|value| !value.is_empty()))
    }

    /// Whether another has the same places, whatever they use at this moment.
    #[must_use]
    pub fn has_like_places(&self, other: &Self) -> bool {
        let mut pairs = self.containers.iter().zip(&other.containers);
        self.containers.len() == other.containers.len()
            && pairs.all(|((here, one), (there, another))| here == there && one.is_like(another))
    }

    /// Says of every disk that several machines have at which of them it is counted. Answers the machines of which that
    /// changed.
    pub fn settle_shared_disks(&mut self) -> BTreeSet<Moref> {
        machine::settle_shared(&mut self.machines)
    }
}

/// A tag of vCenter: unique by its name within its category.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// The category's name.
    pub category: String,
    /// The tag's own name.
    pub name: String,
}

/// What a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerKind {
    /// A folder of any type, the root folder included.
    Folder,
    /// A datacentre.
    Datacenter,
    /// A cluster or a stand-alone host's compute resource.
    ComputeResource,
    /// An ESXi host.
    Host,
    /// A resource pool.
    ResourcePool,
    /// A vApp: a resource pool that also stands in a folder.
    VirtualApp,
    /// A datastore.
    Datastore,
    /// A datastore cluster: a folder of datastores (`StoragePod`).
    DatastoreCluster,
}

/// Something that holds machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its address.
    pub moref: Moref,
    /// What it is.
    pub kind: ContainerKind,
    /// Its name, with vCenter's `%2f`, `%5c` and `%25` decoded.
    pub name: String,
    /// What it lies in; absent at the root and where permission ends.
    pub parent: Option<Moref>,
    /// A vApp's folder (`parentFolder`), beside its resource-pool parent.
    pub folder: Option<Moref>,
    /// What is promised and allowed to a resource pool or vApp.
    pub allocation: Allocation,
    /// What a resource pool or vApp uses of processors at this moment, in MHz.
    pub cpu_used_mhz: Option<u64>,
    /// Custom attributes, by the number of their definition.
    pub attributes: BTreeMap<i32, String>,
}

impl Container {
    /// Whether it is the same but for what it uses at this moment.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let still = |one: &Self| Self {
            cpu_used_mhz: None,
            ..one.clone()
        };
        self == other || still(self) == still(other)
    }
}

/// What a resource pool is promised and allowed. An absent value is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// `config.cpuAllocation`, in MHz.
    pub cpu_mhz: Share,
    /// `config.memoryAllocation`, in MiB.
    pub memory_mib: Share,
}

/// One resource of an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What is kept free for it.
    pub reservation: Option<u64>,
    /// The most it may take.
    pub limit: Option<Limit>,
}

/// The most that a pool may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Whatever there is.
    Unlimited,
    /// So much.
    At(u64),
}

/// An event of the vCenter's history that concerns a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineEvent {
    /// The vCenter's running number.
    pub key: i32,
    /// When it happened, by the vCenter's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: MachineEventKind,
    /// Which machine; its address may be gone by now.
    pub machine: Moref,
}

/// Kinds of event that change what is billed, or where a machine belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineEventKind {
    /// Created, cloned, deployed, registered or discovered.
    Appeared,
    /// Removed from the inventory (destroyed or unregistered): the evidence for an end.
    Removed,
    /// Anything else that touched it: reconfigured, moved, renamed, powered.
    Changed,
}
