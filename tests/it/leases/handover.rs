//! Two operators, one ConnectWise: one works and the other is silent, until the first dies or is told to go.

use serde_json::json;
use stack::{Operator, VirtualMachine};

use crate::leases::{TERM, assert_billed_once, await_other, await_ready, held, told};
use crate::world::{OPERATOR, PATIENCE, World, WorldOptions};

#[test]
fn one_works_and_the_other_takes_over() {
    let world = World::start(&WorldOptions {
        operator: false,
        ..WorldOptions::default()
    });
    world.declare();
    let mut pods = vec![Pod::start(&world, "pod-a"), Pod::start(&world, "pod-b")];
    for pod in &pods {
        await_ready(&world, pod.name);
    }
    only_one_tells_that_it_holds(&world, &pods);
    after_a_crash(&world, &mut pods);
    after_a_farewell(&world, &mut pods);
    after_a_farewell_in_the_middle_of_work(&world, &mut pods);
}

struct Pod {
    name: &'static str,
    operator: Operator,
}

impl Pod {
    fn start(world: &World, name: &'static str) -> Self {
        let operator = world.start_pod(name, &[]);
        Self { name, operator }
    }
}

/// The metrics say who works, of every pod: what warns of a shard without an owner adds them up.
#[track_caller]
fn only_one_tells_that_it_holds(world: &World, pods: &[Pod]) {
    let holder = await_other(world, 0, "nobody").by;
    world.until("the metrics name the holder alone", PATIENCE, || {
        let right = pods.iter().all(|pod| {
            let holds = pod.name == holder;
            told(world, pod.name, 0) == (holds.into(), holds.into())
        });
        right.then_some(())
    });
}

/// Takes out of the list who holds the shard.
fn take_holder(world: &World, pods: &mut Vec<Pod>) -> Pod {
    let holder = await_other(world, 0, "nobody").by;
    let place = pods.iter().position(|pod| pod.name == holder);
    pods.remove(place.unwrap_or_else(|| panic!("{holder} is none of ours")))
}

/// SIGKILL in the middle of the first sync: nobody asks ConnectWise anything until the lease has run out, and then one
/// finishes the work.
fn after_a_crash(world: &World, pods: &mut Vec<Pod>) {
    world.fault(&json!({
        "match": { "principal": OPERATOR, "method": "POST", "kind": "addition" },
        "after": 4, "times": 1, "action": { "hang": { "commit": true } },
    }));
    world.until("a create hangs", PATIENCE, || {
        (world.hanging() > 0).then_some(())
    });
    let mut dead = take_holder(world, pods);
    dead.operator.kill().unwrap();
    let last = held(world, 0).unwrap();
    assert_eq!(last.by, dead.name);
    let (killed, begin) = (jiff::Timestamp::now(), world.position());
    world.clear_faults();
    let next = await_other(world, 0, dead.name);
    assert_billed_once(world, 20);
    assert_eq!(next.by, pods[0].name);
    only_one_tells_that_it_holds(world, pods);

    let first = &world.operator_since(begin)[0];
    let silent = first.at.duration_since(last.renewed);
    assert!(
        silent >= TERM,
        "ConnectWise was asked {silent:#} after the last renewal of who died"
    );
    let took = next.renewed.duration_since(killed);
    world.say(&format!(
        "{} takes over {took:#} after a SIGKILL; the first request comes {:#} after it",
        next.by,
        first.at.duration_since(killed)
    ));
    // The promise is 15 seconds; a lease that is good for 12 leaves room for a busy machine.
    assert!(took <= jiff::SignedDuration::from_secs(15), "{took:#}");
}

/// SIGTERM to one with nothing to do: the other does not wait for the lease to run out.
fn after_a_farewell(world: &World, pods: &mut Vec<Pod>) {
    pods.push(Pod::start(world, "pod-c"));
    await_ready(world, "pod-c");
    only_one_tells_that_it_holds(world, pods);
    farewell(world, pods);
    assert_billed_once(world, 20);
    only_one_tells_that_it_holds(world, pods);
}

/// SIGTERM while agreements are being made: what is under way is answered and written down, and is not made again.
fn after_a_farewell_in_the_middle_of_work(world: &World, pods: &mut Vec<Pod>) {
    pods.push(Pod::start(world, "pod-d"));
    await_ready(world, "pod-d");
    let begin = world.position();
    world.fault(&json!({
        "match": { "principal": OPERATOR, "method": "write" }, "action": { "latency": { "ms": 700 } },
    }));
    for n in 1..=4 {
        let machine = VirtualMachine {
            name: format!("globex-more-{n}"),
            cpus: 40 + n,
            memory_mib: 40_192,
            disk_mib: 100_608,
        };
        world.vcsim.create_vm("globex", &machine).unwrap();
    }
    world.until("an agreement is being made", PATIENCE, || {
        let writes = world.writes_since(begin);
        writes
            .iter()
            .any(|seen| seen.what() == "POST agreement" && seen.committed)
            .then_some(())
    });
    farewell(world, pods);
    world.clear_faults();
    assert_billed_once(world, 24);
    let made = world.writes_since(begin);
    let made = |what: &str| {
        let made = made
            .iter()
            .filter(|seen| seen.committed && seen.what() == what);
        made.count()
    };
    assert_eq!((made("POST agreement"), made("POST addition")), (4, 12));
}

/// SIGTERM to the holder; another one holds the lease well before it would have run out.
fn farewell(world: &World, pods: &mut Vec<Pod>) {
    let mut leaving = take_holder(world, pods);
    let last = held(world, 0).unwrap();
    let told = jiff::Timestamp::now();
    let name = leaving.name;
    let ends = std::thread::spawn(move || leaving.operator.terminate().unwrap());
    let next = await_other(world, 0, name);
    assert!(ends.join().unwrap(), "{name} ended by itself");
    let took = next.renewed.duration_since(told);
    world.say(&format!("{} takes over {took:#} after a SIGTERM", next.by));
    assert!(
        next.renewed.duration_since(last.renewed) < TERM,
        "{next:?} waited until {last:?} had run out"
    );
}
