//! What is declared in Kubernetes and what the operator's books say, read with kubectl: who pays for which folder, as
//! which products, and which mark stands for which machine. Knows no vCenter and no ConnectWise.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::billing::MarkFields;
use crate::control_plane::ControlPlane;
use crate::local::PLATFORM_NAMESPACE;

/// Everything that the comparison takes from Kubernetes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    pub(crate) payers: Vec<Payer>,
    pub(crate) records: Vec<Record>,
}

/// A customer: whose machines, and who pays for them.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    /// Name of the VM folder.
    pub(crate) folder: String,
    /// Identifier of the company in ConnectWise.
    pub(crate) company: String,
    /// Name of the company's agreement that the machines' agreements belong under.
    pub(crate) master: String,
    pub(crate) rules: Vec<Rule>,
}

/// A line that each machine of a customer has.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) property: Property,
    /// Identifier of the product.
    pub(crate) product: String,
}

/// What is counted; memory and storage in GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Property {
    #[serde(rename = "vcpu")]
    Vcpu,
    #[serde(rename = "memory")]
    Memory,
    #[serde(rename = "storage.provisioned")]
    Storage,
}

/// A BillingRecord: the operator's book for one machine.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The mark without its generation; the record is named after it.
    pub(crate) mark: String,
    pub(crate) instance_uuid: String,
    pub(crate) agreement: Option<i64>,
    /// Ids of the additions by the name of the rule.
    pub(crate) lines: BTreeMap<String, i64>,
}

/// The mark fields that the integration names.
pub(crate) fn mark_fields(plane: &ControlPlane) -> Result<MarkFields> {
    let integrations: Vec<Object<IntegrationSpec>> =
        list(plane, "connectwiseintegrations", PLATFORM_NAMESPACE)?;
    let integration = integrations.first().context("no ConnectWiseIntegration")?;
    let fields = integration
        .spec
        .mark_field
        .custom_field
        .as_ref()
        .context("the demo reads marks from custom fields, and the integration names none")?;
    Ok(MarkFields {
        agreement: fields.agreement_field_id,
        addition: fields.addition_field_id,
    })
}

/// Reads the mappings, their rate cards, and the books.
pub(crate) fn read(plane: &ControlPlane) -> Result<Declared> {
    let cards: Vec<Object<RateCardSpec>> = list(plane, "ratecards", PLATFORM_NAMESPACE)?;
    let mappings: Vec<Object<MappingSpec>> = list(plane, "customermappings", "")?;
    let records: Vec<Object<RecordSpec>> = list(plane, "billingrecords", PLATFORM_NAMESPACE)?;
    let mut payers = Vec::new();
    for mapping in mappings {
        let card = cards
            .iter()
            .find(|card| card.metadata.name == mapping.spec.rate_card_ref.name)
            .with_context(|| format!("no rate card for mapping {}", mapping.metadata.name))?;
        let rules = card.spec.rules.iter().map(|rule| Rule {
            name: rule.name.clone(),
            property: rule.property,
            product: rule.product.identifier.clone(),
        });
        for discovery in &mapping.spec.discover {
            let path = &discovery.select.folder;
            payers.push(Payer {
                folder: path.rsplit('/').next().unwrap_or(path).to_owned(),
                company: mapping.spec.company.identifier.clone(),
                master: mapping.spec.master_agreement.name.clone(),
                rules: rules.clone().collect(),
            });
        }
    }
    let records = records
        .into_iter()
        .map(|record| Record {
            mark: record.metadata.name,
            instance_uuid: record.spec.key.instance_uuid,
            agreement: record.spec.agreement.id,
            lines: record
                .spec
                .lines
                .into_iter()
                .filter_map(|(rule, line)| Some((rule, line.id?)))
                .collect(),
        })
        .collect();
    Ok(Declared { payers, records })
}

/// In all namespaces when none is given.
fn list<T: DeserializeOwned>(plane: &ControlPlane, kind: &str, namespace: &str) -> Result<Vec<T>> {
    let resource = format!("{kind}.meterwise.dev");
    let mut args = vec!["get", &resource, "-o", "json"];
    match namespace {
        "" => args.push("-A"),
        name => args.extend(["-n", name]),
    }
    let list: List<T> =
        serde_json::from_str(&plane.kubectl(&args)?).with_context(|| format!("read the {kind}"))?;
    Ok(list.items)
}

#[derive(Debug, Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Object<T> {
    metadata: Named,
    spec: T,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Identified {
    identifier: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntegrationSpec {
    mark_field: MarkField,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MarkField {
    custom_field: Option<CustomFieldIds>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomFieldIds {
    agreement_field_id: i64,
    addition_field_id: i64,
}

#[derive(Debug, Deserialize)]
struct RateCardSpec {
    rules: Vec<RateRule>,
}

#[derive(Debug, Deserialize)]
struct RateRule {
    name: String,
    property: Property,
    product: Identified,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MappingSpec {
    rate_card_ref: Named,
    company: Identified,
    master_agreement: Named,
    #[serde(default)]
    discover: Vec<Discovery>,
}

#[derive(Debug, Deserialize)]
struct Discovery {
    select: Folder,
}

#[derive(Debug, Deserialize)]
struct Folder {
    folder: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordSpec {
    key: RecordKey,
    agreement: RecordId,
    #[serde(default)]
    lines: BTreeMap<String, RecordId>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordKey {
    instance_uuid: String,
}

#[derive(Debug, Deserialize)]
struct RecordId {
    id: Option<i64>,
}
