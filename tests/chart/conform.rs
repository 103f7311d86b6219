//! A real API server judges what the charts render: by its own schemas, by dry runs, and pods by the Pod Security Standard
//! `restricted`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use stack::{ControlPlane, ControlPlaneOptions};

use crate::helm::{all_values, documents, helm, only, rendered, run, values};
use crate::world::Turn;

const PLATFORM: &str = "meterwise-system";

#[test]
fn the_api_server_takes_everything_that_is_rendered() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(dir.path(), &ControlPlaneOptions::default()).unwrap();
    for namespace in [PLATFORM, "acme", "globex"] {
        let restricted = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
        let metadata = json!({ "name": namespace, "labels": restricted });
        let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
        plane.apply(&manifest.to_string()).unwrap();
    }
    let kinds = documents(&rendered(&[]));
    let kinds = kinds
        .into_iter()
        .filter(|manifest| manifest["kind"] == "CustomResourceDefinition");
    plane.apply(&list(kinds.collect())).unwrap();
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    plane.kubectl(&established).unwrap();

    let schemas = dir.path().join("schemas");
    write_schemas(&plane, &schemas);
    refuses_what_no_schema_knows(&schemas);
    let mut renderings = vec![("default".to_owned(), rendered(&[]))];
    for name in all_values() {
        let text = rendered(&["-f", &values(&name)]);
        renderings.push((name, text));
    }
    let examples = ["template", "examples", "charts/meterwise-examples", "-n"];
    let examples = helm(&[&examples[..], &[PLATFORM]].concat()).expect("the examples");
    renderings.push(("examples".to_owned(), examples));
    for (name, text) in &renderings {
        conforms(&schemas, name, text);
        dry_run(&plane, name, text);
    }
}

fn list(items: Vec<Value>) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

/// kubeconform, with nothing left out but the kinds of the Prometheus Operator, which this server does not have; another test
/// holds those against that operator's types.
fn conforms(schemas: &Path, name: &str, text: &str) {
    let mut found = kubeconform(schemas, text);
    let summary = found.stdout.lines().last().unwrap_or_default().to_owned();
    found.stdout.truncate(4000);
    found.expect(name);
    println!("{name}: {summary}");
    assert!(summary.contains("Errors: 0"), "{name}: {summary}");
}

fn kubeconform(schemas: &Path, text: &str) -> crate::helm::Said {
    let location = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json";
    let location = format!("{}/{location}", schemas.display());
    let args = ["-strict", "-summary", "-schema-location", &location];
    let skipped = ["-skip", "ServiceMonitor,PodMonitor,PrometheusRule"];
    run("kubeconform", &[&args[..], &skipped].concat(), &[], text)
}

fn refuses_what_no_schema_knows(schemas: &Path) {
    let text = rendered(&[]);
    for (word, wrong) in [
        ("runAsNonRoot:", "runAsNoRoot:"),
        ("replicas: 1", "replicas: one"),
        ("failurePolicy:", "failPolicy:"),
    ] {
        let broken = text.replace(word, wrong);
        assert!(broken != text, "{word} is not rendered");
        assert!(!kubeconform(schemas, &broken).success, "{wrong} passes");
    }
}

/// Every object is sent to the server, which stores none; and the pod of the Deployment, which nothing here would make.
fn dry_run(plane: &ControlPlane, name: &str, text: &str) {
    let manifests = documents(text);
    let known: Vec<_> = manifests
        .iter()
        .filter(|manifest| {
            let group = manifest["apiVersion"].as_str().unwrap();
            !group.starts_with("monitoring.coreos.com")
        })
        .cloned()
        .collect();
    let apply = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
    let answer = plane.kubectl_with(&apply, Some(&list(known)));
    answer.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    if !manifests
        .iter()
        .any(|manifest| manifest["kind"] == "Deployment")
    {
        return;
    }
    let deployment = only(&manifests, "Deployment");
    let create = ["create", "--dry-run=server", "-n", PLATFORM, "-f", "-"];
    let pod = pod(deployment);
    let answer = plane.kubectl_with(&create, Some(&pod.to_string()));
    answer.unwrap_or_else(|error| panic!("the pod of {name}: {error:#}"));

    // The policy is really asked.
    let mut privileged = pod;
    privileged["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] =
        true.into();
    let refused = plane.kubectl_with(&create, Some(&privileged.to_string()));
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

fn pod(deployment: &Value) -> Value {
    let template = &deployment["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = "meterwise-0".into();
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}

/// The server's own description of its kinds, one file of JSON schema for each, closed against unknown fields.
fn write_schemas(plane: &ControlPlane, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let text = plane.kubectl(&["get", "--raw", "/openapi/v2"]).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let definitions = document["definitions"].as_object().unwrap();
    let mut written = 0;
    for definition in definitions.values() {
        let kinds = definition["x-kubernetes-group-version-kind"].as_array();
        for kind in kinds.into_iter().flatten() {
            let text = |field: &str| kind[field].as_str().unwrap();
            let group = match text("group") {
                "" => text("version"),
                group => group,
            };
            let version = text("version");
            let name = format!("{group}_{version}_{}.json", text("kind").to_lowercase());
            let mut needed = BTreeMap::new();
            let schema = closed(definition, definitions, &mut needed);
            let mut schema = schema.as_object().unwrap().clone();
            schema.insert("definitions".into(), json!(needed));
            fs::write(folder.join(name), Value::Object(schema).to_string()).unwrap();
            written += 1;
        }
    }
    assert!(written > 100, "{written} kinds");
}

/// A definition as JSON schema knows it; what it refers to lands in `needed`.
fn closed(schema: &Value, all: &Map<String, Value>, needed: &mut BTreeMap<String, Value>) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(|item| closed(item, all, needed)).collect(),
        Value::Object(fields) => {
            if schema["x-kubernetes-int-or-string"] == true || schema["format"] == "int-or-string" {
                return json!({ "type": ["integer", "string"] });
            }
            if let Some(reference) = schema["$ref"].as_str() {
                let name = reference.trim_start_matches("#/definitions/");
                if !needed.contains_key(name) {
                    needed.insert(name.to_owned(), Value::Null);
                    let found = closed(&all[name], all, needed);
                    needed.insert(name.to_owned(), found);
                }
                return json!({ "$ref": reference });
            }
            let mut copy = Map::new();
            for (name, value) in fields {
                let value = match (name.as_str(), value) {
                    // Names of fields, whatever they look like, and not words of the schema.
                    ("properties", Value::Object(fields)) => {
                        let fields = fields.iter();
                        fields
                            .map(|(name, schema)| (name.clone(), closed(schema, all, needed)))
                            .collect()
                    }
                    ("format", _) => continue,
                    (name, _) if name.starts_with("x-kubernetes") => continue,
                    (_, value) => closed(value, all, needed),
                };
                copy.insert(name.clone(), value);
            }
            let named = copy.get("properties").is_some_and(Value::is_object);
            let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
            if named && !open && copy.get("type") == Some(&json!("object")) {
                copy.entry("additionalProperties").or_insert(false.into());
            }
            Value::Object(copy)
        }
        other => other.clone(),
    }
}
