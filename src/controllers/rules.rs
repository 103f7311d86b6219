//! What people declared about machines, as rules of discovery: what a source lets a namespace bill, what a mapping picks,
//! and what both leave out. Says of one machine what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::customer_mapping::CustomerMapping;
use crate::api::discovery::Discovery;
use crate::api::rate_card::{RateCard, RateRule};
use crate::api::reference::InventoryScope;
use crate::api::usage_source::UsageSource;
use crate::controllers::timing::Timing;
use crate::domain::discovery::{Judge, Pattern, Rule, Selector, Verdict};
use crate::domain::inventory::{Inventory, Machine, Tag};
use crate::domain::sightings::FirstSeen;

/// What a source lets a namespace bill; `None` when it does not list the namespace.
pub(super) fn scopes(source: &UsageSource, namespace: &str) -> Option<Vec<Selector>> {
    let tenants = &source.spec.tenants;
    let tenant = tenants
        .iter()
        .find(|tenant| tenant.namespace == namespace)?;
    Some(tenant.scopes.iter().map(selector).collect())
}

/// What a source never lets anybody bill.
pub(super) fn excluded(source: &UsageSource) -> Vec<Selector> {
    source.spec.exclude.iter().map(selector).collect()
}

/// A choice of machines, as declared.
pub(super) fn selector(scope: &InventoryScope) -> Selector {
    Selector {
        folder: scope.folder.clone(),
        resource_pool: scope.resource_pool.clone(),
        datacenter: scope.datacenter.clone(),
        cluster: scope.cluster.clone(),
        host: scope.host.clone(),
        tag: scope.tag.as_ref().map(|tag| Tag {
            category: tag.category.clone(),
            name: tag.name.clone(),
        }),
        attribute: scope
            .attribute
            .as_ref()
            .map(|attribute| (attribute.name.clone(), attribute.value.clone())),
        name: scope.name_pattern.as_deref().map(Pattern::new),
        product: scope.product.clone(),
    }
}

/// The rules by which a mapping discovers machines of one source, in their order.
#[derive(Debug)]
pub(super) struct Rules<'a>(Vec<(&'a Discovery, Rule)>);

/// The rules, ready to be asked.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    judges: Vec<(&'a Discovery, Judge<'a>)>,
    /// Entries whose place the vCenter does not have, with the path.
    pub(super) lost: Vec<(&'a Discovery, String)>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(mapping: &'a CustomerMapping, source: &UsageSource, name: &str) -> Self {
        let entries = mapping.spec.discover.iter();
        let entries = entries.filter(|entry| entry.source_ref.name == name);
        let everywhere = excluded(source);
        let rules = entries.map(|entry| {
            let mut exclude = everywhere.clone();
            exclude.extend(entry.exclude.iter().map(selector));
            let select = selector(&entry.select);
            (entry, Rule { select, exclude })
        });
        Self(rules.collect())
    }

    pub(super) fn asked(&'a self, inventory: &'a Inventory) -> Asked<'a> {
        let mut asked = Asked {
            judges: Vec::new(),
            lost: Vec::new(),
        };
        for (entry, rule) in &self.0 {
            match rule.judge(inventory) {
                Ok(judge) => asked.judges.push((entry, judge)),
                Err(path) => asked.lost.push((entry, path)),
            }
        }
        asked
    }
}

impl<'a> Asked<'a> {
    /// The entries whose places are there.
    pub(super) fn entries(&self) -> impl Iterator<Item = &'a Discovery> {
        self.judges.iter().map(|(entry, _)| *entry)
    }

    /// The first entry that a machine fits, and what it says.
    pub(super) fn first(&self, machine: &Machine) -> Option<(&'a Discovery, Verdict)> {
        let verdicts = self.judges.iter();
        let mut verdicts = verdicts.map(|(entry, judge)| (*entry, judge.verdict(machine)));
        verdicts.find(|(_, verdict)| *verdict != Verdict::Elsewhere)
    }
}

/// When a machine becomes a service.
pub(super) fn admission(entry: &Discovery, seen: FirstSeen, timing: &Timing) -> Timestamp {
    let declared = entry.admit_after.map(|after| after.get());
    let declared = declared
        .map(|after: Duration| SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX));
    let after = declared.unwrap_or(timing.admission);
    let since = seen.exists_since.min(seen.at);
    since.saturating_add(after).unwrap_or(Timestamp::MAX)
}

/// Whether anybody picks or leaves out machines of a source by a tag, or bills by one.
pub(super) fn asks_for_tags(
    source: &UsageSource,
    name: &str,
    mappings: &[Arc<CustomerMapping>],
    cards: &[Arc<RateCard>],
) -> bool {
    let tagged = |scope: &InventoryScope| scope.tag.is_some();
    let spec = &source.spec;
    let of_source = || {
        let scopes = spec.tenants.iter().flat_map(|tenant| &tenant.scopes);
        scopes.chain(&spec.exclude).any(tagged)
    };
    let entries = mappings.iter().flat_map(|mapping| &mapping.spec.discover);
    let mut entries = entries.filter(|entry| entry.source_ref.name == name);
    of_source()
        || bills_by_tags(mappings, cards)
        || entries.any(|entry| tagged(&entry.select) || entry.exclude.iter().any(tagged))
}

/// Whether a tier of any customer is one of tags. Services that people wrote may be of any source.
fn bills_by_tags(mappings: &[Arc<CustomerMapping>], cards: &[Arc<RateCard>]) -> bool {
    let by_tag = |rule: &RateRule| {
        let tier = rule.tier.as_ref();
        tier.is_some_and(|tier| !tier.datastore_tags.is_empty())
    };
    mappings.iter().any(|mapping| {
        let spec = &mapping.spec;
        let mut cards = cards.iter();
        let card = cards.find(|card| card.name_any() == spec.rate_card_ref.name);
        let own = card.into_iter().flat_map(|card| &card.spec.rules);
        let overrides = spec.overrides.iter().flat_map(|one| &one.rules);
        own.chain(overrides).any(by_tag)
    })
}
