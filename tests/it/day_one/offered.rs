//! What keeps the change from being offered or made: a namespace that may not end what people made, a service that is not in
//! step, an old addition that somebody changes. Each is told, and nothing is written meanwhile.

use serde_json::{Value, json};

use crate::day_one::{FirstDay, QUIET, months};
use crate::trouble::person::Person;
use crate::world::{OPERATOR, PATIENCE, World, condition};

#[track_caller]
fn await_held(world: &World, reason: &str, says: &str) {
    world.until(&format!("{reason}: {says}"), PATIENCE, || {
        let mapping = world.get("cmap", "acme", "acme");
        let told = condition(&mapping, "Held");
        let message = told["message"].as_str().unwrap_or_default();
        (told["reason"] == reason && message.contains(says)).then_some(())
    });
    let kind = format!("mapping=\"acme/acme\",kind=\"{reason}\"");
    world.until("the metrics say so", PATIENCE, || {
        world.metrics().contains(&kind).then_some(())
    });
}

#[test]
fn what_is_in_the_way_of_a_handover_is_told() {
    let day = FirstDay::start(false, false);
    let world = &day.world;
    let [_, next, after] = months();
    await_held(world, "ParallelIncomplete", "mayAdopt");
    assert!(day.parallel()["plan"].is_null());
    world.edit("ConnectWiseIntegration", "connectwise", |manifest| {
        manifest["spec"]["tenants"][0]["mayAdopt"] = true.into();
    });
    let first = day.await_offer(next);

    // A person changes what was compared: that is another plan, and the approval of the first fits it no more.
    let person = Person::of(world);
    let path = format!("finance/agreements/55/additions/{}", day.old[0]);
    person.set(&path, &json!({ "quantity": 25 }));
    world.until("the other quantity is offered", PATIENCE, || {
        (day.parallel()["plan"]["digest"] != first["plan"]["digest"]).then_some(())
    });
    day.approve(&first["plan"]);
    world.until("the old approval does not fit", PATIENCE, || {
        let approval = world.get("appr", "acme", "first-day");
        (approval["status"]["state"] == "Superseded").then_some(())
    });
    person.set(
        &path,
        &json!({ "cancelledDate": format!("{after}T00:00:00Z") }),
    );
    await_held(world, "ReplacedChanged", "by another hand");
    person.set(&path, &json!({ "cancelledDate": Value::Null }));

    // Approved, and changed by somebody before it is ended: nothing ends until that is approved, too.
    let offered = day.await_offer(next);
    world.fault(&json!({
        "match": { "principal": OPERATOR, "method": "PATCH", "kind": "addition" },
        "action": { "status": { "code": 503 } },
    }));
    world.kubectl(&["delete", "appr", "first-day", "-n", "acme"]);
    day.approve(&offered["plan"]);
    world.until("the change is under way", PATIENCE, || {
        (day.parallel()["state"] == "Changing").then_some(())
    });
    person.set(&path, &json!({ "quantity": 26 }));
    // Lists lag behind what is there.
    std::thread::sleep(QUIET);
    world.clear_faults();
    let begin = world.position();
    await_held(world, "ReplacedChanged", "not what was approved any more");
    world.await_quiet(QUIET);
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );
    let again = day.await_offer(next);
    world.kubectl(&["delete", "appr", "first-day", "-n", "acme"]);
    day.approve(&again["plan"]);
    world.until("the change is made", PATIENCE, || {
        (day.parallel()["state"] == "Changed").then_some(())
    });
    world.await_quiet(QUIET);
    assert_eq!(
        day.line(day.old[0])["cancelledDate"],
        format!("{next}T00:00:00Z")
    );
    world.assert_clean();
}
