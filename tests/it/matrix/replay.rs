//! Whether the register of the matrix answers as the real API server does: the requests of whole stories, and a few that
//! only a fault brings about, asked again there.

use std::collections::BTreeMap;

use kube::Client;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use stack::{ControlPlane, ControlPlaneOptions};

use crate::matrix::fault::Outcome;
use crate::matrix::goals::{gone, machine, selling, three, with};
use crate::matrix::register::{Answer, Ask, NAMESPACE, Register};
use crate::matrix::story::Story;
use crate::matrix::world::World;
use crate::world::Turn;

/// A service's life, with creates and replacements of its book that are delivered twice, late, or on an old version.
fn transcript() -> Vec<(Ask, Answer)> {
    let mut story = Story::new(World::new());
    let other = |number| machine(number, &[("vcpu", "2")]);
    story.break_off(&[other(2)], "POST book", Outcome::Duplicated);
    story.break_off(&[other(3)], "PUT book", Outcome::Duplicated);
    story.break_off(&[other(4)], "PUT book", Outcome::Late(2));
    story.reach(&[other(2), other(3), other(4)]);
    story.reach(&[three()]);
    story.reach(&[selling(with(three(), &[("vcpu", "8")]), "memory", 22)]);
    story.reach(&[gone(&three())]);
    story.reach(&[three()]);
    let mut register = story.world.register;
    odd_ones(&mut register);
    register.transcript
}

/// What no run of ours asks for, but a fault may.
fn odd_ones(register: &mut Register) {
    let held = register.records.values().next().expect("a record").clone();
    let path = format!(
        "/apis/meterwise.dev/v1alpha1/namespaces/{NAMESPACE}/billingrecords/{}",
        held["metadata"]["name"].as_str().expect("a name")
    );
    let put = |body: Value| Ask {
        method: "PUT".into(),
        path: path.clone(),
        body,
    };
    // Nothing changes; then the key; then an older version, which was another record's; then a record that is not there.
    register.answer(&put(held.clone()));
    let mut other = held.clone();
    other["spec"]["key"]["companyId"] = json!(9);
    register.answer(&put(other));
    let mut old = held.clone();
    old["metadata"]["resourceVersion"] = json!("1");
    old["spec"]["service"] = json!("acme/other");
    register.answer(&put(old));
    let mut missing = put(held);
    missing.path.truncate(missing.path.len() - 2);
    let name = missing.path.rsplit('/').next().unwrap_or_default();
    missing.body["metadata"]["name"] = json!(name);
    register.answer(&missing);
    register.answer(&Ask {
        method: "GET".into(),
        body: Value::Null,
        ..missing
    });
}

async fn ask(client: &Client, ask: &Ask, versions: &BTreeMap<String, String>) -> (u16, Value) {
    let mut body = ask.body.clone();
    if let Some(version) = body["metadata"]["resourceVersion"].as_str() {
        // What is not known was never told: an answer before must have been another one.
        let real = versions.get(version).map_or("0", String::as_str);
        body["metadata"]["resourceVersion"] = json!(real);
    }
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.remove("uid");
    }
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = http::Request::builder()
        .method(ask.method.as_str())
        .uri(&ask.path)
        .header("content-type", "application/json")
        .body(Body::from(bytes))
        .expect("a request");
    let response = client.send(request).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.expect("a body");
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[test]
fn the_api_server_answers_as_the_register_does() {
    let transcript = transcript();
    let _turn = Turn::take();
    let dir = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(dir.path(), &ControlPlaneOptions::default()).unwrap();
    stack::apply_namespace(&plane, NAMESPACE).unwrap();
    let crd = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/billingrecords.yaml");
    plane.kubectl(&["apply", "-f", crd]).unwrap();
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd",
        "--all",
    ];
    plane.kubectl(&established).unwrap();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let differs = runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(plane.admin_kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options);
        let client = Client::try_from(config.await.unwrap()).unwrap();
        let (mut versions, mut differs) = (BTreeMap::new(), Vec::new());
        for (at, (asked, told)) in transcript.iter().enumerate() {
            let (status, body) = ask(&client, asked, &versions).await;
            let version = |body: &Value| {
                body["metadata"]["resourceVersion"]
                    .as_str()
                    .map(str::to_owned)
            };
            let same = if status < 300 {
                let (told, real) = (version(&told.body), version(&body));
                let known = versions
                    .entry(told.unwrap())
                    .or_insert_with(|| real.clone().unwrap());
                Some(&*known) == real.as_ref()
            } else {
                body["reason"] == told.body["reason"]
            };
            if !same || status != told.status || body.get("spec") != told.body.get("spec") {
                let words = format!("{} {}", asked.method, asked.path);
                differs.push(format!(
                    "{at} {words}: {} {}\n but {status} {body}",
                    told.status, told.body
                ));
            }
        }
        differs
    });
    let kinds: std::collections::BTreeSet<_> = transcript
        .iter()
        .map(|(asked, told)| (asked.method.as_str(), told.status))
        .collect();
    println!("{} requests, {kinds:?}", transcript.len());
    assert!(kinds.len() >= 8, "{kinds:?}");
    assert!(differs.is_empty(), "{}", differs.join("\n"));
}
