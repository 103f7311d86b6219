//! `BillingRecord`: the operator's own book for one mark. People read it; only the operator writes it.
//! Its schema only ever grows, so that an older version of the operator cannot lose what a newer one wrote.

use std::collections::BTreeMap;

use kube::CustomResource;
use kube::KubeSchema;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was intended, which ConnectWise record was chosen and what was ended, for one service. It outlives its
/// CloudService: deleting and re-creating what people declared loses nothing and bills nothing twice.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "BillingRecord",
    plural = "billingrecords",
    shortname = "brec",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service"),
    printcolumn(
        name = "Agreement",
        type_ = "integer",
        json_path = ".spec.agreement.id"
    ),
    printcolumn(
        name = "Generation",
        type_ = "integer",
        json_path = ".spec.agreement.generation"
    ),
    printcolumn(
        name = "Ended",
        type_ = "string",
        json_path = ".spec.agreement.ending.date"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct BillingRecordSpec {
    /// What the mark was made from.
    pub key: RecordKey,
    /// `namespace/name` of the CloudService that last used this record.
    #[schemars(length(max = 320))]
    pub service: String,
    /// The bundled agreement.
    pub agreement: RecordAgreement,
    /// Its additions, by the name of the rate card's rule.
    #[serde(default)]
    pub lines: BTreeMap<String, RecordLine>,
    /// What is counted over whole billing periods, by the name of the rate card's rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meters: BTreeMap<String, RecordMeter>,
    /// Since when the machine is billed to somebody else, RFC 3339, while lines that are charged by whole periods stand for
    /// their last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub left_at: Option<String>,
    /// What a later version wrote here, kept as it is.
    #[serde(flatten)]
    #[schemars(skip)]
    pub later: BTreeMap<String, Value>,
}

/// What makes a service the same service for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self == oldSelf", "key is what the mark was made from and never changes"))]
pub struct RecordKey {
    /// `installationId` of the integration.
    #[schemars(length(max = 63))]
    pub installation_id: String,
    /// The ConnectWise company database.
    #[schemars(length(max = 63))]
    pub database: String,
    /// The customer's company id in ConnectWise.
    pub company_id: i32,
    /// `sourceId` of the usage source.
    #[schemars(length(max = 63))]
    pub source_id: String,
    /// The service type.
    #[schemars(length(max = 63))]
    pub service_type: String,
    /// The machine's instance UUID.
    #[schemars(length(max = 63))]
    pub instance_uuid: String,
    /// The machine's address, only for a clone that shares its instance UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub clone_moref: Option<String>,
}

/// The bundled agreement of the current generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordAgreement {
    /// 1 at first; one more each time the service comes back after an end.
    pub generation: i32,
    /// A create whose outcome is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<RecordIntent>,
    /// The agreement's id in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i32>,
    /// Whether people made it, and it was adopted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Why and from when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<RecordEnding>,
    /// What a later version wrote here, kept as it is.
    #[serde(flatten)]
    #[schemars(skip)]
    pub later: BTreeMap<String, Value>,
}

/// One addition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordLine {
    /// 1 at first; one more each time the line comes back on the same agreement.
    pub generation: i32,
    /// The product's id in ConnectWise.
    pub product_id: i32,
    /// A create whose outcome is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<RecordIntent>,
    /// The addition's id in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i32>,
    /// Whether it was made billable; from then on `billCustomer` is people's.
    pub activated: bool,
    /// Whether people made it, and it was adopted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// In arrears: the quantity with which the last period ended, once it has changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<RecordClosed>,
    /// Why and from when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<RecordEnding>,
    /// The quantity that ConnectWise last held by meterwise's hand; another one was set by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 40))]
    pub quantity: Option<Decimal>,
    /// A quantity on its way, where people's edits are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 40))]
    pub intended: Option<Decimal>,
    /// The included quantity that meterwise set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 40))]
    pub less_included: Option<Decimal>,
    /// The unit price that the addition was made with; another one was set by a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 40))]
    pub price: Option<Decimal>,
    /// The addition that this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<RecordPredecessor>,
    /// The day on which that one ended to make room for this one, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub follows_on: Option<String>,
    /// What a later version wrote here, kept as it is.
    #[serde(flatten)]
    #[schemars(skip)]
    pub later: BTreeMap<String, Value>,
}

/// The running totals of one rule. Levels are readings at the resolution that is billed, in vCPUs or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordMeter {
    /// Up to when the periods are counted, RFC 3339. Since then the level stands, and nothing is written.
    #[schemars(length(max = 40))]
    pub until: String,
    /// The level that stands; absent while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    /// The level that is held while it is not known.
    pub held: i64,
    /// The periods, oldest first; the last one is under way.
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub periods: Vec<RecordPeriod>,
}

/// One billing period of a meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordPeriod {
    /// Its first moment, RFC 3339.
    #[schemars(length(max = 40))]
    pub from: String,
    /// The first moment of the next, RFC 3339.
    #[schemars(length(max = 40))]
    pub to: String,
    /// Milliseconds at each level.
    #[serde(default)]
    pub levels: BTreeMap<String, i64>,
    /// Milliseconds at lower levels than those.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rest: i64,
    /// Those, each times its level.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 40))]
    pub rest_total: String,
    /// Milliseconds that nobody saw, by the level that is held for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unseen: BTreeMap<String, i64>,
    /// When that was: the first fifty times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub gaps: Vec<RecordGap>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Time that nobody saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordGap {
    /// Since when, RFC 3339.
    #[schemars(length(max = 40))]
    pub from: String,
    /// Until when, RFC 3339.
    #[schemars(length(max = 40))]
    pub to: String,
    /// The level that is held for it.
    pub held: i64,
}

/// The addition that billed before another took its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordPredecessor {
    /// Its agreement's id.
    pub agreement_id: i32,
    /// Its own id.
    pub id: i32,
    /// The unit price that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 40))]
    pub price: Option<Decimal>,
}

/// With what a period ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordClosed {
    /// The first day after the period, RFC 3339.
    #[schemars(length(max = 40))]
    pub until: String,
    /// The quantity that stood on the line, exactly.
    #[schemars(length(max = 40))]
    pub quantity: String,
}

/// Written before a create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordIntent {
    /// Which pass of which operator process intended it.
    #[schemars(length(max = 63))]
    pub attempt: String,
    /// When, RFC 3339.
    #[schemars(length(max = 40))]
    pub started_at: String,
    /// What was made came back without its mark, so nothing more is made for a day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmarked: bool,
}

/// Written before anything is cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordEnding {
    /// The last day, RFC 3339.
    #[schemars(length(max = 40))]
    pub date: String,
    /// What shows the end: `RemovalEvent`, `TwoSnapshots`, `RuleRemoved`, `Moved`, `NotBillable`, `Replaced` or `Declared`.
    #[schemars(length(max = 63))]
    pub evidence: String,
    /// Whether ConnectWise confirmed it.
    pub done: bool,
}

/// What a later version wrote into a record, by where it stands; this version understands none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Later {
    whole: BTreeMap<String, Value>,
    agreement: (i32, BTreeMap<String, Value>),
    lines: BTreeMap<String, (i32, BTreeMap<String, Value>)>,
}

impl Later {
    /// What of a record is a later version's.
    #[must_use]
    pub fn of(spec: &BillingRecordSpec) -> Self {
        let lines = spec.lines.iter();
        Self {
            whole: spec.later.clone(),
            agreement: (spec.agreement.generation, spec.agreement.later.clone()),
            lines: lines
                .map(|(rule, line)| (rule.clone(), (line.generation, line.later.clone())))
                .collect(),
        }
    }

    /// Puts it back into a record that is about to be written. What was said of an earlier generation is not true of
    /// the next one.
    pub fn put_back(&self, spec: &mut BillingRecordSpec) {
        spec.later.clone_from(&self.whole);
        if spec.agreement.generation == self.agreement.0 {
            spec.agreement.later.clone_from(&self.agreement.1);
        }
        for (rule, line) in &mut spec.lines {
            if let Some((generation, later)) = self.lines.get(rule)
                && *generation == line.generation
            {
                line.later.clone_from(later);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn what_a_later_version_wrote_is_put_back_where_it_is_still_true() {
        let spec = |generation: i32| -> BillingRecordSpec {
            from_value(json!({
                "key": {
                    "installationId": "i", "database": "d", "companyId": 1,
                    "sourceId": "s", "serviceType": "VirtualMachine", "instanceUuid": "u",
                },
                "service": "acme/web",
                "agreement": { "generation": 1, "currency": "EUR" },
                "lines": { "vcpu": {
                    "generation": generation, "productId": 7, "activated": true, "quantity": "4.5", "frozen": [1],
                }},
                "totals": { "units": 3 },
            }))
            .unwrap()
        };
        let later = Later::of(&spec(1));
        let rewritten = |generation: i32| {
            let mut plain = spec(generation);
            Later::default().put_back(&mut plain);
            plain.agreement.later.clear();
            for line in plain.lines.values_mut() {
                line.later.clear();
            }
            later.put_back(&mut plain);
            plain
        };
        assert_eq!(rewritten(1), spec(1));
        assert_eq!(
            to_value(rewritten(1)).unwrap()["lines"]["vcpu"]["frozen"],
            json!([1])
        );
        let next = to_value(rewritten(2)).unwrap();
        assert_eq!(next["lines"]["vcpu"]["frozen"], Value::Null);
        assert_eq!(next["totals"]["units"], 3);
        assert_eq!(next["agreement"]["currency"], "EUR");
    }
}
