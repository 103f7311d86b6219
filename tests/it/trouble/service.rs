//! Services that cannot be billed: unknown machines, and claims on machines that are billed already.

use std::time::Duration;

use serde_json::{Value, json};

use crate::trouble::case::{followed, resize, small};
use crate::world::{PLATFORM, World, condition, is};

const SOON: Duration = Duration::from_secs(40);

fn service(namespace: &str, name: &str, mapping: &str, source: &str, uuid: &str) -> Value {
    json!({
        "apiVersion": "meterwise.dev/v1alpha1",
        "kind": "CloudService",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "mappingRef": { "name": mapping },
            "type": "VirtualMachine",
            "source": { "ref": { "name": source }, "instanceUuid": uuid },
        },
    })
}

/// Waits for a `Ready=False` of this reason, and answers its sentence.
#[track_caller]
fn told(world: &World, namespace: &str, name: &str, reason: &str) -> String {
    world.until(&format!("{name}: {reason}"), SOON, || {
        let service = world.get("csvc", namespace, name);
        let ready = condition(&service, "Ready");
        let message = ready["message"].as_str()?.to_owned();
        (ready["status"] == "False" && ready["reason"] == reason).then_some(message)
    })
}

#[track_caller]
fn in_step(world: &World, namespace: &str, name: &str) {
    world.until(&format!("{name} is in step"), SOON, || {
        let service = world.get("csvc", namespace, name);
        (is(&service, "Ready", "True") && is(&service, "Synced", "True")).then_some(())
    });
}

/// Nothing goes on in silence, and nothing was written to ConnectWise.
#[track_caller]
fn still(world: &World, begin: u64) {
    world.await_quiet(Duration::from_secs(2));
    let (from, since) = (world.position(), world.audit_now());
    std::thread::sleep(Duration::from_secs(3));
    let asked = world.operator_since(from).len();
    assert!(asked <= 10, "{asked} requests in 3 seconds");
    world.assert_rest(&since);
    assert!(
        world.writes_since(begin).is_empty(),
        "{:?}",
        world.writes_since(begin)
    );
}

#[test]
fn that_cannot_be_billed() {
    let world = World::start(&small());
    world.await_converged(4);
    let begin = world.position();
    unknown_things(&world, begin);
    by_hand_beside_discovery(&world, begin);
    from_another_customer(&world, begin);
    second_integration_and_source(&world, begin);
    assert!(world.writes_since(begin).is_empty());
    let cpus = resize(&world);
    world.until("billing goes on", SOON, || {
        followed(&world, cpus).then_some(())
    });
    world.await_converged(4);
    assert_eq!(world.differences(), Vec::<String>::new());
    world.assert_clean();
}

fn unknown_things(world: &World, begin: u64) {
    let nobody = "00000000-0000-4000-8000-0000000000aa";
    world.apply(&service("acme", "no-machine", "acme", "vcenter", nobody));
    world.apply(&service("acme", "no-mapping", "missing", "vcenter", nobody));
    world.apply(&service("acme", "no-source", "acme", "missing", nobody));
    let said = told(world, "acme", "no-machine", "MachineNotFound");
    assert!(
        said.contains(nobody) && said.contains("spec.source.instanceUuid"),
        "{said}"
    );
    let said = told(world, "acme", "no-mapping", "MappingNotFound");
    assert!(
        said.contains("missing") && said.contains("spec.mappingRef"),
        "{said}"
    );
    let said = told(world, "acme", "no-source", "SourceNotFound");
    assert!(
        said.contains("missing") && said.contains("create it"),
        "{said}"
    );
    still(world, begin);
    world.kubectl(&[
        "delete",
        "csvc",
        "no-machine",
        "no-mapping",
        "no-source",
        "-n",
        "acme",
    ]);
}

/// A hand-written service takes a discovered one's place, the elder of two keeps it, and discovery takes it back: one
/// agreement all the time.
fn by_hand_beside_discovery(world: &World, begin: u64) {
    let machine = world.machine("acme-web-01");
    let services = world.list("csvc");
    let found = services
        .iter()
        .find(|it| it["spec"]["source"]["instanceUuid"] == machine.instance_uuid.as_str());
    let discovered = found.unwrap()["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let example = std::fs::read_to_string("examples/by-hand/cloud-service.yaml").unwrap();
    let mut by_hand: Value = serde_yaml_ng::from_str(&example).unwrap();
    by_hand["metadata"]["name"] = json!("by-hand");
    by_hand["spec"]["source"]["instanceUuid"] = json!(machine.instance_uuid);
    world.apply(&by_hand);
    let said = told(world, "acme", &discovered, "DuplicateClaim");
    assert!(said.contains("delete one of the two"), "{said}");
    in_step(world, "acme", "by-hand");
    // Creation times have whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    world.apply(&service(
        "acme",
        "a-second",
        "acme",
        "vcenter",
        &machine.instance_uuid,
    ));
    told(world, "acme", "a-second", "DuplicateClaim");
    in_step(world, "acme", "by-hand");
    still(world, begin);
    world.kubectl(&["delete", "csvc", "by-hand", "-n", "acme"]);
    in_step(world, "acme", "a-second");
    told(world, "acme", &discovered, "DuplicateClaim");
    world.kubectl(&["delete", "csvc", "a-second", "-n", "acme"]);
    in_step(world, "acme", &discovered);
    still(world, begin);
}

/// The claim that stands, stands; the other tenant does not learn whose it is.
fn from_another_customer(world: &World, begin: u64) {
    let machine = world.machine("acme-db-01");
    world.apply(&service(
        "globex",
        "grab",
        "globex",
        "vcenter",
        &machine.instance_uuid,
    ));
    let said = told(world, "globex", "grab", "ScopeNotAllowed");
    assert!(said.contains("spec.tenants[].scopes"), "{said}");
    world.edit("UsageSource", "vcenter", |it| {
        it["spec"]["tenants"][1]["scopes"] = json!([{ "folder": "/DC0/vm" }]);
    });
    let said = told(world, "globex", "grab", "ClaimedElsewhere");
    let names = ["acme", "Acme", "AcmeCorp"];
    assert!(
        said.contains("existing claim stands") && !names.iter().any(|name| said.contains(name)),
        "{said}"
    );
    still(world, begin);
    world.kubectl(&["delete", "csvc", "grab", "-n", "globex"]);
    world.edit("UsageSource", "vcenter", |it| {
        it["spec"]["tenants"][1]["scopes"] = json!([{ "folder": "/DC0/vm/globex" }]);
    });
    world.await_converged(4);
}

/// The elder keeps the database and the sourceId; when it goes, the younger takes over.
fn second_integration_and_source(world: &World, begin: u64) {
    for (kind, short, name) in [
        ("ConnectWiseIntegration", "cwi", "connectwise"),
        ("UsageSource", "usrc", "vcenter"),
    ] {
        let original = world.get(short, PLATFORM, name);
        let twin = json!({
            "apiVersion": "meterwise.dev/v1alpha1",
            "kind": kind,
            "metadata": { "name": "twin", "namespace": PLATFORM },
            "spec": original["spec"],
        });
        std::thread::sleep(Duration::from_millis(1100));
        world.apply(&twin);
        world.until(&format!("the second {kind} is refused"), SOON, || {
            let twin = world.get(short, PLATFORM, "twin");
            let ready = condition(&twin, "Ready");
            let says = ready["message"].as_str().unwrap_or_default();
            (ready["reason"] == "DuplicateInstance"
                && says.contains(name)
                && is(&twin, "Stalled", "True"))
            .then_some(())
        });
        still(world, begin);
        assert!(is(&world.get(short, PLATFORM, name), "Ready", "True"));
        world.kubectl(&["delete", short, name, "-n", PLATFORM]);
        world.until("the younger takes over", SOON, || {
            is(&world.get(short, PLATFORM, "twin"), "Ready", "True").then_some(())
        });
        world.kubectl(&["delete", short, "twin", "-n", PLATFORM]);
        world.apply_manifests();
        world.await_converged(4);
    }
}
