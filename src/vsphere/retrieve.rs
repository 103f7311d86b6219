//! The PropertyCollector: what to ask for, and one page of its answer mapped straight into rows.
//! Knows the shape of requests and pages, not what makes a read complete.

use std::collections::BTreeMap;

use crate::domain::ids::Moref;
use crate::vsphere::error::{Error, Flaw};
use crate::vsphere::rows::{self, CREATED, MACHINE_PATHS, Row};
use crate::vsphere::session::Session;
use crate::vsphere::soap::{Arguments, Method, Reference};
use crate::vsphere::transport::Transport;
use crate::vsphere::xml::{Tag, Xml};

const PLACE: [&str; 3] = ["name", "parent", "customValue"];

/// What holds machines, and what is asked of each beside its place. A `VirtualApp` is a `ResourcePool`, too, but stands in
/// a folder.
const CONTAINER_PATHS: [(&str, &[&str]); 7] = [
    ("Folder", &[]),
    ("Datacenter", &[]),
    ("ComputeResource", &[]),
    ("HostSystem", &[]),
    (
        "ResourcePool",
        &[
            "config.cpuAllocation",
            "config.memoryAllocation",
            "runtime.cpu.overallUsage",
        ],
    ),
    (
        "VirtualApp",
        &[
            "parentFolder",
            "config.cpuAllocation",
            "config.memoryAllocation",
            "runtime.cpu.overallUsage",
        ],
    ),
    ("Datastore", &[]),
];

/// The types whose objects, with those of their subtypes, make an inventory.
pub(super) const VIEWED_TYPES: [&str; 7] = [
    "VirtualMachine",
    "Folder",
    "Datacenter",
    "ComputeResource",
    "HostSystem",
    "ResourcePool",
    "Datastore",
];

/// One page of an answer.
#[derive(Debug, Default)]
struct Page {
    /// The rest of the answer, when there is more.
    token: Option<String>,
    rows: Vec<(Reference, Row)>,
}

impl Page {
    fn read(&mut self, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "token" => self.token = Some(xml.text()?).filter(|token| !token.is_empty()),
                "objects" => self.rows.push(rows::read(xml)?),
                _ => {}
            }
            Ok(())
        })
    }
}

fn properties<'a>(
    arguments: Arguments,
    kind: &str,
    paths: impl IntoIterator<Item = &'a &'a str>,
) -> Arguments {
    arguments.group("propSet", |inner| {
        let inner = inner.text("type", kind);
        paths
            .into_iter()
            .fold(inner, |inner, path| inner.text("pathSet", path))
    })
}

/// What is asked of a machine in this session.
fn of_a_machine(session: &Session, arguments: Arguments) -> Arguments {
    let created = session.tells_creation().then_some(&CREATED);
    properties(
        arguments,
        "VirtualMachine",
        MACHINE_PATHS.iter().chain(created),
    )
}

fn object(arguments: Arguments, object: &Reference) -> Arguments {
    arguments.group("objectSet", |inner| {
        inner.reference("obj", object).text("skip", "false")
    })
}

fn page_of(arguments: Arguments, objects: Option<u32>) -> Arguments {
    arguments.group("options", |inner| match objects {
        Some(objects) => inner.text("maxObjects", &objects.to_string()),
        None => inner,
    })
}

/// Asks for everything that `view` shows, and for the root folder, which no view of it shows.
pub(super) fn whole_inventory(session: &Session, view: &Reference, objects: u32) -> Arguments {
    let specification = Arguments::default().group("specSet", |mut inner| {
        inner = of_a_machine(session, inner);
        for (kind, paths) in CONTAINER_PATHS {
            inner = properties(inner, kind, PLACE.iter().chain(paths));
        }
        inner = object(inner, &session.root_folder);
        inner.group("objectSet", |inner| {
            inner
                .reference("obj", view)
                .text("skip", "true")
                .typed_group("selectSet", Some("TraversalSpec"), |inner| {
                    inner
                        .text("type", "ContainerView")
                        .text("path", "view")
                        .text("skip", "false")
                })
        })
    });
    page_of(specification, Some(objects))
}

/// Asks for these machines, each by its address.
pub(super) fn machines(session: &Session, morefs: &[Moref]) -> Arguments {
    let specification = Arguments::default().group("specSet", |inner| {
        let inner = of_a_machine(session, inner);
        morefs.iter().fold(inner, |inner, moref| {
            object(inner, &Reference::new("VirtualMachine", moref.as_str()))
        })
    });
    page_of(specification, None)
}

/// Asks for one object's name, only to see whether the object is still there.
pub(super) fn existence(of: &Reference) -> Arguments {
    let specification = Arguments::default().group("specSet", |inner| {
        object(properties(inner, &of.kind, &["name"]), of)
    });
    page_of(specification, None)
}

/// Objects of one read; a vCenter manages at most some 50,000 machines.
const MOST_OBJECTS: usize = 500_000;

/// Sends one of the requests above and reads all of its answer; `expected` objects are reported when it does not end.
pub(super) async fn read_rows(
    session: &Session,
    transport: &Transport,
    request: Arguments,
    expected: usize,
) -> Result<BTreeMap<Reference, Row>, Error> {
    let mut rows = BTreeMap::new();
    let mut page = page(session, transport, Method::RetrievePropertiesEx, request).await?;
    loop {
        let before = rows.len();
        rows.extend(page.rows);
        let Some(token) = page.token else {
            return Ok(rows);
        };
        let next = if rows.len() == before || rows.len() > MOST_OBJECTS {
            // A server that answers with the same page for ever, or with ever new ones.
            Err(Error::Incomplete {
                expected,
                missing: expected.saturating_sub(before),
            })
        } else {
            next_page(session, transport, &token).await
        };
        match next {
            Ok(next) => page = next,
            Err(error) => {
                if !error.ends_the_session() {
                    let _best_effort = cancel(session, transport, &token).await;
                }
                return Err(error);
            }
        }
    }
}

async fn next_page(session: &Session, transport: &Transport, token: &str) -> Result<Page, Error> {
    let request = Arguments::default().text("token", token);
    page(
        session,
        transport,
        Method::ContinueRetrievePropertiesEx,
        request,
    )
    .await
}

/// Tells the server that the rest is not wanted.
async fn cancel(session: &Session, transport: &Transport, token: &str) -> Result<(), Error> {
    let this = &session.property_collector;
    let request = Arguments::default().text("token", token);
    let method = Method::CancelRetrievePropertiesEx;
    session
        .call(transport, method, this, request, |_, _| Ok(()))
        .await
}

async fn page(
    session: &Session,
    transport: &Transport,
    method: Method,
    request: Arguments,
) -> Result<Page, Error> {
    let mut page = Page::default();
    let this = &session.property_collector;
    session
        .call(transport, method, this, request, |xml, _| page.read(xml))
        .await?;
    if page.rows.iter().any(|(_, row)| *row == Row::SessionLost) {
        return Err(Error::SessionLost);
    }
    Ok(page)
}

/// Every object that `view` shows at this moment.
pub(super) async fn shown_by(
    session: &Session,
    transport: &Transport,
    view: &Reference,
) -> Result<Vec<Reference>, Error> {
    let request = Arguments::default().group("specSet", |inner| {
        object(properties(inner, &view.kind, &["view"]), view)
    });
    let request = page_of(request, None);
    let method = Method::RetrievePropertiesEx;
    let mut shown = None;
    let this = &session.property_collector;
    session
        .call(transport, method, this, request, |xml, _| {
            within(xml, &["objects", "propSet", "val"], &mut |xml| {
                let mut all = Vec::new();
                xml.children(|xml, tag| {
                    all.push(Reference::read(xml, tag)?);
                    Ok(())
                })?;
                shown = Some(all);
                Ok(())
            })
        })
        .await?;
    shown.ok_or(Error::Malformed {
        method: method.name(),
        flaw: Flaw::Missing("the view's list of objects"),
    })
}

/// Descends along `path` and gives what it leads to to `found`.
fn within(
    xml: &mut Xml<'_>,
    path: &[&str],
    found: &mut dyn FnMut(&mut Xml<'_>) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    let Some((first, rest)) = path.split_first() else {
        return found(xml);
    };
    xml.children(|xml, tag: &Tag| {
        if tag.name == *first {
            within(xml, rest, found)?;
        }
        Ok(())
    })
}

/// The names of custom attributes, by the number of their definition.
pub(super) async fn attribute_names(
    session: &Session,
    transport: &Transport,
    manager: &Reference,
) -> Result<BTreeMap<i32, String>, Error> {
    let request = Arguments::default().group("specSet", |inner| {
        object(properties(inner, &manager.kind, &["field"]), manager)
    });
    let mut names = BTreeMap::new();
    let this = &session.property_collector;
    let method = Method::RetrievePropertiesEx;
    let request = page_of(request, None);
    session
        .call(transport, method, this, request, |xml, _| {
            within(
                xml,
                &["objects", "propSet", "val", "CustomFieldDef"],
                &mut |xml| {
                    let (mut key, mut name) = (None, String::new());
                    xml.children(|xml, tag| {
                        match tag.name.as_str() {
                            "key" => key = Some(xml.value("an attribute's number")?),
                            "name" => name = xml.text()?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    names.extend(key.map(|key| (key, name)));
                    Ok(())
                },
            )
        })
        .await?;
    Ok(names)
}
