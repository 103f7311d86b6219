//! A machine is moved to another customer's folder, and a customer to another company: what was billed ends on the day on
//! which the other begins, and a person approves of what is much.

use std::time::Duration;

use serde_json::{Value, json};

use crate::trouble::guard::{approve_as_printed, held};
use crate::trouble::person::Person;
use crate::world::{World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(40);

/// The last day and the first of the lines of two agreements.
fn days(world: &World, left: i64, joined: i64) -> (Vec<Value>, Vec<Value>) {
    let of = |agreement, field: &str| {
        let lines = world.additions(agreement);
        lines
            .iter()
            .map(|line| line.record[field].clone())
            .collect()
    };
    (of(left, "cancelledDate"), of(joined, "effectiveDate"))
}

/// The agreements of a machine with a company: the live ones, and those that ended.
fn agreements(world: &World, machine: &str, company: &str) -> (Vec<i64>, Vec<i64>) {
    let (mut live, mut ended) = (Vec::new(), Vec::new());
    for found in world.marked() {
        if found.company == company && found.name.ends_with(machine) {
            let of = if found.cancelled {
                &mut ended
            } else {
                &mut live
            };
            of.push(found.id);
        }
    }
    (live, ended)
}

#[test]
fn what_moves_ends_here_on_the_day_on_which_it_begins_there() {
    let world = World::start(&WorldOptions {
        vms: 4,
        refresh_interval: "1s",
        snapshot_interval: "2s",
        guarded: true,
        operator: false,
        ..WorldOptions::default()
    });
    for master in [55, 56] {
        let path = format!("finance/agreements/{master}");
        Person::of(&world).set(&path, &json!({ "prorateFlag": true }));
    }
    world.start_operator();
    world.declare();
    world.await_converged(4);
    world.await_no_differences();
    to_another_folder(&world);
    to_another_company(&world);
    world.assert_clean();
}

/// The machine lies where Acme pays: nobody is asked whether that is meant, but for the amounts.
fn to_another_folder(world: &World) {
    let begin = world.position();
    let machine = "globex-web-01";
    let left = world.agreement_of(machine).id;
    world
        .vcsim
        .govc(&["object.mv", "/DC0/vm/globex/globex-web-01", "/DC0/vm/acme"])
        .unwrap();
    world.until("what Globex loses is held", SOON, || held(world, "globex"));
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );
    approve_as_printed(world, "globex");
    world.until("what Acme gets is held", SOON, || held(world, "acme"));
    approve_as_printed(world, "acme");
    world.until("the machine is billed to Acme", SOON, || {
        let (live, _) = agreements(world, machine, "AcmeCorp");
        (live.len() == 1 && world.check().billable_lines == 12).then_some(())
    });
    world.await_quiet(Duration::from_secs(3));
    let (live, _) = agreements(world, machine, "AcmeCorp");
    let (last, first) = days(world, left, live[0]);
    assert_eq!(last.len(), 3);
    assert_eq!(last, first, "no day twice, none not at all");
    let writes = world.writes_since(begin);
    assert_eq!(writes.len(), 4 + 7, "{writes:#?}");
    let services = world.list("csvc");
    let former = services
        .iter()
        .find(|it| it["metadata"]["namespace"] == "globex" && it["spec"]["displayName"] == machine);
    let ready = condition(former.unwrap(), "Ready");
    assert_eq!(ready["reason"], "ClaimedElsewhere", "{ready}");
    let name = former.unwrap()["metadata"]["name"].as_str().unwrap();
    world.kubectl(&["delete", "csvc", "-n", "globex", name]);
}

/// Acme is another company now: its mapping says so.
fn to_another_company(world: &World) {
    let begin = world.position();
    world.edit("ConnectWiseIntegration", "connectwise", |it| {
        it["spec"]["tenants"][0]["companies"] = json!(["AcmeCorp", "Globex"]);
    });
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["company"] = json!({ "identifier": "Globex" });
        it["spec"]["masterAgreement"] = json!({ "name": "Globex Master" });
    });
    let plan = world.until("everything that Acme bills is held", SOON, || {
        held(world, "acme").filter(|plan| plan["actions"] == 12)
    });
    assert!(
        plan["first"][0].as_str().unwrap().contains("ends"),
        "{plan:#}"
    );
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );
    approve_as_printed(world, "acme");
    // What ends is certain now, and what begins is a rise of its own.
    world.until("what begins with the other company is held", SOON, || {
        held(world, "acme").filter(|plan| {
            let first = plan["first"][0].as_str().unwrap_or_default();
            first.contains("+ agreement") && plan["actions"] == 12
        })
    });
    approve_as_printed(world, "acme");
    world.until("everything is billed to the other company", SOON, || {
        let of_acme = world.marked().into_iter();
        let of_acme = of_acme.filter(|found| found.company == "AcmeCorp");
        let left = of_acme.filter(|found| !found.cancelled).count();
        (left == 0 && world.check().billable_lines == 12).then_some(())
    });
    world.await_quiet(Duration::from_secs(3));
    for machine in ["acme-web-01", "acme-db-01"] {
        let (_, ended) = agreements(world, machine, "AcmeCorp");
        let (live, _) = agreements(world, machine, "Globex");
        assert_eq!((ended.len(), live.len()), (1, 1));
        let (last, first) = days(world, ended[0], live[0]);
        assert_eq!(last, first, "no day twice, none not at all");
    }
    let writes = world.writes_since(begin).len();
    assert_eq!(writes, 3 * (4 + 7));
    assert!(is(&world.get("cmap", "acme", "acme"), "Held", "False"));
}
