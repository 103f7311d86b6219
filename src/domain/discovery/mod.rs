//! Which machines a selector picks, and which are never picked. Paths are inventory paths as govc prints them:
//! `/DC0/vm/Customers/Acme` for a folder, `/DC0/host/Cluster/Resources/Acme` for a resource pool.

use std::collections::BTreeMap;

use super::ids::{InstanceUuid, Moref};
use super::inventory::{Container, ContainerKind, Inventory, Machine, MachineKind};

/// Deeper than any vCenter allows; a loop in what a server says ends here.
const DEEPEST: usize = 64;

/// Where machines are looked for; everything below counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// A folder of machines, by inventory path.
    Folder(String),
    /// A resource pool or vApp, by inventory path.
    ResourcePool(String),
}

impl Selector {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Folder(path) | Self::ResourcePool(path) => path,
        }
    }
}

/// What a selector found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected<'a> {
    /// Machines to bill.
    pub machines: Vec<&'a Machine>,
    /// Templates, placeholders and agents, and machines whose identity vCenter cannot read.
    pub left_out: usize,
}

/// Picks every ordinary machine below the selector's container, in order of address.
/// `None` when no such container exists: not the same as an empty one.
#[must_use]
pub fn select<'a>(inventory: &'a Inventory, selector: &Selector) -> Option<Selected<'a>> {
    let root = find(inventory, selector)?;
    let mut selected = Selected::default();
    for machine in inventory
        .machines
        .values()
        .filter(|m| lies_below(inventory, m, selector, root))
    {
        if machine.kind == MachineKind::Ordinary && machine.instance_uuid.is_some() {
            selected.machines.push(machine);
        } else {
            selected.left_out += 1;
        }
    }
    Some(selected)
}

/// Whether a machine lies inside any of the scopes. A scope whose container does not exist holds nothing.
#[must_use]
pub fn within(inventory: &Inventory, machine: &Machine, scopes: &[Selector]) -> bool {
    scopes.iter().any(|scope| {
        find(inventory, scope).is_some_and(|root| lies_below(inventory, machine, scope, root))
    })
}

/// Machines by identity. More than one under a UUID means clones that vCenter has not told apart.
#[must_use]
pub fn by_identity(inventory: &Inventory) -> BTreeMap<&InstanceUuid, Vec<&Machine>> {
    let mut machines: BTreeMap<&InstanceUuid, Vec<&Machine>> = BTreeMap::new();
    for machine in inventory.machines.values() {
        if let Some(uuid) = &machine.instance_uuid {
            machines.entry(uuid).or_default().push(machine);
        }
    }
    machines
}

/// The inventory path of a container.
#[must_use]
pub fn path(inventory: &Inventory, container: &Container) -> String {
    let mut names = Vec::new();
    let mut at = Some(container);
    for _ in 0..DEEPEST {
        let Some(here) = at else { break };
        let parent = here
            .parent
            .as_ref()
            .and_then(|p| inventory.containers.get(p));
        // The root folder (`Datacenters`) has no place in a path.
        if parent.is_none() && here.kind == ContainerKind::Folder {
            break;
        }
        names.push(here.name.as_str());
        at = parent;
    }
    names
        .iter()
        .rev()
        .fold(String::new(), |path, name| path + "/" + name)
}

fn find<'a>(inventory: &'a Inventory, selector: &Selector) -> Option<&'a Moref> {
    let wanted = |kind| match selector {
        Selector::Folder(_) => kind == ContainerKind::Folder,
        Selector::ResourcePool(_) => {
            matches!(
                kind,
                ContainerKind::ResourcePool | ContainerKind::VirtualApp
            )
        }
    };
    let last = selector.path().rsplit('/').next().unwrap_or_default();
    inventory
        .containers
        .values()
        // The last name is compared first because walking up is the dear part.
        .filter(|c| wanted(c.kind) && c.name == last)
        .find(|c| path(inventory, c) == selector.path())
        .map(|c| &c.moref)
}

fn lies_below(inventory: &Inventory, machine: &Machine, selector: &Selector, root: &Moref) -> bool {
    let first = match selector {
        // A machine in a vApp has no folder of its own: the vApp's folder is its folder.
        Selector::Folder(_) => machine
            .folder
            .clone()
            .or_else(|| vapp_folder(inventory, machine)),
        Selector::ResourcePool(_) => machine.resource_pool.clone(),
    };
    let mut at = first.as_ref();
    for _ in 0..DEEPEST {
        let Some(here) = at else { return false };
        if here == root {
            return true;
        }
        at = inventory
            .containers
            .get(here)
            .and_then(|c| c.parent.as_ref());
    }
    false
}

/// The folder of the outermost vApp around a machine: inner ones have no folder either.
fn vapp_folder(inventory: &Inventory, machine: &Machine) -> Option<Moref> {
    let mut at = machine.vapp.as_ref();
    for _ in 0..DEEPEST {
        let vapp = inventory.containers.get(at?)?;
        if vapp.folder.is_some() {
            return vapp.folder.clone();
        }
        at = vapp.parent.as_ref();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::inventory::{Allocation, Connection};

    fn container(moref: &str, kind: ContainerKind, name: &str, parent: Option<&str>) -> Container {
        Container {
            moref: Moref::new(moref),
            kind,
            name: name.into(),
            parent: parent.map(Moref::new),
            folder: None,
            allocation: Allocation::default(),
            attributes: BTreeMap::new(),
        }
    }

    fn machine(moref: &str, folder: Option<&str>, pool: Option<&str>) -> Machine {
        Machine {
            instance_uuid: Some(InstanceUuid::new(moref)),
            name: moref.into(),
            kind: MachineKind::Ordinary,
            connection: Connection::Connected,
            vcpu: Some(1),
            memory_mib: Some(1),
            disks: Some(Vec::new()),
            folder: folder.map(Moref::new),
            resource_pool: pool.map(Moref::new),
            ..Machine::unknown(Moref::new(moref))
        }
    }

    fn inventory(machines: Vec<Machine>) -> Inventory {
        let mut vapp = container("vapp-1", ContainerKind::VirtualApp, "App", Some("rp-acme"));
        vapp.folder = Some(Moref::new("f-acme"));
        let containers = [
            container("root", ContainerKind::Folder, "Datacenters", None),
            container("dc", ContainerKind::Datacenter, "DC0", Some("root")),
            container("vm", ContainerKind::Folder, "vm", Some("dc")),
            container("f-acme", ContainerKind::Folder, "Acme", Some("vm")),
            container("f-web", ContainerKind::Folder, "Web", Some("f-acme")),
            container("f-old", ContainerKind::Folder, "Old", Some("vm")),
            container("f-old-acme", ContainerKind::Folder, "Acme", Some("f-old")),
            container("host", ContainerKind::Folder, "host", Some("dc")),
            container("cr", ContainerKind::ComputeResource, "C0", Some("host")),
            container("rp", ContainerKind::ResourcePool, "Resources", Some("cr")),
            container("rp-acme", ContainerKind::ResourcePool, "Acme", Some("rp")),
            vapp,
        ];
        Inventory {
            machines: machines.into_iter().map(|m| (m.moref.clone(), m)).collect(),
            containers: containers
                .into_iter()
                .map(|c| (c.moref.clone(), c))
                .collect(),
            ..Inventory::empty(jiff::Timestamp::UNIX_EPOCH)
        }
    }

    fn names(inventory: &Inventory, selector: Selector) -> Vec<String> {
        let selected = select(inventory, &selector).unwrap();
        selected.machines.iter().map(|m| m.name.clone()).collect()
    }

    #[test]
    fn a_folder_holds_what_lies_below_it_and_nothing_of_its_namesake() {
        let inventory = inventory(vec![
            machine("vm-1", Some("f-acme"), Some("rp")),
            machine("vm-2", Some("f-web"), Some("rp")),
            machine("vm-3", Some("f-old-acme"), Some("rp")),
        ]);
        assert_eq!(
            names(&inventory, Selector::Folder("/DC0/vm/Acme".into())),
            ["vm-1", "vm-2"]
        );
    }

    #[test]
    fn a_machine_in_a_vapp_lies_in_the_vapps_folder_and_pool() {
        let mut inside = machine("vm-4", None, Some("vapp-1"));
        inside.vapp = Some(Moref::new("vapp-1"));
        let inventory = inventory(vec![inside]);
        assert_eq!(
            names(&inventory, Selector::Folder("/DC0/vm/Acme".into())),
            ["vm-4"]
        );
        let pool = Selector::ResourcePool("/DC0/host/C0/Resources/Acme".into());
        assert_eq!(names(&inventory, pool), ["vm-4"]);
    }

    #[test]
    fn templates_and_machines_without_identity_are_counted_not_billed() {
        let template = Machine {
            kind: MachineKind::Template,
            ..machine("vm-5", Some("f-acme"), None)
        };
        let nameless = Machine {
            instance_uuid: None,
            ..machine("vm-6", Some("f-acme"), None)
        };
        let inventory = inventory(vec![template, nameless]);
        let selected = select(&inventory, &Selector::Folder("/DC0/vm/Acme".into())).unwrap();
        assert!(selected.machines.is_empty());
        assert_eq!(selected.left_out, 2);
    }

    #[test]
    fn a_missing_container_is_not_an_empty_one() {
        assert_eq!(
            select(
                &inventory(vec![]),
                &Selector::Folder("/DC0/vm/Nobody".into())
            ),
            None
        );
    }
}
