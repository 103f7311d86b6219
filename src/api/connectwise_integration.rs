//! `ConnectWiseIntegration`: one ConnectWise Manage instance and what meterwise may do there.
//! Must not know how ConnectWise is spoken to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::condition::ConditionShape;
use crate::api::guards::Guards;
use crate::api::interval::Interval;
use crate::api::reference::{LocalRef, Mode};
use crate::api::rules;

/// One ConnectWise Manage instance: where it is, with which keys it is used, who may use it, and how its records are
/// to be made. ConnectWise Manage (also called ConnectWise PSA) is where the provider keeps customers and agreements
/// and makes invoices. Resolved only in the platform namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "ConnectWiseIntegration",
    plural = "connectwiseintegrations",
    shortname = "cwi",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    status = "ConnectWiseIntegrationStatus",
    validation = rules::short_name(),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Sync", type_ = "string", json_path = ".status.sync.phase"),
    printcolumn(
        name = "Bundled",
        type_ = "integer",
        json_path = ".status.bundled",
        description = "Agreements that meterwise keeps"
    ),
    printcolumn(
        name = "Lines",
        type_ = "integer",
        json_path = ".status.lines",
        description = "Additions that meterwise keeps"
    ),
    printcolumn(
        name = "Orphans",
        type_ = "integer",
        json_path = ".status.orphans.count",
        priority = 1,
        description = "Agreements that bill and that nobody declares"
    ),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ConnectWiseIntegrationSpec {
    /// Names this installation of meterwise in every mark that it leaves in ConnectWise, so that it knows its own
    /// records again after a restore or in another cluster. Chosen once and never changed: with another id, meterwise
    /// would not recognise what it bills already.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::dns_label("installationId"))]
    #[x_kube(validation = rules::immutable(
        "installationId",
        "it is part of every mark in ConnectWise; create another ConnectWiseIntegration to begin anew"
    ))]
    pub installation_id: String,

    /// The site, as people open it in a browser: `https://na.myconnectwise.net`. Only `https`, and no path.
    #[schemars(length(max = 200))]
    #[x_kube(validation = rules::https("url"))]
    #[x_kube(validation = rules::no_user_info("url"))]
    #[x_kube(validation = rules::no_query("url"))]
    #[x_kube(validation = rules::no_punycode("url"))]
    #[x_kube(validation = rules::host_and_path("url", "/", "no path"))]
    pub url: String,

    /// The company database: what people type as *Company* when they log in to ConnectWise.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = ("self.matches('^[A-Za-z0-9_-]+$')",
        "companyId must be the login company: letters, digits, underscores and hyphens"))]
    #[x_kube(validation = rules::immutable(
        "companyId",
        "it is part of every mark in ConnectWise; create another ConnectWiseIntegration for another database"
    ))]
    pub company_id: String,

    /// The client id that ConnectWise gave the provider for its integrations, a GUID. It is not a secret.
    #[schemars(length(max = 36))]
    #[x_kube(validation = (
        "self.matches('^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$')",
        "clientId must be the GUID from ConnectWise's developer site, such as 3f2c9a0e-1b7d-4c55-9e21-0a8d6f4b7c13"))]
    pub client_id: String,

    /// The Secret with the API keys, in the namespace of this object. Keys: `publicKey`, `privateKey`, and `host`, which
    /// must equal the host (and port) of `url`: keys are sent nowhere else.
    pub credentials_secret_ref: LocalRef,

    /// Certificates in PEM to trust beside the usual ones, for an instance with a certificate of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    #[x_kube(validation = rules::pem("caBundle"))]
    pub ca_bundle: Option<String>,

    /// How far meterwise may go with this instance; a ceiling for every mapping. `Observe` plans and writes nothing,
    /// `CreateOnly` makes what is missing and changes nothing that stands, `Sync` does all of it.
    #[serde(default)]
    pub mode: Mode,

    /// Which namespaces may use this integration, and for which companies. A namespace that is not listed may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".to_owned()]))]
    pub tenants: Vec<IntegrationTenant>,

    /// How many requests a minute may be sent at most. Reads give way to writes.
    #[serde(default = "default_requests_per_minute")]
    #[schemars(range(min = 10, max = 1000))]
    pub requests_per_minute: i32,

    /// How often is asked what has changed in ConnectWise.
    #[serde(default = "default_refresh_interval")]
    #[x_kube(validation = rules::at_least("refreshInterval", "1s"))]
    pub refresh_interval: Interval,

    /// Within which time every record that meterwise keeps is read again in full, changed or not.
    #[serde(default = "default_audit_interval")]
    #[x_kube(validation = rules::at_least("auditInterval", "5s"))]
    pub audit_interval: Interval,

    /// The time zone in which the provider's days begin and end, by its IANA name such as `Europe/Berlin`. Absent means
    /// the one that ConnectWise reports, where that is such a name, and UTC otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = ("self.matches('^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')",
        "timeZone must be an IANA name such as Europe/Berlin, America/New_York or UTC"))]
    pub time_zone: Option<String>,

    /// Which field of an agreement and of an addition carries the mark by which meterwise knows its own records.
    #[x_kube(validation = rules::immutable(
        "markField",
        "marks in the old field would no longer be found; create another ConnectWiseIntegration"
    ))]
    pub mark_field: MarkFieldChoice,

    /// The type of the bundled agreements that meterwise makes. ConnectWise takes the defaults of an agreement from it.
    pub agreement_type: AgreementTypeSelector,

    /// How a bundled agreement is named when it is made: text with `{{ company }}` and `{{ service }}`, the latter at
    /// least once. People may rename agreements later; meterwise leaves their names alone.
    #[serde(default = "default_name_template")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = (
        "self.matches('^([^{}]|[{][{] ?(company|service) ?[}][}])+$') && self.matches('[{][{] ?service ?[}][}]')",
        "nameTemplate must hold {{ service }}, may hold {{ company }}, and no other braces"))]
    #[x_kube(validation = rules::printable("nameTemplate"))]
    pub name_template: String,

    /// From where on a change is more likely a fault than a fact, and waits until somebody approves it. Left out, the
    /// guards have their defaults: there is none that is off.
    #[serde(default)]
    pub guards: Guards,
}

impl ConnectWiseIntegrationSpec {
    /// The company database, as it stands in every mark: ConnectWise takes its login company in any case, so that one
    /// spelled otherwise is the same one.
    #[must_use]
    pub fn database(&self) -> String {
        self.company_id.to_lowercase()
    }
}

/// One namespace that may use the integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationTenant {
    /// The namespace.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label("namespace"))]
    pub namespace: String,
    /// The companies that it may bill, by their short identifier in ConnectWise. Absent means any company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500), inner(length(min = 1, max = 30)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub companies: Option<Vec<String>>,
    /// Whether its services may adopt agreements that people made, by `spec.external` of a CloudService. What was adopted
    /// stays so.
    #[serde(default)]
    pub may_adopt: bool,
}

/// Where the mark is stored: exactly one of `customField` and `plainFields`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("markField", &["customField", "plainFields"]))]
pub struct MarkFieldChoice {
    /// In custom fields of type Text that the provider added to agreements and to additions. No customer sees them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_field: Option<MarkCustomField>,
    /// In fields that every instance has: *Customer PO* of an agreement and *Serial Number* of an addition. They print
    /// on some invoice templates; take this only where custom fields cannot be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_fields: Option<MarkPlainFields>,
}

/// The two custom fields, each by the id of its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarkCustomField {
    /// The custom field of agreements.
    #[schemars(range(min = 1))]
    pub agreement_field_id: i32,
    /// The custom field of additions.
    #[schemars(range(min = 1))]
    pub addition_field_id: i32,
}

/// Nothing more to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct MarkPlainFields {}

/// An agreement type: exactly one of `id` and `name`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema,
)]
#[x_kube(validation = rules::exactly_one("agreementType", &["id", "name"]))]
pub struct AgreementTypeSelector {
    /// Its id in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub id: Option<i32>,
    /// Its name, exactly as ConnectWise shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = rules::printable("name"))]
    pub name: Option<String>,
}

/// What meterwise found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectWiseIntegrationStatus {
    /// The `metadata.generation` that the rest of the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the integration is right, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(with = "Vec<ConditionShape>")]
    pub conditions: Vec<Condition>,
    /// ConnectWise's version, as it reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The codebase that the instance is on, such as `v2026_1/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codebase: Option<String>,
    /// The time zone in which days begin and end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Agreements that were read, whoever made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreements: Option<u32>,
    /// Agreements among them that carry a mark of this installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundled: Option<u32>,
    /// Additions that carry a mark of this installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// Agreements that carry a mark and bill, and that no CloudService stands for: it was deleted, or its namespace, or
    /// the mark was forged. They are never touched. Absent means that there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orphans: Option<Orphans>,
    /// How far the first full read is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncProgress>,
}

/// Agreements that bill and that nobody declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Orphans {
    /// How many there are.
    pub count: u32,
    /// The first 20 of them, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["agreementId".to_owned()]))]
    pub first: Vec<OrphanedAgreement>,
}

/// An agreement that bills and that nobody declares. meterwise leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrphanedAgreement {
    /// Its id in ConnectWise.
    pub agreement_id: i32,
    /// What it is and what can be done about it.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// How far the first full read of ConnectWise is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncProgress {
    /// What is being read.
    pub phase: SyncPhase,
    /// How many records are read.
    pub done: u32,
    /// How many there are.
    pub total: u32,
}

/// What of ConnectWise is being read.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum SyncPhase {
    /// Nothing yet.
    Starting,
    /// The list of agreements.
    Listing,
    /// The additions of the agreements that are ours.
    Auditing,
    /// Everything has been read; decisions are possible.
    Complete,
}

const fn default_requests_per_minute() -> i32 {
    300
}

const fn default_refresh_interval() -> Interval {
    Interval::from_secs(5 * 60)
}

const fn default_audit_interval() -> Interval {
    Interval::from_secs(24 * 60 * 60)
}

fn default_name_template() -> String {
    "{{ company }} - {{ service }}".to_owned()
}
