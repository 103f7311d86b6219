//! `meterwise explain`: every number computed again from what is shown alone, and compared with what ConnectWise holds. The
//! examples of docs/rate-cards.md are applied, too. Must not use the operator's own arithmetic.

use std::path::Path;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::steady::QUIET;
use crate::world::{PATIENCE, World, WorldOptions, is};

/// Bounds, rounding in every direction, blocks, tiers and an included quantity.
fn card(manifest: &mut Value) {
    match manifest["kind"].as_str() {
        Some("RateCard") => {
            manifest["spec"]["rules"] = json!([
                { "name": "vcpu", "property": "vcpu", "unit": "vCPU", "product": { "identifier": "CLOUD-VCPU" },
                  "minimum": "3", "rounding": { "mode": "Up", "step": "4" }, "lessIncluded": "1" },
                { "name": "memory", "property": "memory", "unit": "MB", "product": { "identifier": "CLOUD-RAM-GIB" },
                  "maximum": "9000", "rounding": { "mode": "Nearest", "step": "0.3" } },
                { "name": "fast", "property": "storage.provisioned", "unit": "GB", "match": { "datastores": ["LocalDS_1"] },
                  "product": { "identifier": "CLOUD-RAM-GIB" }, "rounding": { "mode": "Down", "step": "0.5" } },
                { "name": "storage", "property": "storage.provisioned", "unit": "GiB",
                  "product": { "identifier": "CLOUD-STORAGE-GIB" }, "blockSize": "7" },
            ]);
        }
        Some("CustomerMapping") if manifest["metadata"]["name"] == "acme" => {
            manifest["spec"]["overrides"] = json!([{
                "match": { "services": ["acme-web-*"] },
                "rules": [{ "name": "vcpu", "version": 2, "property": "vcpu", "unit": "vCPU",
                            "product": { "identifier": "CLOUD-VCPU" }, "minimum": "100" }]
            }]);
        }
        _ => {}
    }
}

#[test]
fn every_explained_number_can_be_computed_again() {
    let world = World::start(&WorldOptions {
        vms: 4,
        edit: card,
        ..WorldOptions::default()
    });
    let disk = |datastore: &str, name: &str, size: &str| {
        let vm = "/DC0/vm/acme/acme-web-01";
        let args = [
            "vm.disk.create",
            "-vm",
            vm,
            "-ds",
            datastore,
            "-name",
            name,
            "-size",
            size,
        ];
        world.vcsim.govc(&args).unwrap();
    };
    disk("LocalDS_1", "fast-disk", "33G");
    disk("LocalDS_0", "slow-disk", "11G");
    let fast = world.until("the fast disk is billed", PATIENCE, || {
        let services = world.list("cloudservices");
        let settled =
            |service: &&Value| is(service, "Ready", "True") && is(service, "Synced", "True");
        if services.iter().filter(settled).count() != 4 {
            return None;
        }
        let lines = services
            .iter()
            .flat_map(|service| service["status"]["lines"].as_array().unwrap());
        let mut lines = lines.filter(|line| line["rule"] == "fast" && line["state"] == "Active");
        lines.next().cloned()
    });
    assert_eq!(fast["version"], 1);
    world.await_quiet(QUIET);

    let (mut numbers, mut kinds) = (0, std::collections::BTreeSet::new());
    for service in world.list("cloudservices") {
        let name = service["metadata"]["name"].as_str().unwrap();
        let namespace = service["metadata"]["namespace"].as_str().unwrap();
        let args = ["explain", name, "-n", namespace, "-o", "json"];
        let shown: Value = serde_json::from_str(&world.meterwise(&args)).unwrap();
        let agreement = shown["agreementId"].as_i64().unwrap();
        let additions = world.additions(agreement);
        let lines = shown["lines"].as_array().unwrap();
        assert_eq!(
            lines.len(),
            additions.iter().filter(|line| line.billable).count()
        );
        for line in lines {
            let quantity = computed(line, &mut kinds);
            let addition = additions
                .iter()
                .find(|found| Some(found.id) == line["additionId"].as_i64())
                .unwrap();
            assert_eq!(addition.quantity, quantity, "{line:#}");
            assert_eq!(addition.product, line["product"].as_str().unwrap());
            let price = addition.record["unitPrice"]
                .to_string()
                .parse::<Decimal>()
                .unwrap();
            assert_eq!(decimal(&line["unitPrice"]), price, "{line:#}");
            let charged = (quantity - decimal(&line["lessIncluded"])).max(Decimal::ZERO);
            assert_eq!(decimal(&line["charged"]), charged);
            assert_eq!(decimal(&line["amount"]), charged * price);
            assert!(line["since"].is_string(), "{line:#}");
            numbers += 1;
        }
        let text = world.meterwise(&["explain", name, "-n", namespace]);
        assert!(
            text.contains(&format!("addition {}", lines[0]["additionId"])),
            "{text}"
        );
    }
    // The override holds for acme's web machines, and for nobody else.
    let of = |name: &str| {
        let found = world.additions(world.agreement_of(name).id);
        let line = found.into_iter().find(|line| line.product == "CLOUD-VCPU");
        line.unwrap().quantity
    };
    assert_eq!(of("acme-web-01"), Decimal::from(100));
    assert!(of("globex-web-01") < Decimal::from(100));
    assert_eq!(
        numbers, 13,
        "three lines for each machine, and one with two tiers"
    );
    let all = [
        "Blocks",
        "Divide",
        "Minimum",
        "RoundDown",
        "RoundNearest",
        "RoundUp",
        "Sum",
    ];
    for kind in all {
        assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }
    world.assert_clean();
}

/// Computes a line's quantity from its readings, step by step, and checks each result on the way.
fn computed(line: &Value, kinds: &mut std::collections::BTreeSet<String>) -> Decimal {
    let readings = line["readings"].as_array().unwrap();
    let mut value: Decimal = readings.iter().map(|one| decimal(&one["value"])).sum();
    if let Some(more) = line["moreReadings"].as_object() {
        value += decimal(&more["value"]);
    }
    for step in line["steps"].as_array().unwrap() {
        let by = || decimal(&step["by"]);
        let multiple = |whole: fn(Decimal) -> Decimal| whole(value / by()) * by();
        let kind = step["step"].as_str().unwrap();
        let half_up = RoundingStrategy::MidpointAwayFromZero;
        value = match kind {
            "Sum" => value,
            "Empty" => Decimal::ZERO,
            "Divide" => (value / by()).round_dp_with_strategy(10, half_up),
            "Minimum" => value.max(by()),
            "Maximum" => value.min(by()),
            "RoundUp" => multiple(|steps| steps.ceil()),
            "RoundDown" => multiple(|steps| steps.floor()),
            "RoundNearest" => multiple(|steps| {
                steps.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            }),
            "Blocks" => (value / by()).ceil(),
            other => panic!("{other}"),
        };
        assert_eq!(decimal(&step["result"]), value, "{step} of {line:#}");
        kinds.insert(kind.to_owned());
    }
    assert_eq!(decimal(&line["quantity"]), value, "{line:#}");
    value
}

fn decimal(value: &Value) -> Decimal {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no number: {value}"))
        .parse()
        .unwrap()
}

/// Every whole manifest of the page, as a reader would copy it.
pub(crate) fn documented() -> Vec<Value> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rate-cards.md");
    let text = std::fs::read_to_string(page).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let manifests = blocks.filter(|block| block.starts_with("apiVersion:"));
    let read = |text| Value::deserialize(serde_yaml_ng::Deserializer::from_str(text)).unwrap();
    manifests.map(read).collect()
}

#[test]
fn the_examples_of_the_documentation_bill_what_they_say() {
    let world = World::start(&WorldOptions {
        vms: 2,
        ..WorldOptions::default()
    });
    world.await_converged(2);
    let cards = documented();
    assert_eq!(cards.len(), 4);
    for card in &cards {
        world.apply(card);
        let name = card["metadata"]["name"].as_str().unwrap();
        world.until(&format!("rate card {name} is accepted"), PATIENCE, || {
            let cards = world.list("ratecards");
            let found = cards.iter().find(|card| card["metadata"]["name"] == name)?;
            is(found, "Ready", "True").then(|| assert_eq!(found["status"]["remarks"], Value::Null))
        });
        world.edit("CustomerMapping", "acme", |mapping| {
            mapping["spec"]["rateCardRef"]["name"] = json!(name);
        });
        let rules = card["spec"]["rules"].as_array().unwrap();
        world.until(&format!("acme is billed by {name}"), PATIENCE, || {
            let services = world.list("cloudservices");
            let service = services
                .iter()
                .find(|one| one["metadata"]["namespace"] == "acme")?;
            let lines = service["status"]["lines"].as_array()?;
            // A tier with nothing in it has no line, and an older version none either.
            let billed = lines.iter().all(|line| {
                let known = rules.iter().any(|rule| rule["name"] == line["rule"]);
                known && line["state"] == "Active"
            });
            (billed && is(service, "Synced", "True")).then_some(())
        });
    }
    world.assert_clean();
}
