//! `RateCard`: which product a property of a service becomes, and in which quantity. Must not know any price: prices
//! are ConnectWise's.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::basis::{Basis, Ordered};
use crate::api::condition::ConditionShape;
use crate::api::new_product::NewProduct;
use crate::api::over_time::{Aggregation, Change, Gaps};
use crate::api::reference::{Moment, ServiceType};
use crate::api::rules;
use crate::api::tier_match::TierMatch;

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
    /// One rule for each line on a service's agreement. Where several rules take the same property, the order counts:
    /// each disk, or the whole of what cannot be divided, belongs to the first rule that matches it, and to no other.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned(), "version".to_owned()]))]
    pub rules: Vec<RateRule>,
}

/// One property, billed as one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "self.property == 'vcpu' ? self.unit == 'vCPU' : self.property == 'cpu' ? self.unit == 'GHz' : \
     self.property in ['count', 'gpu'] ? self.unit == 'Count' : !(self.unit in ['vCPU', 'GHz', 'Count'])",
    "unit must fit property: vCPU for vcpu, GHz for cpu, Count for count and gpu, and MiB, GiB, TiB, MB, GB or TB for memory \
     and storage"))]
#[x_kube(validation = (
    "!has(self.basis) || (self.basis == 'Ordered' ? self.property in ['cpu', 'memory'] : \
     (self.basis == 'Used') == (self.property in ['cpu', 'storage.consumed', 'storage.snapshot']))",
    "basis must fit property: cpu, storage.consumed and storage.snapshot are Used and everything else Allocated; only cpu and memory \
     can be Ordered; what a machine uses of its processors or memory is not measured"))]
#[x_kube(validation = (
    "!(self.property == 'cpu' || has(self.aboveOrdered) || has(self.basis) && self.basis == 'Ordered') || \
     has(self.serviceTypes) && self.serviceTypes.all(one, one == 'VirtualDataCenter') && !has(self.match)",
    "cpu, basis Ordered and aboveOrdered are about a resource pool as a whole: set serviceTypes to [VirtualDataCenter], and \
     remove match"))]
#[x_kube(validation = (
    "!has(self.ordered) || has(self.basis) && self.basis == 'Ordered'",
    "ordered says what of the pool was ordered, which matters to basis Ordered only; set that, or remove ordered"))]
#[x_kube(validation = (
    "!has(self.aboveOrdered) || self.property in ['cpu', 'memory'] && !(has(self.basis) && self.basis == 'Ordered')",
    "aboveOrdered goes with cpu and memory, and not with basis Ordered; give what was ordered a rule of its own"))]
#[x_kube(validation = (
    "!has(self.match) || self.property in ['storage.provisioned', 'storage.consumed'] || \
     !(has(self.match.datastores) || has(self.match.datastoreClusters) || has(self.match.datastoreTags))",
    "match.datastores, datastoreClusters and datastoreTags go with storage.provisioned and storage.consumed only; remove \
     them, or choose one of these"))]
#[x_kube(validation = (
    "!has(self.match) || self.property == 'storage.provisioned' || !has(self.match.storagePolicies)",
    "match.storagePolicies goes with storage.provisioned only; remove it, or choose that"))]
#[x_kube(validation = (
    "!has(self.validFrom) || !has(self.validUntil) || self.validFrom < self.validUntil",
    "validFrom must lie before validUntil; correct one of the two"))]
#[x_kube(validation = (
    "!has(self.minimum) || !has(self.maximum) || !isQuantity(self.minimum) || !isQuantity(self.maximum) || \
     quantity(self.minimum).compareTo(quantity(self.maximum)) <= 0",
    "minimum must not be more than maximum; lower the one or raise the other"))]
#[x_kube(validation = (
    "!has(self.gaps) || (has(self.aggregation) && self.aggregation != 'Latest')",
    "gaps says what counts for time that nobody saw, which matters to an aggregation over time only; remove it, or set \
     aggregation to Average, Peak, P95 or Hours"))]
pub struct RateRule {
    /// Names the line. It is part of the line's mark in ConnectWise: a renamed rule is another line.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = rules::dns_label("name"))]
    pub name: String,
    /// Which version of the rule this is. Versions of one name follow each other in time without a gap: what one of them
    /// is valid until, the next one is valid from.
    #[serde(default = "first_version")]
    #[schemars(range(min = 1, max = 9999))]
    pub version: i32,
    /// What is measured.
    pub property: Property,
    /// Which services it is for. Absent means all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub service_types: Vec<ServiceType>,
    /// Whether what is set aside is billed, what was ordered, or what is used. Absent means what the property is: `cpu`,
    /// `storage.consumed` and `storage.snapshot` are used, everything else is allocated. `Ordered` is what the resource pool
    /// of a VirtualDataCenter is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
    /// With `basis: Ordered`, what of the pool was ordered. Absent means its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<Ordered>,
    /// Counts only what is above the limit, or reservation, of the pool: memory configured, or processor time used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_ordered: Option<Ordered>,
    /// What of the property it is for: a tier. Absent means all that no rule before it took.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub tier: Option<TierMatch>,
    /// The product that it is billed as.
    pub product: ProductSelector,
    /// The unit that the quantity is in. `GiB` is 1024³ bytes and `GB` is 1000³ bytes.
    pub unit: Unit,
    /// How much is included in the service and not charged, in `unit`. The line shows all; ConnectWise subtracts this.
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
    /// Where the product is sold in blocks: how much one block holds, in `unit`. The line then counts the blocks that are
    /// begun, after everything else; `lessIncluded` counts blocks, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("blockSize"))]
    #[x_kube(validation = rules::positive("blockSize"))]
    pub block_size: Option<Decimal>,
    /// From when on it is valid: midnight UTC. Absent means from ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Moment>")]
    #[x_kube(validation = rules::midnight("validFrom"))]
    pub valid_from: Option<Timestamp>,
    /// Until when it is valid: midnight UTC of the first day on which it is not. Absent means for ever. When the last
    /// version of a name is over, its lines end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Moment>")]
    #[x_kube(validation = rules::midnight("validUntil"))]
    pub valid_until: Option<Timestamp>,
    /// What a billing period comes to: `Latest` is what stands; `Average` is the mean over the time of the period, `Peak`
    /// the greatest reading, `P95` the reading that is not exceeded for 95 hundredths of its time, and `Hours` each reading
    /// times the hours for which it stood: of `count`, the hours for which the service was there. All but `Latest` are
    /// known when the period is over, so they need customers with `billing: Arrears`. Readings count at the resolution of
    /// `rounding`; a machine that is not there counts as zero.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// What counts for time that nobody saw: `Hold` (the default) takes the last reading before it, `Exclude` leaves that
    /// time out. Either way the time is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Gaps>,
    /// How a quantity is changed: `InPlace` on the line itself; `Prorate` ends the line and lets another one begin on the
    /// same day, so that ConnectWise charges each for its days. Where the agreement does not prorate that day is the first
    /// one of a billing period.
    #[serde(default)]
    pub change: Change,
}

const fn first_version() -> i32 {
    1
}

/// What is measured of a service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Property {
    /// Virtual processors.
    #[serde(rename = "vcpu")]
    Vcpu,
    /// Processor time of a resource pool, as vCenter says at each look.
    #[serde(rename = "cpu")]
    Cpu,
    /// Configured memory.
    #[serde(rename = "memory")]
    Memory,
    /// The capacity of all virtual disks as the machine sees them, thin or thick.
    #[serde(rename = "storage.provisioned")]
    StorageProvisioned,
    /// What the machine's files take up on datastores: disks as far as they are written, snapshots, swap and logs, with
    /// what vSAN keeps more than once.
    #[serde(rename = "storage.consumed")]
    StorageConsumed,
    /// What the machine's snapshots take up: memory and state files, and what its disks grew by since the first of them.
    #[serde(rename = "storage.snapshot")]
    StorageSnapshot,
    /// Graphics processors, passed through or shared.
    #[serde(rename = "gpu")]
    Gpu,
    /// The machine itself: one.
    #[serde(rename = "count")]
    Count,
}

/// The unit of a quantity.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Unit {
    /// Virtual processors.
    #[serde(rename = "vCPU")]
    Vcpu,
    /// 1000 MHz.
    #[serde(rename = "GHz")]
    Ghz,
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
    /// How many there are.
    Count,
}

/// A product of the ConnectWise catalogue: exactly one of `id` and `identifier`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema,
)]
#[x_kube(validation = rules::exactly_one("product", &["id", "identifier"]))]
#[x_kube(validation = ("!has(self.create) || has(self.identifier)", "product.create needs product.identifier: what is made gets that Product ID"))]
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
    /// How to make it where the catalogue has none of that identifier. Absent means that a missing product is told, and
    /// nothing is billed until somebody makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<NewProduct>,
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
    /// What is allowed, and may all the same be a mistake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub remarks: Vec<String>,
}
