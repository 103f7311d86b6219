//! An agreement that a person made, with lines, becomes a machine's: nothing is made that is there, what is ambiguous
//! waits, and a person's fields stay.

use serde_json::json;

use crate::loss::{QUIET, await_service, holds, in_step, nothing_made, patch_service, plan, posts};
use crate::trouble::person::Person;
use crate::world::{PATIENCE, Seen, World, WorldOptions};

const MACHINE: &str = "acme-web-01";

#[test]
fn what_a_person_made_is_adopted_by_id() {
    let world = World::start(&WorldOptions {
        vms: 2,
        mapping_mode: "Observe",
        audit_interval: "5s",
        ..WorldOptions::default()
    });
    let person = Person::of(&world);
    let (agreement, lines) = by_hand(&world, &person);
    await_service(&world, MACHINE, "planned", |found| !plan(found).is_empty());

    // Without leave nothing is adopted, and nothing is made in its place.
    patch_service(
        &world,
        MACHINE,
        &json!({ "external": { "agreementId": agreement } }),
    );
    await_service(&world, MACHINE, "may not adopt", |found| {
        holds(found) == ["AdoptionNotAllowed"] && plan(found).is_empty()
    });
    world.edit("ConnectWiseIntegration", "connectwise", |found| {
        found["spec"]["tenants"][0]["mayAdopt"] = json!(true);
    });
    let planned = await_service(&world, MACHINE, "two lines may be meant", |found| {
        holds(found) == ["AdoptionAmbiguous"]
    });
    let says = planned["status"]["holds"][0]["message"].as_str().unwrap();
    let [first, second, memory] = lines;
    assert!(says.contains(&format!("{first}, {second}")), "{says}");
    let said = plan(&planned).join("\n");
    for expected in [
        format!("= agreement {agreement} \"File server\" is adopted"),
        format!("= memory: CLOUD-RAM-GIB 1 is adopted (addition {memory})"),
        "~ memory: CLOUD-RAM-GIB 1 -> ".to_owned(),
        "+ storage: CLOUD-STORAGE-GIB ".to_owned(),
    ] {
        assert!(said.contains(&expected), "no {expected} in\n{said}");
    }
    assert!(world.writes_since(0).is_empty(), "observing writes nothing");

    let external =
        json!({ "agreementId": agreement, "additions": [{ "rule": "vcpu", "id": second }] });
    patch_service(&world, MACHINE, &json!({ "external": external }));
    await_service(&world, MACHINE, "fully planned", |found| {
        holds(found).is_empty()
    });
    world.edit("CustomerMapping", "acme", |found| {
        found["spec"]["mode"] = json!("Sync")
    });
    await_service(&world, MACHINE, "in step", in_step);
    world.await_quiet(QUIET);
    adopted(&world, agreement, lines);

    // What was adopted stays so, whatever is declared later.
    for later in [json!(null), json!({ "agreementId": 55 })] {
        let (begin, named) = (world.position(), later.is_object());
        patch_service(&world, MACHINE, &json!({ "external": null }));
        patch_service(&world, MACHINE, &json!({ "external": later }));
        await_service(&world, MACHINE, "told", |found| {
            holds(found) == ["AdoptionRefused"].repeat(usize::from(named))
        });
        world.await_quiet(QUIET);
        assert!(world.writes_since(begin).is_empty(), "{later}");
    }

    let begin = world.position();
    let change = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=7"];
    world.vcsim.govc(&change).unwrap();
    world.until("the adopted line follows", PATIENCE, || {
        let found = world.additions(agreement);
        found
            .iter()
            .any(|line| line.id == second && line.quantity == 7.into())
            .then_some(())
    });
    nothing_made(&world, begin);

    // The book is lost with everything that was declared: the marks tell.
    let begin = world.position();
    world.kill_operator();
    world.kubectl(&["delete", "brec", "--all", "-n", crate::world::PLATFORM]);
    world.kubectl(&["delete", "csvc", "--all", "-n", "acme"]);
    world.start_operator();
    await_service(&world, MACHINE, "in step again", in_step);
    world.await_quiet(QUIET);
    assert!(world.writes_since(begin).is_empty());
    world.assert_clean();
}

/// An agreement with two lines of one product, one line of another, and none of the third.
fn by_hand(world: &World, person: &Person) -> (i64, [i64; 3]) {
    let mut like = world.agreements();
    like.retain(|found| found.id == 55);
    let master = &like[0].record;
    let made = person.make(
        "finance/agreements",
        &json!({
            "name": "File server", "type": master["type"], "company": { "id": 250 },
            "contact": master["contact"], "parentAgreement": { "id": 55 },
            "billingCycle": master["billingCycle"], "customerPO": "PO 4711",
            "startDate": "2026-01-01T00:00:00Z", "noEndingDateFlag": true, "billAmount": 0,
        }),
    );
    let agreement = made["id"].as_i64().unwrap();
    let lines = [("CLOUD-VCPU", 2), ("CLOUD-VCPU", 3), ("CLOUD-RAM-GIB", 1)].map(|(product, n)| {
        let made = person.make(
            &format!("finance/agreements/{agreement}/additions"),
            &json!({
                "product": { "identifier": product }, "quantity": n, "unitPrice": 9.25,
                "billCustomer": "Billable", "effectiveDate": "2026-01-01T00:00:00Z",
            }),
        );
        made["id"].as_i64().unwrap()
    });
    (agreement, lines)
}

fn adopted(world: &World, agreement: i64, [first, second, memory]: [i64; 3]) {
    assert_eq!(world.agreement_of(MACHINE).id, agreement);
    assert_eq!(posts(world, 0, "agreement"), 0);
    assert_eq!(
        posts(world, 0, "addition"),
        1,
        "storage alone was not there"
    );
    let found = world.agreements();
    let found = found.iter().find(|found| found.id == agreement).unwrap();
    assert_eq!(found.record["customerPO"], "PO 4711");
    let machine = world.machine(MACHINE);
    for line in world.additions(agreement) {
        if line.id == first {
            assert_eq!(
                (line.mark.as_deref(), line.quantity),
                (None, 2.into()),
                "{line:?}"
            );
        } else {
            assert!(line.mark.is_some() && line.billable, "{line:?}");
        }
        if [first, second, memory].contains(&line.id) {
            assert_eq!(line.record["unitPrice"], json!(9.25), "{line:?}");
            assert_eq!(
                line.record["effectiveDate"], "2026-01-01T00:00:00Z",
                "{line:?}"
            );
        }
        if line.id == second {
            assert_eq!(line.quantity, machine.cpus.into());
        }
    }
    // The first write to each adopted record is its mark, alone.
    for id in [agreement, second, memory] {
        let of_it = |seen: &&Seen| seen.method == "PATCH" && seen.id == Some(id);
        let writes = world.writes_since(0);
        let first = writes.iter().find(of_it).map(Seen::patched);
        assert_eq!(first, Some(vec!["customFields"]), "record {id}");
    }
    let untouched = world.writes_since(0);
    assert!(
        untouched.iter().all(|seen| seen.id != Some(first)),
        "{untouched:#?}"
    );
    world.assert_clean();
}
