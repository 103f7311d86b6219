//! The API server under a running operator: refused writes, and a restart.

use std::time::Duration;

use serde_json::Value;
use stack::VirtualMachine;

use crate::world::{PATIENCE, World, WorldOptions};

fn small() -> World {
    let world = World::start(&WorldOptions {
        vms: 4,
        refresh_interval: "1s",
        snapshot_interval: "2s",
        ..WorldOptions::default()
    });
    world.await_converged(4);
    world.await_quiet(Duration::from_secs(3));
    world
}

fn resize(world: &World, cpus: u32) {
    let cpus = format!("-c={cpus}");
    let change = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", &cpus];
    world.vcsim.govc(&change).unwrap();
}

/// What ConnectWise holds for the machine, read from it.
fn billed(world: &World) -> Option<String> {
    let agreement = world.agreement_of("acme-web-01");
    let lines = world.additions(agreement.id);
    let line = lines.iter().find(|line| line.product == "CLOUD-VCPU")?;
    Some(line.quantity.normalize().to_string())
}

#[track_caller]
fn follows(world: &World, cpus: u32) {
    world.until(&format!("{cpus} CPUs are billed"), PATIENCE, || {
        (billed(world)? == cpus.to_string()).then_some(())
    });
}

fn add(world: &World, name: &str) {
    let machine = VirtualMachine {
        name: name.to_owned(),
        cpus: 3,
        memory_mib: 3072,
        disk_mib: 30 * 1024,
    };
    world.vcsim.create_vm("acme", &machine).unwrap();
}

/// Somebody changes every object all the time, so that what the operator writes meets another version again and again; and the
/// server goes away in the middle of a first convergence. Its watches are too old when it comes back.
#[test]
fn a_server_that_refuses_and_restarts_makes_no_second_line() {
    let mut world = small();
    let begin = world.position();
    for n in 0..3 {
        add(&world, &format!("acme-new-0{n}"));
    }
    world.until("the first of them is under way", PATIENCE, || {
        let writes = world.writes_since(begin);
        writes
            .iter()
            .any(|seen| seen.what() == "POST agreement")
            .then_some(())
    });
    world.plane.api().kill().unwrap();
    resize(&world, 7);
    // Longer than the lease: whoever holds it must stop writing.
    std::thread::sleep(Duration::from_secs(14));
    let alone = world.position();
    std::thread::sleep(Duration::from_secs(4));
    let writes = world.writes_since(alone);
    assert!(writes.is_empty(), "without a lease: {writes:#?}");
    world.plane.restart_api().unwrap();
    follows(&world, 7);
    world.until("seven machines billed", PATIENCE, || {
        (world.check().billable_lines == 21).then_some(())
    });
    for round in 0..20 {
        for service in world.list("csvc") {
            let name = service["metadata"]["name"].as_str().unwrap();
            let label = format!("round=r{round}");
            world.kubectl(&[
                "label",
                "csvc",
                name,
                "-n",
                ns(&service),
                &label,
                "--overwrite",
            ]);
        }
        if round == 5 {
            resize(&world, 8);
        }
    }
    follows(&world, 8);
    world.await_converged(7);
    world.await_quiet(Duration::from_secs(3));
    let writes = world.writes_since(begin);
    // Three machines, each an agreement, three lines and as many activations; and two sizes.
    let committed = writes.iter().filter(|seen| seen.committed).count();
    assert_eq!(committed, 3 * 7 + 2, "{writes:#?}");
    assert!(world.check().repeated_marks.is_empty());
    world.assert_clean();
}

fn ns(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}
