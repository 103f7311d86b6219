//! What changes in vCenter changes in ConnectWise, with exactly the writes that it takes; what is taken away from
//! Kubernetes and given back changes nothing there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use stack::VirtualMachine;

use crate::steady::QUIET;
use crate::world::{PATIENCE, Seen, World, WorldOptions, is};

const GRACE: Duration = Duration::from_secs(8);
/// "Within seconds": events are asked for twice a second here, every two seconds in production.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn lines_follow_their_machines_and_outlive_their_declarations() {
    let world = World::start(&WorldOptions {
        controllers: true,
        removal_grace: "8s",
        ..WorldOptions::default()
    });
    world.await_converged(20);
    world.await_no_differences();
    world.await_quiet(QUIET);

    let vm = "/DC0/vm/acme/acme-web-01";
    let change = |args: &[&str]| world.vcsim.govc(args).unwrap();
    follows(&world, "CLOUD-VCPU", || {
        change(&["vm.change", "-vm", vm, "-c=33"])
    });
    follows(&world, "CLOUD-RAM-GIB", || {
        change(&["vm.change", "-vm", vm, "-m=10496"])
    });
    follows(&world, "CLOUD-STORAGE-GIB", || {
        change(&["vm.disk.change", "-vm", vm, "-size=61G"])
    });
    created(&world);
    destroyed(&world);
    declared_again(&world);
    world.assert_clean();
}

/// One change of a machine is one PATCH of the quantity of one line, and nothing else.
fn follows(world: &World, product: &str, change: impl FnOnce() -> String) {
    let agreement = world.agreement_of("acme-web-01").id;
    let lines = world.additions(agreement);
    let line = lines.iter().find(|line| line.product == product).unwrap();
    let (begin, changed) = (world.position(), Instant::now());
    change();
    world.until(&format!("{product} follows"), SOON, || {
        world
            .writes_since(begin)
            .iter()
            .any(|seen| seen.committed)
            .then_some(())
    });
    let took = changed.elapsed();
    world.await_no_differences();
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    let [write] = writes.as_slice() else {
        panic!("{product}: {writes:#?}")
    };
    assert_eq!(
        (write.method.as_str(), write.id, write.parent),
        ("PATCH", Some(line.id), Some(agreement))
    );
    assert_eq!(
        write.tail(),
        format!("finance/agreements/{agreement}/additions/{}", line.id)
    );
    assert_eq!(write.patched(), ["quantity"]);
    world.say(&format!(
        "{product}: written {:.2}s after govc was started",
        took.as_secs_f32()
    ));
}

/// A machine that is new is an agreement and three lines, made inert and then made to bill.
fn created(world: &World) {
    let begin = world.position();
    let machine = VirtualMachine {
        name: "globex-new-01".to_owned(),
        cpus: 40,
        memory_mib: 40_192,
        disk_mib: 100_608,
    };
    world.vcsim.create_vm("globex", &machine).unwrap();
    world.await_converged(21);
    world.await_no_differences();
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    let right = [
        ("PATCH addition", 3),
        ("POST addition", 3),
        ("POST agreement", 1),
    ];
    assert_eq!(
        counted(&writes),
        BTreeMap::from(right.map(|(what, n)| (what.to_owned(), n))),
        "{writes:#?}"
    );
    let agreement = world.agreement_of("globex-new-01").id;
    let lines = writes
        .iter()
        .filter(|seen| seen.kind.as_deref() == Some("addition"));
    assert!(
        lines.clone().all(|seen| seen.parent == Some(agreement)),
        "{writes:#?}"
    );
}

/// A machine that is gone bills on until its grace is over, and then ends on the day of its removal.
fn destroyed(world: &World) {
    let agreement = world.agreement_of("globex-new-01").id;
    let begin = world.position();
    let before = Timestamp::now();
    world
        .vcsim
        .govc(&["vm.destroy", "/DC0/vm/globex/globex-new-01"])
        .unwrap();
    let after = Timestamp::now();
    world.until("the machine's lines end", PATIENCE, || {
        (world.check().billable_agreements == 20).then_some(())
    });
    world.await_no_differences();
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    let right = [("PATCH addition", 3), ("PATCH agreement", 1)];
    assert_eq!(
        counted(&writes),
        BTreeMap::from(right.map(|(what, n)| (what.to_owned(), n))),
        "{writes:#?}"
    );
    let waited = writes[0].at.duration_since(before);
    let grace = jiff::SignedDuration::try_from(GRACE).unwrap();
    assert!(
        waited >= grace,
        "the first write came {waited} after the removal"
    );
    world.say(&format!(
        "first write {:.1}s after the removal, with a grace of {GRACE:?}",
        waited.as_secs_f64()
    ));
    assert_eq!(
        writes[3].what(),
        "PATCH agreement",
        "the agreement ends after its lines"
    );

    let days = [before, after].map(midnight);
    let found = world.until("the lists show the end", PATIENCE, || {
        let mut all = world.marked();
        all.retain(|found| found.id == agreement && found.cancelled);
        all.pop()
    });
    let date = found.date_cancelled.unwrap();
    assert!(days.contains(&date), "{date}, not {days:?}");
    let lines = world.until("the lists show the ends of the lines", PATIENCE, || {
        let lines = world.additions(agreement);
        lines
            .iter()
            .all(|line| line.cancelled_date.is_some())
            .then_some(lines)
    });
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert!(
            days.contains(line.cancelled_date.as_ref().unwrap()),
            "{line:?}, not {days:?}"
        );
    }
}

/// Services, and then a whole namespace, deleted and applied again: the same records, and not one write.
fn declared_again(world: &World) {
    world.await_quiet(QUIET);
    let begin = world.position();
    let records = agreement_ids(world);
    let before = uids(world);
    world.kubectl(&["delete", "cloudservices", "-A", "--all"]);
    await_anew(world, &before, 20);
    assert_eq!(
        agreement_ids(world),
        records,
        "after the services were deleted"
    );

    let before = uids(world);
    world.kubectl(&["delete", "namespace", "acme", "--timeout=60s"]);
    world.apply_manifests();
    let acme: BTreeMap<_, _> = before
        .into_iter()
        .filter(|((namespace, _), _)| namespace == "acme")
        .collect();
    await_anew(world, &acme, 20);
    assert_eq!(
        agreement_ids(world),
        records,
        "after the namespace was deleted"
    );

    world.await_no_differences();
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "{writes:#?}");
}

/// Waits until there are so many services, all in step, and none of them is one of these.
fn await_anew(world: &World, before: &BTreeMap<(String, String), Value>, count: usize) {
    world.until("new services in step", PATIENCE, || {
        let services = world.list("cloudservices");
        let synced = services
            .iter()
            .filter(|service| is(service, "Synced", "True"))
            .count();
        let old = services.iter().any(|service| {
            before
                .values()
                .any(|uid| *uid == service["metadata"]["uid"])
        });
        (services.len() == count && synced == count && !old).then_some(())
    });
}

/// The services' uids by namespace and name.
fn uids(world: &World) -> BTreeMap<(String, String), Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let services = world.list("cloudservices").into_iter();
    services
        .map(|service| {
            let meta = &service["metadata"];
            (
                (text(&meta["namespace"]), text(&meta["name"])),
                meta["uid"].clone(),
            )
        })
        .collect()
}

/// The id of every agreement with a mark, and of every line in it.
fn agreement_ids(world: &World) -> BTreeMap<i64, Vec<i64>> {
    let lines = |agreement| {
        world
            .additions(agreement)
            .iter()
            .map(|line| line.id)
            .collect()
    };
    world
        .marked()
        .iter()
        .map(|found| (found.id, lines(found.id)))
        .collect()
}

fn counted(writes: &[Seen]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for write in writes {
        *counts.entry(write.what()).or_default() += 1;
    }
    counts
}

/// The midnight that ConnectWise writes for the day of a moment, in the simulator's time zone.
fn midnight(time: Timestamp) -> String {
    format!("{}T00:00:00Z", time.to_zoned(TimeZone::UTC).date())
}
