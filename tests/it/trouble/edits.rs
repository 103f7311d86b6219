//! What people change in ConnectWise: theirs stays theirs, a cancellation stands, and a quantity is ours.

use std::time::Duration;

use serde_json::json;

use crate::trouble::case::{followed, resize, small};
use crate::trouble::person::Person;
use crate::world::{Addition, World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);

pub(crate) fn line(world: &World, machine: &str, product: &str) -> Addition {
    let agreement = world.agreement_of(machine).id;
    let mut lines = world.additions(agreement);
    lines.retain(|line| line.product == product);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

pub(crate) fn path(line: &Addition) -> String {
    format!(
        "finance/agreements/{}/additions/{}",
        line.agreement, line.id
    )
}

/// The service of a machine.
pub(crate) fn service(world: &World, machine: &str) -> serde_json::Value {
    let uuid = world.machine(machine).instance_uuid;
    let services = world.list("csvc");
    let found = services
        .into_iter()
        .find(|it| it["spec"]["source"]["instanceUuid"] == uuid.as_str());
    found.unwrap()
}

#[test]
fn people_keep_what_is_theirs() {
    let world = World::start(&WorldOptions {
        audit_interval: "8s",
        ..small()
    });
    world.await_converged(4);
    // Lists lag behind writes by two seconds.
    std::thread::sleep(Duration::from_secs(3));
    let person = Person::of(&world);

    // Price and name, and a line that is given away.
    let begin = world.position();
    let (cpu, memory) = (
        line(&world, "acme-web-01", "CLOUD-VCPU"),
        line(&world, "acme-web-01", "CLOUD-RAM-GIB"),
    );
    person.set(&path(&cpu), &json!({ "unitPrice": 3.5 }));
    person.set(&path(&memory), &json!({ "billCustomer": "DoNotBill" }));
    let agreement = format!("finance/agreements/{}", cpu.agreement);
    person.set(&agreement, &json!({ "name": "Our dear web server" }));
    let cpus = resize(&world);
    world.until("the quantity follows", SOON, || {
        followed(&world, cpus).then_some(())
    });
    // Two audits.
    std::thread::sleep(Duration::from_secs(20));
    let mut writes = world.writes_since(begin);
    writes.retain(|seen| seen.id != Some(cpu.id) || seen.patched() != ["quantity"]);
    assert!(writes.is_empty(), "{writes:?}");
    let (cpu, memory) = (
        line(&world, "acme-web-01", "CLOUD-VCPU"),
        line(&world, "acme-web-01", "CLOUD-RAM-GIB"),
    );
    assert_eq!(cpu.record["unitPrice"].as_f64(), Some(3.5));
    assert_eq!(memory.record["billCustomer"], "DoNotBill");
    assert_eq!(
        world.agreement_of("acme-web-01").name,
        "Our dear web server"
    );

    // A quantity is put back, once, and the log says so.
    let begin = world.position();
    let disk = line(&world, "acme-db-01", "CLOUD-STORAGE-GIB");
    person.set(&path(&disk), &json!({ "quantity": 1 }));
    world.until("the quantity is put back", SOON, || {
        (!world.writes_since(begin).is_empty()).then_some(())
    });
    std::thread::sleep(Duration::from_secs(17));
    let writes = world.writes_since(begin);
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(
        line(&world, "acme-db-01", "CLOUD-STORAGE-GIB").quantity,
        disk.quantity
    );
    let log = std::fs::read_to_string(world.operator_log()).unwrap();
    let reported = log
        .lines()
        .any(|line| line.contains("addition changed") && line.contains(&disk.id.to_string()));
    assert!(reported, "the log names the addition");
    let events = world.list("events.events.k8s.io");
    let told = events
        .iter()
        .filter(|event| event["reason"] == "QuantityReverted");
    assert_eq!(told.count(), 1, "an event tells it, once");

    // A line that a person cancels is not made again.
    let begin = world.position();
    person.set(
        &path(&disk),
        &json!({ "cancelledDate": "2026-11-01T00:00:00Z" }),
    );
    world.until("the service says so", SOON, || {
        let service = service(&world, "acme-db-01");
        let held = condition(&service, "Held");
        let message = held["message"].as_str().unwrap_or_default();
        (held["reason"] == "CancelledByHand"
            && message.contains("storage")
            && is(&service, "Ready", "True"))
        .then_some(())
    });
    std::thread::sleep(Duration::from_secs(17));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:?}",
        world.writes_since(begin)
    );

    // Nor an agreement.
    let begin = world.position();
    let other = world.agreement_of("globex-web-01");
    let triple = json!({ "cancelledFlag": true, "dateCancelled": "2026-11-01T00:00:00Z", "reasonCancelled": "by hand" });
    person.set(&format!("finance/agreements/{}", other.id), &triple);
    world.until("the service says so", SOON, || {
        let service = service(&world, "globex-web-01");
        let held = condition(&service, "Held");
        (held["reason"] == "CancelledByHand" && is(&service, "Ready", "True")).then_some(())
    });
    let since = world.audit_now();
    std::thread::sleep(Duration::from_secs(10));
    assert!(
        world.writes_since(begin).is_empty(),
        "{:?}",
        world.writes_since(begin)
    );
    world.assert_rest(&since);
    world.assert_clean();
}
