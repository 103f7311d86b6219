//! `Observe` plans, shows and writes nothing, whether the integration or the mapping says it; customers go live one by one.

use serde_json::Value;

use crate::steady::QUIET;
use crate::world::{PATIENCE, World, WorldOptions, condition, is};

#[test]
fn observing_writes_nothing_and_customers_go_live_one_by_one() {
    let world = World::start(&WorldOptions {
        mode: "Observe",
        mapping_mode: "Sync",
        guarded: true,
        ..WorldOptions::default()
    });
    all_planned(&world);
    nothing_written(&world, "the integration observes");

    for mapping in ["acme", "globex"] {
        world.edit("CustomerMapping", mapping, |spec| {
            spec["spec"]["mode"] = "Observe".into()
        });
    }
    settled(&world);
    world.edit("ConnectWiseIntegration", "connectwise", |spec| {
        spec["spec"]["mode"] = "Sync".into()
    });
    settled(&world);
    all_planned(&world);
    nothing_written(&world, "the mappings observe");

    world.edit("CustomerMapping", "acme", |spec| {
        spec["spec"]["mode"] = "Sync".into()
    });
    world.until("Acme is live", PATIENCE, || {
        let check = world.check();
        ((check.billable_agreements, check.billable_lines) == (10, 30)).then_some(())
    });
    world.await_quiet(QUIET);
    let live = world.marked();
    assert_eq!(live.len(), 10);
    assert!(
        live.iter()
            .all(|found| found.company == "AcmeCorp" && found.parent == Some(55))
    );
    let differences = world.differences();
    assert!(
        differences.iter().all(|line| line.starts_with("globex-")),
        "{differences:#?}"
    );
    let plans = plans(&world);
    assert_eq!(plans.len(), 10);
    assert!(
        plans.iter().all(|plan| plan["namespace"] == "globex"),
        "{plans:#?}"
    );
    world.assert_clean();
}

/// Waits until every service has a plan and says that it is only that, and looks at what people see of it.
fn all_planned(world: &World) {
    world.until("20 plans", PATIENCE, || {
        let services = world.list("cloudservices");
        let planned = services.iter().filter(|service| {
            is(service, "Ready", "True") && condition(service, "Synced")["reason"] == "Planned"
        });
        (planned.count() == 20).then_some(())
    });
    for service in world.list("cloudservices") {
        let status = &service["status"];
        let plan = status["plan"].as_array().unwrap();
        assert!(plan.len() >= 4, "an agreement and three lines: {plan:#?}");
        let lines = status["lines"].as_array().unwrap();
        assert!(
            lines
                .iter()
                .all(|line| line["state"] == "Planned" && line["quantity"].is_string()),
            "{lines:#?}"
        );
    }
    let plans = plans(world);
    assert_eq!(plans.len(), 20);
    assert!(
        plans.iter().all(|plan| plan["synced"] == "False"
            && plan["plan"].as_array().is_some_and(|all| !all.is_empty())),
        "{plans:#?}"
    );
}

/// What `meterwise plan -o json` prints.
fn plans(world: &World) -> Vec<Value> {
    let shown: Value = serde_json::from_str(&world.meterwise(&["plan", "-o", "json"])).unwrap();
    shown["services"].as_array().unwrap().clone()
}

/// Waits until integration and mappings speak of what they were last told.
fn settled(world: &World) {
    world.until("the edits are seen", PATIENCE, || {
        let objects = ["cwi", "cmap"]
            .into_iter()
            .flat_map(|kind| world.list(kind));
        let mut seen = objects.map(|object| {
            object["status"]["observedGeneration"] == object["metadata"]["generation"]
        });
        seen.all(|seen| seen).then_some(())
    });
}

fn nothing_written(world: &World, why: &str) {
    world.await_quiet(QUIET);
    let writes = world.writes_since(0);
    assert!(writes.is_empty(), "{why}: {writes:#?}");
    assert!(world.marked().is_empty(), "{why}");
}
