//! Discovery by what is not a folder: tags and custom attributes that come and go, what is excluded, what is too new, and
//! what nobody is billed for. Tags are vCenter's own, over REST.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::trouble::person::Person;
use crate::world::{World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);

fn whole_datacentre(manifest: &mut Value) {
    match manifest["kind"].as_str().unwrap() {
        "UsageSource" => {
            for tenant in manifest["spec"]["tenants"].as_array_mut().unwrap() {
                tenant["scopes"] = json!([{ "datacenter": "/DC0" }]);
            }
            manifest["spec"]["exclude"] =
                json!([{ "tag": { "category": "billing", "name": "none" } }]);
        }
        "CustomerMapping" => {
            let of_acme = manifest["metadata"]["name"] == "acme";
            manifest["spec"]["discover"][0]["select"] = if of_acme {
                json!({ "tag": { "category": "tenant", "name": "acme" } })
            } else {
                json!({ "datacenter": "/DC0", "attribute": { "name": "Customer", "value": "Globex" } })
            };
            manifest["spec"]["discover"][0]["exclude"] = json!([{ "namePattern": "TMP-*" }]);
        }
        _ => {}
    }
}

fn govc(world: &World, lines: &[&str]) {
    for line in lines {
        world
            .vcsim
            .govc(&line.split(' ').collect::<Vec<_>>())
            .unwrap();
    }
}

fn counts(world: &World) -> Value {
    world.get("usrc", "meterwise-system", "vcenter")["status"]["machines"].clone()
}

fn live(world: &World, machine: &str, company: &str) -> Vec<i64> {
    let found = world.marked().into_iter();
    let found =
        found.filter(|it| it.company == company && !it.cancelled && it.name.ends_with(machine));
    found.map(|it| it.id).collect()
}

fn field(world: &World, agreement: i64, name: &str) -> Vec<Value> {
    let lines = world.additions(agreement).into_iter();
    lines.map(|line| line.record[name].clone()).collect()
}

#[test]
fn machines_are_found_by_what_they_carry_and_move_with_it() {
    let world = World::start(&WorldOptions {
        vms: 4,
        refresh_interval: "1s",
        operator: false,
        edit: whole_datacentre,
        ..WorldOptions::default()
    });
    for master in [55, 56] {
        let path = format!("finance/agreements/{master}");
        Person::of(&world).set(&path, &json!({ "prorateFlag": true }));
    }
    govc(
        &world,
        &[
            "tags.category.create -m tenant",
            "tags.create -c tenant acme",
            "tags.category.create billing",
            "tags.create -c billing none",
            "tags.attach -c tenant acme /DC0/vm/acme",
            "fields.add -type VirtualMachine Customer",
            "fields.set Customer Globex /DC0/vm/globex/globex-web-01 /DC0/vm/globex/globex-db-01",
        ],
    );
    world.start_operator();
    world.declare();
    world.await_converged(4);
    world.await_no_differences();
    let source = world.get("usrc", "meterwise-system", "vcenter");
    assert!(is(&source, "Mapped", "True"), "{source:#}");
    nobody_pays(&world);
    moved_by_a_tag(&world);
    not_billed_by_a_tag(&world);
    too_short_a_life(&world);
    together(&world);
    world.assert_clean();
}

/// A machine that nobody picks is told of, until somebody says that it is not to be billed.
fn nobody_pays(world: &World) {
    govc(
        world,
        &[
            "folder.create /DC0/vm/attic",
            "vm.clone -on=false -vm acme-web-01 -folder /DC0/vm/attic -pool /DC0/host/DC0_C0/Resources -ds LocalDS_0 forgotten",
        ],
    );
    let told = world.until("the forgotten machine is told of", SOON, || {
        let source = world.get("usrc", "meterwise-system", "vcenter");
        let message = condition(&source, "Mapped")["message"].as_str()?;
        // The folder is new, too: its name comes with the next snapshot.
        message
            .contains("/DC0/vm/attic/forgotten")
            .then_some(source)
    });
    let message = condition(&told, "Mapped")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("/DC0/vm/attic/forgotten"), "{message}");
    let metric = "meterwise_unmapped_machines{source=\"vcenter\"} 1";
    assert!(world.metrics().contains(metric), "{}", world.metrics());
    let report: Value =
        serde_json::from_str(&world.meterwise(&["report", "unmapped", "-o", "json"])).unwrap();
    assert_eq!(report[0]["machines"][0]["path"], "/DC0/vm/attic/forgotten");
    assert_eq!(report[0]["machines"][0]["why"], "NoMapping");
    let table = world.meterwise(&["report", "unmapped", "-o", "table"]);
    assert!(
        table.contains("vcenter: 1 machines that nobody is billed for, of 5"),
        "{table}"
    );
    // Whoever checks the bills sees it as well, in every form.
    let bills = |form: &str| world.meterwise(&["report", "customers", "-o", form]);
    let report: Value = serde_json::from_str(&bills("json")).unwrap();
    let path = &report["sources"][0]["machines"][0]["path"];
    assert_eq!(path, "/DC0/vm/attic/forgotten");
    let row = format!(
        "\"/DC0/vm/attic/forgotten\",{}\"Unmapped: NoMapping\"",
        ",".repeat(12)
    );
    assert!(bills("csv").contains(&row), "{}", bills("csv"));
    for form in ["table", "html"] {
        let shown = bills(form).replace("&#x2f;", "/");
        assert!(shown.contains("/DC0/vm/attic/forgotten"), "{shown}");
    }

    govc(world, &["tags.attach -c billing none /DC0/vm/attic"]);
    world.until("it is excluded", SOON, || {
        let counts = counts(world);
        (counts["unmapped"] == 0 && counts["excluded"] == 1).then_some(())
    });
    let source = world.get("usrc", "meterwise-system", "vcenter");
    assert!(is(&source, "Mapped", "True"), "{source:#}");
}

/// The tag is put on, and the attribute taken away: the machine is Acme's from that day on.
fn moved_by_a_tag(world: &World) {
    let machine = "globex-web-01";
    let left = live(world, machine, "Globex")[0];
    govc(
        world,
        &[
            "fields.set Customer - /DC0/vm/globex/globex-web-01",
            "tags.attach -c tenant acme /DC0/vm/globex/globex-web-01",
        ],
    );
    let joined = world.until("the machine is billed to Acme", SOON, || {
        let joined = live(world, machine, "AcmeCorp");
        (joined.len() == 1
            && live(world, machine, "Globex").is_empty()
            && world.check().billable_lines == 12)
            .then(|| joined[0])
    });
    world.await_quiet(Duration::from_secs(3));
    let last = field(world, left, "cancelledDate");
    assert_eq!(last.len(), 3);
    assert_eq!(
        last,
        field(world, joined, "effectiveDate"),
        "no day twice, none not at all"
    );
}

/// A tag that says so ends what is billed, and nobody reports the machine as forgotten.
fn not_billed_by_a_tag(world: &World) {
    govc(
        world,
        &["tags.attach -c billing none /DC0/vm/acme/acme-db-01"],
    );
    world.until("nothing is billed for the machine", SOON, || {
        (world.check().billable_lines == 9).then_some(())
    });
    let services = world.list("csvc");
    let mut services = services.iter();
    let service = services
        .find(|it| it["spec"]["displayName"] == "acme-db-01")
        .unwrap();
    assert_eq!(
        condition(service, "Ready")["reason"],
        "NotBillable",
        "{service:#}"
    );
    assert_eq!(counts(world)["unmapped"], 0);
}

/// What lives for less than its admission leaves nothing behind; what stays is billed, and a name can keep one out.
fn too_short_a_life(world: &World) {
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["discover"][0]["admitAfter"] = json!("20s");
    });
    let clone = |name: &str| {
        govc(
            world,
            &[&format!(
                "vm.clone -on=false -vm acme-web-01 -folder /DC0/vm/acme -pool /DC0/host/DC0_C0/Resources/acme -ds LocalDS_0 {name}"
            )],
        );
    };
    clone("fleeting");
    clone("tmp-builder");
    clone("lasting");
    world.until("both wait, and one is kept out", SOON, || {
        let mapping = world.get("cmap", "acme", "acme");
        let services = &mapping["status"]["services"];
        (services["waiting"] == 2 && services["excluded"] == 2).then_some(())
    });
    govc(world, &["vm.destroy fleeting"]);
    world.until("what stays is billed", SOON, || {
        (live(world, "lasting", "AcmeCorp").len() == 1 && world.check().billable_lines == 12)
            .then_some(())
    });
    let named = |name: &str| {
        world
            .agreements()
            .into_iter()
            .any(|it| it.name.ends_with(name))
    };
    assert!(!named("fleeting") && !named("tmp-builder"));
    let services = world.list("csvc");
    let lasting = services
        .iter()
        .find(|it| it["spec"]["displayName"] == "lasting")
        .unwrap();
    assert!(lasting["spec"]["firstSeen"].is_string(), "{lasting:#}");
}

/// A virtual data centre is the sum of the machines of its pool that nobody bills on their own, and follows them.
fn together(world: &World) {
    world.edit("CustomerMapping", "globex", |it| {
        let entry = json!({
            "name": "private-cloud",
            "sourceRef": { "name": "vcenter" },
            "select": { "resourcePool": "/DC0/host/DC0_C0/Resources/globex" },
            "as": "VirtualDataCenter",
        });
        it["spec"]["discover"]
            .as_array_mut()
            .unwrap()
            .insert(0, entry);
    });
    for name in ["vdc-1", "vdc-2"] {
        govc(
            world,
            &[&format!(
                "vm.clone -on=false -vm acme-web-01 -folder /DC0/vm/globex -pool /DC0/host/DC0_C0/Resources/globex -ds LocalDS_0 {name}"
            )],
        );
    }
    let cpus = |names: &[&str]| -> u64 {
        names
            .iter()
            .map(|name| u64::from(world.machine(name).cpus))
            .sum()
    };
    let billed = |expected: u64| {
        world.until("the sum is billed", SOON, || {
            let agreement = live(world, "private-cloud", "Globex");
            let [agreement] = agreement[..] else {
                return None;
            };
            let lines = world.additions(agreement);
            let vcpu = lines.iter().find(|line| line.product == "CLOUD-VCPU")?;
            (lines.len() == 3 && vcpu.quantity == Decimal::from(expected)).then_some(agreement)
        })
    };
    let before = billed(cpus(&["vdc-1", "vdc-2"]));
    claimed_by_others(world);
    // What was a service before stays one, and is not counted twice.
    assert_eq!(live(world, "globex-db-01", "Globex").len(), 1);
    govc(world, &["vm.change -vm vdc-1 -c 11"]);
    billed(11 + cpus(&["vdc-2"]));
    govc(world, &["vm.destroy vdc-2"]);
    assert_eq!(billed(11), before);
    assert_eq!(counts(world)["unmapped"], 0);
    assert!(live(world, "vdc-1", "Globex").is_empty());
    // Written by hand, it is billed on its own, and not in the sum as well.
    world.apply(&json!({
        "apiVersion": "meterwise.dev/v1alpha1",
        "kind": "CloudService",
        "metadata": { "name": "on-its-own", "namespace": "globex" },
        "spec": {
            "mappingRef": { "name": "globex" },
            "type": "VirtualMachine",
            "source": { "ref": { "name": "vcenter" }, "instanceUuid": world.machine("vdc-1").instance_uuid },
        },
    }));
    assert_eq!(billed(0), before);
    world.until("the machine has its own agreement", SOON, || {
        (live(world, "vdc-1", "Globex").len() == 1).then_some(())
    });
}

/// What is billed in a sum is not billed to another customer as well, neither alone nor in a sum.
fn claimed_by_others(world: &World) {
    let uuid = world.machine("vdc-1").instance_uuid;
    world.apply(&json!({
        "apiVersion": "meterwise.dev/v1alpha1",
        "kind": "CloudService",
        "metadata": { "name": "mine-too", "namespace": "acme" },
        "spec": {
            "mappingRef": { "name": "acme" },
            "type": "VirtualMachine",
            "source": { "ref": { "name": "vcenter" }, "instanceUuid": uuid },
        },
    }));
    world.edit("CustomerMapping", "acme", |it| {
        let entry = json!({
            "name": "all-of-it",
            "sourceRef": { "name": "vcenter" },
            "select": { "resourcePool": "/DC0/host/DC0_C0/Resources/globex" },
            "as": "VirtualDataCenter",
        });
        it["spec"]["discover"].as_array_mut().unwrap().push(entry);
    });
    world.until("the machine stays with whoever bills it", SOON, || {
        let service = world.get("csvc", "acme", "mine-too");
        (condition(&service, "Ready")["reason"] == "ClaimedElsewhere").then_some(())
    });
    world.until("the other sum has nothing", SOON, || {
        let services = world.list("csvc");
        let sum = services
            .iter()
            .find(|it| it["spec"]["source"]["entry"] == "all-of-it")?;
        let lines = sum["status"]["lines"].as_array().cloned();
        let lines = lines.unwrap_or_default();
        let zero = |line: &Value| {
            let quantity: Option<Decimal> = line["quantity"].as_str()?.parse().ok();
            Some(quantity?.is_zero())
        };
        let seen = condition(sum, "Ready")["status"] == "True";
        (seen && lines.iter().all(|line| zero(line) == Some(true))).then_some(())
    });
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["discover"].as_array_mut().unwrap().pop();
    });
    world.kubectl(&["delete", "csvc", "mine-too", "-n", "acme"]);
}
