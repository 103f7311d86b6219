//! Cluster and operator made anew. With the same `installationId` everything is found again; with another one nothing is
//! touched, and what would bill a second time waits and says so.

use serde_json::json;

use crate::loss::{QUIET, holds, nothing_made};
use crate::world::{PATIENCE, World, WorldOptions, is};

#[test]
fn a_new_cluster_finds_what_the_old_one_made() {
    let options = WorldOptions {
        vms: 4,
        ..WorldOptions::default()
    };
    let mut world = World::start(&options);
    world.await_converged(4);
    world.await_no_differences();
    world.await_quiet(QUIET);

    let begin = world.position();
    let change = |cpus: &str| {
        let cpus = format!("-c={cpus}");
        ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", &cpus].map(str::to_owned)
    };
    let govc = |world: &World, args: &[String]| {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        world.vcsim.govc(&args).unwrap();
    };
    world.lose_cluster(&options);
    govc(&world, &change("33"));
    world.start_operator();
    world.declare();
    world.await_converged(4);
    world.await_no_differences();
    world.await_quiet(QUIET);
    nothing_made(&world, begin);
    let writes = world.writes_since(begin);
    assert_eq!(writes.len(), 1, "one quantity changed: {writes:#?}");

    let begin = world.position();
    world.lose_cluster(&options);
    govc(&world, &change("35"));
    world.change_manifests(|manifest| {
        if manifest["kind"] == "ConnectWiseIntegration" {
            manifest["spec"]["installationId"] = json!("another");
        }
    });
    world.start_operator();
    world.declare();
    world.until("every service is held", PATIENCE, || {
        let services = world.list("cloudservices");
        let held = services
            .iter()
            .filter(|found| holds(found) == ["AnotherInstallation"] && is(found, "Held", "True"));
        (services.len() == 4 && held.count() == 4).then_some(())
    });
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "{writes:#?}");
    world.assert_clean();
}
