//! Metrics. Every label is one of a fixed set of words, or the name of a mapping that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::condition::Reason;
use crate::controllers::shards::Shard;
use crate::domain::guard::Kind;

/// A label `category`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Category {
    category: &'static str,
}

/// What happened to one kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindCategory {
    kind: &'static str,
    category: &'static str,
}

/// The labels of a request to ConnectWise.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    outcome: &'static str,
}

/// The label `shard`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardLabel {
    shard: String,
}

/// The label `source`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: String,
}

/// Held changes of one mapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeldBy {
    mapping: String,
    kind: &'static str,
}

/// Services by what holds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeldFor {
    reason: &'static str,
}

/// The operator's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: std::sync::Mutex<Registry>,
    requests: Family<Request, Gauge>,
    source_failures: Family<Category, Counter>,
    reconcile_failures: Family<KindCategory, Counter>,
    actions: Family<Category, Counter>,
    orphans: Gauge,
    shards: Family<ShardLabel, Gauge>,
    transitions: Family<ShardLabel, Counter>,
    held: Family<HeldBy, Gauge>,
    services: Family<HeldFor, Gauge>,
    /// Why each service is held, as it was counted.
    reasons: std::sync::Mutex<BTreeMap<String, BTreeSet<Reason>>>,
    unmapped: Family<SourceLabel, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("meterwise");
        let requests = Family::default();
        registry.register(
            "connectwise_requests",
            "Requests sent to ConnectWise since the start, by verb and outcome",
            requests.clone(),
        );
        let source_failures = Family::default();
        registry.register(
            "source_failures",
            "Reads of a vCenter that failed, by category",
            source_failures.clone(),
        );
        let reconcile_failures = Family::default();
        registry.register(
            "reconcile_failures",
            "Reconciliations that failed, by kind and category",
            reconcile_failures.clone(),
        );
        let actions = Family::default();
        registry.register(
            "connectwise_writes",
            "Writes to ConnectWise that were confirmed, by kind",
            actions.clone(),
        );
        let orphans = Gauge::default();
        registry.register(
            "orphans",
            "Agreements in ConnectWise that carry a mark and bill, and that no CloudService stands for",
            orphans.clone(),
        );
        let shards = Family::default();
        registry.register(
            "shard_held",
            "Whether this process holds the lease of a shard",
            shards.clone(),
        );
        let transitions = Family::default();
        registry.register(
            "shard_transitions",
            "How often this process took or lost the lease of a shard",
            transitions.clone(),
        );
        let held = Family::default();
        registry.register(
            "held_changes",
            "Changes that wait for a ChangeApproval, by mapping and kind",
            held.clone(),
        );
        let services = Family::default();
        registry.register(
            "held_services",
            "CloudServices of which something is held, or that are not ready, by reason",
            services.clone(),
        );
        let unmapped = Family::default();
        registry.register(
            "unmapped_machines",
            "Machines that nobody is billed for, though nothing excludes them, by usage source",
            unmapped.clone(),
        );
        let registry = std::sync::Mutex::new(registry);
        Self {
            registry,
            requests,
            source_failures,
            reconcile_failures,
            actions,
            orphans,
            shards,
            transitions,
            held,
            services,
            reasons: std::sync::Mutex::default(),
            unmapped,
        }
    }
}

impl Metrics {
    /// Notes a failed read of a vCenter.
    pub(super) fn source_failed(&self, category: &'static str) {
        self.source_failures
            .get_or_create(&Category { category })
            .inc();
    }

    /// Notes a failed reconciliation.
    pub(super) fn reconcile_failed(&self, kind: &'static str, category: &'static str) {
        self.reconcile_failures
            .get_or_create(&KindCategory { kind, category })
            .inc();
    }

    /// Notes a confirmed write to ConnectWise.
    pub(super) fn wrote(&self, category: &'static str) {
        self.actions.get_or_create(&Category { category }).inc();
    }

    /// Begins to tell of a shard, as not held here: nobody can be warned that none holds it by what is not told of.
    pub(super) fn shard_known(&self, shard: Shard) {
        let shard = shard.to_string();
        let label = ShardLabel { shard };
        drop(self.shards.get_or_create(&label));
        drop(self.transitions.get_or_create(&label));
    }

    /// Notes that a shard was taken or lost.
    pub(super) fn shard(&self, shard: Shard, held: bool) {
        let shard = shard.to_string();
        let label = ShardLabel { shard };
        self.shards.get_or_create(&label).set(held.into());
        self.transitions.get_or_create(&label).inc();
    }

    /// Sets how many changes of a mapping are held.
    pub(super) fn held(&self, mapping: &str, kinds: &BTreeMap<Kind, usize>) {
        for kind in Kind::ALL {
            let labels = HeldBy {
                mapping: mapping.to_owned(),
                kind: kind.as_str(),
            };
            match kinds.get(&kind) {
                Some(count) => {
                    let count = i64::try_from(*count).unwrap_or(i64::MAX);
                    self.held.get_or_create(&labels).set(count);
                }
                None => _ = self.held.remove(&labels),
            }
        }
    }

    /// Sets what a customer's parallel run waits for.
    pub(super) fn parallel(&self, mapping: &str, waits: Option<Reason>) {
        for reason in [
            Reason::ParallelRun,
            Reason::ParallelIncomplete,
            Reason::ReplacedChanged,
        ] {
            let labels = HeldBy {
                mapping: mapping.to_owned(),
                kind: reason.as_str(),
            };
            if waits == Some(reason) {
                self.held.get_or_create(&labels).set(1);
            } else {
                self.held.remove(&labels);
            }
        }
    }

    /// Sets why a service is held, or not ready; nothing for one that is as it should be, or gone.
    pub(super) fn service_held(&self, service: &str, reasons: BTreeSet<Reason>) {
        let mut known = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if reasons.is_empty() {
            known.remove(service)
        } else {
            known.insert(service.to_owned(), reasons.clone())
        };
        let before = before.unwrap_or_default();
        for reason in reasons.symmetric_difference(&before) {
            let label = HeldFor {
                reason: reason.as_str(),
            };
            let gauge = self.services.get_or_create(&label);
            let count = if reasons.contains(reason) {
                gauge.inc() + 1
            } else {
                gauge.dec() - 1
            };
            drop(gauge);
            if count == 0 {
                self.services.remove(&label);
            }
        }
    }

    /// Sets how many machines of a source nobody is billed for, or forgets the source.
    pub(super) fn unmapped(&self, source: &str, count: Option<usize>) {
        let source = source.to_owned();
        let label = SourceLabel { source };
        match count {
            Some(count) => {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.unmapped.get_or_create(&label).set(count);
            }
            None => _ = self.unmapped.remove(&label),
        }
    }

    /// Forgets a mapping that is gone.
    pub(super) fn forget(&self, mapping: &str) {
        self.held(mapping, &BTreeMap::new());
    }

    /// Sets the count of requests by verb and outcome.
    pub(super) fn requests(&self, verb: &'static str, outcome: &'static str, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.requests
            .get_or_create(&Request { verb, outcome })
            .set(count);
    }

    /// Sets the count of agreements that nobody declares.
    pub(super) fn orphans(&self, count: usize) {
        self.orphans.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The metrics as Prometheus reads them.
    ///
    /// # Errors
    /// When they cannot be written as text.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
