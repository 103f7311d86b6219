//! Which fields of the specs the sequences set, to what, and which are somebody else's to try. A field that is in a CRD
//! and neither here nor there makes the test fail.

use std::collections::{BTreeMap, BTreeSet};

use meterwise::api;
use serde_json::Value;

use crate::sequences::declared::Declared;

/// A place in what is declared, and what it may say; `null` takes it away.
pub(super) type Field = (&'static str, &'static str, &'static [&'static str]);

/// Everything that an edit can do. The first is what stands at the beginning.
pub(super) const FIELDS: &[Field] = &[
    (
        "RateCard",
        "/rules/0",
        &[
            r#"{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"identifier":"CLOUD-VCPU"}}"#,
            r#"{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":1},"minimum":"2","maximum":"9","lessIncluded":"1","serviceTypes":["VirtualMachine"],"basis":"Allocated"}"#,
            r#"{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"id":4},"rounding":{"mode":"Up","step":"4"}}"#,
            r#"{"name":"cores","property":"vcpu","unit":"vCPU","product":{"id":1}}"#,
            r#"{"name":"vcpu","property":"vcpu","unit":"GiB","product":{"id":1}}"#,
            r#"{"name":"vcpu","property":"vcpu","unit":"vCPU","product":{"identifier":"NO-SUCH-PRODUCT"}}"#,
        ],
    ),
    (
        "RateCard",
        "/rules/1",
        &[
            r#"{"name":"memory","property":"memory","unit":"GiB","product":{"identifier":"CLOUD-RAM"}}"#,
            r#"{"name":"memory","property":"memory","unit":"GiB","product":{"identifier":"CLOUD-RAM-FAST"}}"#,
            r#"{"name":"memory","property":"memory","unit":"MiB","product":{"id":2},"maximum":"20000","blockSize":"512"}"#,
            r#"{"name":"memory","property":"memory","unit":"GB","product":{"id":2},"rounding":{"mode":"Nearest","step":"1"}}"#,
            r#"{"name":"memory","property":"memory","unit":"GiB","product":{"id":2},"minimum":"9","maximum":"8"}"#,
        ],
    ),
    (
        "RateCard",
        "/rules/2",
        &[
            r#"{"name":"disk","property":"storage.provisioned","unit":"GiB","product":{"id":3}}"#,
            "null",
            r#"{"name":"disk","property":"storage.provisioned","unit":"GB","product":{"id":3},"rounding":{"mode":"Down","step":"0.5"}}"#,
            r#"{"name":"disk","property":"storage.provisioned","unit":"TiB","product":{"id":3},"rounding":{"mode":"Up","step":"0.25"},"lessIncluded":"0.25"}"#,
            r#"{"name":"disk","property":"storage.provisioned","unit":"GiB","product":{"id":3},"rounding":{"mode":"Up","step":"0"}}"#,
        ],
    ),
    (
        "CustomerMapping",
        "/company",
        &[
            r#"{"identifier":"Acme"}"#,
            r#"{"id":7}"#,
            r#"{"name":"Acme"}"#,
            r#"{"id":77}"#,
        ],
    ),
    ("CustomerMapping", "/contact", &["null", r#"{"id":9}"#]),
    (
        "CustomerMapping",
        "/masterAgreement",
        &[
            r#"{"id":50}"#,
            r#"{"name":"Acme Master"}"#,
            r#"{"name":"No such master"}"#,
        ],
    ),
    (
        "CustomerMapping",
        "/mode",
        &[r#""Sync""#, r#""CreateOnly""#, r#""Observe""#],
    ),
    ("CustomerMapping", "/suspend", &["false", "true"]),
    (
        "CustomerMapping",
        "/billing",
        &[r#""Advance""#, r#""Arrears""#],
    ),
    (
        "CustomerMapping",
        "/lateChanges",
        &[r#""NextPeriod""#, r#""Hold""#],
    ),
    (
        "CustomerMapping",
        "/quantityDrift",
        &[r#""Revert""#, r#""Keep""#],
    ),
    (
        "CustomerMapping",
        "/removalGrace",
        &[r#""30m""#, r#""12h""#],
    ),
    (
        "CloudService",
        "/billable",
        &[
            "null",
            r#"{"value":false,"reason":"a trial"}"#,
            r#"{"value":false,"reason":"a trial","until":"2026-03-12T00:00:00Z"}"#,
            r#"{"value":true,"reason":"paid"}"#,
        ],
    ),
    (
        "CloudService",
        "/displayName",
        &["null", r#""web of the shop""#],
    ),
    (
        "CloudService",
        "/deletionPolicy",
        &[r#""Retain""#, r#""Cancel""#],
    ),
    (
        "CloudService",
        "/external",
        &[
            "null",
            r#"{"agreementId":52}"#,
            r#"{"agreementId":52,"additions":[{"rule":"vcpu","id":901}]}"#,
        ],
    ),
    (
        "CloudService",
        "/resumeAfter",
        &[
            "null",
            r#""2026-03-10T18:00:00Z""#,
            r#""2026-03-12T18:00:00Z""#,
        ],
    ),
    ("CloudService", "/suspend", &["false", "true"]),
    (
        "ConnectWiseIntegration",
        "/mode",
        &[r#""Sync""#, r#""Observe""#],
    ),
    (
        "ConnectWiseIntegration",
        "/agreementType",
        &[r#"{"id":19}"#, r#"{"name":"Cloud Service"}"#],
    ),
    (
        "ConnectWiseIntegration",
        "/nameTemplate",
        &[
            r#""{{company}} - {{service}}""#,
            r#""cloud: {{ service }}""#,
        ],
    ),
    (
        "ConnectWiseIntegration",
        "/timeZone",
        &[
            "null",
            r#""Europe/Berlin""#,
            r#""America/Phoenix""#,
            r#""Mars/Olympus""#,
        ],
    ),
];

/// What the sequences cannot reach, because it is used outside of what runs in this process; and the test that tries it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "RateCard",
        ".rules[].aggregation",
        "tests/it/crds/refused.yaml",
    ),
    ("RateCard", ".rules[].gaps", "tests/it/crds/refused.yaml"),
    ("RateCard", ".rules[].change", "tests/it/crds/accepted.yaml"),
    ("RateCard", ".rules[].match", "tests/it/explain.rs"),
    (
        "RateCard",
        ".rules[].product.create",
        "tests/it/trouble/catalogue.rs",
    ),
    (
        "CustomerMapping",
        ".overrides[].rules[].product.create",
        "tests/it/trouble/catalogue.rs",
    ),
    ("RateCard", ".rules[].version", "src/domain/terms/tests.rs"),
    (
        "RateCard",
        ".rules[].validFrom",
        "src/domain/terms/tests.rs",
    ),
    (
        "RateCard",
        ".rules[].validUntil",
        "src/domain/terms/tests.rs",
    ),
    ("CustomerMapping", ".overrides", "tests/it/explain.rs"),
    ("BillingRecord", "", "tests/it/matrix/register.rs"),
    ("UsageStatement", "", "tests/it/crds/changes.yaml"),
    ("ChangeApproval", "", "tests/it/trouble/guard.rs"),
    ("UsageSource", ".sourceId", "tests/it/crds/changes.yaml"),
    (
        "UsageSource",
        ".snapshotInterval",
        "tests/it/world/declared.rs",
    ),
    ("UsageSource", ".exclude", "tests/it/trouble/discovery.rs"),
    ("UsageSource", ".tenants", "tests/it/trouble/source.rs"),
    ("UsageSource", ".vsphere", "tests/it/trouble/source.rs"),
    ("CloudService", ".mappingRef", "tests/it/trouble/service.rs"),
    ("CloudService", ".source", "tests/it/trouble/service.rs"),
    (
        "CloudService",
        ".firstSeen",
        "tests/it/trouble/discovery.rs",
    ),
    ("CloudService", ".type", "tests/it/crds/refused.yaml"),
    ("CustomerMapping", ".discover", "tests/it/trouble/source.rs"),
    (
        "CustomerMapping",
        ".integrationRef",
        "tests/it/trouble/newcomer.rs",
    ),
    (
        "CustomerMapping",
        ".rateCardRef",
        "tests/it/trouble/mapping.rs",
    ),
    (
        "CustomerMapping",
        ".masterAgreement.create",
        "tests/it/loss/master.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".installationId",
        "tests/it/loss/reinstalled.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".url",
        "tests/it/trouble/integration.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".companyId",
        "tests/it/trouble/integration.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".clientId",
        "tests/it/trouble/person.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".credentialsSecretRef",
        "tests/it/attacks/operator.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".caBundle",
        "tests/it/trouble/integration.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".tenants",
        "tests/it/trouble/mapping.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".requestsPerMinute",
        "tests/it/trouble/answers.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".refreshInterval",
        "tests/it/steady/rhythm.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".auditInterval",
        "tests/it/steady/rhythm.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".markField",
        "tests/it/trouble/integration.rs",
    ),
    (
        "ConnectWiseIntegration",
        ".guards",
        "tests/it/world/declared.rs",
    ),
];

/// The leaves of a schema.
fn of_schema(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, of) in properties {
            of_schema(of, &format!("{path}.{name}"), found);
        }
    } else if schema["items"].is_object() {
        of_schema(&schema["items"], &format!("{path}[]"), found);
    } else if schema["additionalProperties"].is_object() {
        of_schema(
            &schema["additionalProperties"],
            &format!("{path}{{}}"),
            found,
        );
    } else {
        found.insert(path.to_owned());
    }
}

/// The leaves of a value, each with what it says.
fn of_value(value: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Object(fields) => {
            for (name, of) in fields {
                of_value(of, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|of| of_value(of, &format!("{path}[]"), found)),
        Value::Null => {}
        leaf => {
            found
                .entry(path.to_owned())
                .or_default()
                .insert(leaf.to_string());
        }
    }
}

#[test]
fn every_field_of_a_spec_is_set_by_the_sequences_or_tried_elsewhere() {
    let mut set: BTreeMap<&str, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (at, (kind, _, values)) in FIELDS.iter().enumerate() {
        for choice in 0..values.len() {
            let mut declared = Declared::new();
            declared.edit(at, choice);
            of_value(declared.spec(kind), "", set.entry(kind).or_default());
        }
    }
    let mut wrong = Vec::new();
    for crd in api::crds() {
        let kind = crd.spec.names.kind.as_str();
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        let mut fields = BTreeSet::new();
        of_schema(
            &schema["openAPIV3Schema"]["properties"]["spec"],
            "",
            &mut fields,
        );
        let elsewhere: Vec<_> = ELSEWHERE.iter().filter(|it| it.0 == kind).collect();
        let is_elsewhere =
            |field: &String| elsewhere.iter().any(|(_, of, _)| field.starts_with(of));
        for field in &fields {
            // What is never absent has another value; what may be absent is there once.
            if !is_elsewhere(field) && !set.get(kind).is_some_and(|set| set.contains_key(field)) {
                wrong.push(format!("no sequence sets {kind} spec{field}"));
            }
        }
        let unknown = set.get(kind).into_iter().flatten().map(|(field, _)| field);
        wrong.extend(
            unknown
                .filter(|field| !fields.contains(*field) && !is_elsewhere(field))
                .map(|field| format!("{kind} has no spec{field}")),
        );
        for (_, of, file) in &elsewhere {
            if !fields.iter().any(|field| field.starts_with(of)) {
                wrong.push(format!("{kind} has no spec{of}"));
            }
            let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR")));
            let name = of.rsplit('.').next().unwrap();
            if !text.expect("the file of the test").contains(name) {
                wrong.push(format!("{file} does not speak of {kind} spec{of}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
