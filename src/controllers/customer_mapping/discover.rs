//! Discovery: every machine that a mapping picks becomes a CloudService, once. Services are made, never deleted.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use sha2::{Digest, Sha256};

use crate::api::cloud_service::{CloudService, CloudServiceSpec, DeletionPolicy, ServiceSource};
use crate::api::condition::Reason;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::discovery::{ALL_ENTRIES, Discovery};
use crate::api::reference::{LocalRef, ServiceType};
use crate::controllers::cloud_service::{finds, mapping_of};
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::DISCOVERED;
use crate::controllers::error::Error;
use crate::controllers::rules::{Rules, admission, scopes};
use crate::domain::discovery::{Verdict, within};
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
    /// Machines that fit and are left out.
    pub(super) excluded: usize,
    /// Machines that are too new.
    pub(super) waiting: usize,
    /// When the next of those is admitted.
    pub(super) next_admission: Option<Timestamp>,
}

/// Why something was not discovered.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// What a service stands for.
#[derive(Debug)]
enum What {
    Machine(InstanceUuid),
    Sum(String),
}

impl What {
    fn source(&self, source_ref: &LocalRef) -> ServiceSource {
        let (uuid, entry) = match self {
            Self::Machine(uuid) => (Some(uuid.as_str().to_owned()), None),
            Self::Sum(entry) => (None, Some(entry.clone())),
        };
        ServiceSource {
            source_ref: source_ref.clone(),
            instance_uuid: uuid,
            entry,
            moref: None,
        }
    }

    fn identity(&self) -> String {
        let nowhere = LocalRef {
            name: String::new(),
        };
        self.source(&nowhere).identity()
    }

    /// What a sum is called.
    fn shown(&self, mapping: &CustomerMapping) -> String {
        match self {
            Self::Sum(entry) if entry != ALL_ENTRIES => entry.clone(),
            _ => mapping.name_any(),
        }
    }
}

/// Something for which a service is to be made.
#[derive(Debug)]
struct Newcomer {
    entry: Discovery,
    what: What,
    name: String,
    first_seen: Option<Timestamp>,
    /// Whether a service of another mapping in this namespace has its name already.
    beside_another: bool,
}

/// Makes the services that are missing.
///
/// # Errors
/// [`Error::Kubernetes`] when a service cannot be made.
pub(super) async fn discover(mapping: &CustomerMapping, ctx: &Context) -> Result<Found, Error> {
    let name = Name::of(mapping);
    let mut found = Found::default();
    let sources = mapping.spec.discover.iter();
    let sources: BTreeSet<&str> = sources
        .map(|entry| entry.source_ref.name.as_str())
        .collect();
    for source in sources {
        match look(mapping, source, ctx, &mut found) {
            Ok(newcomers) => {
                for newcomer in newcomers {
                    make(&name, &newcomer, ctx).await?;
                    found.made += 1;
                }
            }
            Err(problem) => found.problems.push(problem),
        }
    }
    Ok(found)
}

/// The machines of one source that this mapping picks and no service of this namespace stands for yet.
fn look(
    mapping: &CustomerMapping,
    source_name: &str,
    ctx: &Context,
    found: &mut Found,
) -> Result<Vec<Newcomer>, Problem> {
    let name = Name::of(mapping);
    let problem = |reason, message| Problem { reason, message };
    let source = ctx.source(source_name).ok_or_else(|| {
        problem(Reason::SourceNotFound, format!("discover: UsageSource {source_name} does not exist in the platform namespace; create it"))
    })?;
    let scopes = scopes(&source, &name.namespace).ok_or_else(|| {
        problem(Reason::NotATenant, format!("discover: UsageSource {source_name} does not list namespace {} under spec.tenants; ask its owner to add it", name.namespace))
    })?;
    let not_ready = || {
        problem(
            Reason::SourceNotReady,
            format!("discover: UsageSource {source_name} is not ready; see its conditions"),
        )
    };
    let mirror = ctx
        .inventories
        .get(&source_name.to_owned())
        .ok_or_else(not_ready)?;
    let rules = Rules::of(mapping, &source, source_name);
    mirror.read(|state| {
        let inventory: &Inventory = state.seen.inventory().ok_or_else(not_ready)?;
        let asked = rules.asked(inventory);
        let mut kept = Kept::default();
        let mut newcomers = Vec::new();
        // What was ordered is billed before the first machine is there.
        let data_centres = asked.entries().filter(|entry| entry.service_type == ServiceType::VirtualDataCenter);
        let named = data_centres.filter_map(|entry| Some((entry.sum()?.to_owned(), entry)));
        let mut sums: BTreeMap<_, _> = named.collect();
        for machine in inventory.machines.values() {
            let Some((entry, verdict)) = asked.first(machine) else { continue };
            if let Some(sum) = entry.sum().filter(|_| verdict == Verdict::Picked) {
                sums.insert(sum.to_owned(), entry);
                continue;
            }
            match (verdict, &machine.instance_uuid) {
                (Verdict::Picked, Some(uuid)) if state.seen.machines(uuid).len() > 1 => kept.twins += 1,
                (Verdict::Picked, Some(uuid)) => {
                    let Some(beside_another) = missing(&name, source_name, uuid.as_str(), ctx) else { continue };
                    match within(inventory, machine, &scopes) {
                        Some(true) => {}
                        Some(false) => { kept.outside += 1; continue }
                        None => { kept.unknown += 1; continue }
                    }
                    let Some(seen) = state.seen.first_seen(uuid) else { continue };
                    let at = admission(entry, seen, &ctx.timing);
                    if at > Timestamp::now() {
                        found.waiting += 1;
                        found.next_admission = Some(found.next_admission.map_or(at, |next| next.min(at)));
                        continue;
                    }
                    newcomers.push(Newcomer {
                        entry: entry.clone(),
                        what: What::Machine(uuid.clone()),
                        name: machine.name.clone(),
                        first_seen: Some(seen.at),
                        beside_another,
                    });
                }
                (Verdict::Unknown, _) => kept.unknown += 1,
                _ => found.excluded += 1,
            }
        }
        for (sum, entry) in sums {
            let what = What::Sum(sum);
            if missing(&name, source_name, &what.identity(), ctx) == Some(false) {
                newcomers.push(Newcomer {
                    entry: entry.clone(),
                    name: what.shown(mapping),
                    what,
                    first_seen: None,
                    beside_another: false,
                });
            }
        }
        found.problems.extend(kept.problems(source_name));
        found.problems.extend(asked.lost.iter().map(|(entry, path)| {
            problem(Reason::InvalidSpec, format!("discover {}: vCenter has no {path}; write the path as govc prints it, or wait until it is created", entry.name))
        }));
        Ok(newcomers)
    })
}

/// Machines that are picked and not made services.
#[derive(Debug, Default)]
struct Kept {
    outside: usize,
    twins: usize,
    unknown: usize,
}

impl Kept {
    fn problems(&self, source: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |count: usize, reason, message: String| {
            if count > 0 {
                problems.push(Problem {
                    reason,
                    message: format!("discover: {count} {message}"),
                });
            }
        };
        add(
            self.unknown,
            Reason::TagsUnreadable,
            format!(
                "machines may or may not be picked, because the tags or custom attributes of UsageSource {source} cannot be read; see its log for why, and mend the account's rights. What is billed already stays"
            ),
        );
        add(
            self.outside,
            Reason::ScopeNotAllowed,
            format!(
                "machines lie outside what UsageSource {source} lets this namespace bill; ask its owner to widen spec.tenants[].scopes"
            ),
        );
        add(self.twins, Reason::DuplicateInstanceUuid, "machines share an instance UUID with another and are not billed anew; give all but one a new instance UUID in vCenter, or declare them by hand with spec.source.moref".to_owned());
        problems
    }
}

/// Whether a service is missing here; if so, whether one of another mapping in this namespace stands already, from which the
/// machine was taken away.
fn missing(mapping: &Name, source: &str, identity: &str, ctx: &Context) -> Option<bool> {
    let claims = ctx.claims.of(source, identity).into_iter();
    let mut beside_another = false;
    for claim in claims.filter(|claim| claim.namespace == mapping.namespace) {
        let reference = ObjectRef::new(&claim.name).within(&claim.namespace);
        let other = ctx.stores.services.get(&reference)?;
        // A sum of another mapping is something else, whatever its name.
        if other.spec.source.entry.is_some() && mapping_of(&other) != *mapping {
            continue;
        }
        if mapping_of(&other) == *mapping || finds(&other, ctx) != Some(false) {
            return None;
        }
        beside_another = true;
    }
    Some(beside_another)
}

async fn make(mapping: &Name, newcomer: &Newcomer, ctx: &Context) -> Result<(), Error> {
    let Newcomer { entry, what, .. } = newcomer;
    let machine = newcomer.name.as_str();
    let api: Api<CloudService> = Api::namespaced(ctx.client.clone(), &mapping.namespace);
    let labels = [
        (DISCOVERED.to_owned(), mapping.name.clone()),
        (
            "app.kubernetes.io/managed-by".to_owned(),
            "meterwise".to_owned(),
        ),
    ];
    let mut service = CloudService::new(
        &service_name(machine, &identity(mapping, newcomer)),
        CloudServiceSpec {
            mapping_ref: LocalRef {
                name: mapping.name.clone(),
            },
            service_type: entry.service_type,
            class: None,
            source: what.source(&entry.source_ref),
            display_name: display_name(machine),
            suspend: false,
            external: None,
            first_seen: newcomer.first_seen,
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

/// What tells a service's name from all others.
fn identity(mapping: &Name, newcomer: &Newcomer) -> String {
    let what = newcomer.what.identity();
    let machine = format!("{}/{what}", newcomer.entry.source_ref.name);
    // Sums of two mappings may have one name.
    if newcomer.beside_another || matches!(newcomer.what, What::Sum(_)) {
        format!("{machine}/{}", mapping.name)
    } else {
        machine
    }
}

/// A name that people recognize and that no other machine gets.
fn service_name(machine: &str, identity: &str) -> String {
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
    let digest = Sha256::digest(identity);
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
        let name = |machine: &str| service_name(machine, "vc/5021d3a4");
        assert!(name("Acme Web_01 (prod)").starts_with("acme-web-01-prod-"));
        assert!(name("Ünïcode!").starts_with("n-code-"));
        assert!(name("!!!").starts_with("vm-"));
        assert!(name(&"x".repeat(200)).len() <= 63);
        assert_ne!(name("web"), service_name("web", "vc/other"));
    }
}
