//! What a customer ordered: a resource pool whose limit is billed, what its machines have above that, and an edge appliance
//! beside them, in a world with a real Kubernetes API.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::world::{World, WorldOptions, condition};

const SOON: Duration = Duration::from_secs(60);
const POOL: &str = "/DC0/host/DC0_C0/Resources/globex";

/// Globex has a virtual data centre, of which what was ordered is billed, and an edge; Acme what it has in the examples.
fn private_cloud(manifest: &mut Value) {
    let name = manifest["metadata"]["name"].as_str().map(ToOwned::to_owned);
    let spec = &mut manifest["spec"];
    match name.as_deref() {
        Some("globex") if spec["discover"].is_array() => {
            let source = spec["discover"][0]["sourceRef"].clone();
            spec["discover"] = json!([
                { "name": "edges", "sourceRef": source, "select": { "namePattern": "*-edge-*" }, "as": "EdgeGateway", "admitAfter": "0s", "class": "small" },
                { "name": "cloud", "sourceRef": source, "select": { "resourcePool": POOL }, "as": "VirtualDataCenter" },
            ]);
        }
        // A pool is not within a folder: to bill its size, the pool itself has to be allowed.
        Some("vcenter") => {
            for tenant in spec["tenants"].as_array_mut().unwrap() {
                if tenant["namespace"] == "globex" {
                    let scopes = tenant["scopes"].as_array_mut().unwrap();
                    scopes.push(json!({ "resourcePool": POOL }));
                }
            }
        }
        Some("standard") => {
            let rules = spec["rules"].as_array_mut().unwrap();
            for rule in rules.iter_mut() {
                rule["serviceTypes"] = json!(["VirtualMachine"]);
            }
            let of_pool = json!(["VirtualDataCenter"]);
            rules.extend([
                json!({ "name": "cpu-ordered", "property": "cpu", "basis": "Ordered", "unit": "GHz",
                    "product": { "identifier": "CLOUD-VCPU" }, "serviceTypes": of_pool }),
                json!({ "name": "memory-ordered", "property": "memory", "basis": "Ordered", "ordered": "Limit", "unit": "GiB",
                    "product": { "identifier": "CLOUD-RAM-GIB" }, "serviceTypes": of_pool }),
                json!({ "name": "memory-above", "property": "memory", "aboveOrdered": "Limit", "unit": "GiB",
                    "product": { "identifier": "CLOUD-RAM-GIB" }, "serviceTypes": of_pool }),
                json!({ "name": "edge-small", "property": "count", "match": { "classes": ["small"] }, "unit": "Count",
                    "product": { "identifier": "CLOUD-VCPU" }, "serviceTypes": ["EdgeGateway"] }),
                json!({ "name": "edge-large", "property": "count", "match": { "classes": ["large"] }, "unit": "Count",
                    "minimum": "7", "product": { "identifier": "CLOUD-RAM-GIB" }, "serviceTypes": ["EdgeGateway"] }),
            ]);
            let gold = json!({ "name": "storage-gold", "property": "storage.provisioned", "unit": "GiB",
                "product": { "identifier": "CLOUD-STORAGE-GIB" }, "serviceTypes": ["VirtualMachine"],
                "match": { "datastoreTags": [{ "category": "tier", "name": "gold" }] } });
            rules.insert(0, gold);
        }
        _ => {}
    }
}

fn govc(world: &World, line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    world.vcsim.govc(&words).unwrap();
}

fn data_centre(world: &World) -> Option<Value> {
    let mut all = world.list("csvc").into_iter();
    all.find(|it| it["spec"]["type"] == "VirtualDataCenter")
}

/// The quantities on the one agreement of Globex whose name ends so.
fn quantities(world: &World, name: &str) -> Option<Vec<Decimal>> {
    let all = world.marked().into_iter();
    let of = all.filter(|it| it.company == "Globex" && !it.cancelled && it.name.ends_with(name));
    let ids: Vec<_> = of.map(|it| it.id).collect();
    let [id] = ids[..] else { return None };
    let mut found: Vec<_> = world
        .additions(id)
        .iter()
        .map(|line| line.quantity)
        .collect();
    found.sort();
    Some(found)
}

#[test]
fn a_limit_is_billed_as_ordered_and_more_than_that_apart() {
    let world = World::start(&WorldOptions {
        vms: 4,
        refresh_interval: "1s",
        operator: false,
        edit: private_cloud,
        ..WorldOptions::default()
    });
    let clone = format!(
        "vm.clone -on=false -vm globex-web-01 -folder /DC0/vm/globex -pool {POOL} -ds LocalDS_0"
    );
    govc(&world, &format!("{clone} cloud-1"));
    govc(&world, &format!("{clone} globex-edge-1"));
    govc(&world, "vm.change -vm cloud-1 -m 4096");
    govc(
        &world,
        &format!("pool.change -cpu.limit -1 -mem.limit 16384 {POOL}"),
    );
    govc(&world, "tags.category.create tier");
    govc(&world, "tags.create -c tier gold");
    govc(&world, "tags.attach -c tier gold /DC0/datastore/LocalDS_0");
    world.start_operator();
    world.declare();
    by_the_tag_of_a_datastore(&world);

    // No limit is no order: nothing is made, and the pool is named.
    let held = || {
        world.until("the pool without a limit is named", SOON, || {
            let service = data_centre(&world)?;
            let message = condition(&service, "Held")["message"].as_str()?;
            message
                .contains("cpu-ordered: resource pool globex has no limit in vCenter")
                .then_some(())
        });
    };
    held();
    assert_eq!(quantities(&world, "cloud"), None);
    let billed = |name: &str, expected: &[i64]| {
        let expected: Vec<_> = expected.iter().copied().map(Decimal::from).collect();
        world.until(&format!("{name} is billed as {expected:?}"), SOON, || {
            (quantities(&world, name)? == expected).then_some(())
        });
    };
    billed("globex-edge-1", &[1]);
    govc(&world, &format!("pool.change -cpu.limit 12000 {POOL}"));
    billed("cloud", &[12, 16]);

    // What its machines have above that is a line of its own; the edge is not one of them.
    govc(&world, "vm.change -vm cloud-1 -m 8192");
    govc(&world, &format!("pool.change -mem.limit 2048 {POOL}"));
    let machines = ["globex-web-01", "globex-db-01", "cloud-1"];
    let memory: u64 = machines
        .map(|name| world.machine(name).memory_mib)
        .iter()
        .sum();
    let mut expected = [
        Decimal::from(12),
        Decimal::from(2),
        Decimal::from(memory) / Decimal::from(1024) - Decimal::from(2),
    ];
    expected.sort();
    world.until("what is above the limit has a line", SOON, || {
        (quantities(&world, "cloud")? == expected).then_some(())
    });

    // A limit that is taken away is no zero: what stood stands.
    govc(&world, &format!("pool.change -cpu.limit -1 {POOL}"));
    held();
    assert_eq!(quantities(&world, "cloud").unwrap(), expected);

    // The edge becomes a large one by what the mapping says of it.
    world.edit("CustomerMapping", "globex", |it| {
        it["spec"]["discover"][0]["class"] = json!("large");
    });
    billed("globex-edge-1", &[0, 7]);
    world.assert_clean();
}

/// Tiers by tag need no other choice by tag: the tags are read because the rate card asks for them.
fn by_the_tag_of_a_datastore(world: &World) {
    world.until("a disk is in the tier of its datastore's tag", SOON, || {
        let all = world.list("csvc").into_iter();
        let mut of_acme = all.filter(|it| it["metadata"]["namespace"] == "acme");
        let service = of_acme.next()?;
        let lines = service["status"]["lines"].as_array()?.clone();
        let gold = lines.iter().find(|line| line["rule"] == "storage-gold")?;
        let quantity: Decimal = gold["quantity"].as_str()?.parse().ok()?;
        (quantity > Decimal::ZERO && condition(&service, "Held")["status"] == "False").then_some(())
    });
}
