//! Restored from yesterday's backup, with and without the books: what happened since is in ConnectWise, and is found.

use serde_json::{Value, json};

use crate::loss::{QUIET, nothing_made};
use crate::world::{PLATFORM, World, WorldOptions};

#[test]
fn a_backup_brings_no_second_line() {
    let world = World::start(&WorldOptions {
        vms: 4,
        ..WorldOptions::default()
    });
    world.await_converged(4);
    world.await_no_differences();
    let yesterday = dump(&world);

    // Since the backup: a quantity, and a machine that no object of the backup knows.
    let govc = |args: &[&str]| world.vcsim.govc(args).unwrap();
    govc(&["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=33"]);
    world
        .vcsim
        .create_vm(
            "globex",
            &stack::VirtualMachine {
                name: "globex-new-01".to_owned(),
                cpus: 40,
                memory_mib: 40_192,
                disk_mib: 100_608,
            },
        )
        .unwrap();
    world.await_converged(5);
    world.await_no_differences();
    world.await_quiet(QUIET);

    for (books, cpus) in [(true, "34"), (false, "35")] {
        let begin = world.position();
        world.kill_operator();
        world.kubectl(&["delete", "csvc", "-A", "--all"]);
        world.kubectl(&["delete", "brec", "-n", PLATFORM, "--all"]);
        govc(&[
            "vm.change",
            "-vm",
            "/DC0/vm/acme/acme-web-01",
            &format!("-c={cpus}"),
        ]);
        let restored = yesterday
            .iter()
            .filter(|item| books || item["kind"] != "BillingRecord");
        let items: Vec<_> = restored.collect();
        world.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }));
        world.start_operator();
        world.await_converged(5);
        world.await_no_differences();
        world.await_quiet(QUIET);
        nothing_made(&world, begin);
        let writes = world.writes_since(begin);
        assert_eq!(writes.len(), 1, "one quantity changed: {writes:#?}");
        assert_eq!(writes[0].patched(), ["quantity"]);
    }
    world.assert_clean();
}

/// Services and books, as a backup program keeps them.
fn dump(world: &World) -> Vec<Value> {
    let kinds = ["cloudservices", "billingrecords"];
    let mut objects: Vec<_> = kinds.iter().flat_map(|kind| world.list(kind)).collect();
    for object in &mut objects {
        let meta = object["metadata"].as_object_mut().unwrap();
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "generation",
        ] {
            meta.remove(field);
        }
        object.as_object_mut().unwrap().remove("status");
    }
    objects
}
