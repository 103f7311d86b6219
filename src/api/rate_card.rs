//! `RateCard`: which product a property of a service becomes, and in which quantity. Must not know any price: prices
//! are ConnectWise's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::condition::ConditionShape;
use crate::api::rules;

/// Which product of the ConnectWise catalogue each measured property of a service becomes, in which unit, and how the
/// quantity is bounded and rounded. It holds no prices (those are in ConnectWise) and no credentials. Resolved only in
/// the platform namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "RateCard",
    plural = "ratecards",
    shortname = "rate",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    status = "RateCardStatus",
    validation = rules::short_name(),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(
        name = "Rules",
        type_ = "integer",
        json_path = ".status.rules",
        description = "Lines that each service is billed with"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RateCardSpec {
    /// One rule for each line on a service's agreement.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    #[x_kube(validation = (
        "self.all(rule, self.exists_one(other, other.property == rule.property))",
        "rules may name each property only once; remove the second rule for the same property"))]
    pub rules: Vec<RateRule>,
}

/// One property, billed as one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "self.property == 'vcpu' ? self.unit == 'vCPU' : self.unit != 'vCPU'",
    "unit must fit property: vCPU for vcpu; MiB, GiB, TiB, MB, GB or TB for memory and storage.provisioned"))]
#[x_kube(validation = (
    "!has(self.minimum) || !has(self.maximum) || !isQuantity(self.minimum) || !isQuantity(self.maximum) || \
     quantity(self.minimum).compareTo(quantity(self.maximum)) <= 0",
    "minimum must not be more than maximum; lower the one or raise the other"))]
pub struct RateRule {
    /// Names the line. It is part of the line's mark in ConnectWise: a renamed rule is another line.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = rules::dns_label("name"))]
    pub name: String,
    /// What is measured.
    pub property: Property,
    /// The product that it is billed as.
    pub product: ProductSelector,
    /// The unit that the quantity is in. `GiB` is 1024³ bytes and `GB` is 1000³ bytes.
    pub unit: Unit,
    /// How much of the quantity is included in the service and not charged, in `unit`. The line shows the whole
    /// quantity; ConnectWise subtracts what is included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("lessIncluded"))]
    pub less_included: Option<Decimal>,
    /// The least quantity that is billed, in `unit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("minimum"))]
    pub minimum: Option<Decimal>,
    /// The greatest quantity that is billed, in `unit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("maximum"))]
    pub maximum: Option<Decimal>,
    /// How the quantity is rounded. Absent means not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Rounding>,
}

/// What is measured of a service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Property {
    /// Virtual processors.
    #[serde(rename = "vcpu")]
    Vcpu,
    /// Configured memory.
    #[serde(rename = "memory")]
    Memory,
    /// The capacity of all virtual disks as the machine sees them, thin or thick.
    #[serde(rename = "storage.provisioned")]
    StorageProvisioned,
}

/// The unit of a quantity.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Unit {
    /// Virtual processors.
    #[serde(rename = "vCPU")]
    Vcpu,
    /// 1024² bytes.
    MiB,
    /// 1024³ bytes.
    GiB,
    /// 1024⁴ bytes.
    TiB,
    /// 1000² bytes.
    MB,
    /// 1000³ bytes.
    GB,
    /// 1000⁴ bytes.
    TB,
}

/// A product of the ConnectWise catalogue: exactly one of `id` and `identifier`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema,
)]
#[x_kube(validation = rules::exactly_one("product", &["id", "identifier"]))]
pub struct ProductSelector {
    /// Its id in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub id: Option<i32>,
    /// Its *Product ID*, exactly as the catalogue shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 75))]
    #[x_kube(validation = rules::printable("identifier"))]
    pub identifier: Option<String>,
}

/// How a quantity is rounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rounding {
    /// In which direction.
    pub mode: RoundingMode,
    /// To multiples of what, in the rule's unit: `"1"`, `"0.5"`, `"10"`.
    #[schemars(with = "String", length(max = 19))]
    #[x_kube(validation = rules::decimal("step"))]
    #[x_kube(validation = rules::positive("step"))]
    pub step: Decimal,
}

/// The direction of rounding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum RoundingMode {
    /// To the next greater multiple.
    Up,
    /// To the next smaller multiple.
    Down,
    /// To the nearest multiple, halves up.
    Nearest,
}

/// What meterwise found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateCardStatus {
    /// The `metadata.generation` that the rest of the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the rate card is right, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(with = "Vec<ConditionShape>")]
    pub conditions: Vec<Condition>,
    /// How many rules there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<u32>,
}
