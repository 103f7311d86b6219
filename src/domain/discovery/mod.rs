//! Which machines a declaration picks, and which are never picked. Paths are inventory paths as govc prints them:
//! `/DC0/vm/Customers/Acme` for a folder, `/DC0/host/Cluster/Resources/Acme` for a resource pool.

mod pattern;
mod places;

use std::collections::BTreeMap;

use crate::domain::discovery::places::{Lineage, chain, find};
use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::inventory::{Container, ContainerKind, Inventory, Machine, MachineKind, Tag};

pub use crate::domain::discovery::pattern::Pattern;
pub use crate::domain::discovery::places::{machine_path, path};

/// What machines have in common. All that is said must hold; one that says nothing picks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// They lie in or below this folder.
    pub folder: Option<String>,
    /// In or below this resource pool or vApp.
    pub resource_pool: Option<String>,
    /// In this datacentre.
    pub datacenter: Option<String>,
    /// In this cluster.
    pub cluster: Option<String>,
    /// On this host.
    pub host: Option<String>,
    /// They, or something that they lie in, have this tag.
    pub tag: Option<Tag>,
    /// They have this value in this custom attribute.
    pub attribute: Option<(String, String)>,
    /// They are named so.
    pub name: Option<Pattern>,
    /// They are this appliance: the name of the product of their vApp options.
    pub product: Option<String>,
}

/// One rule of discovery: what it picks, and what of that it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What is picked.
    pub select: Selector,
    /// What of it is not, although it fits.
    pub exclude: Vec<Selector>,
}

/// What a rule says of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is picked.
    Picked,
    /// It would be picked, but is not billed: declared so, or a template, placeholder or agent, or without identity.
    Excluded,
    /// It is not concerned.
    Elsewhere,
    /// Nobody can say: tags or attributes could not be read.
    Unknown,
}

const POOLS: [ContainerKind; 2] = [ContainerKind::ResourcePool, ContainerKind::VirtualApp];

impl Selector {
    /// The places that it names, each with the kinds that it may be of.
    fn paths(&self) -> impl Iterator<Item = (&str, &'static [ContainerKind])> {
        let paths: [(&Option<String>, &'static [ContainerKind]); 5] = [
            (&self.folder, &[ContainerKind::Folder]),
            (&self.resource_pool, &POOLS),
            (&self.datacenter, &[ContainerKind::Datacenter]),
            (&self.cluster, &[ContainerKind::ComputeResource]),
            (&self.host, &[ContainerKind::Host]),
        ];
        let named = paths.into_iter();
        named.filter_map(|(path, kinds)| Some((path.as_deref()?, kinds)))
    }

    /// Readies it for looking at many machines. The error is the first path that the vCenter does not have.
    ///
    /// # Errors
    /// That path.
    pub fn finder<'a>(&'a self, inventory: &'a Inventory) -> Result<Finder<'a>, String> {
        let mut roots = Vec::new();
        for (path, kinds) in self.paths() {
            let found = find(inventory, kinds, path).ok_or_else(|| path.to_owned())?;
            roots.push((&found.moref, kinds));
        }
        Ok(Finder {
            inventory,
            selector: self,
            roots,
        })
    }

    /// The resource pool or vApp that it names.
    #[must_use]
    pub fn pool<'a>(&self, inventory: &'a Inventory) -> Option<&'a Container> {
        find(inventory, &POOLS, self.resource_pool.as_deref()?)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A selector whose places were found.
#[derive(Debug)]
pub struct Finder<'a> {
    inventory: &'a Inventory,
    selector: &'a Selector,
    roots: Vec<(&'a Moref, &'static [ContainerKind])>,
}

impl Finder<'_> {
    /// Whether a machine fits; `None` when nobody can say because tags or attributes could not be read.
    #[must_use]
    pub fn fits(&self, machine: &Machine) -> Option<bool> {
        let selector = self.selector;
        if selector.is_empty() {
            return Some(false);
        }
        if selector
            .name
            .as_ref()
            .is_some_and(|name| !name.fits(&machine.name))
        {
            return Some(false);
        }
        if selector.product.is_some() && selector.product != machine.product {
            return Some(false);
        }
        let lineage = Lineage::of(self.inventory, machine);
        if !self
            .roots
            .iter()
            .all(|(root, kinds)| lies_in(&lineage, root, kinds))
        {
            return Some(false);
        }
        let tagged = selector
            .tag
            .as_ref()
            .map(|tag| self.tagged(machine, &lineage, tag));
        let attribute = selector.attribute.as_ref().map(|(name, value)| {
            let found = self.inventory.attribute(&machine.attributes, name)?;
            Some(found == Some(value.as_str()))
        });
        let answers = [tagged, attribute];
        let mut said = answers.into_iter().flatten();
        // One that does not hold settles it, whatever the other would be.
        let all: Vec<Option<bool>> = said.by_ref().collect();
        if all.contains(&Some(false)) {
            return Some(false);
        }
        (!all.contains(&None)).then_some(true)
    }

    fn tagged(&self, machine: &Machine, lineage: &Lineage<'_>, tag: &Tag) -> Option<bool> {
        let tags = self.inventory.tags.as_ref()?;
        let has = |moref: &Moref| tags.get(moref).is_some_and(|tags| tags.contains(tag));
        Some(has(&machine.moref) || lineage.all().any(|container| has(&container.moref)))
    }
}

fn lies_in(lineage: &Lineage<'_>, root: &Moref, kinds: &[ContainerKind]) -> bool {
    let is = |container: &&crate::domain::inventory::Container| container.moref == *root;
    match kinds.first() {
        Some(ContainerKind::Folder) => lineage.folders.iter().any(is),
        Some(ContainerKind::ResourcePool) => lineage.pools.iter().any(is),
        _ => lineage.all().any(|container| is(&container)),
    }
}

/// A rule ready to be asked about many machines.
#[derive(Debug)]
pub struct Judge<'a> {
    select: Finder<'a>,
    exclude: Vec<Finder<'a>>,
}

impl Rule {
    /// Readies it. A place to be left out that does not exist leaves nothing out.
    ///
    /// # Errors
    /// The path of `select` that the vCenter does not have: not the same as a place where nothing lies.
    pub fn judge<'a>(&'a self, inventory: &'a Inventory) -> Result<Judge<'a>, String> {
        let exclude = self
            .exclude
            .iter()
            .filter_map(|one| one.finder(inventory).ok());
        Ok(Judge {
            select: self.select.finder(inventory)?,
            exclude: exclude.collect(),
        })
    }
}

impl Judge<'_> {
    /// What the rule says of a machine.
    #[must_use]
    pub fn verdict(&self, machine: &Machine) -> Verdict {
        match self.select.fits(machine) {
            None => return Verdict::Unknown,
            Some(false) => return Verdict::Elsewhere,
            Some(true) => {}
        }
        if machine.kind != MachineKind::Ordinary || machine.instance_uuid.is_none() {
            return Verdict::Excluded;
        }
        let left_out: Vec<_> = self.exclude.iter().map(|one| one.fits(machine)).collect();
        if left_out.contains(&Some(true)) {
            Verdict::Excluded
        } else if left_out.contains(&None) {
            Verdict::Unknown
        } else {
            Verdict::Picked
        }
    }
}

/// Whether a machine fits any of these selectors; `None` when that cannot be said. One whose place does not exist fits
/// nothing.
#[must_use]
pub fn within(inventory: &Inventory, machine: &Machine, scopes: &[Selector]) -> Option<bool> {
    let finders = scopes
        .iter()
        .filter_map(|scope| scope.finder(inventory).ok());
    let answers: Vec<_> = finders.map(|finder| finder.fits(machine)).collect();
    if answers.contains(&Some(true)) {
        return Some(true);
    }
    (!answers.contains(&None)).then_some(false)
}

/// Whether any of these selectors holds all of a pool: its place lies around the pool or is the pool itself, and nothing else is
/// asked but a tag of something there.
#[must_use]
pub fn holds(inventory: &Inventory, pool: &Container, scopes: &[Selector]) -> bool {
    let around = chain(inventory, Some(&pool.moref));
    let tagged = |tag: &Tag| {
        let tags = inventory.tags.as_ref();
        let has = |at: &&&Container| {
            tags.and_then(|tags| tags.get(&at.moref))
                .is_some_and(|of| of.contains(tag))
        };
        around.iter().any(|at| has(&at))
    };
    scopes.iter().any(|scope| {
        let asks_more =
            scope.attribute.is_some() || scope.name.is_some() || scope.product.is_some();
        let finder = scope
            .finder(inventory)
            .ok()
            .filter(|_| !asks_more && !scope.is_empty());
        finder.is_some_and(|finder| {
            let lies = |root: &Moref| around.iter().any(|at| at.moref == *root);
            finder.roots.iter().all(|(root, _)| lies(root)) && scope.tag.as_ref().is_none_or(tagged)
        })
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

#[cfg(test)]
mod tests;
