//! Services that are deleted: with `Retain` nothing happens, with `Cancel` what they bill ends first, once, and nobody waits
//! for ever.

use std::time::Duration;

use serde_json::{Value, json};

use crate::trouble::case::small;
use crate::trouble::edits::service;
use crate::world::{OPERATOR_USER, World, WorldOptions};

const SOON: Duration = Duration::from_secs(60);

fn name(world: &World, machine: &str) -> (String, String) {
    let metadata = service(world, machine)["metadata"].clone();
    let text = |field: &str| metadata[field].as_str().unwrap().to_owned();
    (text("namespace"), text("name"))
}

fn patch(world: &World, (namespace, name): &(String, String), spec: &Value) {
    let patch = json!({ "spec": spec }).to_string();
    world.kubectl(&[
        "patch",
        "csvc",
        name,
        "-n",
        namespace,
        "--type=merge",
        "-p",
        &patch,
    ]);
}

/// Says `Cancel`, and waits until the object is kept for it.
fn cancels(world: &World, machine: &str) -> (String, String) {
    let who = name(world, machine);
    patch(world, &who, &json!({ "deletionPolicy": "Cancel" }));
    world.until("it is kept", SOON, || {
        let service = world.get("csvc", &who.0, &who.1);
        let kept = service["metadata"]["finalizers"].as_array()?.clone();
        (kept == [json!("meterwise.dev/cancel-billing")]).then_some(())
    });
    who
}

/// Deletes it, and answers its uid.
fn delete(world: &World, (namespace, name): &(String, String)) -> Value {
    let uid = world.get("csvc", namespace, name)["metadata"]["uid"].clone();
    world.kubectl(&["delete", "csvc", name, "-n", namespace, "--wait=false"]);
    uid
}

#[track_caller]
fn gone(world: &World, (namespace, name): &(String, String), uid: &Value) {
    world.until("the object has gone", SOON, || {
        (world.get("csvc", namespace, name)["metadata"]["uid"] != *uid).then_some(())
    });
}

fn told(world: &World, why: &str) -> usize {
    let events = world.list("events.events.k8s.io");
    let fits = |event: &&Value| {
        let note = event["note"].as_str().unwrap_or_default();
        event["reason"] == "Retained" && event["type"] == "Warning" && note.contains(why)
    };
    events.iter().filter(fits).count()
}

#[test]
fn what_deleting_means() {
    let world = World::start(&WorldOptions {
        controllers: true,
        ..small()
    });
    world.await_converged(4);
    // Lists lag behind writes by two seconds.
    std::thread::sleep(Duration::from_secs(3));

    // Retain: no finalizer, no write; discovery makes the object anew.
    let begin = world.position();
    let retained = name(&world, "acme-web-01");
    let uid = delete(&world, &retained);
    gone(&world, &retained, &uid);
    world.await_converged(4);
    assert!(world.writes_since(begin).is_empty());

    only_its_finalizer(&world);
    cancelled_and_made_again(&world);

    // Suspended: it goes at once, and nothing is written.
    let begin = world.position();
    let suspended = cancels(&world, "acme-db-01");
    patch(&world, &suspended, &json!({ "suspend": true }));
    let uid = delete(&world, &suspended);
    gone(&world, &suspended, &uid);
    assert_eq!(told(&world, "it is suspended"), 1);
    assert!(world.writes_since(begin).is_empty());

    // Its mapping is missing: it waits, and then goes all the same, loudly.
    let waiting = cancels(&world, "globex-web-01");
    world.kubectl(&["delete", "cmap", "globex", "-n", "globex"]);
    let uid = delete(&world, &waiting);
    std::thread::sleep(Duration::from_secs(8));
    let service = world.get("csvc", &waiting.0, &waiting.1);
    assert_eq!(service["metadata"]["uid"], uid, "it still waits");
    gone(&world, &waiting, &uid);
    assert_eq!(told(&world, "not confirmed in time"), 1);

    // Its namespace goes: nothing is cancelled.
    cancels(&world, "acme-web-01");
    world.kubectl(&["delete", "namespace", "acme", "--timeout=60s"]);
    assert!(world.get("ns", "", "acme").is_null());
    world.await_quiet(Duration::from_secs(3));
    assert!(world.writes_since(begin).is_empty());
    assert_eq!(world.check().billable_lines, 12);
    world.assert_clean();
}

/// The right to patch reaches no further than the finalizer.
fn only_its_finalizer(world: &World) {
    let who = name(world, "acme-db-01");
    let refused = world.until("the admission policy holds", SOON, || {
        let patch = json!({ "spec": { "suspend": true } }).to_string();
        let as_operator = format!("--as={OPERATOR_USER}");
        let args = [
            "patch",
            "csvc",
            &who.1,
            "-n",
            &who.0,
            "--type=merge",
            "-p",
            &patch,
        ];
        let tried = world.plane.kubectl(&[&args[..], &[&as_operator]].concat());
        tried.err().map(|error| format!("{error:#}"))
    });
    assert!(refused.contains("never changes the spec"), "{refused}");
    assert_eq!(world.get("csvc", &who.0, &who.1)["spec"]["suspend"], false);
}

/// Its lines and its agreement end, once; and as its machine still stands, discovery makes it anew, and it is billed anew.
fn cancelled_and_made_again(world: &World) {
    let begin = world.position();
    let before = world.agreement_of("acme-web-01");
    let who = cancels(world, "acme-web-01");
    let uid = delete(world, &who);
    gone(world, &who, &uid);
    world.await_converged(4);
    world.await_quiet(Duration::from_secs(3));
    let next = before.mark.clone().unwrap().replace(".1", ".2");
    let marked = world.marked();
    let is_next = |it: &&crate::world::Agreement| it.mark.as_ref() == Some(&next) && !it.cancelled;
    assert_eq!(marked.iter().filter(is_next).count(), 1, "{marked:#?}");
    let writes = world.writes_since(begin);
    let count = |what: &str| writes.iter().filter(|seen| seen.what() == what).count();
    assert_eq!(
        (
            count("PATCH agreement"),
            count("POST agreement"),
            writes.len()
        ),
        (1, 1, 11),
        "{writes:#?}"
    );
    let ended = writes
        .iter()
        .find(|seen| seen.what() == "PATCH agreement")
        .unwrap();
    assert!(
        ended.body.to_string().contains("CloudService was deleted"),
        "{ended:?}"
    );
}
