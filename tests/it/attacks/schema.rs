//! What people may write at all: no customer's field leads anywhere, and no number makes a wrong bill.

use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use meterwise::api;
use meterwise::api::rate_card::RateCardSpec;
use meterwise::domain::quantity::Reading;
use meterwise::domain::terms::Card;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;

/// The kinds that customers write.
const TENANTS: [&str; 3] = ["CustomerMapping", "CloudService", "ChangeApproval"];

/// Every field below a schema, by its path.
fn fields(schema: &JSONSchemaProps, path: &str, found: &mut Vec<String>) {
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        fields(property, &path, found);
        found.push(path);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        fields(item, &format!("{path}[]"), found);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        fields(value, &format!("{path}{{}}"), found);
    }
}

/// The fields of a kind's spec.
fn spec(kind: &str) -> Vec<String> {
    let crds = api::crds();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    let schema = crd.spec.versions[0].schema.as_ref().unwrap();
    let root = schema.open_api_v3_schema.as_ref().unwrap();
    let mut found = Vec::new();
    fields(&root.properties.as_ref().unwrap()["spec"], kind, &mut found);
    assert!(!found.is_empty(), "{kind}");
    found
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap().trim_end_matches("[]")
}

#[test]
fn t05_no_reference_leads_into_another_namespace() {
    let mut references = 0;
    for crd in api::crds() {
        let kind = &crd.spec.names.kind;
        let all = spec(kind);
        for path in &all {
            let inside = path.split('.').any(|part| {
                let part = part.trim_end_matches("[]");
                part.ends_with("Ref") || part == "ref"
            });
            if inside {
                references += 1;
                assert_ne!(last(path), "namespace", "{path}");
            }
        }
        // The only namespaces that anybody names are those that an owner lists as tenants.
        for path in all.iter().filter(|path| last(path) == "namespace") {
            assert!(path.ends_with(".tenants[].namespace"), "{path}");
            assert!(!TENANTS.contains(&kind.as_str()), "{path}");
        }
    }
    assert!(references > 10, "the check sees references: {references}");
}

#[test]
fn t15_no_customer_writes_an_address_an_authority_or_a_secret() {
    let leads = [
        "url",
        "uri",
        "host",
        "endpoint",
        "server",
        "webhook",
        "proxy",
        "secret",
        "credential",
        "cabundle",
        "certificate",
        "thumbprint",
        "tls",
        "token",
        "password",
        "header",
    ];
    for kind in TENANTS {
        for path in spec(kind) {
            let name = last(&path).to_lowercase();
            // Among the choices of machines it is the inventory path of an ESXi host: nothing is connected to it.
            if path.starts_with("CustomerMapping.discover[].") && name == "host" {
                continue;
            }
            let hit = leads.iter().find(|lead| name.contains(**lead));
            assert!(hit.is_none() && name != "ca", "{path}");
        }
    }
    // Nor does anybody have a switch that skips the check of a certificate.
    for crd in api::crds() {
        for path in spec(&crd.spec.names.kind) {
            let name = last(&path).to_lowercase();
            assert!(
                !name.contains("insecure") && !name.contains("skip"),
                "{path}"
            );
        }
    }
    // The check sees what it is for.
    assert!(
        spec("ConnectWiseIntegration")
            .iter()
            .any(|path| last(path) == "url")
    );
}

fn decimals() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        any::<(i64, u32)>().prop_map(|(n, scale)| Decimal::new(n, scale % 29)),
        any::<(u32, u32, u32, bool, u32)>()
            .prop_map(|(a, b, c, minus, scale)| Decimal::from_parts(a, b, c, minus, scale % 29)),
        Just(Decimal::MAX),
        Just(Decimal::MIN),
        Just(Decimal::ZERO),
    ]
}

proptest! {
    /// The API server refuses most of these (`tests/it/crds/refused.yaml`); what reaches the arithmetic all the same ends in
    /// a number within the bounds or in an error, never in a wrap, a panic or a negative bill.
    #[test]
    fn t11_no_number_of_a_spec_makes_a_wrong_bill(
        bytes in any::<u64>(),
        minimum in proptest::option::of(decimals()),
        maximum in proptest::option::of(decimals()),
        step in proptest::option::of(decimals()),
        unit in prop_oneof![Just("MiB"), Just("GiB"), Just("TB")],
    ) {
        let mut rule = json!({ "name": "memory", "property": "memory", "product": { "id": 1 }, "unit": unit });
        for (field, bound) in [("minimum", minimum), ("maximum", maximum)] {
            if let Some(bound) = bound {
                rule[field] = json!(bound.to_string());
            }
        }
        if let Some(step) = step {
            rule["rounding"] = json!({ "mode": "Up", "step": step.to_string() });
        }
        let card: RateCardSpec = serde_json::from_value(json!({ "rules": [rule] })).unwrap();
        let Ok(card) = Card::read(&card.rules, "spec.rules") else { return Ok(()) };
        for rule in card.at(Timestamp::UNIX_EPOCH).values() {
            let Ok(explained) = rule.measure.apply(Reading::Bytes(bytes)) else { continue };
            prop_assert!(explained.quantity >= Decimal::ZERO, "{}", explained.quantity);
            if let (Some(maximum), None) = (maximum, step) {
                prop_assert!(explained.quantity <= maximum, "{}", explained.quantity);
            }
        }
    }
}
