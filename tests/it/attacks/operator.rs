//! Attacks on a running operator: by who may edit an integration, by a customer, by a technician, and by what is deleted. All
//! the while it logs at trace, and nothing that anybody can read afterwards holds a key.

use std::time::Duration;

use serde_json::{Value, json};

use crate::attacks::attacker::{Attacker, json as answer};
use crate::attacks::canaries::{canaries, metrics};
use crate::world::{OPERATOR, PLATFORM, World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_running_operator_fails_closed_and_tells_no_secret() {
    let world = World::start(&WorldOptions {
        vms: 4,
        refresh_interval: "1s",
        snapshot_interval: "2s",
        log: "trace",
        ..WorldOptions::default()
    });
    world.await_converged(4);
    t01_an_integration_that_points_elsewhere_sends_nothing(&world);
    t05_the_secret_of_another_purpose_is_refused(&world);
    t06_a_namespace_that_is_not_listed_gets_nothing(&world);
    t07_a_customer_bills_neither_another_company_nor_another_machine(&world);
    t09_a_hostile_name_is_only_a_name(&world);
    t14_a_stale_key_is_read_again_and_then_told(&world);
    t16_what_bills_without_a_service_is_reported_and_left_alone(&world);
    canaries(&world);
    world.assert_clean();
}

#[track_caller]
fn told(world: &World, (kind, namespace, name): (&str, &str, &str), reason: &str) -> String {
    world.until(&format!("{name}: {reason}"), SOON, || {
        let object = world.get(kind, namespace, name);
        let ready = condition(&object, "Ready");
        let found = ready["status"] == "False" && ready["reason"] == reason;
        found.then(|| ready["message"].as_str().unwrap_or_default().to_owned())
    })
}

const INTEGRATION: (&str, &str, &str) = ("cwi", PLATFORM, "connectwise");

fn mend(world: &World) {
    world.apply_manifests();
    world.await_converged(4);
}

/// Who may edit the integration, and not the Secret, leads the keys nowhere.
fn t01_an_integration_that_points_elsewhere_sends_nothing(world: &World) {
    let attacker = Attacker::start(|_, _| answer("[]"));
    let begin = world.position();
    let original = world.get("cwi", PLATFORM, "connectwise")["spec"].clone();
    world.edit("ConnectWiseIntegration", "connectwise", |it| {
        it["spec"]["url"] = json!(attacker.url("127.0.0.1"));
        it["spec"]["caBundle"] = json!(String::from_utf8(attacker.ca()).unwrap());
    });
    let said = told(world, INTEGRATION, "CredentialHostMismatch");
    assert!(said.contains("nothing was sent"), "{said}");
    // An address that only looks like a name, and one that is never connected to, with a Secret that says the same.
    for (url, host, reason) in [
        ("https://2130706433", "127.0.0.1", "InvalidSpec"),
        (
            "https://169.254.169.254",
            "169.254.169.254",
            "DestinationRefused",
        ),
        (
            "https://cw.evil.example",
            "cw.evil.example",
            "DestinationRefused",
        ),
    ] {
        let mut login = world.connectwise_login();
        login.retain(|(key, _)| *key != "host");
        login.push(("host", host.to_owned()));
        world.apply_connectwise_secret(&login);
        world.edit("ConnectWiseIntegration", "connectwise", |it| {
            it["spec"]["url"] = json!(url);
        });
        told(world, INTEGRATION, reason);
    }
    assert_eq!(attacker.bytes(), 0);
    assert!(world.writes_since(begin).is_empty());
    world.apply_connectwise_secret(&world.connectwise_login());
    world.edit("ConnectWiseIntegration", "connectwise", |it| {
        it["spec"] = original
    });
    mend(world);
}

fn t05_the_secret_of_another_purpose_is_refused(world: &World) {
    let name = |name: &str| {
        let name = name.to_owned();
        move |it: &mut Value| it["spec"]["credentialsSecretRef"]["name"] = json!(name)
    };
    let begin = world.position();
    world.edit(
        "ConnectWiseIntegration",
        "connectwise",
        name("vcenter-credentials"),
    );
    told(world, INTEGRATION, "CredentialHostMismatch");
    assert!(world.writes_since(begin).is_empty());
    // A Secret that the operator's Role does not name cannot be read at all, wherever it is.
    stack::apply_secret(&world.plane, PLATFORM, "somebody-elses", &[("host", "x")]).unwrap();
    world.edit(
        "ConnectWiseIntegration",
        "connectwise",
        name("somebody-elses"),
    );
    let said = told(world, INTEGRATION, "SecretNotFound");
    assert!(said.contains("credentials.secretNames"), "{said}");
    world.edit(
        "ConnectWiseIntegration",
        "connectwise",
        name("connectwise-credentials"),
    );
    mend(world);
}

fn t06_a_namespace_that_is_not_listed_gets_nothing(world: &World) {
    stack::apply_namespace(&world.plane, "mallory").unwrap();
    let begin = world.position();
    let acme = world.get("cmap", "acme", "acme");
    let machine = world.machine("acme-web-01");
    world.apply(&json!({
        "apiVersion": "meterwise.dev/v1alpha1", "kind": "CustomerMapping",
        "metadata": { "name": "mine", "namespace": "mallory" }, "spec": acme["spec"],
    }));
    world.apply(&service("mallory", "grab", "mine", &machine.instance_uuid));
    let said = told(world, ("cmap", "mallory", "mine"), "NotATenant");
    assert!(
        said.contains("mallory") && !said.to_lowercase().contains("acme"),
        "{said}"
    );
    told(world, ("csvc", "mallory", "grab"), "MappingNotReady");
    world.await_quiet(Duration::from_secs(2));
    assert!(world.writes_since(begin).is_empty());
    world.kubectl(&["delete", "csvc,cmap", "--all", "-n", "mallory"]);
    world.await_converged(4);
}

fn service(namespace: &str, name: &str, mapping: &str, uuid: &str) -> Value {
    json!({
        "apiVersion": "meterwise.dev/v1alpha1",
        "kind": "CloudService",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "mappingRef": { "name": mapping },
            "type": "VirtualMachine",
            "source": { "ref": { "name": "vcenter" }, "instanceUuid": uuid },
        },
    })
}

fn t07_a_customer_bills_neither_another_company_nor_another_machine(world: &World) {
    let begin = world.position();
    let (acme, globex) = (
        world.get("cmap", "acme", "acme"),
        world.get("cmap", "globex", "globex"),
    );
    let machine = world.machine("acme-db-01");
    world.apply(&service("globex", "grab", "globex", &machine.instance_uuid));
    let said = told(world, ("csvc", "globex", "grab"), "ScopeNotAllowed");
    assert!(!said.contains("acme") && !said.contains("Acme"), "{said}");
    let mut spec = globex["spec"].clone();
    spec["company"] = acme["spec"]["company"].clone();
    world.apply(&json!({
        "apiVersion": "meterwise.dev/v1alpha1", "kind": "CustomerMapping",
        "metadata": { "name": "theirs", "namespace": "globex" }, "spec": spec,
    }));
    told(world, ("cmap", "globex", "theirs"), "CompanyNotAllowed");
    assert!(world.writes_since(begin).is_empty());
    world.kubectl(&["delete", "csvc/grab", "cmap/theirs", "-n", "globex"]);
    world.await_converged(4);
}

/// A machine is renamed in vCenter, and a company in ConnectWise, to what no terminal should be sent.
fn t09_a_hostile_name_is_only_a_name(world: &World) {
    let uuid = world.machine("acme-web-01").instance_uuid;
    let shown = world
        .vcsim
        .govc(&["vm.info", "-json", "/DC0/vm/acme/acme-web-01"])
        .unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let bios = shown["virtualMachines"][0]["config"]["uuid"]
        .as_str()
        .unwrap();
    let hostile = "x\" or id>0 \u{202e}\u{1b}c\u{7}\r\nready: true";
    world
        .vcsim
        .govc(&[
            "vm.change",
            "-vm",
            "/DC0/vm/acme/acme-web-01",
            "-name",
            hostile,
        ])
        .unwrap();
    // The service is made again by discovery, and stands for the same lines under the new name.
    let shown = world.until("discovered by its new name", SOON, || {
        let services = world.list("csvc");
        let found = services
            .iter()
            .find(|it| it["spec"]["source"]["instanceUuid"] == uuid.as_str())?;
        let shown = found["spec"]["displayName"].as_str().unwrap_or_default();
        if shown.contains("or id>0") {
            return Some(shown.to_owned());
        }
        let name = found["metadata"]["name"].as_str().unwrap_or_default();
        world.kubectl(&["delete", "csvc", name, "-n", "acme", "--ignore-not-found"]);
        None
    });
    assert!(
        shown.chars().all(|c| !c.is_control() && c != '\u{202e}'),
        "{shown:?}"
    );
    world.await_converged(4);
    let log = std::fs::read_to_string(world.operator_log()).unwrap();
    for bad in ['\u{202e}', '\u{1b}', '\u{7}'] {
        assert!(!log.contains(bad), "the log holds {bad:?}");
    }
    assert!(
        !log.lines().any(|line| line.starts_with("ready: true")),
        "a name began a line"
    );
    let plan = world.meterwise(&["plan", "--all"]);
    assert!(
        plan.chars().all(|c| c == '\n' || !c.is_control()),
        "{plan:?}"
    );
    let metrics = metrics(world);
    assert!(!metrics.contains("acme"), "{metrics}");
    world
        .vcsim
        .govc(&["vm.change", "-vm.uuid", bios, "-name", "acme-web-01"])
        .unwrap();
    world.await_converged(4);
}

/// The keys were changed in ConnectWise; nobody restarts anything.
fn t14_a_stale_key_is_read_again_and_then_told(world: &World) {
    let fault =
        json!({ "match": { "principal": OPERATOR }, "action": { "status": { "code": 401 } } });
    world.fault(&fault);
    told(world, INTEGRATION, "Unauthorized");
    assert!(is(
        &world.get("cwi", PLATFORM, "connectwise"),
        "Stalled",
        "True"
    ));
    let begin = world.position();
    std::thread::sleep(Duration::from_secs(5));
    let asked = world.operator_since(begin).len();
    assert!(
        asked <= 30,
        "{asked} requests in 5 seconds with keys that are refused"
    );
    // The new key is taken up from the Secret by itself.
    let mut login = world.connectwise_login();
    login.retain(|(key, _)| *key == "host");
    login.push(("publicKey", "humanPublicKey".to_owned()));
    login.push(("privateKey", "humanPrivateKey".to_owned()));
    world.apply_connectwise_secret(&login);
    world.until("the new key is used", SOON, || {
        is(&world.get("cwi", PLATFORM, "connectwise"), "Ready", "True").then_some(())
    });
    world.clear_faults();
    world.apply_connectwise_secret(&world.connectwise_login());
    world.await_converged(4);
}

/// Discovery is switched off and a service deleted, as a customer may who hopes to pay no more.
fn t16_what_bills_without_a_service_is_reported_and_left_alone(world: &World) {
    let agreement = world.agreement_of("acme-web-01").id;
    let uuid = world.machine("acme-web-01").instance_uuid;
    let discover = world.get("cmap", "acme", "acme")["spec"]["discover"].clone();
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["discover"] = json!([])
    });
    let services = world.list("csvc");
    let found = services
        .iter()
        .find(|it| it["spec"]["source"]["instanceUuid"] == uuid.as_str());
    let name = found.unwrap()["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let begin = world.position();
    let unfinalized = r#"{"metadata":{"finalizers":null}}"#;
    world.kubectl(&[
        "patch",
        "csvc",
        &name,
        "-n",
        "acme",
        "--type=merge",
        "-p",
        unfinalized,
    ]);
    world.kubectl(&["delete", "csvc", &name, "-n", "acme"]);
    let orphans = world.until("the orphan is told", SOON, || {
        let status = world.get("cwi", PLATFORM, "connectwise")["status"]["orphans"].clone();
        (status["count"] == 1).then_some(status)
    });
    assert_eq!(orphans["first"][0]["agreementId"], agreement, "{orphans}");
    let said = orphans["first"][0]["message"].as_str().unwrap();
    assert!(said.contains("(it was acme/"), "{said}");
    world.until("the metric counts it", SOON, || {
        metrics(world).contains("meterwise_orphans 1").then_some(())
    });
    world.until("an event tells it", SOON, || {
        let events = world.list("events.events.k8s.io");
        events
            .iter()
            .any(|event| event["reason"] == "Orphaned")
            .then_some(())
    });
    assert!(
        world.writes_since(begin).is_empty(),
        "{:?}",
        world.writes_since(begin)
    );
    assert_eq!(world.check().billable_agreements, 4, "billing goes on");
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["discover"] = discover
    });
    world.await_converged(4);
    world.until("no orphan is left", SOON, || {
        let status = world.get("cwi", PLATFORM, "connectwise")["status"].clone();
        status["orphans"].is_null().then_some(())
    });
}
