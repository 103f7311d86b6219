//! The API server under a running operator: refused writes, a restart, and etcd put back to an older state.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stack::VirtualMachine;

use crate::world::{PATIENCE, World, WorldOptions, is};

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

/// etcd is put back to before a machine was billed and a size was followed, while the operator runs: it holds versions that the
/// server has yet to reach.
#[test]
fn a_cluster_put_back_under_a_running_operator_bills_nothing_anew() {
    let mut world = small();
    let backup = world.folder().join("etcd-backup");
    world.plane.lose_power().unwrap();
    copy(&world.plane.etcd_folder(), &backup);
    world.plane.regain_power().unwrap();
    world.await_converged(4);
    add(&world, "acme-late-01");
    resize(&world, 9);
    world.await_converged(5);
    follows(&world, 9);
    world.await_quiet(Duration::from_secs(3));

    let begin = world.position();
    world.plane.lose_power().unwrap();
    std::fs::remove_dir_all(world.plane.etcd_folder()).unwrap();
    copy(&backup, &world.plane.etcd_folder());
    world.plane.regain_power().unwrap();
    assert_eq!(world.list("csvc").len(), 4, "the cluster forgot the fifth");
    // What it holds is of a future that will not come: it ends, and is started again as a pod would be.
    let patience = Instant::now() + PATIENCE;
    let ended = |world: &World| {
        let log = std::fs::read_to_string(world.operator_log()).unwrap();
        log.contains("put back to an older state")
    };
    while !ended(&world) {
        assert!(Instant::now() < patience, "it does not notice");
        std::thread::sleep(Duration::from_millis(200));
    }
    world.start_operator();
    world.until("the fifth is found again", PATIENCE, || {
        let services = world.list("csvc");
        let well = |it: &Value| is(it, "Ready", "True") && is(it, "Synced", "True");
        (services.len() == 5 && services.iter().all(well)).then_some(())
    });
    world.await_quiet(Duration::from_secs(3));
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "nothing is billed anew: {writes:#?}");
    // What people declare is followed again, too.
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["suspend"] = json!(true)
    });
    world.until("the edit is seen", PATIENCE, || {
        let mapping = world.get("cmap", "acme", "acme");
        let seen = &mapping["status"]["observedGeneration"];
        (*seen == mapping["metadata"]["generation"]).then_some(())
    });
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["suspend"] = json!(false)
    });
    resize(&world, 11);
    follows(&world, 11);
    assert_eq!(world.check().billable_lines, 15);
    assert!(world.check().repeated_marks.is_empty());
    world.assert_clean();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
