//! `CreateOnly`: what is missing is made and billed, what stands is left as it is and told.

use serde_json::json;

use crate::loss::{QUIET, await_service, holds, in_step, plan, posts};
use crate::world::{PATIENCE, World, WorldOptions};

#[test]
fn only_what_is_missing_is_made() {
    let world = World::start(&WorldOptions {
        vms: 4,
        mode: "CreateOnly",
        removal_grace: "2s",
        ..WorldOptions::default()
    });
    world.await_converged(4);
    world.await_no_differences();
    world.await_quiet(QUIET);

    let begin = world.position();
    let govc = |args: &[&str]| world.vcsim.govc(args).unwrap();
    govc(&["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=33"]);
    govc(&["vm.destroy", "/DC0/vm/globex/globex-web-01"]);
    let changed = await_service(&world, "acme-web-01", "a change is left out", |found| {
        holds(found) == ["CreateOnly"]
    });
    assert!(plan(&changed).is_empty(), "{changed:#?}");
    let says = changed["status"]["holds"][0]["message"].as_str().unwrap();
    assert!(
        says.contains("-> 33 vCPU") && says.contains("set mode Sync"),
        "{says}"
    );
    await_service(&world, "globex-web-01", "an end is left out", |found| {
        holds(found) == ["CreateOnly"]
    });
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "{writes:#?}");

    world
        .vcsim
        .create_vm(
            "acme",
            &stack::VirtualMachine {
                name: "acme-new-01".to_owned(),
                cpus: 40,
                memory_mib: 40_192,
                disk_mib: 100_608,
            },
        )
        .unwrap();
    world.until("a new machine is billed", PATIENCE, || {
        let check = world.check();
        ((check.billable_agreements, check.billable_lines) == (5, 15)).then_some(())
    });
    await_service(&world, "acme-new-01", "in step", in_step);
    assert_eq!(posts(&world, begin, "agreement"), 1);
    assert_eq!(posts(&world, begin, "addition"), 3);

    world.edit("ConnectWiseIntegration", "connectwise", |found| {
        found["spec"]["mode"] = json!("Sync");
    });
    world.await_no_differences();
    assert_eq!(world.check().billable_agreements, 4);
    world.assert_clean();
}
