//! One virtual machine and its disks, as a vCenter describes them. Values only; what they cost is `usage`'s business.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::ids::{InstanceUuid, Moref};

/// What a virtual machine is for; only an ordinary one is ever billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MachineKind {
    /// A machine that somebody uses.
    #[default]
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
    /// `runtime.powerState`.
    pub power: Option<Power>,
    /// `config.createDate`: when it was made, registered here or cloned. vCenters before 6.7 do not say.
    pub created: Option<Timestamp>,
    /// `summary.config.numCpu`.
    pub vcpu: Option<u32>,
    /// `summary.config.memorySizeMB`; vSphere's MB are MiB.
    pub memory_mib: Option<u64>,
    /// Every `VirtualDisk` of `config.hardware.device`; `None` when the device list could not be read.
    pub disks: Option<Vec<Disk>>,
    /// Graphics processors, passed through or shared (vGPU), of `config.hardware.device`.
    pub gpus: Option<u32>,
    /// `summary.config.guestId`: the operating system that was declared for it, such as `windows2019srv_64Guest`. What the
    /// tools inside report is not taken: it comes and goes with the power.
    pub guest_id: Option<String>,
    /// `summary.config.product.name`, or of its vApp options: what appliance it is, such as `nsx-edge`.
    pub product: Option<String>,
    /// Its snapshots; `None` when vCenter did not say what files it has.
    pub snapshots: Option<Snapshots>,
    /// `summary.storage`: what it occupies on its datastores.
    pub storage: Option<StorageUse>,
    /// `storage.perDatastoreUsage`: the same, by datastore.
    pub storage_by_datastore: BTreeMap<Moref, StorageUse>,
    /// `customValue`: custom attributes, by the number of their definition (see [`Inventory::attribute`]).
    ///
    /// [`Inventory::attribute`]: crate::domain::inventory::Inventory::attribute
    pub attributes: BTreeMap<i32, String>,
    /// `parent`: the folder; unset for a machine in a vApp.
    pub folder: Option<Moref>,
    /// `resourcePool`; unset for a template.
    pub resource_pool: Option<Moref>,
    /// `parentVApp`.
    pub vapp: Option<Moref>,
    /// `runtime.host`.
    pub host: Option<Moref>,
    /// Properties that vCenter refused (`missingSet`) or gave as nonsense: path and fault, for the message.
    pub unreadable: Vec<String>,
}

impl Machine {
    /// A machine of which nothing is known but its address.
    #[must_use]
    pub fn unknown(moref: Moref) -> Self {
        Self {
            moref,
            instance_uuid: None,
            name: String::new(),
            kind: MachineKind::default(),
            connection: Connection::Unknown,
            power: None,
            created: None,
            vcpu: None,
            memory_mib: None,
            disks: None,
            gpus: None,
            guest_id: None,
            product: None,
            snapshots: None,
            storage: None,
            storage_by_datastore: BTreeMap::new(),
            attributes: BTreeMap::new(),
            folder: None,
            resource_pool: None,
            vapp: None,
            host: None,
            unreadable: Vec::new(),
        }
    }

    /// Its disks, without those that are shared and counted at another machine.
    #[must_use]
    pub fn own_disks(&self) -> Option<Vec<&Disk>> {
        let own = |disk: &&Disk| disk.counted_at.as_ref().is_none_or(|at| *at == self.moref);
        Some(self.disks.as_ref()?.iter().filter(own).collect())
    }

    /// The family of its declared operating system.
    #[must_use]
    pub fn guest_family(&self) -> Option<GuestFamily> {
        self.guest_id.as_deref().map(GuestFamily::of)
    }
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

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// It runs.
    On,
    /// It does not.
    Off,
    /// It is frozen, its memory written to disk.
    Suspended,
}

/// A family of operating systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuestFamily {
    /// Any Windows, servers and desktops.
    Windows,
    /// Any Linux.
    Linux,
    /// Anything else, or not declared.
    Other,
}

impl GuestFamily {
    /// The family of a `guestId`, vSphere's word for an operating system.
    #[must_use]
    pub fn of(guest_id: &str) -> Self {
        const LINUX: [&str; 16] = [
            "linux", "rhel", "centos", "ubuntu", "debian", "sles", "suse", "redhat", "fedora",
            "photon", "oracle", "rocky", "mandr", "asianux", "coreos", "turbo",
        ];
        let id = guest_id.to_ascii_lowercase();
        // `win31Guest` to `windows2022srvNext_64Guest`; nothing else begins so.
        if id.starts_with("win") {
            Self::Windows
        } else if LINUX.iter().any(|word| id.contains(word)) {
            Self::Linux
        } else {
            Self::Other
        }
    }

    /// The spec's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Other => "other",
        }
    }
}

/// A machine's snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// How many there are.
    pub count: u32,
    /// What they occupy: memory and state files, and the disks' growth since the first of them. `None` when vCenter did not
    /// say which is the first, so that the machine's own disks cannot be told from their growth.
    pub bytes: Option<u64>,
}

/// What a machine occupies on datastores, in bytes, as vCenter counts: replicas, swap, logs and snapshots included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageUse {
    /// Occupied.
    pub committed: u64,
    /// What thin disks may still grow by.
    pub uncommitted: u64,
    /// Occupied by nobody else.
    pub unshared: u64,
}

/// One virtual disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// The device key, unique within the machine (2000, 2001, …).
    pub key: i32,
    /// Where its file lies.
    pub datastore: Option<Moref>,
    /// The backing file, `[datastore] folder/file.vmdk`: a disk shared by machines has the same one in each.
    pub file: Option<String>,
    /// `lunUuid`: the raw device behind it, if it is one; a shared one has the same in each machine, its file may differ.
    pub lun: Option<String>,
    /// `vDiskId`: set for a first-class disk, which can be attached to one machine after another.
    pub first_class: Option<String>,
    /// The name of its storage policy, where that can be read.
    pub policy: Option<String>,
    /// `capacityInBytes`: what the machine sees, thin or thick. `None` when vCenter gave no size, which is not zero.
    pub capacity_bytes: Option<u64>,
    /// Set for a disk of several machines: the one at which it is counted.
    pub counted_at: Option<Moref>,
}

/// What makes a disk the same disk in two machines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Backing<'a> {
    Lun(&'a str),
    File(Option<&'a Moref>, &'a str),
}

impl Disk {
    fn backing(&self) -> Option<Backing<'_>> {
        let file = || {
            let file = self.file.as_deref()?;
            Some(Backing::File(self.datastore.as_ref(), file))
        };
        self.lun.as_deref().map(Backing::Lun).or_else(file)
    }
}

/// Says of every disk that several machines have at which of them it is counted: the first, by identity, of those that can
/// be billed. Answers which machines' disks are counted elsewhere than before.
pub(super) fn settle_shared(machines: &mut BTreeMap<Moref, Machine>) -> BTreeSet<Moref> {
    let mut holders: BTreeMap<Backing<'_>, Vec<&Machine>> = BTreeMap::new();
    for machine in machines.values() {
        for backing in machine.disks.iter().flatten().filter_map(Disk::backing) {
            holders.entry(backing).or_default().push(machine);
        }
    }
    let rank = |machine: &&Machine| {
        let billable = machine.kind == MachineKind::Ordinary && machine.instance_uuid.is_some();
        (
            !billable,
            machine.instance_uuid.clone(),
            machine.moref.clone(),
        )
    };
    let shared = holders.into_iter().filter_map(|(backing, holders)| {
        let first = holders.iter().copied().min_by_key(rank)?;
        holders
            .iter()
            .any(|holder| holder.moref != first.moref)
            .then(|| (backing, first.moref.clone()))
    });
    let shared: BTreeMap<Backing<'_>, Moref> = shared.collect();
    let mut moved = Vec::new();
    for machine in machines.values() {
        for (place, disk) in machine.disks.iter().flatten().enumerate() {
            let at = disk.backing().and_then(|backing| shared.get(&backing));
            if at != disk.counted_at.as_ref() {
                moved.push((machine.moref.clone(), place, at.cloned()));
            }
        }
    }
    let mut changed = BTreeSet::new();
    for (moref, place, at) in moved {
        let disks = machines.get_mut(&moref).and_then(|m| m.disks.as_mut());
        if let Some(disk) = disks.and_then(|disks| disks.get_mut(place)) {
            disk.counted_at = at;
        }
        changed.insert(moref);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(moref: &str, uuid: &str, disks: &[Disk]) -> (Moref, Machine) {
        let moref = Moref::new(moref);
        let machine = Machine {
            instance_uuid: Some(InstanceUuid::new(uuid)),
            disks: Some(disks.to_vec()),
            ..Machine::unknown(moref.clone())
        };
        (moref, machine)
    }

    fn disk(key: i32, datastore: &str, file: &str, lun: Option<&str>) -> Disk {
        Disk {
            key,
            datastore: Some(Moref::new(datastore)),
            file: Some(file.into()),
            lun: lun.map(Into::into),
            capacity_bytes: Some(10),
            ..Disk::default()
        }
    }

    fn counted(machines: &BTreeMap<Moref, Machine>, moref: &str) -> Vec<i32> {
        let machine = &machines[&Moref::new(moref)];
        let own = machine.own_disks().unwrap();
        own.iter().map(|disk| disk.key).collect()
    }

    #[test]
    fn a_disk_of_two_machines_is_counted_at_one_and_passes_to_the_other() {
        let shared = disk(2001, "ds-1", "[a] q/q.vmdk", None);
        let raw = |file| disk(2002, "ds-1", file, Some("0200"));
        let mut machines = BTreeMap::from([
            machine(
                "vm-1",
                "b",
                &[
                    disk(2000, "ds-1", "[a] 1/1.vmdk", None),
                    shared.clone(),
                    raw("[a] 1/r.vmdk"),
                ],
            ),
            machine("vm-2", "a", &[shared.clone(), raw("[a] 2/r.vmdk")]),
            // A datastore of the same name in another datacentre.
            machine("vm-3", "c", &[disk(2000, "ds-2", "[a] q/q.vmdk", None)]),
        ]);
        assert_eq!(settle_shared(&mut machines).len(), 2);
        assert_eq!(counted(&machines, "vm-1"), [2000]);
        assert_eq!(counted(&machines, "vm-2"), [2001, 2002]);
        assert_eq!(counted(&machines, "vm-3"), [2000]);
        assert_eq!(settle_shared(&mut machines), BTreeSet::new());
        machines.remove(&Moref::new("vm-2"));
        assert_eq!(
            settle_shared(&mut machines),
            BTreeSet::from([Moref::new("vm-1")])
        );
        assert_eq!(counted(&machines, "vm-1"), [2000, 2001, 2002]);
    }

    #[test]
    fn a_template_never_takes_a_shared_disk_away() {
        let shared = disk(2000, "ds-1", "[a] q/q.vmdk", None);
        let mut machines = BTreeMap::from([
            machine("vm-1", "a", std::slice::from_ref(&shared)),
            machine("vm-2", "b", &[shared]),
        ]);
        machines.get_mut(&Moref::new("vm-1")).unwrap().kind = MachineKind::Template;
        settle_shared(&mut machines);
        assert_eq!(counted(&machines, "vm-2"), [2000]);
    }

    #[test]
    fn guests_are_told_apart_by_family() {
        for id in [
            "windows2019srv_64Guest",
            "winNetStandardGuest",
            "win31Guest",
        ] {
            assert_eq!(GuestFamily::of(id), GuestFamily::Windows);
        }
        for id in [
            "ubuntu64Guest",
            "other3xLinux64Guest",
            "vmwarePhoton64Guest",
            "rhel9_64Guest",
        ] {
            assert_eq!(GuestFamily::of(id), GuestFamily::Linux);
        }
        for id in ["darwin17_64Guest", "freebsd64Guest", "otherGuest", ""] {
            assert_eq!(GuestFamily::of(id), GuestFamily::Other);
        }
    }
}
