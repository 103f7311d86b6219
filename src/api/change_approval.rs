//! `ChangeApproval`: a person's yes to exactly one held plan. Must not know what the actions mean.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::condition::ConditionShape;
use crate::api::reference::{LocalRef, Moment};
use crate::api::rules;

/// A person's yes to one plan that meterwise held back. It names the plan by its digest; only its
/// actions are done, only while each still starts from what it started from, and only once.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "ChangeApproval",
    plural = "changeapprovals",
    shortname = "appr",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    status = "ChangeApprovalStatus",
    validation = rules::short_name(),
    printcolumn(name = "Mapping", type_ = "string", json_path = ".spec.mappingRef.name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiresAt"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("spec", "an approval is for one plan; create another ChangeApproval"))]
pub struct ChangeApprovalSpec {
    /// The CustomerMapping whose plan is held, in the same namespace.
    pub mapping_ref: LocalRef,
    /// The digest of the plan, from `status.heldPlan.digest` of the mapping.
    #[schemars(length(max = 64))]
    #[x_kube(validation = (
        "self.matches('^[0-9a-f]{64}$')",
        "planDigest must be the 64 hexadecimal digits of status.heldPlan.digest of the CustomerMapping"))]
    pub plan_digest: String,
    /// Every action of the plan, exactly as it prints them, for the record. May be left out: the digest names them to the
    /// letter. A part of the plan cannot be approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = 300)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub actions: Vec<String>,
    /// Until when the approval may be used.
    #[schemars(with = "Moment")]
    pub expires_at: Timestamp,
}

/// What became of an approval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeApprovalStatus {
    /// The `metadata.generation` that the rest of the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the approval was accepted, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(with = "Vec<ConditionShape>")]
    pub conditions: Vec<Condition>,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ApprovalState>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The actions that were done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub executed: Vec<String>,
}

/// What became of an approval.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ApprovalState {
    /// Not used yet.
    Pending,
    /// Its actions are done.
    Executed,
    /// Its time ran out.
    Expired,
    /// The plan changed, so that it no longer fits.
    Superseded,
}
