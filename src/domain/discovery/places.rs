//! Where things lie in a vCenter: inventory paths, and everything that a machine lies in. Follows parents, and nothing else.

use crate::domain::ids::Moref;
use crate::domain::inventory::{Container, ContainerKind, Inventory, Machine};

/// Deeper than any vCenter allows; a loop in what a server says ends here.
const DEEPEST: usize = 64;

/// What a machine lies in, from the inside out.
#[derive(Debug)]
pub(super) struct Lineage<'a> {
    /// Its folder, those around it, and the datacentre.
    pub(super) folders: Vec<&'a Container>,
    /// Its resource pool or vApp, those around it, the cluster, and all around that.
    pub(super) pools: Vec<&'a Container>,
    /// Its host, the cluster, and all around that. A template has these, and no pool.
    pub(super) hosts: Vec<&'a Container>,
}

impl<'a> Lineage<'a> {
    pub(super) fn of(inventory: &'a Inventory, machine: &'a Machine) -> Self {
        // A machine in a vApp has no folder of its own: the vApp's folder is its folder.
        let folder = machine
            .folder
            .as_ref()
            .or_else(|| vapp_folder(inventory, machine));
        Self {
            folders: chain(inventory, folder),
            pools: chain(
                inventory,
                machine.resource_pool.as_ref().or(machine.vapp.as_ref()),
            ),
            hosts: chain(inventory, machine.host.as_ref()),
        }
    }

    /// Everything, some of it twice.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Container> {
        let all = self.folders.iter().chain(&self.pools).chain(&self.hosts);
        all.copied()
    }
}

pub(super) fn chain<'a>(inventory: &'a Inventory, first: Option<&'a Moref>) -> Vec<&'a Container> {
    let mut chain = Vec::new();
    let mut at = first;
    for _ in 0..DEEPEST {
        let Some(here) = at.and_then(|at| inventory.containers.get(at)) else {
            break;
        };
        chain.push(here);
        at = here.parent.as_ref();
    }
    chain
}

/// The folder of the outermost vApp around a machine: inner ones have no folder either.
fn vapp_folder<'a>(inventory: &'a Inventory, machine: &Machine) -> Option<&'a Moref> {
    let mut at = machine.vapp.as_ref();
    for _ in 0..DEEPEST {
        let vapp = inventory.containers.get(at?)?;
        if vapp.folder.is_some() {
            return vapp.folder.as_ref();
        }
        at = vapp.parent.as_ref();
    }
    None
}

/// The inventory path of a container.
#[must_use]
pub fn path(inventory: &Inventory, container: &Container) -> String {
    let mut names = Vec::new();
    for here in chain(inventory, Some(&container.moref)) {
        let parent = here
            .parent
            .as_ref()
            .and_then(|p| inventory.containers.get(p));
        // The root folder (`Datacenters`) has no place in a path.
        if parent.is_none() && here.kind == ContainerKind::Folder {
            break;
        }
        names.push(here.name.as_str());
    }
    names
        .iter()
        .rev()
        .fold(String::new(), |path, name| path + "/" + name)
}

/// The path of the folder that a machine lies in, and the machine's name below it.
#[must_use]
pub fn machine_path(inventory: &Inventory, machine: &Machine) -> String {
    let folders = Lineage::of(inventory, machine).folders;
    let folder = folders.first().map(|folder| path(inventory, folder));
    folder.unwrap_or_default() + "/" + &machine.name
}

/// The container of one of these kinds with this path.
pub(super) fn find<'a>(
    inventory: &'a Inventory,
    kinds: &[ContainerKind],
    wanted: &str,
) -> Option<&'a Container> {
    let last = wanted.rsplit('/').next().unwrap_or_default();
    inventory
        .containers
        .values()
        // The last name is compared first because walking up is the dear part.
        .filter(|c| kinds.contains(&c.kind) && c.name == last)
        .find(|c| path(inventory, c) == wanted)
}
