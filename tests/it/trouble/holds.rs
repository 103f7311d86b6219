//! Holds that the other tests do not meet on real parts, and a person who lets a mapping stand for something else. And all holds
//! by name: none without words in the README, and none that no test reaches.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use meterwise::api::condition::Reason;
use meterwise::domain::guard::Kind;
use serde_json::{Value, json};
use stack::VirtualMachine;

use crate::trouble::edits::{line, service};
use crate::trouble::guard::{approve_as_printed, held};
use crate::trouble::mapping::{agreement, named};
use crate::trouble::person::Person;
use crate::world::{World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn the_rest_of_the_holds_is_shown_everywhere() {
    let world = World::start(&WorldOptions {
        vms: 12,
        refresh_interval: "1s",
        snapshot_interval: "2s",
        guarded: true,
        ..WorldOptions::default()
    });
    world.await_converged(12);
    another_meaning_is_approved(&world);
    a_price_of_nothing(&world);
    a_total_that_falls(&world);
    world.assert_clean();
    records_that_were_deleted(&world);
}

/// Somebody with the right to delete takes a line away, and an agreement with all of its lines, while nobody looks.
fn records_that_were_deleted(world: &World) {
    let line = line(world, "acme-web-01", "CLOUD-VCPU");
    let agreement = world.agreement_of("acme-db-01").id;
    world.kill_operator();
    let mut state = world.control("GET", "/state", &Value::Null);
    let gone = |row: &Value| row["id"] == line.id || row["_parent"] == agreement;
    let lines = state["tables"]["addition"].as_array_mut().unwrap();
    let before = lines.len();
    lines.retain(|row| !gone(row));
    assert_eq!(lines.len(), before - 4, "{}", lines[0]);
    let agreements = state["tables"]["agreement"].as_array_mut().unwrap();
    agreements.retain(|row| row["id"] != agreement);
    world.control("PUT", "/state", &json!({ "tables": state["tables"] }));
    let begin = world.position();
    world.start_operator();
    // LineMissing and AgreementMissing.
    for machine in ["acme-web-01", "acme-db-01"] {
        world.until(&format!("{machine}: not shown"), SOON, || {
            let service = service(world, machine);
            let told = condition(&service, "Held");
            let message = told["message"].as_str().unwrap_or_default();
            let well = told["reason"] == "AmbiguousWrite" && message.contains("does not show it");
            well.then_some(())
        });
    }
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "nothing is made again"
    );
}

/// Waits until the service of a machine says this, and sees that metrics and plan say so, too.
#[track_caller]
fn shown(world: &World, customer: &str, machine: &str, reason: &str) {
    world.until(&format!("{machine}: {reason}"), SOON, || {
        let services = world.list("csvc");
        let mut named = services.iter();
        let service = named.find(|it| it["spec"]["displayName"] == machine)?;
        let told = condition(service, "Held");
        let well = told["status"] == "True" && told["reason"] == reason;
        (well && held(world, customer).is_some()).then_some(())
    });
    let plan = world.meterwise(&["plan", "-n", customer]);
    assert!(plan.contains(reason), "{plan}");
    world.until("the metrics say so", SOON, || {
        let metrics = world.metrics();
        let changes = format!("mapping=\"{customer}/{customer}\",kind=\"{reason}\"");
        let services = format!("meterwise_held_services{{reason=\"{reason}\"}}");
        (metrics.contains(&changes) && metrics.contains(&services)).then_some(())
    });
    let events = world.list("events.events.k8s.io");
    let told = |event: &Value| event["reason"] == "ChangesHeld";
    assert!(events.iter().any(told), "no event tells of it");
}

/// The name of Acme's master goes to another agreement, and a person says that this is right.
fn another_meaning_is_approved(world: &World) {
    let begin = world.position();
    let person = Person::of(world);
    let other = agreement(world, "Acme Other");
    person.set("finance/agreements/55", &json!({ "name": "Acme Renamed" }));
    let path = format!("finance/agreements/{other}");
    person.set(&path, &json!({ "name": "Acme Master" }));
    let plan = world.until("another meaning is held", SOON, || {
        let mapping = world.get("cmap", "acme", "acme");
        let told = condition(&mapping, "Held");
        let well = told["status"] == "True" && told["reason"] == "ResolutionChanged";
        well.then(|| mapping["status"]["heldPlan"].clone())
            .filter(|plan| plan["digest"].is_string())
    });
    assert_eq!(plan["actions"], 1, "{plan:#}");
    let text = world.meterwise(&["plan", "-n", "acme"]);
    for word in [
        "stands for",
        "kind: ChangeApproval",
        plan["digest"].as_str().unwrap(),
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let resolved = |world: &World| {
        world.get("cmap", "acme", "acme")["status"]["resolved"]["masterAgreementId"].clone()
    };
    assert_eq!(resolved(world), 55, "what it stood for goes on");
    approve_as_printed(world, "acme");
    world.until("it stands for the other one", SOON, || {
        let mapping = world.get("cmap", "acme", "acme");
        (resolved(world) == other && is(&mapping, "Held", "False")).then_some(())
    });
    world.await_converged(12);
    world.await_quiet(Duration::from_secs(3));
    assert!(
        world.writes_since(begin).is_empty(),
        "what is billed stays where it is"
    );
    assert_eq!(named(world, "Acme Master"), other);
}

fn a_price_of_nothing(world: &World) {
    let person = Person::of(world);
    person.set("procurement/catalog/79", &json!({ "price": 0 }));
    let machine = VirtualMachine {
        name: "globex-free-01".to_owned(),
        cpus: 1,
        memory_mib: 1024,
        disk_mib: 10 * 1024,
    };
    world.vcsim.create_vm("globex", &machine).unwrap();
    shown(world, "globex", "globex-free-01", "PriceZero");
    approve_as_printed(world, "globex");
    world.await_converged(13);
    person.set("procurement/catalog/79", &json!({ "price": 0.14 }));
    world.until("nothing is held", SOON, || {
        is(&world.get("cmap", "globex", "globex"), "Held", "False").then_some(())
    });
}

fn a_total_that_falls(world: &World) {
    let begin = world.position();
    for machine in ["web-01", "db-01", "app-01"] {
        let path = format!("/DC0/vm/globex/globex-{machine}");
        world.vcsim.govc(&["vm.destroy", &path]).unwrap();
    }
    shown(world, "globex", "globex-web-01", "TotalFalls");
    world.await_quiet(Duration::from_secs(3));
    assert!(world.writes_since(begin).is_empty());
}

/// What tests say, and what the code says without them.
fn texts() -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    let (mut tests, mut code) = (String::new(), String::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_test = file.components().any(|part| part.as_os_str() == "tests");
        match text.split_once("#[cfg(test)]\n").filter(|_| !is_test) {
            Some((before, after)) => {
                code.push_str(before);
                tests.push_str(after);
            }
            None if is_test || file.ends_with("tests.rs") => tests.push_str(&text),
            None => code.push_str(&text),
        }
    }
    (tests, code)
}

/// The names of an enum's variants, from its source.
fn variants<'a>(code: &'a str, of: &str) -> BTreeSet<&'a str> {
    let body = code.split(&format!("pub enum {of} {{\n")).nth(1).unwrap();
    let body = body.split("\n}\n").next().unwrap();
    let names = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        line.starts_with(char::is_uppercase)
            .then(|| line.split(['(', '{', ',', ' ']).next())?
    });
    names.collect()
}

#[test]
fn every_hold_has_its_words_and_a_test() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (tests, code) = texts();
    let mut missing = Vec::new();
    for reason in Reason::ALL {
        if !readme.contains(&format!("`{reason}`")) {
            missing.push(format!("{reason} is not in the README"));
        }
        if !code.contains(&format!("Reason::{reason}")) {
            missing.push(format!("nothing says {reason}"));
        }
    }
    let holds = variants(&code, "Hold");
    assert!(
        holds.contains("AnotherWriter") && holds.len() > 15,
        "{holds:?}"
    );
    for hold in &holds {
        // What people read where it is another word.
        let word = match *hold {
            "Rival" => "\"AnotherInstallation\"",
            "Adoption" => "\"AdoptionRefused\"",
            "LeftOut" => "\"CreateOnly\"",
            "Withheld" => "\"PlanHeld\"",
            "Period" => "\"AwaitingInvoice\"",
            own => own,
        };
        if !tests.contains(word) {
            missing.push(format!("no test reaches Hold::{hold}"));
        }
    }
    for kind in Kind::ALL {
        let named = format!("\"{}\"", kind.as_str());
        let alone = format!("Kind::{}", kind.as_str());
        if !tests.contains(&named) && !tests.contains(&alone) {
            missing.push(format!("no test reaches Kind::{}", kind.as_str()));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
