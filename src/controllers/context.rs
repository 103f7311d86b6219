//! What the reconcilers share: stores of what was declared, mirrors of what is, and ways to wake each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::api::change_approval::ChangeApproval;
use crate::api::cloud_service::CloudService;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::rate_card::RateCard;
use crate::api::usage_source::UsageSource;
use crate::connectwise::Quota;
use crate::controllers::books::Books;
use crate::controllers::customer_mapping::Customer;
use crate::controllers::events::Events;
use crate::controllers::inventory_mirror::InventoryMirror;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::patience::Patience;
use crate::controllers::shards::{Attendance, Duty, Shard, Shards};
use crate::controllers::tally::Tallies;
use crate::controllers::telemetry::Metrics;
use crate::controllers::timing::Timing;
use crate::controllers::wakers::Wakers;
use crate::domain::ids::AgreementId;
use crate::egress::Egress;

/// `namespace/name` of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Name {
    /// The name of an object.
    pub(super) fn of(object: &impl ResourceExt) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        }
    }

    /// A name from its parts.
    pub(super) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What the operator watches.
#[derive(Clone, Debug)]
pub(super) struct Stores {
    /// Integrations, in the platform namespace.
    pub integrations: Store<ConnectWiseIntegration>,
    /// Usage sources, in the platform namespace.
    pub sources: Store<UsageSource>,
    /// Rate cards, in the platform namespace.
    pub rate_cards: Store<RateCard>,
    /// Mappings, anywhere.
    pub mappings: Store<CustomerMapping>,
    /// Services, anywhere.
    pub services: Store<CloudService>,
    /// Approvals, anywhere.
    pub approvals: Store<ChangeApproval>,
    /// Cancelled when a kind was listed once.
    pub listed: [CancellationToken; 5],
}

impl Stores {
    /// Waits until every kind was listed once.
    pub(super) async fn listed(&self) {
        for listed in &self.listed {
            listed.cancelled().await;
        }
    }
}

/// Which services say that they bill which machine, by source name and instance UUID.
#[derive(Debug, Default)]
pub(super) struct Claims(RwLock<BTreeMap<(String, String), BTreeSet<Name>>>);

impl Claims {
    /// Notes a service. Answers whether it was not known yet.
    pub(super) fn add(&self, service: &CloudService) -> bool {
        let mut claims = self.0.write().unwrap_or_else(PoisonError::into_inner);
        claims
            .entry(machine(service))
            .or_default()
            .insert(Name::of(service))
    }

    /// Forgets a service.
    pub(super) fn remove(&self, service: &CloudService) {
        let mut claims = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let machine = machine(service);
        if let Some(names) = claims.get_mut(&machine) {
            names.remove(&Name::of(service));
            if names.is_empty() {
                claims.remove(&machine);
            }
        }
    }

    /// The services that claim a machine.
    #[must_use]
    pub(super) fn of(&self, source: &str, uuid: &str) -> BTreeSet<Name> {
        let claims = self.0.read().unwrap_or_else(PoisonError::into_inner);
        claims
            .get(&(source.to_owned(), uuid.to_owned()))
            .cloned()
            .unwrap_or_default()
    }
}

fn machine(service: &CloudService) -> (String, String) {
    let source = &service.spec.source;
    (source.source_ref.name.clone(), source.identity())
}

/// Mirrors and the like, by name.
#[derive(Debug)]
pub(super) struct Registry<K, V>(RwLock<BTreeMap<K, Arc<V>>>);

impl<K: Ord, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Ord + Clone, V> Registry<K, V> {
    /// The entry of that name.
    #[must_use]
    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// Puts an entry in place and answers with the one that was there.
    pub(super) fn put(&self, key: K, value: Arc<V>) -> Option<Arc<V>> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, value)
    }

    /// Takes an entry away.
    pub(super) fn remove(&self, key: &K) -> Option<Arc<V>> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key)
    }

    /// Every entry.
    #[must_use]
    pub(super) fn all(&self) -> Vec<(K, Arc<V>)> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// What the reconcilers share.
pub(super) struct Context {
    /// The Kubernetes client.
    pub client: Client,
    /// The platform namespace: integrations, sources, rate cards, Secrets and books lie there.
    pub platform: String,
    /// Waiting times.
    pub timing: Timing,
    /// Where connections may go.
    pub egress: Egress,
    /// Names this process in intents.
    pub process: String,
    /// What of the work is this process's.
    pub shards: Shards,
    /// When this process began.
    pub started_at: Timestamp,
    /// What is declared.
    pub stores: Stores,
    /// Who claims which machine.
    pub claims: Claims,
    /// The billing records.
    pub books: Books,
    /// How long hiccups are borne without telling.
    pub(super) patience: Patience,
    /// Kubernetes events.
    pub(super) events: Events,
    /// How to wake whom.
    pub wakers: Wakers,
    /// ConnectWise mirrors by the integration's name.
    pub ledgers: Registry<String, LedgerMirror>,
    /// How many orphans each integration has, by its name.
    pub orphans: Registry<String, usize>,
    /// Request budgets by ConnectWise database.
    pub quotas: Registry<String, Quota>,
    /// vCenter mirrors by the usage source's name.
    pub inventories: Registry<String, InventoryMirror>,
    /// What each mapping resolved to.
    pub customers: Registry<Name, Customer>,
    /// The accounts of each mapping's customer.
    pub(super) tallies: Tallies,
    /// Metrics.
    pub metrics: Metrics,
    /// Counts passes.
    pub passes: AtomicU64,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// A name for one pass of the create protocol, different from every other pass of every process.
    pub(super) fn next_attempt(&self) -> String {
        format!(
            "{}-{}",
            self.process,
            self.passes.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Whether this process is to work on what has this duty.
    pub(super) fn attendance(&self, duty: Duty) -> Attendance {
        match duty {
            Duty::Holder(shard) => self.shards.attends(shard),
            Duty::Holders => self.shards.attends_any(),
        }
    }

    /// The shard of an integration, by name; what names none is everybody's first.
    pub(super) fn shard_of_integration(&self, name: &str) -> Shard {
        self.integration(name).map_or(Shard::FIRST, |it| {
            self.shards.of_database(&it.spec.company_id)
        })
    }

    /// Wakes everything, because who works on what has changed.
    pub(super) fn wake_everything(&self) {
        let Stores {
            integrations,
            sources,
            rate_cards,
            mappings,
            services,
            ..
        } = &self.stores;
        self.wakers.integrations.wake_all(integrations);
        self.wakers.sources.wake_all(sources);
        self.wakers.rate_cards.wake_all(rate_cards);
        self.wakers.mappings.wake_all(mappings);
        self.wakers.services.wake_all(services);
    }

    /// Wakes every service of a mapping.
    pub(super) fn wake_services_of(&self, mapping: &Name) {
        for service in self.services_of(mapping) {
            self.wakers.services.wake(&Name::of(service.as_ref()));
        }
    }

    /// Wakes every service that declares one of these agreements to be adopted.
    pub(super) fn wake_adopters_of(&self, agreements: &BTreeSet<AgreementId>) {
        for service in self.stores.services.state() {
            let external = service.spec.external.as_ref();
            if external.is_some_and(|one| agreements.contains(&AgreementId(one.agreement_id))) {
                self.wakers.services.wake(&Name::of(service.as_ref()));
            }
        }
    }

    /// Wakes every service that claims the same machine as this one.
    pub(super) fn wake_rivals_of(&self, service: &CloudService) {
        let source = &service.spec.source;
        for other in self.claims.of(&source.source_ref.name, &source.identity()) {
            if other != Name::of(service) {
                self.wakers.services.wake(&other);
            }
        }
    }

    /// Wakes every service of a usage source.
    pub(super) fn wake_services_of_source(&self, source: &str) {
        for service in self.services_of_source(source) {
            self.wakers.services.wake(&Name::of(service.as_ref()));
        }
    }

    /// The services of a usage source.
    pub(super) fn services_of_source(
        &self,
        source: &str,
    ) -> impl Iterator<Item = Arc<CloudService>> {
        let services = self.stores.services.state().into_iter();
        services.filter(move |service| service.spec.source.source_ref.name == source)
    }

    /// The services of a mapping.
    #[must_use]
    pub(super) fn services_of(&self, mapping: &Name) -> Vec<Arc<CloudService>> {
        let belongs = |service: &Arc<CloudService>| {
            service.spec.mapping_ref.name == mapping.name
                && service.namespace().as_deref() == Some(mapping.namespace.as_str())
        };
        self.stores
            .services
            .state()
            .into_iter()
            .filter(belongs)
            .collect()
    }

    /// Wakes every mapping that uses an integration.
    pub(super) fn wake_mappings_of_integration(&self, integration: &str) {
        self.wake_mappings(|mapping| mapping.spec.integration_ref.name == integration);
    }

    /// Wakes every mapping that discovers in a source.
    pub(super) fn wake_mappings_of_source(&self, source: &str) {
        self.wake_mappings(|mapping| {
            mapping
                .spec
                .discover
                .iter()
                .any(|entry| entry.source_ref.name == source)
        });
    }

    /// Wakes every mapping that uses a rate card.
    pub(super) fn wake_mappings_of_rate_card(&self, rate_card: &str) {
        self.wake_mappings(|mapping| mapping.spec.rate_card_ref.name == rate_card);
    }

    fn wake_mappings(&self, concerned: impl Fn(&CustomerMapping) -> bool) {
        for mapping in self.stores.mappings.state() {
            if concerned(&mapping) {
                self.wakers.mappings.wake(&Name::of(mapping.as_ref()));
            }
        }
    }

    /// An integration by name.
    #[must_use]
    pub(super) fn integration(&self, name: &str) -> Option<Arc<ConnectWiseIntegration>> {
        self.stores
            .integrations
            .get(&ObjectRef::new(name).within(&self.platform))
    }

    /// A usage source by name.
    #[must_use]
    pub(super) fn source(&self, name: &str) -> Option<Arc<UsageSource>> {
        self.stores
            .sources
            .get(&ObjectRef::new(name).within(&self.platform))
    }

    /// A rate card by name.
    #[must_use]
    pub(super) fn rate_card(&self, name: &str) -> Option<Arc<RateCard>> {
        self.stores
            .rate_cards
            .get(&ObjectRef::new(name).within(&self.platform))
    }

    /// A mapping.
    #[must_use]
    pub(super) fn mapping(&self, name: &Name) -> Option<Arc<CustomerMapping>> {
        self.stores
            .mappings
            .get(&ObjectRef::new(&name.name).within(&name.namespace))
    }
}
