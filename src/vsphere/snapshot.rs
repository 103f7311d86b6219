//! Reading a vCenter whole: one container view, read page by page into rows, and proved complete against the view's own
//! list. What comes out is everything or an error, never a smaller inventory.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::inventory::Inventory;
use crate::vsphere::error::{Error, Flaw};
use crate::vsphere::retrieve::{
    VIEWED_TYPES, attribute_names, existence, read_rows, shown_by, whole_inventory,
};
use crate::vsphere::rows::Row;
use crate::vsphere::session::{Session, service_instance};
use crate::vsphere::soap::{Arguments, Method, Reference};
use crate::vsphere::transport::Transport;

/// Objects missing from a read that are looked for one by one; more than this and the read is simply not complete.
const LOOKED_FOR: usize = 64;

/// The vCenter's own clock.
pub(super) async fn current_time(
    session: &Session,
    transport: &Transport,
) -> Result<Timestamp, Error> {
    let method = Method::CurrentTime;
    let mut now = None;
    session
        .call(
            transport,
            method,
            &service_instance(),
            Arguments::default(),
            |xml, _| {
                now = Some(xml.value("the time")?);
                Ok(())
            },
        )
        .await?;
    now.ok_or(Error::Malformed {
        method: method.name(),
        flaw: Flaw::Missing("the time"),
    })
}

/// Reads everything.
pub(super) async fn take(
    session: &Session,
    transport: &Transport,
    page_objects: u32,
) -> Result<Inventory, Error> {
    let taken_at = current_time(session, transport).await?;
    let view = open_view(session, transport).await?;
    let read = read_view(session, transport, &view, page_objects).await;
    if !read.as_ref().is_err_and(Error::ends_the_session) {
        let nothing = Arguments::default();
        let method = Method::DestroyView;
        let destroyed = session
            .call(transport, method, &view, nothing, |_, _| Ok(()))
            .await;
        if let Err(error) = destroyed {
            // The view ends with the session anyway.
            tracing::warn!(%error, "a view could not be destroyed");
        }
    }
    let rows = read?;
    let mut inventory = Inventory {
        attribute_names: names_of_attributes(session, transport).await?,
        ..Inventory::empty(taken_at)
    };
    for row in rows.into_values() {
        match row {
            Row::Machine(machine) => {
                inventory.machines.insert(machine.moref.clone(), *machine);
            }
            Row::Container(container) => {
                inventory
                    .containers
                    .insert(container.moref.clone(), container);
            }
            Row::Other | Row::Vanished | Row::SessionLost => {}
        }
    }
    inventory.settle_shared_disks();
    tracing::debug!(
        machines = inventory.machines.len(),
        containers = inventory.containers.len(),
        "vCenter read whole"
    );
    Ok(inventory)
}

/// The names of custom attributes; without them nothing can be selected by one, and all else stands.
async fn names_of_attributes(
    session: &Session,
    transport: &Transport,
) -> Result<Option<BTreeMap<i32, String>>, Error> {
    let Some(manager) = &session.custom_fields else {
        return Ok(None);
    };
    match attribute_names(session, transport, manager).await {
        Ok(names) => Ok(Some(names)),
        Err(error) if error.ends_the_session() => Err(error),
        Err(error) => {
            tracing::warn!(%error, "the names of custom attributes could not be read");
            Ok(None)
        }
    }
}

async fn open_view(session: &Session, transport: &Transport) -> Result<Reference, Error> {
    let arguments = Arguments::default().reference("container", &session.root_folder);
    let arguments = VIEWED_TYPES
        .iter()
        .fold(arguments, |arguments, kind| arguments.text("type", kind))
        .text("recursive", "true");
    let method = Method::CreateContainerView;
    let mut view = None;
    session
        .call(
            transport,
            method,
            &session.view_manager,
            arguments,
            |xml, tag| {
                view = Some(Reference::read(xml, tag)?);
                Ok(())
            },
        )
        .await?;
    view.ok_or(Error::Malformed {
        method: method.name(),
        flaw: Flaw::Missing("the view"),
    })
}

async fn read_view(
    session: &Session,
    transport: &Transport,
    view: &Reference,
    page_objects: u32,
) -> Result<BTreeMap<Reference, Row>, Error> {
    let expected = shown_by(session, transport, view).await?;
    let request = whole_inventory(session, view, page_objects);
    let rows = read_rows(session, transport, request, expected.len()).await?;
    let missing: BTreeSet<&Reference> = expected.iter().filter(|r| !rows.contains_key(r)).collect();
    let incomplete = Error::Incomplete {
        expected: expected.len(),
        missing: missing.len(),
    };
    if missing.len() > LOOKED_FOR {
        return Err(incomplete);
    }
    for reference in missing {
        if exists(session, transport, reference).await? {
            return Err(incomplete);
        }
    }
    // An account that may see nothing gets an empty view and no fault; that is no vCenter read whole.
    if !rows.contains_key(&session.root_folder) {
        return Err(incomplete);
    }
    Ok(rows)
}

/// Whether an object is there; only vCenter's own word that it is not counts as absence.
async fn exists(
    session: &Session,
    transport: &Transport,
    reference: &Reference,
) -> Result<bool, Error> {
    match read_rows(session, transport, existence(reference), 1).await {
        Ok(rows) => Ok(!rows.values().any(|row| *row == Row::Vanished)),
        Err(Error::NotFound(gone)) if gone == reference.moref => Ok(false),
        Err(error) => Err(error),
    }
}
