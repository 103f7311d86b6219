//! Troubles of one customer: what its mapping names does not exist, is not allowed, or is not what it should be.

use serde_json::{Value, json};

use crate::trouble::case::{ACME, Case, run, small};
use crate::trouble::person::Person;
use crate::world::{PLATFORM, World};

// Nothing is audited within the hour: what is mended is noticed because the mapping asks again.

#[test]
fn of_what_a_mapping_declares() {
    let world = World::start(&small());
    let mut cases = declared();
    cases.extend(permissions());
    run(&world, &cases);
}

#[test]
fn of_its_master_agreement() {
    run(&World::start(&small()), &masters());
}

fn acme(world: &World, field: &str, value: Value) {
    world.edit("CustomerMapping", "acme", |it| it["spec"][field] = value);
}

fn tenant(world: &World, change: impl FnOnce(&mut Value)) {
    world.edit("ConnectWiseIntegration", "connectwise", |it| {
        change(&mut it["spec"]["tenants"])
    });
}

fn declared() -> Vec<Case> {
    vec![
        Case {
            stalled: true,
            says: &["connectwise", PLATFORM, "create it"],
            breaks: |world| {
                world.kubectl(&["delete", "cwi", "connectwise", "-n", PLATFORM]);
            },
            mends: World::apply_manifests,
            ..Case::stalls(ACME, "the integration is missing", "IntegrationNotFound")
        },
        Case {
            says: &["standard", PLATFORM, "create it"],
            breaks: |world| {
                world.kubectl(&["delete", "rate", "standard", "-n", PLATFORM]);
            },
            mends: World::apply_manifests,
            ..Case::stalls(ACME, "the rate card is missing", "RateCardNotFound")
        },
        Case {
            says: &["premium"],
            breaks: |world| acme(world, "rateCardRef", json!({ "name": "premium" })),
            mends: |world| acme(world, "rateCardRef", json!({ "name": "standard" })),
            ..Case::stalls(ACME, "another rate card is named", "RateCardNotFound")
        },
        Case {
            says: &["CLOUD-NOTHING", "vcpu", "Product Catalog", "rate card"],
            breaks: |world| product(world, "CLOUD-NOTHING"),
            mends: |world| product(world, "CLOUD-VCPU"),
            ..Case::stalls(ACME, "a product is unknown", "ProductNotFound")
        },
        Case {
            says: &["CLOUD-OLD", "vcpu", "activate"],
            breaks: |world| {
                let old = json!({ "identifier": "CLOUD-OLD", "description": "Old", "customerDescription": "Old",
                    "subcategory": { "id": 1 }, "type": { "id": 1 }, "inactiveFlag": true });
                Person::of(world).make("procurement/catalog", &old);
                product(world, "CLOUD-OLD");
            },
            mends: |world| product(world, "CLOUD-VCPU"),
            ..Case::stalls(ACME, "a product is inactive", "ProductInactive")
        },
        Case {
            says: &[
                "vcpu",
                "RateCard standard",
                "Average",
                "billing: Arrears",
                "Latest",
            ],
            breaks: |world| aggregation(world, "Average"),
            mends: |world| aggregation(world, "Latest"),
            ..Case::stalls(
                ACME,
                "an average of what is billed in advance",
                "RateCardInvalid",
            )
        },
        Case {
            says: &["memory", "spec.overrides", "Peak", "billing: Arrears"],
            breaks: |world| {
                let rule = json!({ "name": "memory", "property": "memory", "unit": "GiB", "aggregation": "Peak",
                    "product": { "identifier": "CLOUD-RAM-GIB" } });
                acme(world, "overrides", json!([{ "rules": [rule] }]));
            },
            mends: |world| acme(world, "overrides", json!([])),
            ..Case::stalls(ACME, "the same in an override", "InvalidSpec")
        },
        Case {
            says: &["Nobody", "spec.company"],
            breaks: |world| acme(world, "company", json!({ "identifier": "Nobody" })),
            mends: |world| acme(world, "company", json!({ "identifier": "AcmeCorp" })),
            ..Case::stalls(ACME, "no such company", "CompanyNotFound")
        },
        Case {
            says: &["TwinEast", "TwinWest", "spec.company.id"],
            breaks: |world| acme(world, "company", json!({ "name": "Twin Ltd" })),
            mends: |world| acme(world, "company", json!({ "identifier": "AcmeCorp" })),
            ..Case::stalls(ACME, "two companies have the name", "CompanyAmbiguous")
        },
        Case {
            says: &["999", "spec.contact.id"],
            breaks: |world| acme(world, "contact", json!({ "id": 999 })),
            mends: |world| acme(world, "contact", json!({ "id": 8 })),
            ..Case::stalls(ACME, "no such contact", "ContactMissing")
        },
        Case {
            says: &["9", "spec.contact.id"],
            breaks: |world| acme(world, "contact", json!({ "id": 9 })),
            mends: |world| acme(world, "contact", json!({ "id": 7 })),
            ..Case::stalls(ACME, "the contact is another company's", "ContactMissing")
        },
    ]
}

fn product(world: &World, identifier: &str) {
    world.edit("RateCard", "standard", |it| {
        it["spec"]["rules"][0]["product"]["identifier"] = json!(identifier);
    });
}

fn aggregation(world: &World, what: &str) {
    world.edit("RateCard", "standard", |it| {
        it["spec"]["rules"][0]["aggregation"] = json!(what);
    });
}

fn permissions() -> Vec<Case> {
    vec![
        Case {
            says: &["acme", "spec.tenants"],
            breaks: |world| tenant(world, |tenants| tenants[0]["namespace"] = json!("somebody")),
            mends: |world| tenant(world, |tenants| tenants[0]["namespace"] = json!("acme")),
            ..Case::stalls(ACME, "the namespace is no tenant", "NotATenant")
        },
        Case {
            says: &["AcmeCorp", "spec.tenants[].companies"],
            breaks: |world| tenant(world, |tenants| tenants[0]["companies"] = json!(["Globex"])),
            mends: |world| {
                tenant(world, |tenants| {
                    tenants[0]["companies"] = json!(["AcmeCorp"])
                })
            },
            ..Case::stalls(ACME, "the company is not allowed", "CompanyNotAllowed")
        },
    ]
}

fn master(world: &World, selector: Value) {
    acme(world, "masterAgreement", selector);
}

fn mend_master(world: &World) {
    master(world, json!({ "name": "Acme Master" }));
}

/// An agreement of Acme that a person makes.
pub(super) fn agreement(world: &World, name: &str) -> i64 {
    let record = json!({ "name": name, "company": { "id": 250 }, "contact": { "id": 7 }, "type": { "id": 18 },
        "startDate": "2025-01-01T00:00:00Z", "billingCycle": { "id": 2 } });
    Person::of(world).make("finance/agreements", &record)["id"]
        .as_i64()
        .unwrap()
}

fn cancel(world: &World, id: i64) {
    let triple = json!({ "cancelledFlag": true, "dateCancelled": "2026-01-01T00:00:00Z", "reasonCancelled": "by hand" });
    Person::of(world).set(&format!("finance/agreements/{id}"), &triple);
}

pub(super) fn named(world: &World, name: &str) -> i64 {
    let mut found = world.agreements();
    found.retain(|agreement| agreement.name == name && !agreement.cancelled);
    found.last().unwrap().id
}

fn masters() -> Vec<Case> {
    vec![
        Case {
            says: &["Nothing", "spec.masterAgreement", "AcmeCorp"],
            breaks: |world| master(world, json!({ "name": "Nothing" })),
            mends: mend_master,
            ..Case::stalls(ACME, "no such master agreement", "MasterAgreementNotFound")
        },
        Case {
            says: &["56", "another company", "spec.masterAgreement"],
            breaks: |world| master(world, json!({ "id": 56 })),
            mends: mend_master,
            ..Case::stalls(
                ACME,
                "the master is another company's",
                "MasterAgreementInvalid",
            )
        },
        Case {
            says: &["bundled", "master"],
            breaks: |world| {
                let child = world.agreement_of("acme-db-01").id;
                master(world, json!({ "id": child }));
            },
            mends: mend_master,
            ..Case::stalls(
                ACME,
                "the master is itself bundled",
                "MasterAgreementInvalid",
            )
        },
        Case {
            says: &["cancelled", "active"],
            breaks: |world| {
                let old = agreement(world, "Acme of old");
                cancel(world, old);
                master(world, json!({ "id": old }));
            },
            mends: mend_master,
            ..Case::stalls(ACME, "the master is cancelled", "MasterAgreementInvalid")
        },
        // Broken and mended in ConnectWise: nobody touches the mapping.
        Case {
            says: &["Acme Master", "55", "spec.masterAgreement.id"],
            breaks: |world| {
                agreement(world, "Acme Master");
            },
            mends: |world| {
                let second = named(world, "Acme Master");
                Person::of(world).set(
                    &format!("finance/agreements/{second}"),
                    &json!({ "name": "Acme Other" }),
                );
            },
            ..Case::stalls(
                ACME,
                "two masters have the name",
                "MasterAgreementAmbiguous",
            )
        },
        Case {
            says: &["Acme Master", "spec.masterAgreement"],
            breaks: |world| {
                Person::of(world).set("finance/agreements/55", &json!({ "name": "Acme Renamed" }));
            },
            mends: |world| {
                Person::of(world).set("finance/agreements/55", &json!({ "name": "Acme Master" }));
            },
            ..Case::stalls(ACME, "the master is renamed", "MasterAgreementNotFound")
        },
        // What it stood for is billed on.
        Case {
            tells: ("Held", "True"),
            stalled: false,
            bills_on: true,
            says: &["55", "Edit the spec", "approve"],
            breaks: |world| {
                let person = Person::of(world);
                let other = named(world, "Acme Other");
                person.set("finance/agreements/55", &json!({ "name": "Acme Renamed" }));
                person.set(
                    &format!("finance/agreements/{other}"),
                    &json!({ "name": "Acme Master" }),
                );
            },
            mends: |world| master(world, json!({ "id": 55 })),
            ..Case::stalls(
                ACME,
                "the name stands for another agreement",
                "ResolutionChanged",
            )
        },
    ]
}
