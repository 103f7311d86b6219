//! A service under another name, and a customer in another namespace: the same machine, so the same records.

use serde_json::{Value, json};

use crate::loss::{QUIET, await_service, in_step, service_of};
use crate::world::{World, WorldOptions};

#[test]
fn renamed_and_moved_services_keep_their_records() {
    let world = World::start(&WorldOptions {
        vms: 4,
        controllers: true,
        ..WorldOptions::default()
    });
    world.await_converged(4);
    world.await_no_differences();
    world.await_quiet(QUIET);
    let begin = world.position();

    // Renamed: written by hand under another name, then the first one deleted.
    let mut renamed = service_of(&world, "acme-web-01");
    let old = renamed["metadata"]["name"].as_str().unwrap().to_owned();
    renamed["metadata"] = json!({ "name": "payroll", "namespace": "acme" });
    renamed.as_object_mut().unwrap().remove("status");
    world.apply(&renamed);
    world.kubectl(&["delete", "csvc", &old, "-n", "acme"]);
    await_service(
        &world,
        "acme-web-01",
        "in step under its new name",
        |found| found["metadata"]["name"] == "payroll" && in_step(found),
    );

    // Moved: the customer is declared in another namespace, and the first one goes.
    let to = |value: &Value| -> Value {
        serde_json::from_str(&value.to_string().replace("\"acme\"", "\"elsewhere\"")).unwrap()
    };
    world.apply(
        &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "elsewhere" } }),
    );
    for (kind, name) in [
        ("ConnectWiseIntegration", "connectwise"),
        ("UsageSource", "vcenter"),
    ] {
        world.edit(kind, name, |found| {
            let tenants = found["spec"]["tenants"].as_array_mut().unwrap();
            let moved: Vec<_> = tenants
                .iter()
                .filter(|tenant| tenant["namespace"] == "acme")
                .map(to)
                .collect();
            tenants.extend(moved);
        });
    }
    let mut mapping = Value::Null;
    world.edit("CustomerMapping", "acme", |found| mapping = found.clone());
    mapping["metadata"]["namespace"] = json!("elsewhere");
    world.kubectl(&["delete", "namespace", "acme", "--timeout=60s"]);
    world.apply(&mapping);
    for machine in ["acme-web-01", "acme-db-01"] {
        await_service(&world, machine, "in step elsewhere", |found| {
            found["metadata"]["namespace"] == "elsewhere" && in_step(found)
        });
    }
    world.await_no_differences();
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "{writes:#?}");

    let change = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=31"];
    world.vcsim.govc(&change).unwrap();
    world.await_no_differences();
    world.assert_clean();
}
