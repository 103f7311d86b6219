//! A process that is stopped in the middle of its work and wakes up when another has taken over: it finds that its time
//! has run out, and writes nothing.

use serde_json::{Value, json};
use stack::VirtualMachine;

use crate::leases::{QUIET, assert_billed_once, await_other, await_ready};
use crate::world::{OPERATOR, PATIENCE, World, WorldOptions};

/// Where the holder is stopped: what is slow for it, and how.
struct Pause {
    method: &'static str,
    kind: &'static str,
    action: fn() -> Value,
}

/// Answers so late that the process is stopped before it has read them; they wait in its socket.
fn answered() -> Value {
    json!({ "latency": { "ms": 1_500 } })
}

/// Takes effect when another one works already.
fn much_later() -> Value {
    json!({ "lateCommit": { "ms": 16_000 } })
}

const PAUSES: [Pause; 5] = [
    Pause {
        method: "POST",
        kind: "agreement",
        action: answered,
    },
    Pause {
        method: "POST",
        kind: "addition",
        action: answered,
    },
    Pause {
        method: "PATCH",
        kind: "addition",
        action: answered,
    },
    Pause {
        method: "GET",
        kind: "agreement",
        action: answered,
    },
    Pause {
        method: "POST",
        kind: "addition",
        action: much_later,
    },
];

#[test]
fn who_wakes_up_too_late_does_no_harm() {
    let world = World::start(&WorldOptions {
        operator: false,
        vms: 4,
        ..WorldOptions::default()
    });
    world.declare();
    let pods = ["pod-a", "pod-b"];
    let operators = pods.map(|pod| world.start_pod(pod, &[]));
    pods.iter().for_each(|pod| await_ready(&world, pod));
    assert_billed_once(&world, 4);
    let mut machines = 4;
    for (round, pause) in PAUSES.iter().enumerate() {
        let begin = world.position();
        world.fault(&json!({
            "match": { "principal": OPERATOR, "method": pause.method, "kind": pause.kind },
            "action": (pause.action)(),
        }));
        for n in 0..3u32 {
            let machine = VirtualMachine {
                name: format!("globex-{round}-{n}"),
                cpus: 40 + n,
                memory_mib: 40_192,
                disk_mib: 100_608,
            };
            world.vcsim.create_vm("globex", &machine).unwrap();
            machines += 1;
        }
        let what = format!("{} {}", pause.method, pause.kind);
        world.until(&format!("{what} is under way"), PATIENCE, || {
            let log = world.operator_since(begin);
            log.iter().any(|seen| seen.what() == what).then_some(())
        });
        let holder = await_other(&world, 0, "nobody").by;
        let place = pods.iter().position(|pod| *pod == holder).unwrap();
        let paused = &operators[place];
        paused.stop();
        world.clear_faults();
        let next = await_other(&world, 0, &holder);
        world.say(&format!(
            "{holder} is paused in {what}; {} goes on",
            next.by
        ));
        assert_billed_once(&world, machines);

        // What it had sent before it was paused has arrived; what comes now, it sends now.
        let (begin, since) = (world.position(), world.audit_now());
        paused.cont();
        world.await_quiet(QUIET);
        let late = world.writes_since(begin);
        assert!(late.is_empty(), "written by who woke up: {late:#?}");
        let late = world.audit_writes(&since);
        let granted: Vec<_> = late.iter().filter(|write| write.code < 400).collect();
        assert!(granted.is_empty(), "written by who woke up: {granted:#?}");
        assert_billed_once(&world, machines);
    }
}
