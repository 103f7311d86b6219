//! What a vCenter holds, as read: machines and the containers they lie in. Values only; how they were read is
//! `crate::vsphere`'s business, and what they cost is `usage`'s.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ids::{InstanceUuid, Moref};

/// A vCenter read whole at one moment. A read that was not whole is never an `Inventory`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The vCenter's own clock when the read began.
    pub taken_at: Timestamp,
    /// Every virtual machine, templates and agents included, by address.
    pub machines: BTreeMap<Moref, Machine>,
    /// Folders, datacentres, clusters, hosts, resource pools, vApps and datastores, by address.
    pub containers: BTreeMap<Moref, Container>,
}

/// What a virtual machine is for; only an ordinary one is ever billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineKind {
    /// A machine that somebody uses.
    Ordinary,
    /// `config.template`: a mould for machines; it has no resource pool.
    Template,
    /// A disaster-recovery placeholder (`config.managedBy` of SRM or VCDR, type `placeholderVm`).
    Placeholder,
    /// A machine that vCenter itself keeps (`com.vmware.vim.eam`, vCLS and the like).
    Agent,
}

/// One virtual machine as vCenter describes it. An absent value is unknown, never zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its address in this vCenter.
    pub moref: Moref,
    /// Its identity; absent while vCenter cannot read its configuration.
    pub instance_uuid: Option<InstanceUuid>,
    /// Its name as shown to people.
    pub name: String,
    /// What it is for.
    pub kind: MachineKind,
    /// `runtime.connectionState == connected`; anything else means that the values below are stale.
    pub connection: Connection,
    /// `summary.config.numCpu`.
    pub vcpu: Option<u32>,
    /// `summary.config.memorySizeMB`; vSphere's MB are MiB.
    pub memory_mib: Option<u64>,
    /// Every `VirtualDisk` of `config.hardware.device`; `None` when the device list could not be read.
    pub disks: Option<Vec<Disk>>,
    /// `parent`: the folder; unset for a machine in a vApp.
    pub folder: Option<Moref>,
    /// `resourcePool`; unset for a template.
    pub resource_pool: Option<Moref>,
    /// `parentVApp`.
    pub vapp: Option<Moref>,
    /// `runtime.host`.
    pub host: Option<Moref>,
    /// Properties that vCenter refused (`missingSet`): path and fault, for the message.
    pub unreadable: Vec<String>,
}

/// Whether vCenter can reach a machine's host and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connection {
    /// Values are current.
    Connected,
    /// The host is away.
    Disconnected,
    /// The machine's files cannot be read.
    Inaccessible,
    /// The configuration is invalid.
    Invalid,
    /// The machine is known here but runs elsewhere.
    Orphaned,
    /// A word this version does not know, or none.
    Unknown,
}

/// One virtual disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The device key, unique within the machine (2000, 2001, …).
    pub key: i32,
    /// Where its file lies.
    pub datastore: Option<Moref>,
    /// The backing file, `[datastore] folder/file.vmdk`: a disk shared by machines has the same one in each.
    pub file: Option<String>,
    /// `capacityInBytes`: what the machine sees, thin or thick.
    pub capacity_bytes: u64,
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
