//! What people made becomes ours, what only may be made is made, and whatever is lost in Kubernetes is found again: judged
//! by the request log of ConnectWise, where a new line would be a POST.

mod adoption;
mod backup;
mod create_only;
mod master;
mod moved;
mod reinstalled;

use std::time::Duration;

use serde_json::Value;

use crate::world::{PATIENCE, World, is};

/// Longer than every waiting time of an operator that runs with `--timing test` and has nothing left to do.
const QUIET: Duration = Duration::from_secs(3);

/// How many records of a kind the operator asked to be made since.
fn posts(world: &World, since: u64, kind: &str) -> usize {
    let what = format!("POST {kind}");
    let writes = world.writes_since(since);
    writes.iter().filter(|seen| seen.what() == what).count()
}

/// Fails if anything was made since.
#[track_caller]
fn nothing_made(world: &World, since: u64) {
    let writes = world.writes_since(since);
    let made: Vec<_> = writes.iter().filter(|seen| seen.method == "POST").collect();
    assert!(made.is_empty(), "{made:#?}");
}

/// The services of a machine: one, but for a moment while it changes its name.
fn services_of(world: &World, machine: &str) -> Vec<Value> {
    let mut found = world.list("cloudservices");
    found.retain(|service| service["spec"]["displayName"] == machine);
    found
}

/// The service of a machine.
#[track_caller]
fn service_of(world: &World, machine: &str) -> Value {
    let mut found = services_of(world, machine);
    assert_eq!(found.len(), 1, "services of {machine}: {found:#?}");
    found.remove(0)
}

/// Merges into the spec of a machine's service.
#[track_caller]
fn patch_service(world: &World, machine: &str, spec: &Value) {
    let service = service_of(world, machine);
    let name = service["metadata"]["name"].as_str().unwrap();
    let namespace = service["metadata"]["namespace"].as_str().unwrap();
    let patch = serde_json::json!({ "spec": spec }).to_string();
    let args = ["patch", "csvc", name, "-n", namespace, "--type=merge", "-p"];
    world.kubectl(&[&args[..], &[&patch]].concat());
}

/// Waits until the service of a machine speaks of its present spec and says this of a condition.
#[track_caller]
fn await_service(
    world: &World,
    machine: &str,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    world.until(&format!("{machine}: {what}"), PATIENCE, || {
        services_of(world, machine).into_iter().find(|service| {
            let seen = service["status"]["observedGeneration"] == service["metadata"]["generation"];
            seen && is_so(service)
        })
    })
}

/// The reasons of what a service holds.
fn holds(service: &Value) -> Vec<&str> {
    let holds = service["status"]["holds"].as_array();
    let reasons = holds.into_iter().flatten();
    reasons.filter_map(|hold| hold["reason"].as_str()).collect()
}

/// What a service plans.
fn plan(service: &Value) -> Vec<&str> {
    let plan = service["status"]["plan"].as_array();
    plan.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn in_step(service: &Value) -> bool {
    is(service, "Ready", "True") && is(service, "Synced", "True")
}
