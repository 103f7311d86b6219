//! Several operators at once: who works is said by Leases, and ConnectWise must not notice that there are several.

mod alias;
mod another;
mod handover;
mod paused;
mod shards;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::world::{PATIENCE, PLATFORM, World};

/// For how long a lease is good, as `leaseDurationSeconds` says.
const TERM: jiff::SignedDuration = jiff::SignedDuration::from_secs(12);
/// Longer than everything that an idle operator does regularly.
const QUIET: Duration = Duration::from_secs(3);

/// Who holds a shard, and when the lease was renewed last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    by: String,
    renewed: Timestamp,
}

/// What the API server says of a shard; `None` while nobody holds it.
#[track_caller]
fn held(world: &World, shard: u32) -> Option<Held> {
    let lease = world.get("lease", PLATFORM, &format!("meterwise-shard-{shard}"));
    let spec = &lease["spec"];
    let by = spec["holderIdentity"]
        .as_str()
        .filter(|it| !it.is_empty())?;
    let seconds = spec["leaseDurationSeconds"].as_i64();
    assert_eq!(seconds, Some(TERM.as_secs()));
    let renewed = spec["renewTime"].as_str()?.parse().ok()?;
    Some(Held {
        by: by.to_owned(),
        renewed,
    })
}

/// Waits until somebody holds the shard who is not this one.
#[track_caller]
fn await_other(world: &World, shard: u32, than: &str) -> Held {
    world.until(&format!("shard {shard} is not {than}'s"), PATIENCE, || {
        held(world, shard).filter(|held| held.by != than)
    })
}

/// What a pod's metrics say of a shard: whether it holds it, and how often it took or lost it.
#[track_caller]
fn told(world: &World, pod: &str, shard: u32) -> (u64, u64) {
    let text = world.metrics_of(pod);
    let value = |name: &str| {
        let name = format!("meterwise_{name}{{shard=\"{shard}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        let line = line.unwrap_or_else(|| panic!("{pod} tells no {name}:\n{text}"));
        line.parse().expect("a number")
    };
    (value("shard_held"), value("shard_transitions_total"))
}

/// Waits until a pod has listed everything, so that it can take over.
#[track_caller]
fn await_ready(world: &World, pod: &str) {
    world.until(&format!("{pod} is ready"), PATIENCE, || {
        let log = std::fs::read_to_string(world.log_of(pod)).ok()?;
        log.contains("every kind is listed; ready").then_some(())
    });
}

/// So many machines, each billed once, and no trace of anything else.
#[track_caller]
fn assert_billed_once(world: &World, machines: usize) {
    world.await_converged(machines);
    world.await_no_differences();
    world.await_quiet(QUIET);
    world.assert_clean();
    let check = world.check();
    let found = (check.billable_agreements, check.billable_lines);
    assert_eq!(found, (machines, 3 * machines), "{check:#?}");
    let strays: Vec<&Value> = check.repeated_marks.iter().collect();
    world.say(&format!("marks on several records: {strays:?}"));
}
