//! Many machines vanish at once: their ends are held until a person approves exactly them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(40);

fn held(world: &World) -> Option<Value> {
    let mapping = world.get("cmap", "acme", "acme");
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
        held(&world).filter(|plan| plan["actions"] == 32)
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

    // Used up: the next ones are held again.
    for machine in ["/DC0/vm/acme/acme-web-03", "/DC0/vm/acme/acme-db-03"] {
        world.vcsim.govc(&["vm.destroy", machine]).unwrap();
    }
    world.until("six lines more are few, and end", SOON, || {
        (world.check().billable_lines == 30).then_some(())
    });
    world.assert_clean();
}
