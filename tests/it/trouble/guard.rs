//! What is more often a fault than a fact is held until a person approves exactly that: many ends, growth, strange prices.

use std::time::Duration;

use serde_json::{Value, json};
use stack::VirtualMachine;

use crate::trouble::person::Person;
use crate::world::{World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(40);

pub(super) fn held(world: &World, customer: &str) -> Option<Value> {
    let mapping = world.get("cmap", customer, customer);
    let held = condition(&mapping, "Held");
    let shown = mapping["status"]["heldPlan"].clone();
    (held["status"] == "True" && held["reason"] == "PlanHeld" && shown["digest"].is_string())
        .then_some(shown)
}

fn approve(
    world: &World,
    name: &str,
    digest: &str,
    actions: &[Value],
    expires_at: jiff::Timestamp,
) {
    let mut spec = json!({
        "mappingRef": { "name": "acme" },
        "planDigest": digest,
        "expiresAt": expires_at.to_string(),
    });
    if !actions.is_empty() {
        spec["actions"] = json!(actions);
    }
    world.apply(&json!({
        "apiVersion": "meterwise.dev/v1alpha1",
        "kind": "ChangeApproval",
        "metadata": { "name": name, "namespace": "acme" },
        "spec": spec,
    }));
}

#[track_caller]
fn settled(world: &World, name: &str, state: &str) {
    world.until(&format!("{name} is {state}"), SOON, || {
        (world.get("appr", "acme", name)["status"]["state"] == state).then_some(())
    });
}

#[test]
fn many_ends_wait_for_a_person() {
    let world = World::start(&WorldOptions {
        refresh_interval: "1s",
        snapshot_interval: "2s",
        removal_grace: "6s",
        guarded: true,
        ..WorldOptions::default()
    });
    world.await_converged(20);
    let begin = world.position();
    let gone: Vec<String> = (0..8)
        .map(|n| {
            format!(
                "/DC0/vm/acme/acme-{}-0{}",
                ["web", "db", "app", "cache"][n % 4],
                n / 4 + 1
            )
        })
        .collect();
    // One after the other, so that the graces do not end together.
    for machine in &gone {
        world.vcsim.govc(&["vm.destroy", machine]).unwrap();
        std::thread::sleep(Duration::from_millis(400));
    }
    let plan = world.until("eight agreements and their lines are held", SOON, || {
        held(&world, "acme").filter(|plan| plan["actions"] == 32)
    });
    assert_eq!(plan["first"].as_array().unwrap().len(), 20);
    let said = world.get("cmap", "acme", "acme");
    let said = condition(&said, "Held")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        said.contains("ChangeApproval") && said.contains("32"),
        "{said}"
    );
    assert!(
        is(&world.get("cmap", "acme", "acme"), "Ready", "True"),
        "a hold is no fault"
    );
    // Longer than the grace, and quiet.
    std::thread::sleep(Duration::from_secs(8));
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:?}",
        world.writes_since(begin)
    );
    assert_eq!(world.check().billable_lines, 60);

    let digest = plan["digest"].as_str().unwrap();
    let now = jiff::Timestamp::now();
    let later = now + jiff::SignedDuration::from_mins(10);
    approve(&world, "wrong", &"0".repeat(64), &[], later);
    settled(&world, "wrong", "Superseded");
    approve(
        &world,
        "strange",
        digest,
        &[json!("acme/other - agreement 1 ends")],
        later,
    );
    settled(&world, "strange", "Superseded");
    approve(
        &world,
        "late",
        digest,
        &[],
        now - jiff::SignedDuration::from_mins(1),
    );
    settled(&world, "late", "Expired");
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:?}",
        world.writes_since(begin)
    );

    approve(&world, "right", digest, &[], later);
    settled(&world, "right", "Executed");
    world.until("eight agreements end", SOON, || {
        let check = world.check();
        ((check.billable_agreements, check.billable_lines) == (12, 36)).then_some(())
    });
    world.until("nothing is held any more", SOON, || {
        let mapping = world.get("cmap", "acme", "acme");
        (is(&mapping, "Held", "False") && mapping["status"]["heldPlan"].is_null()).then_some(())
    });
    world.await_quiet(Duration::from_secs(3));
    let writes = world.writes_since(begin);
    assert_eq!(writes.len(), 32, "each end once");
    assert!(
        writes
            .iter()
            .all(|seen| seen.committed && seen.method == "PATCH")
    );
    let executed = world.get("appr", "acme", "right");
    assert_eq!(executed["status"]["executed"].as_array().unwrap().len(), 32);

    // Used up: what comes next is judged anew. One of many is few, and a customer's last two are its all.
    world
        .vcsim
        .govc(&["vm.destroy", "/DC0/vm/globex/globex-web-01"])
        .unwrap();
    world.until("three lines more are few, and end", SOON, || {
        (world.check().billable_lines == 33).then_some(())
    });
    for machine in ["/DC0/vm/acme/acme-web-03", "/DC0/vm/acme/acme-db-03"] {
        world.vcsim.govc(&["vm.destroy", machine]).unwrap();
    }
    world.until("nothing would be left of Acme", SOON, || {
        let plan = held(&world, "acme").filter(|plan| plan["actions"] == 8)?;
        let service = service(&world, "acme-web-03");
        (condition(&service, "Held")["reason"] == "TotalToZero").then_some(plan)
    });
    world.assert_clean();
}

/// The service whose agreement is named after a machine.
fn service(world: &World, machine: &str) -> Value {
    let services = world.list("csvc");
    let named = |it: &Value| it["spec"]["displayName"] == machine;
    services.into_iter().find(named).unwrap_or_default()
}

/// Waits until exactly this is held for a customer, and says so by the service of a machine.
#[track_caller]
fn await_held(world: &World, customer: &str, machine: &str, reason: &str) -> Value {
    world.until(&format!("{machine}: {reason}"), SOON, || {
        let service = service(world, machine);
        let told = condition(&service, "Held");
        let well = told["status"] == "True" && told["reason"] == reason;
        let plan = held(world, customer)?;
        (well && is(&service, "Ready", "True")).then_some(plan)
    })
}

/// Applies the approval that `meterwise plan` prints.
pub(super) fn approve_as_printed(world: &World, customer: &str) {
    world.apply(&printed(world, customer));
}

fn printed(world: &World, customer: &str) -> Value {
    let shown = world.meterwise(&["plan", "-n", customer, "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let [plan] = shown["heldPlans"].as_array().unwrap().as_slice() else {
        panic!("{shown:#}")
    };
    plan["approval"].clone()
}

fn resize(world: &World, machine: &str, change: &str) {
    let customer = machine.split('-').next().unwrap();
    let vm = format!("/DC0/vm/{customer}/{machine}");
    world
        .vcsim
        .govc(&["vm.change", "-vm", &vm, change])
        .unwrap();
}

fn quantity(world: &World, machine: &str, product: &str) -> Option<String> {
    // Lists lag behind what is there.
    let mut all = world.marked().into_iter();
    let found = all.rfind(|found| found.name.ends_with(machine) && !found.cancelled)?;
    let lines = world.additions(found.id);
    let line = lines.into_iter().find(|line| line.product == product)?;
    line.billable.then(|| line.quantity.normalize().to_string())
}

#[track_caller]
fn await_quantity(world: &World, machine: &str, product: &str, right: &str) {
    world.until(&format!("{machine}: {right} {product}"), SOON, || {
        (quantity(world, machine, product)? == right).then_some(())
    });
}

#[test]
fn growth_prices_and_what_is_lost_at_several_customers_wait_for_a_person() {
    let world = World::start(&WorldOptions {
        refresh_interval: "1s",
        snapshot_interval: "2s",
        removal_grace: "6s",
        guarded: true,
        ..WorldOptions::default()
    });
    world.await_converged(20);
    world.say("went live, unheld");
    a_line_that_grows(&world);
    a_strange_price(&world);
    a_total_that_rises(&world);
    ends_at_two_customers(&world);
    world.assert_clean();
}

fn a_line_that_grows(world: &World) {
    let begin = world.position();
    resize(world, "acme-web-01", "-c=3");
    let plan = await_held(world, "acme", "acme-web-01", "LineGrowth");
    assert_eq!(plan["actions"], 1, "{plan:#}");
    // What is harmless does not wait for it, neither on the same machine nor on another.
    resize(world, "acme-web-01", "-m=3072");
    await_quantity(world, "acme-web-01", "CLOUD-RAM-GIB", "3");
    resize(world, "acme-db-01", "-c=4");
    await_quantity(world, "acme-db-01", "CLOUD-VCPU", "4");
    assert_eq!(quantity(world, "acme-web-01", "CLOUD-VCPU").unwrap(), "1");
    let text = world.meterwise(&["plan", "-n", "acme"]);
    let digest = plan["digest"].as_str().unwrap();
    for word in [digest, "kind: ChangeApproval", "1 -> 3 vCPU", "LineGrowth"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let metrics = world.metrics();
    let gauge = "meterwise_held_changes{mapping=\"acme/acme\",kind=\"LineGrowth\"} 1";
    assert!(metrics.contains(gauge), "{metrics}");
    let events = world.list("events");
    let told = events
        .iter()
        .filter(|event| event["reason"] == "ChangesHeld");
    assert_eq!(told.count(), 1);

    // Another plan by the time that it is approved.
    let stale = plan["digest"].as_str().unwrap().to_owned();
    resize(world, "acme-web-01", "-c=4");
    world.until("another plan is held", SOON, || {
        held(world, "acme").filter(|plan| plan["digest"] != stale.as_str())
    });
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
    approve(world, "stale", &stale, &[], later);
    settled(world, "stale", "Superseded");
    assert_eq!(quantity(world, "acme-web-01", "CLOUD-VCPU").unwrap(), "1");
    approve_as_printed(world, "acme");
    await_quantity(world, "acme-web-01", "CLOUD-VCPU", "4");
    world.await_quiet(Duration::from_secs(3));
    assert_eq!(
        world.writes_since(begin).len(),
        3,
        "{:#?}",
        world.writes_since(begin)
    );
    let metrics = world.metrics();
    assert!(!metrics.contains("meterwise_held_changes{"), "{metrics}");

    // Once: the same again is another.
    resize(world, "acme-web-01", "-c=9");
    await_held(world, "acme", "acme-web-01", "LineGrowth");
    resize(world, "acme-web-01", "-c=4");
    world.until("what is taken back is not held", SOON, || {
        is(&world.get("cmap", "acme", "acme"), "Held", "False").then_some(())
    });
}

fn machine(name: &str, cpus: u32) -> VirtualMachine {
    VirtualMachine {
        name: name.to_owned(),
        cpus,
        memory_mib: 1024,
        disk_mib: 10 * 1024,
    }
}

fn a_strange_price(world: &World) {
    let products = Person::of(world);
    let begin = world.position();
    products.set("procurement/catalog/77", &json!({ "price": 99.5 }));
    world
        .vcsim
        .create_vm("globex", &machine("globex-new-01", 1))
        .unwrap();
    let plan = await_held(world, "globex", "globex-new-01", "PriceDiffers");
    let first = plan["first"].to_string();
    assert!(first.contains("CLOUD-VCPU 1 vCPU at 99.5"), "{first}");
    await_quantity(world, "globex-new-01", "CLOUD-RAM-GIB", "1");
    let agreement = world.agreement_of("globex-new-01").id;
    let lines = world.additions(agreement);
    assert_eq!(lines.len(), 3, "the inert one is made");
    assert_eq!(quantity(world, "globex-new-01", "CLOUD-VCPU"), None);
    approve_as_printed(world, "globex");
    await_quantity(world, "globex-new-01", "CLOUD-VCPU", "1");
    products.set("procurement/catalog/77", &json!({ "price": 12.5 }));
    world.await_quiet(Duration::from_secs(3));
    let made = world.writes_since(begin).len();
    assert_eq!(
        made,
        1 + 3 + 3,
        "an agreement, its lines, and each made to bill once"
    );
}

fn a_total_that_rises(world: &World) {
    let begin = world.position();
    world
        .vcsim
        .create_vm("globex", &machine("globex-new-02", 60))
        .unwrap();
    world.until("the new machine is held", SOON, || {
        let service = service(world, "globex-new-02");
        (condition(&service, "Held")["reason"] == "TotalRises").then_some(())
    });
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );
    approve_as_printed(world, "globex");
    await_quantity(world, "globex-new-02", "CLOUD-VCPU", "60");
    world.await_quiet(Duration::from_secs(3));
    assert_eq!(world.writes_since(begin).len(), 7);
}

fn ends_at_two_customers(world: &World) {
    let begin = world.position();
    let lines = world.check().billable_lines;
    // Few at each, and many together.
    for customer in ["acme", "globex"] {
        for role in ["web-01", "db-01"] {
            let machine = format!("/DC0/vm/{customer}/{customer}-{role}");
            world.vcsim.govc(&["vm.destroy", &machine]).unwrap();
        }
    }
    for customer in ["acme", "globex"] {
        await_held(world, customer, &format!("{customer}-web-01"), "ManyEnds");
        await_held(world, customer, &format!("{customer}-db-01"), "ManyEnds");
    }
    // Longer than the grace.
    std::thread::sleep(Duration::from_secs(8));
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );
    for approval in ["acme", "globex"].map(|customer| printed(world, customer)) {
        world.apply(&approval);
    }
    world.until("all that was approved ends", SOON, || {
        (world.check().billable_lines == lines - 12).then_some(())
    });
    world.await_quiet(Duration::from_secs(3));
    assert_eq!(world.writes_since(begin).len(), 16, "each once");
}
