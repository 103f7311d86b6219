//! Re-reading single machines: those that an event named, and no others.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::Moref;
use crate::domain::inventory::Machine;
use crate::vsphere::error::Error;
use crate::vsphere::retrieve::{machines, read_rows};
use crate::vsphere::rows::Row;
use crate::vsphere::session::Session;
use crate::vsphere::transport::Transport;

/// Machines asked for in one request.
const AT_ONCE: usize = 100;

/// What became of a machine that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// It is there, as it is now.
    Present(Box<Machine>),
    /// vCenter says that there is no such object (`ManagedObjectNotFound`).
    Gone,
}

/// Reads these machines; every one of them is in the result.
pub(super) async fn read(
    session: &Session,
    transport: &Transport,
    morefs: &[Moref],
) -> Result<BTreeMap<Moref, Refreshed>, Error> {
    let wanted: BTreeSet<Moref> = morefs.iter().cloned().collect();
    let wanted: Vec<Moref> = wanted.into_iter().collect();
    let mut found = BTreeMap::new();
    let mut groups: Vec<Vec<Moref>> = wanted.chunks(AT_ONCE).map(<[Moref]>::to_vec).collect();
    while let Some(mut group) = groups.pop() {
        match read_group(session, transport, &group).await {
            Ok(machines) => found.extend(machines),
            // vCenter fails the whole call for one object that is gone, and names it.
            Err(Error::NotFound(gone)) if group.contains(&gone) => {
                group.retain(|moref| *moref != gone);
                found.insert(gone, Refreshed::Gone);
                if !group.is_empty() {
                    groups.push(group);
                }
            }
            // It named something else, so look for it by halves.
            Err(Error::NotFound(_)) if group.len() > 1 => {
                let half = group.split_off(group.len() / 2);
                groups.extend([group, half]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn read_group(
    session: &Session,
    transport: &Transport,
    group: &[Moref],
) -> Result<BTreeMap<Moref, Refreshed>, Error> {
    let rows = read_rows(session, transport, machines(session, group), group.len()).await?;
    let mut found = BTreeMap::new();
    for (reference, row) in rows {
        let refreshed = match row {
            Row::Machine(machine) => Refreshed::Present(machine),
            Row::Vanished => Refreshed::Gone,
            Row::Container(_) | Row::Other | Row::SessionLost => continue,
        };
        if group.contains(&reference.moref) {
            found.insert(reference.moref, refreshed);
        }
    }
    if found.len() < group.len() {
        return Err(Error::Incomplete {
            expected: group.len(),
            missing: group.len() - found.len(),
        });
    }
    Ok(found)
}
