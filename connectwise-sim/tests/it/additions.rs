//! Additions: what a POST needs, what the server computes, dates and periods.

use crate::common::{Sim, errors, line};

fn post(sim: &mut Sim, agreement: i64, body: &str) -> connectwise_sim::Outcome {
    sim.post(&format!("finance/agreements/{agreement}/additions"), body)
}

#[test]
fn a_new_line_is_completed_from_the_catalogue() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let made = post(
        &mut sim,
        id,
        r#"{"product":{"id":78},"quantity":2.5,"billCustomer":"Billable"}"#,
    );
    assert_eq!(made.status(), 201, "{}", made.text());
    let made = made.body();
    for (field, value) in [
        ("unitPrice", "6.25"),
        ("unitCost", "2.1"),
        ("lessIncluded", "0"),
        ("billedQuantity", "2.5"),
        ("extPrice", "15.625"),
        ("extCost", "5.25"),
        ("margin", "10.375"),
        ("uom", "\"GiB\""),
        ("description", "\"Memory per GiB\""),
        ("effectiveDate", "\"2026-03-15T00:00:00Z\""),
        ("agreementStatus", "\"Active\""),
        ("prorateCurrentPeriodFlag", "false"),
    ] {
        assert_eq!(made.get(field).to_string(), value, "{field}");
    }
    assert_eq!(made.get("agreementId").as_int(), Some(id));
    assert_eq!(
        made.get("product").get("identifier").as_str(),
        Some("CLOUD-RAM-GIB")
    );
    let by_name = post(
        &mut sim,
        id,
        r#"{"product":{"identifier":"CLOUD-VCPU"},"billCustomer":"NoCharge"}"#,
    );
    assert_eq!(by_name.body().get("product").get("id").as_int(), Some(77));
    assert_eq!(by_name.body().get("quantity").to_string(), "1");
}

#[test]
fn what_is_missing_or_unknown_is_told() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    assert_eq!(
        errors(&post(&mut sim, id, "{}")),
        [
            "MissingRequiredField product",
            "MissingRequiredField billCustomer"
        ]
    );
    let unknown = post(
        &mut sim,
        id,
        r#"{"product":{"id":5},"billCustomer":"Sometimes"}"#,
    );
    assert_eq!(
        errors(&unknown),
        ["NotFound product/id", "InvalidField billCustomer"]
    );
    let bundle = post(
        &mut sim,
        id,
        r#"{"product":{"id":80},"billCustomer":"Billable"}"#,
    );
    assert_eq!(errors(&bundle), ["InvalidField product/id"]);
    let serial = format!(
        r#"{{"product":{{"id":77}},"billCustomer":"Billable","serialNumber":"{}"}}"#,
        "s".repeat(51)
    );
    assert_eq!(
        errors(&post(&mut sim, id, &serial)),
        ["MaxLengthField serialNumber"]
    );
}

#[test]
fn numbers_are_kept_to_the_digit() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let line = sim.line(id, "0.123456789012345", "Billable", "l1");
    let path = format!("finance/agreements/{id}/additions/{line}");
    assert_eq!(
        sim.get(&path).body().get("quantity").to_string(),
        "0.123456789012345"
    );
    let set = sim.set(&path, "quantity", "\"12.50\"");
    assert_eq!(set.body().get("quantity").to_string(), "12.5");
    assert_eq!(set.body().get("extPrice").to_string(), "156.25");
    let less = sim.set(&path, "lessIncluded", "2.5");
    assert_eq!(less.body().get("billedQuantity").to_string(), "10");
    assert_eq!(sim.set(&path, "quantity", "\"a lot\"").status(), 400);
}

#[test]
fn computed_fields_are_ignored_when_sent() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let body = line("2", "Billable", "l1").replace(
        "\"quantity\"",
        "\"extPrice\":1,\"id\":900,\"description\":\"mine\",\"quantity\"",
    );
    let made = post(&mut sim, id, &body).body();
    assert_eq!(made.get("extPrice").to_string(), "25");
    assert_eq!(made.get("id").as_int(), Some(1));
    assert_eq!(made.get("description").as_str(), Some("Virtual CPU"));
    let path = format!("finance/agreements/{id}/additions/1");
    let same = sim.set(&path, "billedQuantity", "99");
    assert_eq!(
        (same.status(), same.body().get("billedQuantity").to_string()),
        (200, "2".to_owned())
    );
}

#[test]
fn a_line_begins_with_a_period_or_with_its_agreement() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let on = |day: &str| line("1", "Billable", "l").replace("2026-03-01T00:00:00Z", day);
    let inside = post(&mut sim, id, &on("2026-03-10T00:00:00Z"));
    assert_eq!(errors(&inside), ["InvalidField effectiveDate"]);
    assert_eq!(
        errors(&post(&mut sim, id, &on("2025-12-01"))),
        ["InvalidField effectiveDate"]
    );
    assert_eq!(post(&mut sim, id, &on("2026-04-01")).status(), 201);
    // An agreement that begins inside a period may have lines from its first day.
    let body = crate::common::child("vm2", "m2").replace("2026-01-01", "2026-03-09");
    let late = sim
        .post("finance/agreements", &body)
        .body()
        .get("id")
        .as_int()
        .unwrap();
    assert_eq!(post(&mut sim, late, &on("2026-03-09")).status(), 201);
    assert_eq!(post(&mut sim, late, &on("2026-03-10")).status(), 400);
    assert_eq!(post(&mut sim, late, &on("2026-03-01")).status(), 400);
    // With proration any day will do, and the share is computed.
    sim.human()
        .set(&format!("finance/agreements/{id}"), "prorateFlag", "true");
    let made = post(&mut sim, id, &on("2026-03-11")).body();
    assert_eq!(made.get("proratePrice").to_string(), "8.47");
    assert_eq!(made.get("extendedProratePrice").to_string(), "8.47");
    let path = format!("finance/agreements/{id}/additions/{}", made.get("id"));
    let early = sim.set(&path, "cancelledDate", "\"2026-03-10T00:00:00Z\"");
    assert_eq!(errors(&early), ["InvalidField cancelledDate"]);
    assert_eq!(
        sim.set(&path, "cancelledDate", "\"2026-03-11T00:00:00Z\"")
            .status(),
        200
    );
}

#[test]
fn an_anniversary_contract_has_its_own_periods() {
    let mut sim = Sim::new();
    sim.human().set(
        "finance/agreements/55",
        "invoicingCycle",
        "\"ContractYear\"",
    );
    sim.set(
        "finance/agreements/55",
        "billStartDate",
        "\"2025-01-20T00:00:00Z\"",
    );
    let id = sim.operator().child("vm1", "m1");
    let on = |day: &str| line("1", "Billable", "l").replace("2026-03-01T00:00:00Z", day);
    assert_eq!(post(&mut sim, id, &on("2026-03-20")).status(), 201);
    assert_eq!(post(&mut sim, id, &on("2026-03-01")).status(), 400);
}

#[test]
fn a_line_is_found_only_below_its_agreement() {
    let mut sim = Sim::new();
    let (a, b) = (sim.child("vm1", "m1"), sim.child("vm2", "m2"));
    let line = sim.line(a, "1", "Billable", "l1");
    assert_eq!(
        sim.get(&format!("finance/agreements/{a}/additions/{line}"))
            .status(),
        200
    );
    let other = sim.get(&format!("finance/agreements/{b}/additions/{line}"));
    assert_eq!(other.status(), 404);
    assert_eq!(
        other.body().get("message").as_str(),
        Some("Addition 1 not found")
    );
    assert_eq!(
        sim.set(
            &format!("finance/agreements/{b}/additions/{line}"),
            "quantity",
            "2"
        )
        .status(),
        404
    );
}
