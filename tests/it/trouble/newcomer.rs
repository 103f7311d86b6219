//! A new customer is set up step by step, each step by the person whom the condition sends there; nothing is audited
//! within the hour, and nobody restarts anything.

use std::time::Duration;

use serde_json::json;

use crate::trouble::case::small;
use crate::trouble::person::{Person, rewrite};
use crate::world::{PLATFORM, World, condition, is};

const SOON: Duration = Duration::from_secs(40);

#[test]
fn each_step_is_noticed() {
    let world = World::start(&small());
    world.await_converged(4);
    let begin = world.position();
    let person = Person::of(&world);
    let tell = |reason: &str, words: &[&str]| {
        world.until(reason, SOON, || {
            let mapping = world.get("cmap", "acme", "newcomer");
            let ready = condition(&mapping, "Ready");
            let message = ready["message"].as_str().unwrap_or_default();
            (ready["reason"] == reason && words.iter().all(|word| message.contains(word)))
                .then_some(())
        });
    };

    world.apply(&json!({
        "apiVersion": "meterwise.dev/v1alpha1",
        "kind": "CustomerMapping",
        "metadata": { "name": "newcomer", "namespace": "acme" },
        "spec": {
            "integrationRef": { "name": "connectwise" },
            "rateCardRef": { "name": "special" },
            "company": { "identifier": "Brandnew" },
            "masterAgreement": { "name": "Brandnew Master" },
            "mode": "Sync",
        },
    }));
    tell("RateCardNotFound", &["special"]);
    world.apply(&json!({
        "apiVersion": "meterwise.dev/v1alpha1",
        "kind": "RateCard",
        "metadata": { "name": "special", "namespace": PLATFORM },
        "spec": { "rules": [
            { "name": "vcpu", "property": "vcpu", "product": { "identifier": "CLOUD-SPECIAL" }, "unit": "vCPU" },
        ]},
    }));
    tell("CompanyNotFound", &["Brandnew", "spec.company"]);
    let company = person.make(
        "company/companies",
        &json!({ "identifier": "Brandnew", "name": "Brandnew Ltd", "status": { "id": 1 }, "types": [{ "id": 1 }] }),
    );
    let company = company["id"].as_i64().unwrap();
    tell(
        "CompanyNotAllowed",
        &["Brandnew", "spec.tenants[].companies"],
    );
    world.edit("ConnectWiseIntegration", "connectwise", |it| {
        it["spec"]["tenants"][0]["companies"] = json!(["AcmeCorp", "Brandnew"]);
    });
    tell(
        "MasterAgreementNotFound",
        &["Brandnew Master", "Finance > Agreements"],
    );
    let contact = json!({ "firstName": "Bran", "lastName": "Dnew", "company": { "id": company } });
    let contact = person.make("company/contacts", &contact)["id"]
        .as_i64()
        .unwrap();
    rewrite(&world, "company", company, |it| {
        it["defaultContact"] = json!(null)
    });
    let master = json!({ "name": "Brandnew Master", "company": { "id": company }, "contact": { "id": contact },
        "type": { "id": 18 }, "startDate": "2025-01-01T00:00:00Z", "billingCycle": { "id": 2 } });
    person.make("finance/agreements", &master);
    tell(
        "ContactMissing",
        &["Brandnew", "spec.contact.id", "default contact"],
    );
    rewrite(&world, "company", company, |it| {
        it["defaultContact"] = json!(contact)
    });
    tell("ProductNotFound", &["CLOUD-SPECIAL", "Product Catalog"]);
    let product = json!({ "identifier": "CLOUD-SPECIAL", "description": "Special", "customerDescription": "Special",
        "subcategory": { "id": 1 }, "type": { "id": 1 }, "inactiveFlag": true });
    let product = person.make("procurement/catalog", &product)["id"]
        .as_i64()
        .unwrap();
    tell("ProductInactive", &["CLOUD-SPECIAL", "activate"]);
    person.set(
        &format!("procurement/catalog/{product}"),
        &json!({ "inactiveFlag": false }),
    );
    world.until("the newcomer is ready", SOON, || {
        is(&world.get("cmap", "acme", "newcomer"), "Ready", "True").then_some(())
    });
    assert!(
        world.writes_since(begin).is_empty(),
        "nothing is billed for a customer without machines"
    );
    world.assert_clean();
}
