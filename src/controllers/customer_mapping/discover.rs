//! Discovery: every machine in a declared place becomes a CloudService, once. Services are made, never deleted.

use std::collections::BTreeMap;

use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use sha2::{Digest, Sha256};

use crate::api::cloud_service::{CloudService, CloudServiceSpec, DeletionPolicy, ServiceSource};
use crate::api::condition::Reason;
use crate::api::customer_mapping::{CustomerMapping, Discovery};
use crate::api::reference::LocalRef;
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::{DISCOVERED, scopes, selector};
use crate::controllers::error::Error;
use crate::domain::discovery::{select, within};
use crate::domain::foreign::{Foreign, is_printable};
use crate::domain::ids::InstanceUuid;
use crate::domain::inventory::Inventory;

/// Characters of a machine's name that go into its service's name.
const NAME: usize = 40;
/// Characters of a machine's name that go into its service's display name.
const DISPLAY_NAME: usize = 60;

/// What discovery came to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What kept some places or machines out.
    pub(super) problems: Vec<Problem>,
    /// How many services were made just now.
    pub(super) made: usize,
}

/// Why something was not discovered.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// Makes the services that are missing.
///
/// # Errors
/// [`Error::Kubernetes`] when a service cannot be made.
pub(super) async fn discover(mapping: &CustomerMapping, ctx: &Context) -> Result<Found, Error> {
    let name = Name::of(mapping);
    let mut found = Found::default();
    for entry in &mapping.spec.discover {
        match look(&name, entry, ctx) {
            Ok((machines, problems)) => {
                found.problems.extend(problems);
                for (uuid, machine) in machines {
                    make(&name, entry, &uuid, &machine, ctx).await?;
                    found.made += 1;
                }
            }
            Err(problem) => found.problems.push(problem),
        }
    }
    Ok(found)
}

type Machines = BTreeMap<InstanceUuid, String>;

/// The machines of one place that no service of this namespace stands for yet.
fn look(
    mapping: &Name,
    entry: &Discovery,
    ctx: &Context,
) -> Result<(Machines, Vec<Problem>), Problem> {
    let source_name = &entry.source_ref.name;
    let problem = |reason, message| Problem { reason, message };
    let source = ctx.source(source_name).ok_or_else(|| {
        problem(Reason::SourceNotFound, format!("discover {}: UsageSource {source_name} does not exist in the platform namespace; create it", entry.name))
    })?;
    let scopes = scopes(&source, &mapping.namespace).ok_or_else(|| {
        problem(Reason::NotATenant, format!("discover {}: UsageSource {source_name} does not list namespace {} under spec.tenants; ask its owner to add it", entry.name, mapping.namespace))
    })?;
    let not_ready = || {
        problem(
            Reason::SourceNotReady,
            format!(
                "discover {}: UsageSource {source_name} is not ready; see its conditions",
                entry.name
            ),
        )
    };
    let mirror = ctx.inventories.get(source_name).ok_or_else(not_ready)?;
    let selector = selector(&entry.select).ok_or_else(|| {
        problem(
            Reason::InvalidSpec,
            format!("discover {}: select names no place", entry.name),
        )
    })?;
    mirror.read(|state| {
        let inventory: &Inventory = state.seen.inventory().ok_or_else(not_ready)?;
        let selected = select(inventory, &selector).ok_or_else(|| {
            problem(Reason::InvalidSpec, format!("discover {}: vCenter has no {}; write the path as govc prints it, or wait until it is created", entry.name, selector.path()))
        })?;
        let mut machines = Machines::new();
        let (mut outside, mut twins) = (0_usize, 0_usize);
        for machine in selected.machines {
            let Some(uuid) = &machine.instance_uuid else { continue };
            if state.seen.machines(uuid).len() > 1 {
                twins += 1;
            } else if !within(inventory, machine, &scopes) {
                outside += 1;
            } else if !stands(mapping, source_name, uuid, ctx) {
                machines.insert(uuid.clone(), machine.name.clone());
            }
        }
        let mut problems = Vec::new();
        if outside > 0 {
            problems.push(problem(Reason::ScopeNotAllowed, format!("discover {}: {outside} machines lie outside what UsageSource {source_name} lets this namespace bill; ask its owner to widen spec.tenants[].scopes", entry.name)));
        }
        if twins > 0 {
            problems.push(problem(Reason::DuplicateInstanceUuid, format!("discover {}: {twins} machines share an instance UUID with another and are not billed anew; give all but one a new instance UUID in vCenter, or declare them by hand with spec.source.moref", entry.name)));
        }
        Ok((machines, problems))
    })
}

/// Whether a service of this namespace already stands for the machine, found or written by hand.
fn stands(mapping: &Name, source: &str, uuid: &InstanceUuid, ctx: &Context) -> bool {
    ctx.claims
        .of(source, uuid.as_str())
        .iter()
        .any(|name| name.namespace == mapping.namespace)
}

async fn make(
    mapping: &Name,
    entry: &Discovery,
    uuid: &InstanceUuid,
    machine: &str,
    ctx: &Context,
) -> Result<(), Error> {
    let api: Api<CloudService> = Api::namespaced(ctx.client.clone(), &mapping.namespace);
    let labels = [
        (DISCOVERED.to_owned(), mapping.name.clone()),
        (
            "app.kubernetes.io/managed-by".to_owned(),
            "meterwise".to_owned(),
        ),
    ];
    let mut service = CloudService::new(
        &service_name(machine, &entry.source_ref.name, uuid),
        CloudServiceSpec {
            mapping_ref: LocalRef {
                name: mapping.name.clone(),
            },
            service_type: entry.service_type,
            source: ServiceSource {
                source_ref: entry.source_ref.clone(),
                instance_uuid: uuid.as_str().to_owned(),
                moref: None,
            },
            display_name: display_name(machine),
            suspend: false,
            external: None,
            billable: None,
            resume_after: None,
            deletion_policy: DeletionPolicy::Retain,
        },
    );
    service.metadata = ObjectMeta {
        labels: Some(labels.into()),
        ..service.metadata
    };
    match api.create(&PostParams::default(), &service).await {
        Ok(made) => {
            tracing::info!(mapping = %mapping, service = made.name_any(), machine = %Foreign::name(machine), "service discovered");
            // Known at once, so that the next run does not try again before the watch tells.
            ctx.claims.add(&made);
            Ok(())
        }
        // It is there; the watch has not told yet.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        // A namespace that is being deleted takes no new services; that is its owner's wish.
        Err(kube::Error::Api(status))
            if status.code == 403
                && status.reason == "Forbidden"
                && status.message.contains("being terminated") =>
        {
            Ok(())
        }
        Err(source) => Err(Error::Kubernetes {
            what: "a discovered CloudService",
            source,
        }),
    }
}

/// The machine's name as far as a display name may hold it.
fn display_name(machine: &str) -> Option<String> {
    let printable = machine.chars().filter(|c| is_printable(*c));
    let name: String = printable.take(DISPLAY_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// A name that people recognize and that no other machine gets.
fn service_name(machine: &str, source: &str, uuid: &InstanceUuid) -> String {
    let mut slug = String::new();
    for c in machine.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        if slug.len() >= NAME {
            break;
        }
    }
    let digest = Sha256::digest(format!("{source}/{uuid}"));
    let tail = data_encoding::HEXLOWER.encode(digest.get(..4).unwrap_or_default());
    match slug.trim_end_matches('-') {
        "" => format!("vm-{tail}"),
        slug => format!("{slug}-{tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_valid_and_told_apart() {
        let uuid = InstanceUuid::new("5021d3a4");
        let name = |machine: &str| service_name(machine, "vc", &uuid);
        assert!(name("Acme Web_01 (prod)").starts_with("acme-web-01-prod-"));
        assert!(name("Ünïcode!").starts_with("n-code-"));
        assert!(name("!!!").starts_with("vm-"));
        assert!(name(&"x".repeat(200)).len() <= 63);
        assert_ne!(
            name("web"),
            service_name("web", "vc", &InstanceUuid::new("other"))
        );
    }
}
