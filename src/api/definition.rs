//! From the types to what the API server is given: the definitions of all kinds, tidied, and as text.
//! Must not know what any single kind holds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::api::billing_record::BillingRecord;
use crate::api::change_approval::ChangeApproval;
use crate::api::cloud_service::CloudService;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::rate_card::RateCard;
use crate::api::usage_source::UsageSource;
use crate::api::usage_statement::UsageStatement;

const HEADER: &str =
    "# Generated from src/api by `meterwise crds`. Change the types, then generate again.\n";

/// What meterwise writes for itself, and nobody can write again.
const BOOKS: [&str; 2] = ["BillingRecord", "UsageStatement"];

/// The definitions of all kinds, in the order in which people meet them.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        ConnectWiseIntegration::crd(),
        UsageSource::crd(),
        RateCard::crd(),
        CustomerMapping::crd(),
        CloudService::crd(),
        BillingRecord::crd(),
        UsageStatement::crd(),
        ChangeApproval::crd(),
    ]
    .into_iter()
    .map(tidied)
    .collect()
}

/// The text of `crds/<plural>.yaml`.
///
/// # Errors
/// When the definition cannot be written as YAML, which no definition of [`crds`] does.
pub fn crd_yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml_ng::Error> {
    Ok(format!("{HEADER}---\n{}", serde_yaml_ng::to_string(crd)?))
}

fn tidied(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|validation| validation.open_api_v3_schema.as_mut())
        {
            tidy(schema);
            describe(schema);
            if BOOKS.contains(&crd.spec.names.kind.as_str()) {
                keep_everything(schema);
            }
        }
    }
    crd
}

/// Keeps what a later version wrote: the API server drops fields that a definition does not know, also while `helm rollback`
/// has put an earlier definition in place.
fn keep_everything(schema: &mut JSONSchemaProps) {
    let fields = schema.properties.get_or_insert_default();
    if let Some(spec) = fields.get_mut("spec") {
        keep_unknown(spec);
    }
}

fn keep_unknown(schema: &mut JSONSchemaProps) {
    if schema.properties.is_some() {
        schema.x_kubernetes_preserve_unknown_fields = Some(true);
    }
    for property in schema.properties.iter_mut().flatten() {
        keep_unknown(property.1);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = schema.items.as_mut() {
        keep_unknown(item);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = schema.additional_properties.as_mut() {
        keep_unknown(value);
    }
}

/// Lets `kubectl explain` say of the kind what is said of its spec; the generator says nothing of use there.
fn describe(root: &mut JSONSchemaProps) {
    let said = root
        .properties
        .as_ref()
        .and_then(|fields| fields.get("spec")?.description.clone());
    root.description = said;
    root.title = None;
}

/// Takes away what the generator writes and the API server does not know (formats of Rust's integers), or reads in
/// another sense than Rust does: `nullable` would make an arm of a union that is `null` count as set.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = None;
    }
    if let Some(description) = &mut schema.description {
        *description = unwrapped(description);
    }
    for property in schema.properties.iter_mut().flatten() {
        tidy(property.1);
    }
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(item)) => tidy(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = schema.additional_properties.as_mut() {
        tidy(value);
    }
}

/// Joins the lines of each paragraph: where a comment breaks in the source says nothing to a reader of `kubectl explain`.
fn unwrapped(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect::<Vec<_>>()
        .join("\n\n")
}
