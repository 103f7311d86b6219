//! The devices of a machine: its disks, and the graphics processors passed through to it. What is not given stays unknown.

use crate::domain::ids::Moref;
use crate::domain::inventory::Disk;
use crate::vsphere::error::Flaw;
use crate::vsphere::xml::{Tag, Xml};

/// PCI vendors whose devices, passed through to a machine, are graphics processors: NVIDIA and AMD.
const GRAPHICS: [i32; 2] = [0x10de, 0x1002];

/// What the device list says.
#[derive(Debug, Default)]
pub(super) struct Devices {
    pub(super) disks: Vec<Disk>,
    pub(super) gpus: u32,
    /// What of it makes no sense, for the message.
    pub(super) flaws: Vec<String>,
}

impl Devices {
    pub(super) fn read(xml: &mut Xml<'_>) -> Result<Self, Flaw> {
        let mut devices = Self::default();
        xml.children(|xml, tag| {
            match tag.xsi_type.as_deref() {
                Some("VirtualDisk") => {
                    let mut disk = devices.read_disk(xml)?;
                    if devices.disks.iter().any(|known| known.key == disk.key) {
                        // Which of them counts nobody knows, and both would be too much.
                        disk.capacity_bytes = None;
                        let key = disk.key;
                        devices
                            .flaws
                            .push(format!("config.hardware.device[{key}]: given twice"));
                    }
                    devices.disks.push(disk);
                }
                Some("VirtualPCIPassthrough") if is_graphics(xml)? => devices.gpus += 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(devices)
    }

    fn read_disk(&mut self, xml: &mut Xml<'_>) -> Result<Disk, Flaw> {
        let mut disk = Disk::default();
        let (mut bytes, mut kib) = (None, None);
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "key" => disk.key = xml.value("a disk's key")?,
                "capacityInBytes" => bytes = number(xml)?,
                "capacityInKB" => kib = number(xml)?,
                "vDiskId" => disk.first_class = child(xml, "id")?,
                "backing" => read_backing(&mut disk, xml)?,
                _ => {}
            }
            Ok(())
        })?;
        // Hosts before 5.5 only fill in the older property.
        let kib = || kib.and_then(|kib| kib.checked_mul(1024));
        disk.capacity_bytes = bytes.or_else(kib);
        if disk.capacity_bytes.is_none() {
            let key = disk.key;
            self.flaws.push(format!(
                "config.hardware.device[{key}].capacityInBytes: not given"
            ));
        }
        Ok(disk)
    }
}

fn read_backing(disk: &mut Disk, xml: &mut Xml<'_>) -> Result<(), Flaw> {
    // Only direct children: the parents of a delta disk nest below, with files of their own.
    xml.children(|xml, tag| {
        match tag.name.as_str() {
            "fileName" => disk.file = text(xml)?,
            "datastore" => disk.datastore = address(xml)?,
            "lunUuid" => disk.lun = text(xml)?,
            _ => {}
        }
        Ok(())
    })
}

/// Whether the device in the element just started is a graphics processor, whole or shared (vGPU).
fn is_graphics(xml: &mut Xml<'_>) -> Result<bool, Flaw> {
    let mut graphics = false;
    xml.children(|xml, tag| {
        if tag.name == "backing" {
            graphics |= tag.xsi_type.as_deref() == Some("VirtualPCIPassthroughVmiopBackingInfo");
            graphics |= has_graphics_vendor(xml)?;
        }
        Ok(())
    })?;
    Ok(graphics)
}

fn has_graphics_vendor(xml: &mut Xml<'_>) -> Result<bool, Flaw> {
    let mut found = false;
    let mut look = |xml: &mut Xml<'_>, tag: &Tag| -> Result<(), Flaw> {
        if tag.name == "vendorId" {
            let vendor: Option<i32> = xml.text()?.trim().parse().ok();
            found |= vendor.is_some_and(|vendor| GRAPHICS.contains(&vendor));
        }
        Ok(())
    };
    xml.children(|xml, tag| match tag.name.as_str() {
        // Of several that would do, the machine gets one.
        "allowedDevice" => xml.children(&mut look),
        _ => look(xml, tag),
    })?;
    Ok(found)
}

/// A number above zero; anything else is not given.
fn number(xml: &mut Xml<'_>) -> Result<Option<u64>, Flaw> {
    let number: Option<u64> = xml.text()?.trim().parse().ok();
    Ok(number.filter(|number| *number > 0))
}

fn text(xml: &mut Xml<'_>) -> Result<Option<String>, Flaw> {
    Ok(Some(xml.text()?).filter(|text| !text.is_empty()))
}

/// An address; one that makes no sense is none.
fn address(xml: &mut Xml<'_>) -> Result<Option<Moref>, Flaw> {
    match xml.address() {
        Err(Flaw::Value(_)) => Ok(None),
        other => other,
    }
}

/// The text of one child of the element just started.
pub(super) fn child(xml: &mut Xml<'_>, name: &str) -> Result<Option<String>, Flaw> {
    let mut found = None;
    xml.children(|xml, tag| {
        if tag.name == name {
            found = text(xml)?;
        }
        Ok(())
    })?;
    Ok(found)
}
