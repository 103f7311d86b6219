//! The files for Flux and Argo CD, and what those tools do with them beside a running operator: apply again and again, edit, prune.
//! Neither tool runs here; each is its way of asking the API server: server-side apply under its field manager, forced, and pruning
//! by its own label or annotation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::helm::{documents, root, run};
use crate::release::{bare, deploy, install_present, nothing_was_refused};
use crate::world::{PATIENCE, World, WorldOptions};

const QUIET: Duration = Duration::from_secs(3);

fn kustomized(folder: &str) -> Vec<Value> {
    documents(&run("kubectl", &["kustomize", folder], &[], "").expect(folder))
}

fn kinds() -> BTreeSet<String> {
    let kinds = documents(&run("kubectl", &["kustomize", "crds"], &[], "").expect("crds"));
    let names = kinds.iter().map(|kind| &kind["spec"]["names"]["kind"]);
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn kustomize_takes_every_base() {
    assert_eq!(kinds().len(), 8);
    assert_eq!(
        kustomized("examples").len(),
        kustomized("gitops/observe").len()
    );
    for manifest in kustomized("gitops/observe") {
        let mode = &manifest["spec"]["mode"];
        assert!(mode.is_null() || mode == "Observe", "{manifest}");
    }
    kustomized("gitops/flux");
    kustomized("gitops/flux/operator");
    kustomized("gitops/argocd");
}

/// Namespaces before what lies in them, the platform before the customers, and every object in a wave.
#[test]
fn waves_are_in_the_order_in_which_objects_need_each_other() {
    let mut waves = BTreeMap::new();
    for manifest in kustomized("gitops/observe") {
        let wave = &manifest["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
        let wave: i32 = wave.as_str().expect("a wave").parse().unwrap();
        let kind = manifest["kind"].as_str().unwrap().to_owned();
        assert_eq!(*waves.entry(kind).or_insert(wave), wave);
    }
    let order = ["Namespace", "ConnectWiseIntegration", "CustomerMapping"];
    let order = order.map(|kind| waves[kind]);
    assert!(order.is_sorted_by(|a, b| a < b), "{waves:?}");
}

/// Every path that is named is there, and every kind has a health check where the tool cannot know it.
#[test]
fn the_files_name_what_is_there() {
    let mut paths = 0;
    for (folder, pointer) in [("flux", "/spec/path"), ("argocd", "/spec/source/path")] {
        for manifest in kustomized(&format!("gitops/{folder}")) {
            if let Some(path) = manifest.pointer(pointer).and_then(Value::as_str) {
                assert!(root().join(path).is_dir(), "{path}");
                paths += 1;
            }
        }
    }
    assert_eq!(paths, 3);
    let config = fs::read_to_string(root().join("gitops/argocd/argocd-cm.yaml")).unwrap();
    let config = documents(&config).remove(0);
    let checks = config["data"].as_object().unwrap().keys();
    let prefix = "resource.customizations.health.meterwise.dev_";
    let checked = checks.filter_map(|key| Some(key.strip_prefix(prefix)?.to_owned()));
    assert_eq!(checked.collect::<BTreeSet<_>>(), kinds());
    let billing = kustomized("gitops/flux");
    let billing = billing
        .iter()
        .find(|found| found["metadata"]["name"] == "billing" && found["spec"]["prune"] == true);
    assert_eq!(billing.unwrap()["spec"]["wait"], true);
}

/// The scripts run as in Argo CD, on objects as meterwise leaves them.
#[test]
fn argo_reads_health_from_the_conditions() {
    let config = fs::read_to_string(root().join("gitops/argocd/argocd-cm.yaml")).unwrap();
    let config = documents(&config).remove(0);
    let health = |kind: &str, status: &Value| {
        let key = format!("resource.customizations.health.meterwise.dev_{kind}");
        let object = json!({ "metadata": { "generation": 2 }, "status": status });
        let input = json!({ "script": config["data"][key], "object": object });
        let said = run("lua-check", &[], &[], &input.to_string()).expect(kind);
        said.trim().to_owned()
    };
    let status = |generation: u32, conditions: &[(&str, &str)]| {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status)| json!({ "type": kind, "status": status, "message": "m" }))
            .collect();
        json!({ "observedGeneration": generation, "conditions": conditions })
    };
    for kind in [
        "ConnectWiseIntegration",
        "UsageSource",
        "RateCard",
        "CustomerMapping",
        "CloudService",
    ] {
        for (status, expected) in [
            (Value::Null, "Progressing"),
            (status(1, &[("Ready", "True")]), "Progressing"),
            (status(2, &[]), "Progressing"),
            (status(2, &[("Ready", "True")]), "Healthy"),
            (status(2, &[("Ready", "True"), ("Held", "True")]), "Healthy"),
            (
                status(2, &[("Ready", "False"), ("Reconciling", "True")]),
                "Progressing",
            ),
            (
                status(2, &[("Ready", "False"), ("Stalled", "True")]),
                "Degraded",
            ),
        ] {
            assert_eq!(health(kind, &status), expected, "{kind} {status}");
        }
    }
    for kind in ["BillingRecord", "UsageStatement", "ChangeApproval"] {
        assert_eq!(health(kind, &Value::Null), "Healthy");
    }
}

/// How a tool applies and prunes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Flux,
    Argo,
}

impl Tool {
    fn manager(self) -> &'static str {
        match self {
            Self::Flux => "kustomize-controller",
            Self::Argo => "argocd-controller",
        }
    }

    /// Marks an object as the tool's own.
    fn claim(self, manifest: &mut Value) {
        let metadata = &mut manifest["metadata"];
        match self {
            Self::Flux => {
                metadata["labels"]["kustomize.toolkit.fluxcd.io/name"] = "billing".into();
                metadata["labels"]["kustomize.toolkit.fluxcd.io/namespace"] = "flux-system".into();
            }
            Self::Argo => {
                let id = format!("billing:{}", id(&json!({ "metadata": metadata })));
                metadata["annotations"]["argocd.argoproj.io/tracking-id"] = id.into();
            }
        }
    }

    fn owns(self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        match self {
            Self::Flux => !metadata["labels"]["kustomize.toolkit.fluxcd.io/name"].is_null(),
            Self::Argo => !metadata["annotations"]["argocd.argoproj.io/tracking-id"].is_null(),
        }
    }

    fn apply(self, world: &World, manifests: &[Value]) {
        let manifests: Vec<_> = manifests
            .iter()
            .map(|manifest| {
                let mut manifest = manifest.clone();
                self.claim(&mut manifest);
                manifest
            })
            .collect();
        let (namespaces, others): (Vec<_>, Vec<_>) = manifests
            .into_iter()
            .partition(|manifest| manifest["kind"] == "Namespace");
        let manager = format!("--field-manager={}", self.manager());
        for items in [namespaces, others] {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
            let args = ["apply", "--server-side", "--force-conflicts", &manager];
            let applied = world
                .plane
                .kubectl_with(&[&args[..], &["-f", "-"]].concat(), Some(&list.to_string()));
            applied.unwrap();
        }
    }

    /// Deletes what is the tool's and no longer among the manifests.
    fn prune(self, world: &World, manifests: &[Value]) -> Vec<String> {
        let kept: BTreeSet<_> = manifests.iter().map(id).collect();
        let mut pruned = Vec::new();
        for kind in ["cmap", "csvc", "rate", "usrc", "cwi", "brec"] {
            for object in world.list(kind) {
                if self.owns(&object) && !kept.contains(&id(&object)) {
                    let text = |field: &str| object["metadata"][field].as_str().unwrap();
                    world.kubectl(&["delete", kind, text("name"), "-n", text("namespace")]);
                    pruned.push(format!("{kind} {}", id(&object)));
                }
            }
        }
        pruned
    }
}

fn id(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!("{}/{}", metadata["namespace"], metadata["name"])
}

/// The base, with the addresses and waiting times of the world in it.
pub(crate) fn declared(world: &World) -> Vec<Value> {
    let mut manifests = kustomized("gitops/observe");
    for manifest in &mut manifests {
        if manifest["kind"] != "Namespace" {
            let kind = manifest["kind"].as_str().unwrap();
            let name = manifest["metadata"]["name"].as_str().unwrap();
            manifest["spec"] = world.manifest(kind, name)["spec"].clone();
        }
    }
    manifests
}

/// Every object as it is stored.
fn stored(world: &World) -> Vec<Value> {
    let kinds = ["cwi", "usrc", "rate", "cmap", "csvc", "brec", "namespaces"];
    kinds
        .into_iter()
        .flat_map(|kind| world.list(kind))
        .collect()
}

#[test]
fn flux_and_argo_apply_edit_and_prune_and_nothing_fights() {
    let mut world = bare(WorldOptions {
        vms: 4,
        ..WorldOptions::default()
    });
    install_present(&mut world, &[]);
    deploy(&world);
    world.apply_connectwise_secret(&world.connectwise_login());
    world.apply_vcenter_secret(&world.vcenter_login());
    let mut manifests = declared(&world);
    for tool in [Tool::Flux, Tool::Argo] {
        tool.apply(&world, &manifests);
        world.await_converged(4);
        world.await_no_differences();
        applies_again(&world, tool, &manifests);
        edits(&world, tool, &mut manifests);
        prunes(&world, tool, &manifests);
    }
    nothing_was_refused(&world, "");
    world.assert_clean();
}

/// Nothing is to be changed, so nobody changes anything: neither the tool nor the operator.
fn applies_again(world: &World, tool: Tool, manifests: &[Value]) {
    world.await_quiet(QUIET);
    let (before, since) = (stored(world), world.audit_now());
    for _ in 0..3 {
        tool.apply(world, manifests);
    }
    world.await_quiet(QUIET);
    assert_eq!(stored(world), before);
    let writes = world.audit_writes(&since);
    assert!(writes.is_empty(), "{writes:#?}");
    for object in &before {
        let managers = object["metadata"]["managedFields"].as_array();
        for manager in managers.into_iter().flatten() {
            let fields = &manager["fieldsV1"];
            let by = manager["manager"].as_str().unwrap();
            if tool.owns(object) && !by.ends_with("-controller") && object["kind"] != "Namespace" {
                assert!(
                    fields["f:spec"].is_null(),
                    "{by} wrote the spec of {object:#}"
                );
            }
        }
    }
}

/// A customer is suspended by an edit, and goes on by another.
fn edits(world: &World, tool: Tool, manifests: &mut [Value]) {
    let suspend = |manifests: &mut [Value], suspend: bool| {
        let mapping = manifests.iter_mut().find(|found| {
            found["kind"] == "CustomerMapping" && found["metadata"]["name"] == "globex"
        });
        mapping.unwrap()["spec"]["suspend"] = suspend.into();
    };
    suspend(manifests, true);
    tool.apply(world, manifests);
    world.until("the edit is seen", PATIENCE, || {
        let mapping = world.get("cmap", "globex", "globex");
        let seen = &mapping["status"]["observedGeneration"];
        (mapping["spec"]["suspend"] == true && *seen == mapping["metadata"]["generation"])
            .then_some(())
    });
    let begin = world.position();
    let cpus = if tool == Tool::Flux { "-c=11" } else { "-c=13" };
    let machine = ["vm.change", "-vm", "/DC0/vm/globex/globex-web-01", cpus];
    world.vcsim.govc(&machine).unwrap();
    world.await_quiet(Duration::from_secs(8));
    assert!(world.writes_since(begin).is_empty(), "it is suspended");
    suspend(manifests, false);
    tool.apply(world, manifests);
    world.await_no_differences();
    assert_eq!(world.writes_since(begin).len(), 1);
}

/// A mapping is taken out of the repository: it alone is deleted, nothing is cancelled, and it can come back.
fn prunes(world: &World, tool: Tool, manifests: &[Value]) {
    world.await_quiet(QUIET);
    let (begin, billed) = (world.position(), world.check());
    let services = world.list("cloudservices").len();
    let fewer: Vec<_> = manifests
        .iter()
        .filter(|found| found["kind"] != "CustomerMapping" || found["metadata"]["name"] != "globex")
        .cloned()
        .collect();
    tool.apply(world, &fewer);
    let pruned = tool.prune(world, &fewer);
    assert_eq!(pruned, [r#"cmap "globex"/"globex""#]);
    world.await_quiet(QUIET);
    assert_eq!(world.list("cloudservices").len(), services);
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "{writes:#?}");
    let after = world.check();
    assert_eq!(after.billable_lines, billed.billable_lines);

    tool.apply(world, manifests);
    world.await_converged(4);
    world.await_quiet(QUIET);
    let made = world.writes_since(begin);
    assert!(made.is_empty(), "it goes on where it was: {made:#?}");
}
