//! The rights that the chart gives, compared with what a running operator asked the API server: nothing was refused, and no right
//! was left over. The server's audit log is the witness.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::helm::{documents, rendered};
use crate::release::{bare, deploy, install_present, nothing_was_refused};
use crate::world::{OPERATOR, OPERATOR_USER, PATIENCE, World, WorldOptions};

/// A verb on a resource: `update cloudservices/status.meterwise.dev`.
type Right = String;

fn right(verb: &str, resource: &str, group: &str) -> Right {
    if group.is_empty() {
        format!("{verb} {resource}")
    } else {
        format!("{verb} {resource}.{group}")
    }
}

/// What the Roles that are bound to the operator let it do.
fn given() -> BTreeSet<Right> {
    let mut given = BTreeSet::new();
    for role in documents(&rendered(&[])) {
        let kind = role["kind"].as_str().unwrap();
        let name = role["metadata"]["name"].as_str().unwrap();
        if !["Role", "ClusterRole"].contains(&kind) || name.ends_with("-approvers") {
            continue;
        }
        for rule in role["rules"].as_array().unwrap() {
            let words = |field: &str| -> Vec<String> {
                let words = rule[field].as_array().unwrap_or_else(|| panic!("{rule}"));
                words
                    .iter()
                    .map(|word| word.as_str().unwrap().to_owned())
                    .collect()
            };
            for group in words("apiGroups") {
                for resource in words("resources") {
                    for verb in words("verbs") {
                        assert!(verb != "*" && resource != "*" && group != "*", "{rule}");
                        given.insert(right(&verb, &resource, &group));
                    }
                }
            }
        }
    }
    given
}

/// What the operator asked for.
fn asked(world: &World) -> BTreeSet<Right> {
    let log = world.plane.audit_log().unwrap();
    let events = log.iter().filter(|event| event.user == OPERATOR_USER);
    let resources = events.filter(|event| !event.resource.is_empty());
    let asked = resources.map(|event| {
        let resource = match event.subresource.as_str() {
            "" => event.resource.clone(),
            below => format!("{}/{below}", event.resource),
        };
        right(&event.verb, &resource, &event.group)
    });
    asked.collect()
}

#[test]
fn the_operator_uses_every_right_that_it_has_and_no_other() {
    let mut world = bare(WorldOptions {
        vms: 6,
        guarded: true,
        refresh_interval: "1s",
        snapshot_interval: "2s",
        ..WorldOptions::default()
    });
    install_present(&mut world, &[]);
    deploy(&world);
    world.declare();
    world.await_converged(6);
    approved(&world);
    ended_by_deletion(&world);
    fails_again(&world);
    invoiced(&world);

    let asked = asked(&world);
    let given = given();
    nothing_was_refused(&world, "");
    let more: Vec<_> = asked.difference(&given).collect();
    assert!(
        more.is_empty(),
        "asked for, and not in the chart: {more:#?}"
    );
    let less: Vec<_> = given.difference(&asked).collect();
    assert!(
        less.is_empty(),
        "in the chart, and not asked for: {less:#?}"
    );
    only_what_is_named_was_read(&world);
    world.assert_clean();
}

/// A line grows by more than is usual, and a person says yes to it.
fn approved(world: &World) {
    let grow = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=64"];
    world.vcsim.govc(&grow).unwrap();
    let printed = world.until("the growth is held", PATIENCE, || {
        let shown = world.meterwise(&["plan", "-n", "acme", "-o", "json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let plan = shown["heldPlans"].as_array()?.first()?.clone();
        plan["approval"]
            .is_object()
            .then(|| plan["approval"].clone())
    });
    world.apply(&printed);
    world.await_no_differences();
}

/// A service is deleted, and what it bills ends first.
fn ended_by_deletion(world: &World) {
    let services = world.list("cloudservices");
    let service = services
        .iter()
        .find(|found| found["metadata"]["namespace"] == "globex")
        .unwrap();
    let name = service["metadata"]["name"].as_str().unwrap();
    let patch = json!({ "spec": { "deletionPolicy": "Cancel" } }).to_string();
    let args = ["patch", "csvc", name, "-n", "globex", "--type=merge", "-p"];
    world.kubectl(&[&args[..], &[&patch]].concat());
    world.until("it is kept until then", PATIENCE, || {
        let service = world.get("csvc", "globex", name);
        service["metadata"]["finalizers"].is_array().then_some(())
    });
    let uid = world.get("csvc", "globex", name)["metadata"]["uid"].clone();
    world.kubectl(&["delete", "csvc", name, "-n", "globex", "--wait=false"]);
    world.until("its finalizer is off", Duration::from_secs(90), || {
        let service = world.get("csvc", "globex", name);
        (service["metadata"]["uid"] != uid).then_some(())
    });
}

/// The same trouble again is told by counting up the event of the first time.
fn fails_again(world: &World) {
    let matching = json!({ "principal": OPERATOR, "method": "write" });
    let action = json!({ "status": { "code": 503 } });
    world.fault(&json!({ "match": matching, "action": action }));
    let grow = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=65"];
    world.vcsim.govc(&grow).unwrap();
    world.until("the event is counted up", PATIENCE, || {
        asked(world)
            .contains("patch events.events.k8s.io")
            .then_some(())
    });
    world.clear_faults();
    world.await_no_differences();
}

/// An invoice is made, and stated.
fn invoiced(world: &World) {
    world.control("POST", "/invoice", &json!({ "agreementId": 55 }));
    world.until("its lines are stated", PATIENCE, || {
        (!world.list("usagestatements").is_empty()).then_some(())
    });
}

/// Of Secrets, only the two that the chart names, and none but with `get`.
fn only_what_is_named_was_read(world: &World) {
    let log = world.plane.audit_log().unwrap();
    let secrets: BTreeSet<_> = log
        .iter()
        .filter(|event| event.user == OPERATOR_USER && event.resource == "secrets")
        .map(|event| (event.verb.as_str(), event.name.as_str()))
        .collect();
    let named = ["connectwise-credentials", "vcenter-credentials"];
    assert_eq!(secrets, named.map(|name| ("get", name)).into());
}
