//! Whether every field of a spec is tried by something: a field that is in a CRD and neither set by the sequences nor named
//! here, with the test that tries it, makes the test fail.

use std::collections::{BTreeMap, BTreeSet};

use meterwise::api;
use serde_json::Value;

use crate::sequences::declared::Declared;
use crate::sequences::fields::FIELDS;

/// What the sequences cannot reach, because it is used outside of what runs in this process; and the test that tries it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "RateCard",
        ".rules[].ordered",
        "tests/it/trouble/ordered.rs",
    ),
    (
        "RateCard",
        ".rules[].aboveOrdered",
        "tests/it/trouble/ordered.rs",
    ),
    (
        "RateCard",
        ".rules[].match.classes",
        "tests/it/trouble/ordered.rs",
    ),
    (
        "CustomerMapping",
        ".overrides[].rules[].ordered",
        "tests/it/trouble/ordered.rs",
    ),
    (
        "CustomerMapping",
        ".overrides[].rules[].aboveOrdered",
        "tests/it/trouble/ordered.rs",
    ),
    (
        "CustomerMapping",
        ".overrides[].rules[].match.classes",
        "tests/it/trouble/ordered.rs",
    ),
    ("CloudService", ".class", "tests/it/trouble/ordered.rs"),
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
    ("CustomerMapping", ".billFrom", "tests/it/day_one/mod.rs"),
    ("CustomerMapping", ".replaces", "tests/it/day_one/mod.rs"),
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
                // The names of labels are people's.
                let inner = match path.ends_with(".labels") {
                    true => format!("{path}{{}}"),
                    false => format!("{path}.{name}"),
                };
                of_value(of, &inner, found);
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
            of_value(&declared.flat(kind), "", set.entry(kind).or_default());
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
            // A rule is the same on a card and in an override.
            let of_rule = field.strip_prefix(".overrides[]").map(str::to_owned);
            let is_set = |kind: &str, field: &String| {
                set.get(kind).is_some_and(|set| set.contains_key(field))
            };
            let set_here = is_set(kind, field);
            let set = set_here || of_rule.is_some_and(|field| is_set("RateCard", &field));
            if !is_elsewhere(field) && !set {
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
