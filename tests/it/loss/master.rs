//! A master agreement that the mapping says is to be made: shown first, made once, found again by its mark, and not made
//! again when a person cancels it.

use serde_json::{Value, json};

use crate::loss::{QUIET, nothing_made, posts};
use crate::trouble::person::Person;
use crate::world::{PATIENCE, PLATFORM, World, WorldOptions, condition, is};

const NAME: &str = "Acme Cloud";

#[test]
fn a_master_agreement_is_made_once() {
    let world = World::start(&WorldOptions {
        vms: 2,
        mapping_mode: "Observe",
        edit: |manifest| {
            if manifest["kind"] == "CustomerMapping" && manifest["metadata"]["name"] == "acme" {
                manifest["spec"]["masterAgreement"] = json!({ "create": {
                    "name": NAME, "type": { "name": "Managed Services" },
                    "startDate": "2026-01-01", "billingCycle": { "name": "Monthly" },
                }});
            }
        },
        ..WorldOptions::default()
    });
    let planned = await_mapping(&world, "planned", |found| {
        condition(found, "Ready")["reason"] == "Planned"
    });
    let says = planned["status"]["plan"][0].as_str().unwrap();
    assert_eq!(says, "+ master agreement \"Acme Cloud\"");
    assert!(world.meterwise(&["plan"]).contains(says));
    world.await_quiet(QUIET);
    assert!(world.writes_since(0).is_empty());

    world.edit("CustomerMapping", "acme", |found| {
        found["spec"]["mode"] = json!("CreateOnly")
    });
    await_mapping(&world, "ready", |found| is(found, "Ready", "True"));
    world.until("the machine is billed under it", PATIENCE, || {
        (world.check().billable_agreements == 1).then_some(())
    });
    world.await_quiet(QUIET);
    assert_eq!(
        posts(&world, 0, "agreement"),
        2,
        "the master, and one machine's"
    );
    let master = of_name(&world);
    let record = &master.record;
    assert_eq!(
        (master.parent, record["billAmount"].as_f64()),
        (None, Some(0.0))
    );
    assert_eq!(record["startDate"], "2026-01-01T00:00:00Z");
    assert_eq!(record["billingCycle"]["name"], "Monthly");
    assert!(master.mark.is_some());
    let child = world.agreement_of("acme-web-01");
    assert_eq!(child.parent, Some(master.id));
    assert_eq!(child.record["billingCycle"]["name"], "Monthly");

    // Lost with its book and its mapping, and declared again: the mark tells which one it is.
    let begin = world.position();
    world.kill_operator();
    world.kubectl(&["delete", "brec", "--all", "-n", PLATFORM]);
    world.kubectl(&["delete", "csvc,cmap", "--all", "-n", "acme"]);
    world.apply_manifests();
    world.start_operator();
    await_mapping(&world, "ready again", |found| {
        is(found, "Ready", "True") && found["status"]["services"]["synced"] == 1
    });
    world.await_quiet(QUIET);
    nothing_made(&world, begin);
    assert_eq!(of_name(&world).id, master.id);

    // A person cancels it: it is not made again, and says so.
    let person = Person::of(&world);
    person.set(
        &format!("finance/agreements/{}", child.id),
        &json!({ "cancelledFlag": true, "dateCancelled": "2026-12-01T00:00:00Z" }),
    );
    person.set(
        &format!("finance/agreements/{}", master.id),
        &json!({ "cancelledFlag": true, "dateCancelled": "2026-12-01T00:00:00Z" }),
    );
    let begin = world.position();
    await_mapping(&world, "cancelled by hand", |found| {
        condition(found, "Ready")["reason"] == "CancelledByHand"
    });
    world.await_quiet(QUIET);
    assert!(world.writes_since(begin).is_empty());
    world.assert_clean();
}

#[track_caller]
fn await_mapping(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    world.until(&format!("the mapping is {what}"), PATIENCE, || {
        let found = world.get("cmap", "acme", "acme");
        let seen = found["status"]["observedGeneration"] == found["metadata"]["generation"];
        (seen && is_so(&found)).then_some(found)
    })
}

#[track_caller]
fn of_name(world: &World) -> crate::world::Agreement {
    let mut found = world.agreements();
    found.retain(|found| found.name == NAME && !found.cancelled);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}
