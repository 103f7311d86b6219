//! A rate card names a product that the catalogue lacks, and says how it is made: planned while nobody may write, made once
//! when somebody may, and never changed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::trouble::case::small;
use crate::trouble::person::Person;
use crate::world::{PLATFORM, World, WorldOptions, condition};

const SOON: Duration = Duration::from_secs(40);

#[test]
fn a_missing_product_is_planned_then_made_once() {
    let world = World::start(&WorldOptions {
        edit: with_a_new_product,
        ..small()
    });
    // Nobody lets the keys make products yet, and nobody needs to know that before something is to be made.
    set_mode(&world, "Observe");
    let planned = "+ product \"METER-VCPU\" in the catalogue: \"Virtual CPU\", class Service, subcategory \"Infrastructure\", type id 1, at 12.5";
    world.until("both customers plan it", SOON, || {
        let shown = |name: &str| {
            let mapping = world.get("cmap", name, name);
            mapping["status"]["plan"] == json!([planned])
                && condition(&mapping, "Ready")["reason"] == "Planned"
        };
        (shown("acme") && shown("globex")).then_some(())
    });
    assert!(world.meterwise(&["plan"]).contains(planned));
    assert_eq!(of_catalogue(&world), Vec::<Value>::new());

    set_mode(&world, "Sync");
    tells(&world, "Forbidden", &["Procurement > Product Catalog: Add"]);
    let may = json!({ "operator": {
        "agreements": ["add", "edit", "inquire"], "companies": ["inquire"], "catalog": ["add", "inquire"],
        "tableSetup": ["inquire"], "customFields": ["inquire"], "callbacks": ["all"], "invoices": ["inquire"], "system": ["inquire"],
    } });
    // The first answer is lost, and what was made is not shown at once.
    world.fault(
        &json!({ "match": { "method": "POST", "kind": "catalogItem" }, "times": 1, "action": { "drop": { "commit": true } } }),
    );
    world.control("PUT", "/settings", &json!({ "readLagMs": 1500 }));
    let from = world.position();
    world.control("PUT", "/settings", &json!({ "roles": may }));
    world.await_converged(4);
    let made = of_catalogue(&world);
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!(made[0]["price"].to_string(), "12.5");
    assert_eq!(made[0]["productClass"], "Service");
    assert_eq!(made[0]["customerDescription"], "Virtual CPU");
    let made = world.writes_since(from);
    let made: Vec<_> = made.iter().filter(|write| write.committed).collect();
    let products = made.iter().filter(|write| write.path.contains("catalog"));
    assert_eq!(products.count(), 1);

    // What exists is people's: another price in the declaration changes nothing.
    let id = of_catalogue(&world)[0]["id"].as_i64().unwrap();
    Person::of(&world).set(
        &format!("procurement/catalog/{id}"),
        &json!({ "price": 13 }),
    );
    let from = world.position();
    world.edit("RateCard", "standard", |card| {
        card["spec"]["rules"][0]["product"]["create"]["price"] = json!("14");
    });
    world.await_quiet(Duration::from_secs(3));
    let written = world.writes_since(from);
    assert!(
        !written.iter().any(|write| write.path.contains("catalog")),
        "{written:?}"
    );

    world.edit("RateCard", "standard", |card| {
        let product = &mut card["spec"]["rules"][0]["product"];
        product["identifier"] = json!("METER-OTHER");
        product["create"]["subcategory"] = json!({ "name": "Nowhere" });
    });
    tells(
        &world,
        "ProductNotFound",
        &["METER-OTHER", "\"Nowhere\"", "product.create.subcategory"],
    );
    world.edit("RateCard", "standard", |card| {
        let product = &mut card["spec"]["rules"][0]["product"];
        product["identifier"] = json!("METER-VCPU");
    });
    world.await_converged(4);
    world.assert_clean();
}

fn with_a_new_product(manifest: &mut Value) {
    if manifest["kind"] == "RateCard" {
        manifest["spec"]["rules"][0]["product"] = json!({
            "identifier": "METER-VCPU",
            "create": {
                "description": "Virtual CPU",
                "category": { "name": "Cloud" },
                "subcategory": { "name": "Infrastructure" },
                "type": { "id": 1 },
                "class": "Service",
                "price": "12.5",
            },
        });
    }
}

fn set_mode(world: &World, mode: &str) {
    world.edit("ConnectWiseIntegration", "connectwise", |integration| {
        integration["spec"]["mode"] = json!(mode);
    });
}

fn of_catalogue(world: &World) -> Vec<Value> {
    let items = world.records("procurement/catalog");
    let ours = |item: &Value| {
        let identifier = item["identifier"].as_str().unwrap_or_default();
        identifier.starts_with("METER-")
    };
    items.into_iter().filter(ours).collect()
}

#[track_caller]
fn tells(world: &World, reason: &str, words: &[&str]) {
    world.until(reason, SOON, || {
        let mapping = world.get("cmap", "acme", "acme");
        let ready = condition(&mapping, "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        (ready["reason"] == reason && words.iter().all(|word| message.contains(word))).then_some(())
    });
    assert!(!world.get("cwi", PLATFORM, "connectwise").is_null());
}
