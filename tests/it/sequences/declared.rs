//! What stands in Kubernetes: four specs, edited field by field, and what follows from them for one service. Names are
//! looked up in the simulator's records, as the operator looks them up in ConnectWise.

use std::collections::BTreeMap;

use connectwise_sim::json::Map;
use connectwise_sim::money::next_invoice;
use connectwise_sim::schema::Kind;
use jiff::{SignedDuration, Timestamp};
use meterwise::api::billing_period::{BillingMode, LateChanges as Late};
use meterwise::api::cloud_service::{CloudServiceSpec, DeletionPolicy};
use meterwise::api::connectwise_integration::ConnectWiseIntegrationSpec;
use meterwise::api::customer_mapping::{self as declared, CustomerMappingSpec};
use meterwise::api::rate_card::{RateCardSpec, RateRule};
use meterwise::api::reference::Mode;
use meterwise::domain::adoption::Adoption;
use meterwise::domain::desired::Service;
use meterwise::domain::ids::{
    AdditionId, AgreementId, AgreementTypeId, CompanyId, ContactId, InstanceUuid, ProductId,
    RuleName,
};
use meterwise::domain::launch::Launch;
use meterwise::domain::ledger::{Agreement, Inherited};
use meterwise::domain::period::{Billing, LateChanges, Mode as Billed, Recurrence, wire, zone};
use meterwise::domain::protocol::{MarkFields, QuantityDrift, Reach};
use meterwise::domain::terms::{
    Card, Override, PricedRule, ProductName, Rule, ServiceMatch, Terms,
};
use serde_json::{Value, json};

use crate::matrix::world::World;
use crate::sequences::fields::FIELDS;

/// The four specs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared(BTreeMap<&'static str, Value>);

/// The specs as the program reads them.
pub(super) struct Read {
    pub(super) integration: ConnectWiseIntegrationSpec,
    pub(super) rates: RateCardSpec,
    pub(super) mapping: CustomerMappingSpec,
    pub(super) service: CloudServiceSpec,
}

impl Declared {
    /// The first value of every field.
    pub(super) fn new() -> Self {
        let base = [
            (
                "ConnectWiseIntegration",
                json!({
                    "installationId": "test", "url": "https://cw.example", "companyId": "acme_c",
                    "clientId": "0b1f4e5c-0000-0000-0000-000000000000", "credentialsSecretRef": {"name": "keys"},
                    "markField": {"customField": {"agreementFieldId": 5, "additionFieldId": 6}},
                    "agreementType": {"id": 19},
                }),
            ),
            ("RateCard", json!({"rules": [null, null, null]})),
            (
                "CustomerMapping",
                json!({
                    "integrationRef": {"name": "cw"}, "rateCardRef": {"name": "rates"}, "company": {"id": 7},
                    "masterAgreement": {"id": 50},
                }),
            ),
            (
                "CloudService",
                json!({
                    "mappingRef": {"name": "acme"}, "type": "VirtualMachine",
                    "source": {"ref": {"name": "vc1"}, "instanceUuid": "5029a3c1-0000-0000-0000-000000000001"},
                }),
            ),
        ];
        let mut declared = Self(base.into());
        for at in 0..FIELDS.len() {
            declared.edit(at, 0);
        }
        declared
    }

    /// Sets one field to one of its values.
    pub(super) fn edit(&mut self, at: usize, choice: usize) {
        let (kind, path, values) = FIELDS[at % FIELDS.len()];
        let value: Value = serde_json::from_str(values[choice % values.len()]).expect("JSON");
        let (parent, name) = path.rsplit_once('/').expect("a pointer");
        let parent = self.0.get_mut(kind).expect("a kind").pointer_mut(parent);
        match parent.expect("a parent") {
            Value::Array(items) => items[name.parse::<usize>().expect("a number")] = value,
            Value::Object(fields) if value.is_null() => {
                fields.remove(name);
            }
            other => other[name] = value,
        }
    }

    /// Puts just these rules on the card.
    pub(super) fn declare_rules(&mut self, rules: &[Value]) {
        self.0.get_mut("RateCard").expect("a card")["rules"] = json!([rules]);
    }

    pub(super) fn spec(&self, kind: &str) -> &Value {
        &self.0[kind]
    }

    /// The same as people write it: the card's slots are only ours.
    pub(super) fn flat(&self, kind: &str) -> Value {
        let mut spec = self.spec(kind).clone();
        if kind == "RateCard" {
            spec["rules"] = self.rules().into();
        }
        spec
    }

    /// The rules that are on the card, as they are declared.
    pub(super) fn rules(&self) -> Vec<Value> {
        let slots = self.0["RateCard"]["rules"].as_array().expect("rules");
        let rules = slots.iter().filter_map(Value::as_array);
        rules.flatten().cloned().collect()
    }

    /// As the program reads it.
    pub(super) fn read(&self) -> Read {
        fn of<T: serde::de::DeserializeOwned>(value: &Value) -> T {
            serde_json::from_value(value.clone()).expect("what the API server accepts")
        }
        Read {
            integration: of(&self.flat("ConnectWiseIntegration")),
            rates: of(&self.flat("RateCard")),
            mapping: of(&self.flat("CustomerMapping")),
            service: of(&self.flat("CloudService")),
        }
    }

    /// What follows from it for the one service, or nothing where nothing may be written or something declared is wrong.
    pub(super) fn stands(&self, world: &World, at: &Moments) -> Option<(Service, Terms)> {
        let read = self.read();
        let mode = read.mapping.mode.min(read.integration.mode);
        let retains = read.service.deletion_policy == DeletionPolicy::Retain;
        if mode == Mode::Observe || read.mapping.suspend || read.service.suspend {
            return None;
        }
        let terms = terms(&read, world, mode)?;
        let keeps = at.deleted.is_some() && retains;
        (!keeps).then(|| (service(&read.service, world.epoch, at), terms))
    }
}

/// When what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    /// Until then an empty book is not believed.
    pub(super) settled: Timestamp,
    /// The CloudService was deleted.
    pub(super) deleted: Option<Timestamp>,
}

fn service(spec: &CloudServiceSpec, now: Timestamp, at: &Moments) -> Service {
    let unbilled = spec
        .billable
        .as_ref()
        .is_some_and(|billable| !billable.value && billable.until.is_none_or(|until| now < until));
    let adopts = spec.external.as_ref().map(|external| Adoption {
        agreement: AgreementId(external.agreement_id),
        lines: external
            .additions
            .iter()
            .map(|named| (RuleName::new(named.rule.clone()), AdditionId(named.id)))
            .collect(),
        allowed: true,
    });
    Service {
        reference: "acme/web-1".into(),
        labels: [("tier".to_owned(), "gold".to_owned())].into(),
        display_name: spec.display_name.clone().unwrap_or_else(|| "web-1".into()),
        source: "vc1".into(),
        service_type: spec.service_type.as_str(),
        class: Some(spec.class.clone()),
        instance_uuid: InstanceUuid::new(spec.source.identity()),
        clone_moref: None,
        settled_at: at.settled,
        adopts,
        moved_at: None,
        first_seen: None,
        billable: !unbilled,
        resume_after: spec.resume_after.filter(|moment| *moment <= now),
        cancelled_at: at.deleted,
    }
}

/// A record of the simulator by its id or by what a field says.
fn find<'a>(
    world: &'a World,
    kind: Kind,
    wanted: (Option<i32>, &str, Option<&str>),
) -> Option<(i32, &'a Map)> {
    let (id, field, says) = wanted;
    let found = world.connectwise.store().all(kind).find(|(at, record)| {
        id.is_some_and(|id| i64::from(id) == *at)
            || says.is_some_and(|says| record.get(field).as_str() == Some(says))
    });
    found.and_then(|(id, record)| Some((i32::try_from(id).ok()?, record.as_ref())))
}

fn product(world: &World, rule: Rule) -> Option<PricedRule> {
    let wanted = match &rule.product {
        ProductName::Id(id) => (Some(id.0), "identifier", None),
        ProductName::Identifier(text) => (None, "identifier", Some(text.as_str())),
    };
    let (id, record) = find(world, Kind::CatalogItem, wanted)?;
    let identifier = record
        .get("identifier")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Some(PricedRule {
        product: ProductId(id),
        identifier,
        rule,
    })
}

/// The rules that are valid now, with their products.
fn priced(world: &World, rules: &[RateRule]) -> Option<BTreeMap<RuleName, PricedRule>> {
    let valid = Card::read(rules, "spec.rules").ok()?.at(world.epoch);
    let priced = |(name, rule)| Some((name, product(world, rule)?));
    valid.into_iter().map(priced).collect()
}

fn terms(read: &Read, world: &World, mode: Mode) -> Option<Terms> {
    let (spec, integration) = (&read.mapping, &read.integration);
    let company = &spec.company;
    let by_name = company.identifier.as_deref().map(|it| ("identifier", it));
    let by_name = by_name.or(company.name.as_deref().map(|it| ("name", it)));
    let (field, says) = by_name.unzip();
    let (company, record) = find(
        world,
        Kind::Company,
        (company.id, field.unwrap_or_default(), says),
    )?;
    let named = &spec.master_agreement;
    let master = find(
        world,
        Kind::Agreement,
        (named.id, "name", named.name.as_deref()),
    )?;
    let kind = &integration.agreement_type;
    let (agreement_type, _) = find(
        world,
        Kind::AgreementType,
        (kind.id, "name", kind.name.as_deref()),
    )?;
    let rules = priced(world, &read.rates.rules)?;
    let overrides = spec.overrides.iter().map(|otherwise| {
        let of = otherwise.services.clone().unwrap_or_default();
        Some(Override {
            services: ServiceMatch {
                names: of.services,
                labels: of.labels,
            },
            rules: priced(world, &otherwise.rules)?,
        })
    });
    let overrides: Vec<_> = overrides.collect::<Option<_>>()?;
    let everywhere = overrides.iter().flat_map(|it| it.rules.values());
    let mut all = rules.values().chain(everywhere);
    let settles = |it: &PricedRule| it.rule.over_time.aggregation.is_of_whole_periods();
    if spec.billing == BillingMode::Advance && all.any(settles) {
        return None;
    }
    let zone = match integration.time_zone.as_deref() {
        Some(name) => zone(name)?,
        None => jiff::tz::TimeZone::UTC,
    };
    Some(Terms {
        company: CompanyId(company),
        company_name: record.get("name").as_str().unwrap_or_default().to_owned(),
        contact: ContactId(9),
        master: agreement(world, master),
        billing: Billing {
            mode: match spec.billing {
                BillingMode::Advance => Billed::Advance,
                BillingMode::Arrears => Billed::Arrears,
            },
            late: match spec.late_changes {
                Late::NextPeriod => LateChanges::NextPeriod,
                Late::Hold => LateChanges::Hold,
            },
            recurrence: Recurrence::Unknown,
            zone,
        },
        rules,
        overrides,
        reach: match mode {
            Mode::CreateOnly => Reach::CreateOnly,
            Mode::Observe | Mode::Sync => Reach::Whole,
        },
        launch: Launch::Bills,
        quantity_drift: match spec.quantity_drift {
            declared::QuantityDrift::Revert => QuantityDrift::Revert,
            declared::QuantityDrift::Keep => QuantityDrift::Keep,
        },
        mark_fields: MarkFields::default(),
        removal_grace: SignedDuration::try_from(spec.removal_grace.get()).ok()?,
        name_template: integration.name_template.clone(),
        agreement_type: AgreementTypeId(agreement_type),
        installation: integration.installation_id.clone(),
        database: integration.company_id.clone(),
    })
}

/// The master agreement as ConnectWise shows it.
fn agreement(world: &World, (id, record): (i32, &Map)) -> Agreement {
    let next = next_invoice(world.connectwise.store(), id.into());
    Agreement {
        id: AgreementId(id),
        name: record.get("name").as_str().unwrap_or_default().to_owned(),
        agreement_type: None,
        company: None,
        parent: None,
        mark: None,
        start_date: Some("2025-01-01T00:00:00Z".parse().unwrap()),
        end_date: None,
        cancelled: false,
        date_cancelled: None,
        reason_cancelled: None,
        bill_start_date: None,
        contract_year: false,
        next_invoice_date: next.map(wire),
        prorate: true,
        inherited: Inherited {
            billing_cycle: record
                .get("billingCycle")
                .as_int()
                .and_then(|id| id.try_into().ok()),
            ..Inherited::default()
        },
        last_updated: None,
    }
}
