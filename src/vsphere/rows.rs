//! From one `ObjectContent` of the PropertyCollector to one row of the inventory, in a single pass over the XML.
//! What the server does not say stays unknown. No I/O; knows nothing of paging.

use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::inventory::{Connection, Container, ContainerKind, Disk, Machine, MachineKind};
use crate::vsphere::error::{Flaw, tame};
use crate::vsphere::soap::{Fault, Reference};
use crate::vsphere::xml::Xml;

/// What is asked of a virtual machine, and all that is understood of one.
pub(super) const MACHINE_PATHS: [&str; 15] = [
    "name",
    "parent",
    "resourcePool",
    "parentVApp",
    "runtime.host",
    "runtime.connectionState",
    "config.template",
    "config.instanceUuid",
    "config.managedBy",
    "config.hardware.device",
    "summary.config.numCpu",
    "summary.config.memorySizeMB",
    // vCenter has no `config` of a machine whose files it cannot read, but it remembers these two.
    "summary.config.template",
    "summary.config.instanceUuid",
    "summary.config.managedBy",
];

/// One object as read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// A virtual machine.
    Machine(Box<Machine>),
    /// Something that holds machines.
    Container(Container),
    /// An object of a kind that nothing here needs.
    Other,
    /// The object was deleted while it was being read.
    Vanished,
    /// The session ended while it was being read.
    SessionLost,
}

/// Reads the `ObjectContent` in the element just started.
pub(super) fn read(xml: &mut Xml<'_>) -> Result<(Reference, Row), Flaw> {
    let mut draft = Draft::default();
    xml.children(|xml, tag| match tag.name.as_str() {
        "obj" => {
            draft.object = Some(Reference::read(xml, tag)?);
            Ok(())
        }
        "propSet" => draft.read_property(xml),
        "missingSet" => draft.read_missing(xml),
        _ => Ok(()),
    })?;
    draft.finish()
}

#[derive(Debug, Default)]
struct Draft {
    object: Option<Reference>,
    name: Option<String>,
    parent: Option<Moref>,
    parent_folder: Option<Moref>,
    resource_pool: Option<Moref>,
    vapp: Option<Moref>,
    host: Option<Moref>,
    connection: Option<String>,
    template: Option<bool>,
    instance_uuid: Option<String>,
    managed_by: Option<ManagedBy>,
    vcpu: Option<u32>,
    memory_mib: Option<u64>,
    disks: Option<Vec<Disk>>,
    unreadable: Vec<String>,
    vanished: bool,
    session_lost: bool,
}

#[derive(Debug, Default)]
struct ManagedBy {
    extension: String,
    kind: String,
}

impl Draft {
    fn read_property(&mut self, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        let mut path = None;
        xml.children(|xml, tag| match tag.name.as_str() {
            "name" => {
                path = Some(xml.text()?);
                Ok(())
            }
            "val" => match &path {
                Some(path) => self.read_value(path, xml),
                None => Err(Flaw::Missing("the name before a property's value")),
            },
            _ => Ok(()),
        })
    }

    fn read_value(&mut self, path: &str, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        match path {
            "name" => self.name = Some(decoded_name(&xml.text()?)),
            "parent" => self.parent = xml.address()?,
            "parentFolder" => self.parent_folder = xml.address()?,
            "resourcePool" => self.resource_pool = xml.address()?,
            "parentVApp" => self.vapp = xml.address()?,
            "runtime.host" => self.host = xml.address()?,
            "runtime.connectionState" => self.connection = Some(xml.text()?),
            "config.template" => self.template = Some(xml.boolean("config.template")?),
            "config.instanceUuid" => self.instance_uuid = uuid(xml)?.or(self.instance_uuid.take()),
            "config.managedBy" => self.managed_by = Some(ManagedBy::read(xml)?),
            "config.hardware.device" => self.read_devices(xml)?,
            // Zero is what vCenter says of a machine that it cannot read; no machine has none.
            "summary.config.numCpu" => {
                self.vcpu = Some(xml.value("summary.config.numCpu")?).filter(|n| *n > 0);
            }
            "summary.config.memorySizeMB" => {
                self.memory_mib =
                    Some(xml.value("summary.config.memorySizeMB")?).filter(|n| *n > 0);
            }
            "summary.config.template" => {
                let template = xml.boolean("summary.config.template")?;
                self.template = self.template.or(Some(template));
            }
            "summary.config.instanceUuid" => {
                let remembered = uuid(xml)?;
                self.instance_uuid = self.instance_uuid.take().or(remembered);
            }
            "summary.config.managedBy" => {
                let remembered = ManagedBy::read(xml)?;
                self.managed_by = self.managed_by.take().or(Some(remembered));
            }
            _ => {}
        }
        Ok(())
    }

    fn read_devices(&mut self, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        let mut disks = Vec::new();
        let mut whole = true;
        xml.children(|xml, tag| {
            if tag.xsi_type.as_deref() == Some("VirtualDisk") {
                match read_disk(xml)? {
                    Ok(disk) => disks.push(disk),
                    Err(key) => {
                        whole = false;
                        self.unreadable.push(format!(
                            "config.hardware.device[{key}].capacityInBytes: not given"
                        ));
                    }
                }
            }
            Ok(())
        })?;
        // One disk of unknown size makes the sum unknown.
        self.disks = whole.then_some(disks);
        Ok(())
    }

    fn read_missing(&mut self, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        let mut path = String::new();
        let mut fault = Fault::default();
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "path" => path = xml.text()?,
                // A `LocalizedMethodFault`: the fault proper is inside.
                "fault" => xml.children(|xml, tag| {
                    if tag.name == "fault" {
                        fault = Fault::read_detail(xml, tag)?;
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        let own = |object: &Moref| self.object.as_ref().is_some_and(|o| o.moref == *object);
        match fault.kind.as_str() {
            "ManagedObjectNotFound" if fault.object.as_ref().is_none_or(own) => {
                self.vanished = true
            }
            "NotAuthenticated" => self.session_lost = true,
            kind => self.unreadable.push(tame(&format!("{path}: {kind}"))),
        }
        Ok(())
    }

    fn finish(self) -> Result<(Reference, Row), Flaw> {
        let object = self.object.clone().ok_or(Flaw::Missing("obj"))?;
        if object.moref.as_str().is_empty() {
            return Err(Flaw::Value("obj"));
        }
        let row = if self.session_lost {
            Row::SessionLost
        } else if self.vanished {
            Row::Vanished
        } else if object.kind == "VirtualMachine" {
            Row::Machine(Box::new(self.machine(object.moref.clone())))
        } else {
            match container_kind(&object.kind) {
                Some(kind) => Row::Container(Container {
                    moref: object.moref.clone(),
                    kind,
                    name: self.name.unwrap_or_default(),
                    parent: self.parent,
                    folder: self.parent_folder,
                }),
                None => Row::Other,
            }
        };
        Ok((object, row))
    }

    fn machine(self, moref: Moref) -> Machine {
        Machine {
            moref,
            instance_uuid: self.instance_uuid.map(InstanceUuid::new),
            name: self.name.unwrap_or_default(),
            kind: machine_kind(self.template, self.managed_by.as_ref()),
            connection: connection(self.connection.as_deref()),
            vcpu: self.vcpu,
            memory_mib: self.memory_mib,
            disks: self.disks,
            folder: self.parent,
            resource_pool: self.resource_pool,
            vapp: self.vapp,
            host: self.host,
            unreadable: self.unreadable,
        }
    }
}

impl ManagedBy {
    fn read(xml: &mut Xml<'_>) -> Result<Self, Flaw> {
        let mut managed_by = Self::default();
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "extensionKey" => managed_by.extension = xml.text()?.trim().to_lowercase(),
                "type" => managed_by.kind = xml.text()?.trim().to_owned(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(managed_by)
    }
}

/// Reads a `VirtualDisk`; the error is the key of one that has no size.
fn read_disk(xml: &mut Xml<'_>) -> Result<Result<Disk, i32>, Flaw> {
    let mut key = None;
    let mut bytes: i64 = 0;
    let mut kib: i64 = 0;
    let mut datastore = None;
    let mut file = None;
    xml.children(|xml, tag| {
        match tag.name.as_str() {
            "key" => key = Some(xml.value("a disk's key")?),
            "capacityInBytes" => bytes = xml.value("capacityInBytes")?,
            "capacityInKB" => kib = xml.value("capacityInKB")?,
            // Only direct children: the parents of a delta disk nest below, with files of their own.
            "backing" => xml.children(|xml, tag| {
                match tag.name.as_str() {
                    "fileName" => file = Some(xml.text()?).filter(|file| !file.is_empty()),
                    "datastore" => datastore = xml.address()?,
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    let key = key.ok_or(Flaw::Missing("a disk's key"))?;
    let capacity = if bytes > 0 {
        Some(bytes)
    } else {
        // Hosts before 5.5 only fill in the older property.
        kib.checked_mul(1024).filter(|bytes| *bytes > 0)
    };
    let capacity = capacity.and_then(|bytes| u64::try_from(bytes).ok());
    Ok(capacity.map_or(Err(key), |capacity_bytes| {
        Ok(Disk {
            key,
            datastore,
            file,
            capacity_bytes,
        })
    }))
}

fn uuid(xml: &mut Xml<'_>) -> Result<Option<String>, Flaw> {
    let text = xml.text()?.trim().to_lowercase();
    Ok((!text.is_empty()).then_some(text))
}

/// vCenter escapes exactly these three characters in names.
fn decoded_name(name: &str) -> String {
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        decoded.push_str(before);
        let character = match escape.get(..3).map(str::to_ascii_lowercase).as_deref() {
            Some("%2f") => Some('/'),
            Some("%5c") => Some('\\'),
            Some("%25") => Some('%'),
            _ => None,
        };
        decoded.push(character.unwrap_or('%'));
        rest = &escape[if character.is_some() { 3 } else { 1 }..];
    }
    decoded.push_str(rest);
    decoded
}

fn machine_kind(template: Option<bool>, managed_by: Option<&ManagedBy>) -> MachineKind {
    if template == Some(true) {
        return MachineKind::Template;
    }
    match managed_by {
        Some(by) if by.kind == "placeholderVm" => MachineKind::Placeholder,
        Some(by) if by.extension.starts_with("com.vmware.vim.eam") => MachineKind::Agent,
        Some(by) if by.extension.contains("vcls") => MachineKind::Agent,
        _ => MachineKind::Ordinary,
    }
}

fn connection(state: Option<&str>) -> Connection {
    match state.map(str::trim) {
        Some("connected") => Connection::Connected,
        Some("disconnected") => Connection::Disconnected,
        Some("inaccessible") => Connection::Inaccessible,
        Some("invalid") => Connection::Invalid,
        Some("orphaned") => Connection::Orphaned,
        _ => Connection::Unknown,
    }
}

fn container_kind(kind: &str) -> Option<ContainerKind> {
    Some(match kind {
        "Folder" | "StoragePod" => ContainerKind::Folder,
        "Datacenter" => ContainerKind::Datacenter,
        "ComputeResource" | "ClusterComputeResource" => ContainerKind::ComputeResource,
        "HostSystem" => ContainerKind::Host,
        "ResourcePool" => ContainerKind::ResourcePool,
        "VirtualApp" => ContainerKind::VirtualApp,
        "Datastore" => ContainerKind::Datastore,
        _ => return None,
    })
}
