//! Somebody else writes with the operator's own key: another meterwise with the same installationId that no lease keeps apart,
//! because it lives in another cluster, or a script that was given the key. And one operator that is told of another number
//! of shards.

use std::time::Duration;

use serde_json::json;

use crate::leases::{await_other, await_ready};
use crate::trouble::edits::{line, path, service};
use crate::trouble::person::Person;
use crate::world::{OPERATOR, PATIENCE, PLATFORM, World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(40);

fn resize(world: &World, cpus: u32) {
    let change = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01"];
    let cpus = format!("-c={cpus}");
    world
        .vcsim
        .govc(&[&change[..], &[cpus.as_str()]].concat())
        .unwrap();
}

#[test]
fn whoever_writes_with_our_key_is_noticed_and_not_fought() {
    let world = World::start(&WorldOptions {
        vms: 4,
        refresh_interval: "1s",
        // Lines are read again in rotation.
        audit_interval: "6s",
        snapshot_interval: "2s",
        ..WorldOptions::default()
    });
    world.await_converged(4);
    // What its predecessor may have sent counts against nobody; and lists lag.
    std::thread::sleep(Duration::from_secs(12));
    let cpu = line(&world, "acme-web-01", "CLOUD-VCPU");
    let other = Person::with(&world, OPERATOR, "operatorPrivateKey");
    // The key is the operator's, so the log cannot tell the two apart; what is written is told apart by its value.
    let begin = world.position();
    other.set(&path(&cpu), &json!({ "quantity": 77 }));
    let said = world.until("it is noticed", SOON, || {
        let service = service(&world, "acme-web-01");
        let held = condition(&service, "Held");
        let well = held["status"] == "True" && held["reason"] == "AnotherWriter";
        well.then(|| held["message"].as_str().unwrap_or_default().to_owned())
    });
    assert!(
        said.contains("installationId") && said.contains(&cpu.id.to_string()),
        "{said}"
    );
    assert!(
        is(&service(&world, "acme-web-01"), "Ready", "True"),
        "a hold is no fault"
    );
    resize(&world, 9);
    let writes = world.writes_since(begin);
    assert_eq!(
        writes.len(),
        1,
        "only what the other one wrote: {writes:#?}"
    );
    let metrics = world.metrics();
    let gauge = "meterwise_held_services{reason=\"AnotherWriter\"} 1";
    assert!(metrics.contains(gauge), "{metrics}");
    let plan = world.meterwise(&["plan", "-n", "acme"]);
    assert!(plan.contains("AnotherWriter"), "{plan}");
    world.until("an event tells it", SOON, || {
        let events = world.list("events.events.k8s.io");
        let told = |event: &&serde_json::Value| event["reason"] == "AnotherWriter";
        (events.iter().filter(told).count() == 1).then_some(())
    });
    // Others go on meanwhile, and this one does once it has been quiet for a while.
    world.until("the quantity follows again", PATIENCE, || {
        let cpu = line(&world, "acme-web-01", "CLOUD-VCPU");
        (cpu.quantity == 9.into()).then_some(())
    });
    world.await_converged(4);
    world.await_quiet(Duration::from_secs(3));
    let writes = world.writes_since(begin);
    assert_eq!(writes.len(), 2, "theirs and ours, once each: {writes:#?}");
    assert!(!world.metrics().contains("meterwise_held_services"));
    world.assert_clean();
}

/// Half of a rolling update that changes the number of shards: the new one waits until the old one has gone, and then works.
#[test]
fn another_number_of_shards_waits_for_the_old_one_to_go() {
    let world = World::start(&WorldOptions {
        operator: false,
        vms: 4,
        chart_values: &["shards=2"],
        ..WorldOptions::default()
    });
    world.declare();
    let mut old = world.start_pod("pod-old", &["--shards", "1"]);
    await_ready(&world, "pod-old");
    let new = world.start_pod("pod-new", &["--shards", "2"]);
    await_ready(&world, "pod-new");
    world.until("four machines billed", PATIENCE, || {
        (world.check().billable_lines == 12).then_some(())
    });
    world.await_quiet(Duration::from_secs(3));
    let begin = world.position();
    // Whoever sees that the number differs holds nothing; never do two work at once.
    let lease = |name: &str| world.get("lease", PLATFORM, name)["spec"]["holderIdentity"].clone();
    world.say(&format!("shard 0 is {}", lease("meterwise-shard-0")));
    old.terminate().unwrap();
    for shard in [0, 1] {
        let held = await_other(&world, shard, "pod-old");
        assert_eq!(held.by, "pod-new");
    }
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "nothing is billed anew"
    );
    resize(&world, 9);
    world.until("the new one follows", PATIENCE, || {
        let cpu = line(&world, "acme-web-01", "CLOUD-VCPU");
        (cpu.quantity == 9.into()).then_some(())
    });
    assert_eq!(world.writes_since(begin).len(), 1);
    world.assert_clean();
    drop(new);
}
