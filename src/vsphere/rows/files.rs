//! What a machine's files occupy: `layoutEx` for its snapshots, `summary.storage` and `storage.perDatastoreUsage` for all.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::Moref;
use crate::domain::inventory::{Snapshots, StorageUse};
use crate::vsphere::error::Flaw;
use crate::vsphere::xml::Xml;

/// `VirtualMachineFileLayoutEx`, as far as snapshots need it. Keys point at files.
#[derive(Debug, Default)]
pub(super) struct Layout {
    sizes: BTreeMap<i32, u64>,
    /// Files of the disks as they are now.
    disks: BTreeSet<i32>,
    snapshots: Vec<Frozen>,
}

/// What a snapshot froze.
#[derive(Debug, Default)]
struct Frozen {
    key: Option<Moref>,
    /// State and memory.
    own: BTreeSet<i32>,
    disks: BTreeSet<i32>,
}

impl Layout {
    pub(super) fn read(xml: &mut Xml<'_>) -> Result<Self, Flaw> {
        let mut layout = Self::default();
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "file" => {
                    let (mut key, mut size) = (None, 0);
                    xml.children(|xml, tag| {
                        match tag.name.as_str() {
                            "key" => key = Some(xml.value("a file's key")?),
                            "size" => size = xml.value("a file's size")?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    layout.sizes.extend(key.map(|key| (key, size)));
                }
                "disk" => read_chains(xml, &mut layout.disks)?,
                "snapshot" => layout.snapshots.push(Frozen::read(xml)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(layout)
    }

    /// What the snapshots occupy. The disks that the first ones froze are the machine's own; all that grew since is theirs.
    pub(super) fn snapshots(&self, first: Option<&[Moref]>) -> Snapshots {
        let count = u32::try_from(self.snapshots.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return Snapshots::default();
        }
        let first = first.unwrap_or_default();
        let is_first =
            |frozen: &&Frozen| frozen.key.as_ref().is_some_and(|key| first.contains(key));
        let roots: Vec<_> = self.snapshots.iter().filter(is_first).collect();
        let mut files = self.disks.clone();
        for frozen in &self.snapshots {
            files.extend(&frozen.disks);
        }
        for root in &roots {
            files.retain(|key| !root.disks.contains(key));
        }
        files.extend(self.snapshots.iter().flat_map(|frozen| &frozen.own));
        let size = |key: &i32| self.sizes.get(key).copied().unwrap_or_default();
        let bytes = files
            .iter()
            .try_fold(0_u64, |sum, key| sum.checked_add(size(key)));
        Snapshots {
            count,
            bytes: bytes.filter(|_| !roots.is_empty()),
        }
    }
}

impl Frozen {
    fn read(xml: &mut Xml<'_>) -> Result<Self, Flaw> {
        let mut frozen = Self::default();
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "key" => frozen.key = xml.address()?,
                // -1 stands for a snapshot without memory.
                "dataKey" | "memoryKey" => {
                    frozen.own.insert(xml.value("a snapshot's file")?);
                }
                "disk" => read_chains(xml, &mut frozen.disks)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(frozen)
    }
}

/// The files of a disk: its base, and one delta after the other.
fn read_chains(xml: &mut Xml<'_>, into: &mut BTreeSet<i32>) -> Result<(), Flaw> {
    xml.children(|xml, tag| {
        if tag.name != "chain" {
            return Ok(());
        }
        xml.children(|xml, tag| {
            if tag.name == "fileKey" {
                into.insert(xml.value("a file's key")?);
            }
            Ok(())
        })
    })
}

/// `summary.storage`, or one entry of `storage.perDatastoreUsage` with its datastore.
pub(super) fn storage(xml: &mut Xml<'_>) -> Result<(Option<Moref>, StorageUse), Flaw> {
    let mut found = StorageUse::default();
    let mut datastore = None;
    xml.children(|xml, tag| {
        match tag.name.as_str() {
            "datastore" => datastore = xml.address()?,
            "committed" => found.committed = xml.value("committed")?,
            "uncommitted" => found.uncommitted = xml.value("uncommitted")?,
            "unshared" => found.unshared = xml.value("unshared")?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((datastore, found))
}
