//! From one `ObjectContent` of the PropertyCollector to one row of the inventory, in a single pass over the XML.
//! What the server does not say, or says as nonsense, stays unknown. No I/O; knows nothing of paging.

mod devices;
mod files;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::inventory::{Allocation, Container, Disk, Limit, Machine, Share, StorageUse};
use crate::vsphere::error::{Flaw, tame};
use crate::vsphere::rows::devices::Devices;
use crate::vsphere::rows::files::Layout;
use crate::vsphere::rows::words::ManagedBy;
use crate::vsphere::soap::{Fault, Reference};
use crate::vsphere::xml::Xml;

/// What is asked of a virtual machine, and all that is understood of one.
pub(super) const MACHINE_PATHS: [&str; 26] = [
    "name",
    "parent",
    "resourcePool",
    "parentVApp",
    "customValue",
    "runtime.host",
    "runtime.connectionState",
    "runtime.powerState",
    "config.template",
    "config.instanceUuid",
    "config.managedBy",
    "config.hardware.device",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.vAppConfig.product",
    "layoutEx",
    "rootSnapshot",
    "storage.perDatastoreUsage",
    "summary.storage",
    "summary.config.guestId",
    "summary.config.product",
    "summary.config.numCpu",
    "summary.config.memorySizeMB",
    // vCenter has no `config` of a machine whose files it cannot read, but it remembers these two.
    "summary.config.template",
    "summary.config.instanceUuid",
    "summary.config.managedBy",
];

/// When a machine was made; vCenters before 6.7 refuse a read that asks for it.
pub(super) const CREATED: &str = "config.createDate";

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
    power: Option<String>,
    template: Option<bool>,
    created: Option<Timestamp>,
    instance_uuid: Option<String>,
    managed_by: Option<ManagedBy>,
    vcpu: Option<u32>,
    memory_mib: Option<u64>,
    devices: Option<(Vec<Disk>, u32)>,
    guest_id: Option<String>,
    product: Option<String>,
    layout: Option<Layout>,
    root_snapshots: Option<Vec<Moref>>,
    storage: Option<StorageUse>,
    storage_by_datastore: BTreeMap<Moref, StorageUse>,
    attributes: BTreeMap<i32, String>,
    allocation: Allocation,
    cpu_used_mhz: Option<u64>,
    unreadable: Vec<String>,
    vanished: bool,
    session_lost: bool,
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
                Some(path) => self.read_sensible(path, xml),
                None => Err(Flaw::Missing("the name before a property's value")),
            },
            _ => Ok(()),
        })
    }

    /// One machine's nonsense must not keep all the others from being read: it is unknown, and said to be.
    fn read_sensible(&mut self, path: &str, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        match self.read_value(path, xml) {
            Err(flaw @ (Flaw::Value(_) | Flaw::Missing(_))) => {
                self.unreadable.push(tame(&format!("{path}: {flaw}")));
                Ok(())
            }
            other => other,
        }
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
            "runtime.powerState" => self.power = Some(xml.text()?),
            "customValue" => self.read_attributes(xml)?,
            "layoutEx" => self.layout = Some(Layout::read(xml)?),
            "rootSnapshot" => self.root_snapshots = Some(addresses(xml)?),
            "summary.storage" => self.storage = Some(files::storage(xml)?.1),
            "storage.perDatastoreUsage" => xml.children(|xml, _| {
                let (datastore, found) = files::storage(xml)?;
                self.storage_by_datastore
                    .extend(datastore.map(|datastore| (datastore, found)));
                Ok(())
            })?,
            path if path.starts_with("config.") => self.read_config(path, xml)?,
            path => self.read_summary(path, xml)?,
        }
        Ok(())
    }

    fn read_config(&mut self, path: &str, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        match path {
            "config.template" => self.template = Some(xml.boolean("config.template")?),
            CREATED => self.created = Some(xml.value(CREATED)?),
            "config.instanceUuid" => self.instance_uuid = uuid(xml)?.or(self.instance_uuid.take()),
            "config.managedBy" => self.managed_by = Some(ManagedBy::read(xml)?),
            "config.hardware.device" => {
                let devices = Devices::read(xml)?;
                self.unreadable.extend(devices.flaws);
                self.devices = Some((devices.disks, devices.gpus));
            }
            "config.hardware.numCPU" => self.vcpu = self.vcpu.or(positive(xml, "numCPU")?),
            "config.hardware.memoryMB" => {
                self.memory_mib = self.memory_mib.or(positive(xml, "memoryMB")?);
            }
            "config.vAppConfig.product" => xml.children(|xml, _| {
                let product = devices::child(xml, "name")?;
                self.product = self.product.take().or(product);
                Ok(())
            })?,
            "config.cpuAllocation" => self.allocation.cpu_mhz = share(xml)?,
            "runtime.cpu.overallUsage" => {
                self.cpu_used_mhz = Some(xml.value("overallUsage")?);
            }
            "config.memoryAllocation" => self.allocation.memory_mib = share(xml)?,
            _ => {}
        }
        Ok(())
    }

    fn read_summary(&mut self, path: &str, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        match path {
            // Zero is what vCenter says of a machine that it cannot read; no machine has none.
            "summary.config.numCpu" => self.vcpu = positive(xml, "numCpu")?.or(self.vcpu),
            "summary.config.memorySizeMB" => {
                self.memory_mib = positive(xml, "memorySizeMB")?.or(self.memory_mib);
            }
            "summary.config.guestId" => {
                self.guest_id = Some(xml.text()?).filter(|id| !id.is_empty());
            }
            "summary.config.product" => {
                let product = devices::child(xml, "name")?;
                self.product = product.or(self.product.take());
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

    fn read_attributes(&mut self, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        xml.children(|xml, _| {
            let (mut key, mut value) = (None, String::new());
            xml.children(|xml, tag| {
                match tag.name.as_str() {
                    "key" => key = Some(xml.value("an attribute's number")?),
                    "value" => value = xml.text()?,
                    _ => {}
                }
                Ok(())
            })?;
            self.attributes.extend(key.map(|key| (key, value)));
            Ok(())
        })
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
            match words::container_kind(&object.kind) {
                Some(kind) => Row::Container(Container {
                    moref: object.moref.clone(),
                    kind,
                    name: self.name.unwrap_or_default(),
                    parent: self.parent,
                    folder: self.parent_folder,
                    allocation: self.allocation,
                    cpu_used_mhz: self.cpu_used_mhz,
                    attributes: self.attributes,
                }),
                None => Row::Other,
            }
        };
        Ok((object, row))
    }

    fn machine(self, moref: Moref) -> Machine {
        let (disks, gpus) = self.devices.unzip();
        let first = self.root_snapshots.as_deref();
        let snapshots = self.layout.map(|layout| layout.snapshots(first));
        Machine {
            moref,
            instance_uuid: self.instance_uuid.map(InstanceUuid::new),
            name: self.name.unwrap_or_default(),
            kind: words::machine_kind(self.template, self.managed_by.as_ref()),
            connection: words::connection(self.connection.as_deref()),
            power: words::power(self.power.as_deref()),
            created: self.created,
            vcpu: self.vcpu,
            memory_mib: self.memory_mib,
            disks,
            gpus,
            guest_id: self.guest_id,
            product: self.product,
            snapshots,
            storage: self.storage,
            storage_by_datastore: self.storage_by_datastore,
            attributes: self.attributes,
            folder: self.parent,
            resource_pool: self.resource_pool,
            vapp: self.vapp,
            host: self.host,
            unreadable: self.unreadable,
        }
    }
}

/// A number above zero; zero is nothing said.
fn positive<T: std::str::FromStr + Default + PartialOrd>(
    xml: &mut Xml<'_>,
    what: &'static str,
) -> Result<Option<T>, Flaw> {
    let number: T = xml.value(what)?;
    Ok((number > T::default()).then_some(number))
}

fn addresses(xml: &mut Xml<'_>) -> Result<Vec<Moref>, Flaw> {
    let mut all = Vec::new();
    xml.children(|xml, _| {
        all.extend(xml.address()?);
        Ok(())
    })?;
    Ok(all)
}

/// A `ResourceAllocationInfo`.
fn share(xml: &mut Xml<'_>) -> Result<Share, Flaw> {
    let mut share = Share::default();
    xml.children(|xml, tag| {
        match tag.name.as_str() {
            "reservation" => share.reservation = Some(xml.value("reservation")?),
            "limit" => {
                let limit: i64 = xml.value("limit")?;
                // -1 stands for none.
                share.limit = Some(u64::try_from(limit).map_or(Limit::Unlimited, Limit::At));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(share)
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
