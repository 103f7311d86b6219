//! ConnectWise answers oddly for a while: refuses one request in ten, asks to slow down, moves to another codebase, or
//! refuses writes only.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::trouble::case::{fault, followed, resize, small};
use crate::world::{OPERATOR, PLATFORM, World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn odd_for_a_while() {
    let world = World::start(&WorldOptions {
        audit_interval: "10s",
        ..small()
    });
    world.await_converged(4);
    one_refusal_in_ten(&world);
    an_embargo_on_reads(&world);
    an_embargo_on_a_write(&world);
    a_burst_of_503(&world);
    another_codebase(&world);
    writes_without_a_right(&world);
    a_write_that_is_not_kept(&world);
    assert_eq!(world.differences(), Vec::<String>::new());
    world.assert_clean();
}

fn await_followed(world: &World, cpus: u32) {
    world.until("the quantity follows", SOON, || {
        followed(world, cpus).then_some(())
    });
    world.await_converged(4);
}

fn one_refusal_in_ten(world: &World) {
    world.say("--- 401 to one request in ten");
    world.fault(&json!({ "match": { "principal": OPERATOR }, "percent": 10, "action": { "status": { "code": 401 } } }));
    let (from, since) = (world.position(), world.audit_now());
    let cpus = resize(world);
    std::thread::sleep(Duration::from_secs(20));
    let refused = world
        .operator_since(from)
        .iter()
        .filter(|seen| seen.status == 401)
        .count();
    assert!(
        refused >= 2,
        "{refused} refusals in 20 seconds: the fault met nothing"
    );
    let told: Vec<_> = world
        .audit_writes(&since)
        .into_iter()
        .filter(|write| write.resource != "events")
        .collect();
    assert!(
        told.len() <= 40,
        "{} status writes for {refused} refusals: {told:#?}",
        told.len()
    );
    world.say(&format!(
        "{} status writes for {refused} refusals",
        told.len()
    ));
    world.clear_faults();
    await_followed(world, cpus);
}

/// Nothing leaves before the time that ConnectWise asked for, and nothing is said either: it was not long.
fn an_embargo_on_reads(world: &World) {
    world.say("--- 429 to a read");
    // What the refusals before it did may still be told.
    world.until("the integration is ready", SOON, || {
        is(&world.get("cwi", PLATFORM, "connectwise"), "Ready", "True").then_some(())
    });
    world.await_converged(4);
    world.await_quiet(Duration::from_secs(3));
    let since = world.audit_now();
    let silence = silent_after(world, &json!({ "principal": OPERATOR, "method": "GET" }), 5);
    assert!(
        silence >= SignedDuration::from_secs(5),
        "a request after {silence}"
    );
    assert!(is(
        &world.get("cwi", PLATFORM, "connectwise"),
        "Ready",
        "True"
    ));
    world.assert_rest(&since);
}

fn an_embargo_on_a_write(world: &World) {
    world.say("--- 429 to a write");
    let cpus = resize(world);
    let silence = silent_after(
        world,
        &json!({ "principal": OPERATOR, "method": "PATCH" }),
        7,
    );
    assert!(
        silence >= SignedDuration::from_secs(7),
        "a request after {silence}"
    );
    await_followed(world, cpus);
}

/// Answers the next fitting request with 429, and tells how long nothing came afterwards.
fn silent_after(world: &World, matching: &Value, seconds: i64) -> SignedDuration {
    let from = world.position();
    let action = json!({ "rateLimit": { "retryAfter": seconds.to_string() } });
    world.fault(&json!({ "match": matching, "times": 1, "action": action }));
    let (refused, next) = world.until("a request after the embargo", SOON, || {
        let log = world.operator_since(from);
        let at = log.iter().position(|seen| seen.status == 429)?;
        let refused = &log[at];
        // What was under way when the answer came could not know of it.
        let soon = refused.at + SignedDuration::from_millis(500);
        let next = log[at + 1..].iter().find(|seen| seen.at > soon)?;
        Some((refused.at, next.at))
    });
    world.clear_faults();
    next.duration_since(refused)
}

/// As many 503 as a read tries again: nobody notices.
fn a_burst_of_503(world: &World) {
    world.say("--- a burst of 503");
    let (from, since) = (world.position(), world.audit_now());
    let cpus = resize(world);
    world.fault(&json!({ "match": { "principal": OPERATOR }, "times": 3, "action": { "status": { "code": 503 } } }));
    await_followed(world, cpus);
    let refused = world
        .operator_since(from)
        .iter()
        .filter(|seen| seen.status == 503)
        .count();
    assert_eq!(refused, 3);
    let integration = world.get("cwi", PLATFORM, "connectwise");
    assert!(is(&integration, "Ready", "True"));
    let told: Vec<_> = world
        .audit_writes(&since)
        .into_iter()
        .filter(|write| write.resource == "connectwiseintegrations")
        .collect();
    assert!(told.len() <= 2, "{told:#?}");
    world.clear_faults();
}

/// After an upgrade every path answers 404 until the new one is used.
fn another_codebase(world: &World) {
    world.say("--- another codebase");
    let from = world.position();
    world.control(
        "PUT",
        "/settings",
        &json!({ "codebase": "v2027_1/", "alias": false }),
    );
    let cpus = resize(world);
    world.until("the quantity follows under the new codebase", SOON, || {
        let log = world.writes_since(from);
        log.iter()
            .any(|seen| seen.path.starts_with("/v2027_1/") && seen.committed)
            .then_some(())
    });
    let lost = world
        .operator_since(from)
        .iter()
        .filter(|seen| seen.status == 404)
        .count();
    assert!(lost <= 4, "{lost} requests to a codebase that was gone");
    world.until("the integration names it", SOON, || {
        let integration = world.get("cwi", PLATFORM, "connectwise");
        (integration["status"]["codebase"] == "v2027_1/" && is(&integration, "Ready", "True"))
            .then_some(())
    });
    world.control("PUT", "/settings", &json!({ "alias": true }));
    await_followed(world, cpus);
}

/// The service whose write is refused says which right is missing; writes are tried again with longer and longer waits.
fn writes_without_a_right(world: &World) {
    world.say("--- 403 to writes");
    let refusal =
        json!({ "status": { "code": 403, "body": { "code": "Security", "message": "no right" } } });
    world.fault(
        &json!({ "match": { "principal": OPERATOR, "method": "write" }, "action": refusal }),
    );
    let cpus = resize(world);
    let refused = |service: &Value| {
        let synced = condition(service, "Synced");
        let message = synced["message"].as_str().unwrap_or_default();
        synced["status"] == "False" && synced["reason"] == "Forbidden" && message.contains("Edit")
    };
    world.until("a service says so", SOON, || {
        world
            .list("cloudservices")
            .iter()
            .any(refused)
            .then_some(())
    });
    let (from, since) = (world.position(), world.audit_now());
    std::thread::sleep(Duration::from_secs(8));
    let tried = world.writes_since(from);
    assert!(
        (1..=6).contains(&tried.len()),
        "{} tries in 8 seconds",
        tried.len()
    );
    assert!(tried.iter().all(|seen| !seen.committed));
    world.assert_rest(&since);
    assert!(is(
        &world.get("cwi", PLATFORM, "connectwise"),
        "Ready",
        "True"
    ));
    world.clear_faults();
    await_followed(world, cpus);
}

/// ConnectWise answers 400: the line is left out, the service says so, and it is tried again now and then.
fn a_write_that_is_not_kept(world: &World) {
    world.say("--- 400 to a quantity");
    let body = json!({ "code": "InvalidObject", "message": "addition object is invalid",
        "errors": [{ "code": "InvalidField", "message": "too odd", "resource": "addition", "field": "quantity" }] });
    let refusal = json!({ "status": { "code": 400, "body": body } });
    world.fault(
        &json!({ "match": { "principal": OPERATOR, "method": "PATCH" }, "action": refusal }),
    );
    let cpus = resize(world);
    let refused = |service: &Value| {
        let held = condition(service, "Held");
        held["reason"] == "WriteRejected"
            && held["message"]
                .as_str()
                .unwrap_or_default()
                .contains("quantity")
    };
    world.until("a service says so", SOON, || {
        world
            .list("cloudservices")
            .iter()
            .any(refused)
            .then_some(())
    });
    let (from, since) = (world.position(), world.audit_now());
    std::thread::sleep(Duration::from_secs(8));
    let tried = world.writes_since(from).len();
    assert!(tried <= 4, "{tried} tries in 8 seconds");
    world.assert_rest(&since);
    world.clear_faults();
    await_followed(world, cpus);
}

/// A wait that is too long to sit out is told, with what to do, and kept.
#[test]
fn a_long_embargo() {
    let world = World::start(&small());
    world.await_converged(4);
    let from = world.position();
    fault(&world, &json!({ "rateLimit": { "retryAfter": "65" } }));
    world.until("the integration says so", SOON, || {
        let integration = world.get("cwi", PLATFORM, "connectwise");
        let ready = condition(&integration, "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        (ready["reason"] == "RateLimited" && message.contains("spec.requestsPerMinute"))
            .then_some(())
    });
    world.clear_faults();
    let since = world.audit_now();
    let cpus = resize(&world);
    let refused = world
        .operator_since(from)
        .iter()
        .filter(|seen| seen.status == 429)
        .map(|seen| seen.at)
        .max()
        .unwrap();
    let next = world.until(
        "a request after the embargo",
        Duration::from_secs(100),
        || {
            let log = world.operator_since(from);
            log.iter()
                .find(|seen| seen.at > refused + SignedDuration::from_secs(1))
                .map(|seen| seen.at)
        },
    );
    assert!(next.duration_since(refused) >= SignedDuration::from_secs(65));
    // Once for each: not ready, and ready again.
    let told = world.audit_writes(&since);
    assert!(told.len() <= 30, "{told:#?}");
    await_followed(&world, cpus);
    world.assert_clean();
}
