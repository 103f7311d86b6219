//! What a real API server says to manifests: those in `accepted.yaml`, what `refused.yaml` and `changes.yaml` make of
//! them, and the statuses in `statuses.yaml`. One control plane for all of it; every surprise is reported at once.

use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use kube::{Client, Config};
use meterwise::api::billing_record::BillingRecord;
use meterwise::api::change_approval::ChangeApproval;
use meterwise::api::cloud_service::CloudService;
use meterwise::api::connectwise_integration::ConnectWiseIntegration;
use meterwise::api::customer_mapping::CustomerMapping;
use meterwise::api::rate_card::RateCard;
use meterwise::api::usage_source::UsageSource;
use meterwise::api::usage_statement::UsageStatement;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stack::{ControlPlane, ControlPlaneOptions};

use crate::world::Turn;

const NAMESPACE: &str = "default";

/// An accepted manifest and what is different.
#[derive(Debug, Deserialize)]
struct Case {
    of: String,
    set: Map<String, Value>,
    /// The field that the refusal names; absent when the change is to be accepted.
    at: Option<String>,
    says: Option<String>,
}

#[derive(Debug, Deserialize)]
struct StatusCase {
    of: String,
    status: Value,
}

#[test]
fn the_api_server_accepts_and_refuses() {
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(dir.path(), &ControlPlaneOptions::default()).unwrap();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/");
    plane.kubectl(&["apply", "-f", crds]).unwrap();
    plane
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd",
            "--all",
        ])
        .unwrap();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let surprises = runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(plane.admin_kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        Suite {
            client: Client::try_from(config).unwrap(),
            surprises: Vec::new(),
        }
        .run()
        .await
    });
    assert!(
        surprises.is_empty(),
        "{} surprises:\n{}",
        surprises.len(),
        surprises.join("\n")
    );

    what_kubectl_does(&plane);
    examples_by_hand(&plane);
}

/// What people copy is taken as it stands; tests that use it say how it works.
fn examples_by_hand(plane: &ControlPlane) {
    for namespace in ["acme", "globex", "initech", "meterwise-system"] {
        stack::apply_namespace(plane, namespace).unwrap();
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/by-hand");
    let mut applied = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path().display().to_string();
        let args = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
        ];
        let said = plane
            .kubectl(&[&args[..], &["-f", &file]].concat())
            .unwrap();
        applied += said.lines().count();
    }
    assert_eq!(
        applied, 7,
        "two services, two mappings, a rate card and two Secrets"
    );
}

/// With kubectl's own defaults: a reference with a namespace is refused, and the category lists every kind.
fn what_kubectl_does(plane: &ControlPlane) {
    let mut manifest = accepted()
        .into_iter()
        .find(|m| name(m) == "mapping")
        .unwrap();
    edit(
        &mut manifest,
        "/spec/integrationRef/namespace",
        &json!("elsewhere"),
    );
    for verb in ["create", "apply", "replace"] {
        let refused = plane
            .kubectl_with(&[verb, "-f", "-"], Some(&manifest.to_string()))
            .unwrap_err();
        let says = r#"unknown field "spec.integrationRef.namespace""#;
        assert!(refused.to_string().contains(says), "{verb}: {refused}");
    }
    let listed = plane
        .kubectl(&["get", "meterwise", "-n", NAMESPACE, "-o", "name"])
        .unwrap();
    assert_eq!(listed.lines().count(), accepted().len(), "{listed}");
}

struct Suite {
    client: Client,
    surprises: Vec<String>,
}

impl Suite {
    async fn run(mut self) -> Vec<String> {
        let manifests = accepted();
        for manifest in &manifests {
            self.accepts(manifest).await;
        }
        let refused: Vec<Case> = serde_yaml_ng::from_str(include_str!("refused.yaml")).unwrap();
        for case in &refused {
            let mut manifest = changed(&manifests, case);
            // A name of its own, or the refusal would be that it exists.
            if !case.set.contains_key("/metadata/name") {
                manifest["metadata"]["name"] = json!("refused");
            }
            let answer = self.create(&manifest, true).await;
            self.expect(case, answer);
        }
        let changes: Vec<Case> = serde_yaml_ng::from_str(include_str!("changes.yaml")).unwrap();
        for case in &changes {
            let answer = self.replace(&changed(&manifests, case), "", true).await;
            self.expect(case, answer);
        }
        let statuses: Vec<StatusCase> =
            serde_yaml_ng::from_str(include_str!("statuses.yaml")).unwrap();
        for case in &statuses {
            self.takes_status(&manifests, case).await;
        }
        println!(
            "{} manifests accepted, {} refused, {} changes, {} statuses",
            manifests.len(),
            refused.len(),
            changes.len(),
            statuses.len()
        );
        self.surprises
    }

    async fn accepts(&mut self, manifest: &Value) {
        match self.create(manifest, false).await {
            Ok(stored) => self.survives_the_types(&stored, "spec"),
            Err(error) => self
                .surprises
                .push(format!("{} is refused: {error}", name(manifest))),
        }
    }

    async fn takes_status(&mut self, manifests: &[Value], case: &StatusCase) {
        let mut manifest = by_name(manifests, &case.of);
        manifest["status"] = case.status.clone();
        match self.replace(&manifest, "/status", false).await {
            Ok(stored) => {
                if stored["status"] != case.status {
                    self.surprises
                        .push(format!("{}: stored as {}", case.of, stored["status"]));
                }
                self.survives_the_types(&stored, "status");
            }
            Err(error) => self
                .surprises
                .push(format!("{}: status refused: {error}", case.of)),
        }
    }

    /// What the server keeps, defaults included, is what the types read and write.
    fn survives_the_types(&mut self, stored: &Value, part: &str) {
        match through_types(stored.clone()) {
            Ok(again) if again[part] == stored[part] => {}
            Ok(again) => {
                let (was, is) = (&stored[part], &again[part]);
                self.surprises
                    .push(format!("{}: {was} became {is}", name(stored)));
            }
            Err(error) => self
                .surprises
                .push(format!("{} is not readable: {error}", name(stored))),
        }
    }

    fn expect(&mut self, case: &Case, answer: Result<Value, String>) {
        let what = format!("{} with {}", case.of, Value::Object(case.set.clone()));
        match (answer, &case.at, &case.says) {
            (Ok(_), None, None) => {}
            (Err(error), Some(at), Some(says)) if error.contains(at) && error.contains(says) => {}
            (Ok(_), ..) => self.surprises.push(format!("{what} is accepted")),
            (Err(error), ..) => self.surprises.push(format!("{what}: {error}")),
        }
    }

    async fn create(&self, manifest: &Value, dry_run: bool) -> Result<Value, String> {
        self.send("POST", &strictly(&path(manifest, None), dry_run), manifest)
            .await
    }

    async fn replace(
        &self,
        manifest: &Value,
        subresource: &str,
        dry_run: bool,
    ) -> Result<Value, String> {
        let stored = self
            .send("GET", &path(manifest, Some("")), &Value::Null)
            .await?;
        let mut manifest = manifest.clone();
        manifest["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
        let path = path(&manifest, Some(subresource));
        self.send("PUT", &strictly(&path, dry_run), &manifest).await
    }

    async fn send(&self, method: &str, target: &str, body: &Value) -> Result<Value, String> {
        // kube has no call that asks for strict validation of a plain create.
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let mut request = Request::new(target)
            .create(&PostParams::default(), body)
            .unwrap();
        *request.uri_mut() = target.parse().unwrap();
        *request.method_mut() = method.parse().unwrap();
        match self.client.request(request).await {
            Ok(answer) => Ok(answer),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("{method} {target}: {error}"),
        }
    }
}

fn path(manifest: &Value, object: Option<&str>) -> String {
    let plural = format!("{}s", manifest["kind"].as_str().unwrap().to_lowercase());
    let all = format!("/apis/meterwise.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}");
    match object {
        Some(subresource) => format!("{all}/{}{subresource}", name(manifest)),
        None => all,
    }
}

/// As kubectl asks by default.
fn strictly(path: &str, dry_run: bool) -> String {
    let dry_run = if dry_run { "&dryRun=All" } else { "" };
    format!("{path}?fieldValidation=Strict{dry_run}")
}

fn accepted() -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(include_str!("accepted.yaml"))
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

fn name(manifest: &Value) -> &str {
    manifest["metadata"]["name"].as_str().unwrap()
}

fn by_name(manifests: &[Value], of: &str) -> Value {
    let found = manifests.iter().find(|manifest| name(manifest) == of);
    found
        .unwrap_or_else(|| panic!("accepted.yaml has no {of}"))
        .clone()
}

fn changed(manifests: &[Value], case: &Case) -> Value {
    let mut manifest = by_name(manifests, &case.of);
    for (pointer, value) in &case.set {
        edit(&mut manifest, pointer, value);
    }
    manifest
}

/// Sets what a JSON pointer names, or takes it away. `LONG` and `LONG64` stand for words of 201 and 64 letters.
fn edit(manifest: &mut Value, pointer: &str, value: &Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = manifest
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("nothing at {parent}"));
    let value = match value.as_str() {
        Some("LONG") => json!("a".repeat(201)),
        Some("LONG64") => json!("a".repeat(64)),
        _ => value.clone(),
    };
    match parent {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        Value::Object(fields) if value.is_null() => drop(fields.remove(key)),
        Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
        _ => panic!("{pointer} is inside a scalar"),
    }
}

fn through_types(stored: Value) -> Result<Value, serde_json::Error> {
    match stored["kind"].as_str().unwrap() {
        "ConnectWiseIntegration" => again::<ConnectWiseIntegration>(stored),
        "UsageSource" => again::<UsageSource>(stored),
        "RateCard" => again::<RateCard>(stored),
        "CustomerMapping" => again::<CustomerMapping>(stored),
        "CloudService" => again::<CloudService>(stored),
        "BillingRecord" => again::<BillingRecord>(stored),
        "UsageStatement" => again::<UsageStatement>(stored),
        "ChangeApproval" => again::<ChangeApproval>(stored),
        other => panic!("no kind is named {other}"),
    }
}

fn again<K: DeserializeOwned + Serialize>(stored: Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<K>(stored)?)
}
