//! vSphere's words, translated: kinds of objects, states of machines, and who manages one.

use crate::domain::inventory::{Connection, ContainerKind, MachineKind, Power};
use crate::vsphere::error::Flaw;
use crate::vsphere::xml::Xml;

/// `config.managedBy`: the extension that a machine belongs to.
#[derive(Debug, Default)]
pub(super) struct ManagedBy {
    extension: String,
    kind: String,
}

impl ManagedBy {
    pub(super) fn read(xml: &mut Xml<'_>) -> Result<Self, Flaw> {
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

pub(super) fn machine_kind(template: Option<bool>, managed_by: Option<&ManagedBy>) -> MachineKind {
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

pub(super) fn connection(state: Option<&str>) -> Connection {
    match state.map(str::trim) {
        Some("connected") => Connection::Connected,
        Some("disconnected") => Connection::Disconnected,
        Some("inaccessible") => Connection::Inaccessible,
        Some("invalid") => Connection::Invalid,
        Some("orphaned") => Connection::Orphaned,
        _ => Connection::Unknown,
    }
}

pub(super) fn container_kind(kind: &str) -> Option<ContainerKind> {
    Some(match kind {
        "Folder" => ContainerKind::Folder,
        "StoragePod" => ContainerKind::DatastoreCluster,
        "Datacenter" => ContainerKind::Datacenter,
        "ComputeResource" | "ClusterComputeResource" => ContainerKind::ComputeResource,
        "HostSystem" => ContainerKind::Host,
        "ResourcePool" => ContainerKind::ResourcePool,
        "VirtualApp" => ContainerKind::VirtualApp,
        "Datastore" => ContainerKind::Datastore,
        _ => return None,
    })
}

pub(super) fn power(state: Option<&str>) -> Option<Power> {
    match state.map(str::trim) {
        Some("poweredOn") => Some(Power::On),
        Some("poweredOff") => Some(Power::Off),
        Some("suspended") => Some(Power::Suspended),
        _ => None,
    }
}
