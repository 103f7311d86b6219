//! What people decide about what they and meterwise do: kept quantities, cancelled lines that are to come back, services
//! that are not billed, and marks that were taken off.

use std::time::Duration;

use serde_json::{Value, json};

use crate::trouble::case::{resize, small};
use crate::trouble::edits::{line, path, service};
use crate::trouble::person::Person;
use crate::world::{Addition, World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);

/// Merges into the spec of a machine's service, as a person would with `kubectl patch`.
fn declare(world: &World, machine: &str, spec: &Value) {
    let service = service(world, machine);
    let name = service["metadata"]["name"].as_str().unwrap();
    let namespace = service["metadata"]["namespace"].as_str().unwrap();
    let patch = json!({ "spec": spec }).to_string();
    world.kubectl(&[
        "patch",
        "csvc",
        name,
        "-n",
        namespace,
        "--type=merge",
        "-p",
        &patch,
    ]);
}

#[track_caller]
fn held(world: &World, machine: &str, reason: &str) -> String {
    world.until(&format!("{machine} is held: {reason}"), SOON, || {
        let service = service(world, machine);
        let held = condition(&service, "Held");
        let message = held["message"].as_str().unwrap_or_default().to_owned();
        (held["reason"] == reason && is(&service, "Ready", "True")).then_some(message)
    })
}

#[track_caller]
fn in_step(world: &World, machine: &str) {
    world.until(&format!("{machine} is in step"), SOON, || {
        let service = service(world, machine);
        (is(&service, "Held", "False") && is(&service, "Synced", "True")).then_some(())
    });
}

/// How many events of this reason there are whose note holds the text.
fn told(world: &World, reason: &str, text: &str) -> usize {
    let events = world.list("events.events.k8s.io");
    let fits = |event: &&Value| {
        event["reason"] == reason
            && event["note"]
                .as_str()
                .is_some_and(|note| note.contains(text))
    };
    events.iter().filter(fits).count()
}

#[track_caller]
fn wrote(world: &World, begin: u64, right: &[(&str, usize)]) {
    world.await_quiet(Duration::from_secs(3));
    let writes = world.writes_since(begin);
    for (what, times) in right {
        let count = writes.iter().filter(|seen| seen.what() == *what).count();
        assert_eq!(count, *times, "{what}: {writes:#?}");
    }
    let all: usize = right.iter().map(|(_, times)| times).sum();
    assert_eq!(writes.len(), all, "{writes:#?}");
}

fn all_lines(world: &World, machine: &str, product: &str) -> Vec<Addition> {
    let mut lines = world.additions(world.agreement_of(machine).id);
    lines.retain(|line| line.product == product);
    lines
}

#[test]
fn people_decide() {
    let world = World::start(&WorldOptions {
        audit_interval: "5s",
        edit: |manifest| {
            if manifest["kind"] == "CustomerMapping" && manifest["metadata"]["name"] == "acme" {
                manifest["spec"]["quantityDrift"] = "Keep".into();
            }
        },
        ..small()
    });
    world.await_converged(4);
    // Lists lag behind writes by two seconds.
    std::thread::sleep(Duration::from_secs(3));
    let person = Person::of(&world);
    a_kept_quantity(&world, &person);
    a_cancelled_line_comes_back(&world, &person);
    not_billed_for_a_while(&world);
    a_mark_is_taken_off(&world, &person);
    world.assert_clean();
}

fn a_kept_quantity(world: &World, person: &Person) {
    let begin = world.position();
    let disk = line(world, "acme-db-01", "CLOUD-STORAGE-GIB");
    person.set(&path(&disk), &json!({ "quantity": 1 }));
    let said = held(world, "acme-db-01", "QuantityEdited");
    assert!(
        said.contains("to quantity 1") && said.contains(&disk.id.to_string()),
        "{said}"
    );
    let plan = world.meterwise(&["plan"]);
    assert!(plan.contains("QuantityEdited: storage"), "{plan}");
    world.until("an event tells it", SOON, || {
        (told(world, "QuantityEdited", "quantityDrift is Keep") == 1).then_some(())
    });
    // Its machine changes, and the quantity stays all the same, over two audits.
    let cpus = resize(world);
    world.until("another machine is followed", SOON, || {
        crate::trouble::case::followed(world, cpus).then_some(())
    });
    std::thread::sleep(Duration::from_secs(11));
    wrote(world, begin, &[("PATCH addition", 1)]);
    assert_eq!(told(world, "QuantityEdited", ""), 1, "told once");
    let begin = world.position();
    let back = disk.quantity.to_string().parse::<f64>().unwrap();
    person.set(&path(&disk), &json!({ "quantity": back }));
    in_step(world, "acme-db-01");
    wrote(world, begin, &[]);
}

fn a_cancelled_line_comes_back(world: &World, person: &Person) {
    let begin = world.position();
    let cpu = line(world, "acme-db-01", "CLOUD-VCPU");
    let ends = json!({
        "unitPrice": 9.5,
        "invoiceDescription": "as agreed",
        "sequenceNumber": 4,
        "cancelledDate": cpu.record["effectiveDate"],
    });
    person.set(&path(&cpu), &ends);
    let said = held(world, "acme-db-01", "CancelledByHand");
    assert!(said.contains("spec.resumeAfter"), "{said}");
    wrote(world, begin, &[]);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    declare(
        world,
        "acme-db-01",
        &json!({ "resumeAfter": soon.to_string() }),
    );
    in_step(world, "acme-db-01");
    wrote(world, begin, &[("POST addition", 1), ("PATCH addition", 1)]);
    let lines = all_lines(world, "acme-db-01", "CLOUD-VCPU");
    let new = lines.iter().find(|line| line.id != cpu.id).unwrap();
    assert_eq!(
        (
            lines.len(),
            new.billable,
            new.quantity,
            new.cancelled_date.as_deref()
        ),
        (2, true, cpu.quantity, None)
    );
    assert_eq!(new.record["unitPrice"].as_f64(), Some(9.5));
    assert_eq!(new.record["sequenceNumber"].as_f64(), Some(4.0));
    assert_eq!(new.record["invoiceDescription"], "as agreed");
}

fn not_billed_for_a_while(world: &World) {
    let begin = world.position();
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(12);
    let why = "moving house, see ticket 4711";
    declare(
        world,
        "globex-web-01",
        &json!({ "billable": { "value": false, "reason": why, "until": until.to_string() } }),
    );
    world.until("it says why it is not billed", SOON, || {
        let service = service(world, "globex-web-01");
        let ready = condition(&service, "Ready");
        let says = ready["message"].as_str().unwrap_or_default();
        (ready["reason"] == "NotBillable" && says.contains(why)).then_some(())
    });
    world.until("its lines end", SOON, || {
        (world.check().billable_lines == 9).then_some(())
    });
    world.until("it is billed again", SOON, || {
        (world.check().billable_lines == 12).then_some(())
    });
    wrote(world, begin, &[("PATCH addition", 6), ("POST addition", 3)]);
}

fn a_mark_is_taken_off(world: &World, person: &Person) {
    let begin = world.position();
    let cpu = line(world, "acme-web-01", "CLOUD-VCPU");
    let field = |mark: Value| {
        let id = cpu.record["customFields"][0]["id"].clone();
        json!({ "customFields": [{ "id": id, "value": mark }] })
    };
    person.set(&path(&cpu), &field(Value::Null));
    let said = held(world, "acme-web-01", "MarkErased");
    let cpus = resize(world);
    world.until("the machine's change is seen", SOON, || {
        let service = service(world, "acme-web-01");
        let lines = service["status"]["lines"].as_array()?.clone();
        let seen = format!("{cpus} vCPU");
        lines
            .iter()
            .any(|line| line["reading"] == *seen)
            .then_some(())
    });
    let mark = cpu.mark.clone().unwrap();
    assert!(
        said.contains(&mark) && said.contains("the custom field with id"),
        "{said}"
    );
    wrote(world, begin, &[]);
    person.set(&path(&cpu), &field(mark.into()));
    in_step(world, "acme-web-01");
    wrote(world, begin, &[("PATCH addition", 1)]);
}
