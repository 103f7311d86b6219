//! The custom resources: generated files in step with the types, schemas that keep the house rules, and, on a real API
//! server, what is accepted and what is refused. Must not know what the operator does with any of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use meterwise::api;

mod server;

const KINDS: [(&str, &str); 8] = [
    ("ConnectWiseIntegration", "cwi"),
    ("UsageSource", "usrc"),
    ("RateCard", "rate"),
    ("CustomerMapping", "cmap"),
    ("CloudService", "csvc"),
    ("BillingRecord", "brec"),
    ("UsageStatement", "stmt"),
    ("ChangeApproval", "appr"),
];

#[test]
fn files_are_in_step_with_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none() {
            // `Kustomization`, which `kubectl apply -f` passes over, too.
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.insert(name, fs::read_to_string(&path).unwrap());
    }
    let generated: BTreeMap<_, _> = api::crds()
        .iter()
        .map(|crd| {
            (
                format!("{}.yaml", crd.spec.names.plural),
                api::crd_yaml(crd).unwrap(),
            )
        })
        .collect();
    assert!(
        found.keys().eq(generated.keys()),
        "crds/ holds {:?}, the types are {:?}",
        found.keys(),
        generated.keys()
    );
    for (name, text) in &generated {
        assert!(
            found[name] == *text,
            "crds/{name} is not what `meterwise crds` writes; run it"
        );
    }
}

#[test]
fn all_kinds_are_there_under_their_names() {
    let crds = api::crds();
    let names: Vec<_> = crds
        .iter()
        .map(|crd| {
            let names = &crd.spec.names;
            (
                names.kind.as_str(),
                names.short_names.as_ref().unwrap()[0].as_str(),
            )
        })
        .collect();
    assert_eq!(names, KINDS);
    for crd in &crds {
        assert_eq!(crd.spec.group, api::GROUP);
        assert_eq!(crd.spec.versions[0].name, api::VERSION);
        assert_eq!(crd.spec.scope, "Namespaced");
        assert_eq!(crd.spec.names.categories.as_deref().unwrap(), ["meterwise"]);
        let status = crd.spec.versions[0]
            .subresources
            .as_ref()
            .is_some_and(|s| s.status.is_some());
        let told = !["BillingRecord", "UsageStatement"].contains(&crd.spec.names.kind.as_str());
        assert_eq!(status, told, "{} and its status", crd.spec.names.kind);
    }
}

#[test]
fn schemas_keep_the_house_rules() {
    let mut wrong = Vec::new();
    for crd in api::crds() {
        let schema = root(&crd);
        let spec = &schema.properties.as_ref().unwrap()["spec"];
        let kind = &crd.spec.names.kind;
        walk(schema, kind, &mut |path, schema| {
            known_format(path, schema, &mut wrong)
        });
        walk(schema, kind, &mut |path, schema| {
            described(path, schema, &mut wrong)
        });
        walk(schema, kind, &mut |path, schema| {
            reference(path, schema, &mut wrong)
        });
        walk(spec, &format!("{kind}.spec"), &mut |path, schema| {
            bounded(path, schema, &mut wrong)
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn root(crd: &CustomResourceDefinition) -> &JSONSchemaProps {
    let validation = crd.spec.versions[0].schema.as_ref().unwrap();
    validation.open_api_v3_schema.as_ref().unwrap()
}

fn walk(schema: &JSONSchemaProps, path: &str, visit: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        walk(item, &format!("{path}[]"), visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        walk(value, &format!("{path}{{}}"), visit);
    }
}

/// The API server ignores formats it does not know, and warns about each.
fn known_format(path: &str, schema: &JSONSchemaProps, wrong: &mut Vec<String>) {
    let known = [None, Some("int32"), Some("int64"), Some("date-time")];
    if !known.contains(&schema.format.as_deref()) {
        wrong.push(format!("{path} has the unknown format {:?}", schema.format));
    }
    if schema.nullable.is_some() {
        wrong.push(format!("{path} is nullable"));
    }
}

fn described(path: &str, schema: &JSONSchemaProps, wrong: &mut Vec<String>) {
    let item = path.ends_with("[]") || path.ends_with("{}");
    if !item && schema.description.as_deref().is_none_or(str::is_empty) {
        wrong.push(format!("{path} has no description"));
    }
}

/// A reference is a name and nothing else: never a namespace.
fn reference(path: &str, schema: &JSONSchemaProps, wrong: &mut Vec<String>) {
    if path.ends_with("Ref") || path.ends_with(".ref") {
        let fields: Vec<_> = schema
            .properties
            .iter()
            .flatten()
            .map(|(name, _)| name)
            .collect();
        if fields != ["name"] {
            wrong.push(format!("{path} has the fields {fields:?}"));
        }
    }
}

/// What people send has a bound everywhere, or rules on it would cost more than the API server grants.
fn bounded(path: &str, schema: &JSONSchemaProps, wrong: &mut Vec<String>) {
    match schema.type_.as_deref() {
        Some("string") => {
            let enough =
                schema.max_length.is_some() || schema.enum_.is_some() || schema.format.is_some();
            if !enough {
                wrong.push(format!("{path} has no greatest length"));
            }
        }
        Some("array") if schema.max_items.is_none() || schema.x_kubernetes_list_type.is_none() => {
            wrong.push(format!(
                "{path} has no greatest number of items, or no list type"
            ));
        }
        _ => {}
    }
}
