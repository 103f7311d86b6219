//! What a mapping's status keeps about changes that need a person's word: the plan that waits for it, and the total that it is
//! measured against. Must not know what is judged, nor how.

use jiff::Timestamp;
use kube::KubeSchema;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::api::reference::Moment;

/// A plan that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldPlan {
    /// What a ChangeApproval must name as `planDigest`.
    pub digest: String,
    /// How many actions the plan has.
    pub actions: u32,
    /// The first of them, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub first: Vec<String>,
}

/// A customer's total from before the last changes, or the moment at which the customer began to be billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BilledBaseline {
    /// About when the last of these changes was let through; while the customer goes live, when that began.
    #[schemars(with = "Moment")]
    pub since: Timestamp,
    /// Whether nothing was billed before, so that nothing is too much yet.
    #[serde(default)]
    pub going_live: bool,
    /// How many lines charged something.
    #[serde(default)]
    pub lines: i64,
    /// Unit price times charged quantity of all lines whose price can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub amount: Option<Decimal>,
    /// The charged quantities of lines whose price cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["productId".to_owned()]))]
    pub products: Vec<BilledProduct>,
}

/// How much of a product is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BilledProduct {
    /// The product's id in ConnectWise.
    pub product_id: i32,
    /// The charged quantity.
    #[schemars(with = "String")]
    pub quantity: Decimal,
}
