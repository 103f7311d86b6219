//! What is otherwise for some services of a customer: whole rules of a rate card. Must not know what the rules are for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::api::rate_card::RateRule;

/// Rules that take the place of the rate card's for some services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateOverride {
    /// Which services. Absent means all of this customer's.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub services: Option<ServiceSelector>,
    /// The rules, whole.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned(), "version".to_owned()]))]
    pub rules: Vec<RateRule>,
}

/// Which services: everything that is said must be so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.services) || has(self.labels)",
    "match must say services, labels or both; remove it to mean all services"))]
pub struct ServiceSelector {
    /// Names of CloudServices; `*` at the end stands for anything: `sql-*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub services: Vec<String>,
    /// Labels of CloudServices; all of them must be there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, LabelValue>", extend("maxProperties" = 10))]
    pub labels: BTreeMap<String, String>,
}

/// The schema of a label's value.
struct LabelValue;

impl JsonSchema for LabelValue {
    fn schema_name() -> Cow<'static, str> {
        "LabelValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 63 })
    }
}
