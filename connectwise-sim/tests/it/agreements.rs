//! Agreements: what a POST needs, what it gets by default, bundling, status, cancelling.

use crate::common::{START, Sim, child, errors};

const DAY: i64 = 86_400_000;

#[test]
fn a_new_agreement_is_completed_from_its_type() {
    let mut sim = Sim::new();
    let body = r#"{"name":"x","type":{"name":"Managed Services"},"company":{"identifier":"AcmeCorp"},"contact":{"id":7}}"#;
    let made = sim.post("finance/agreements", body);
    assert_eq!(made.status(), 201, "{}", made.text());
    let made = made.body();
    for (field, value) in [
        ("startDate", "2026-03-15T00:00:00Z"),
        ("billStartDate", "2026-03-15T00:00:00Z"),
        ("agreementStatus", "Active"),
        ("employeeCompRate", "Actual"),
        ("invoicingCycle", "CalendarYear"),
        ("billTime", "Billable"),
        ("periodType", "Current"),
    ] {
        assert_eq!(made.get(field).as_str(), Some(value), "{field}");
    }
    assert_eq!(made.get("noEndingDateFlag").as_bool(), Some(true));
    assert_eq!(made.get("cancelledFlag").as_bool(), Some(false));
    assert_eq!(
        made.get("billingCycle").get("name").as_str(),
        Some("Monthly")
    );
    assert_eq!(made.get("site").get("id").as_int(), Some(31));
    assert_eq!(
        made.get("billToCompany").get("identifier").as_str(),
        Some("AcmeCorp")
    );
    assert_eq!(
        made.get("_info").get("updatedBy").as_str(),
        Some("apimember")
    );
    // Nulls are left out, but for the values of custom fields.
    let text = made.to_string();
    assert_eq!(text.matches("null").count(), 1, "{text}");
    assert!(
        made.get("customFields").items()[0]
            .as_obj()
            .unwrap()
            .has("value")
    );
}

#[test]
fn what_is_missing_too_long_or_unknown_is_told_in_one_answer() {
    let mut sim = Sim::new();
    let empty = sim.post("finance/agreements", "{}");
    assert_eq!(
        empty.body().get("message").as_str(),
        Some("agreement object is invalid")
    );
    assert_eq!(
        errors(&empty),
        ["name", "type", "company", "contact"].map(|f| format!("MissingRequiredField {f}"))
    );
    let body = format!(
        r#"{{"name":"{}","type":{{"id":999}},"company":{{"identifier":"nobody"}},"contact":{{"id":7}},
            "startDate":"yesterday","employeeCompRate":"Weekly","taxable":"perhaps"}}"#,
        "n".repeat(101)
    );
    let wrong = sim.post("finance/agreements", &body);
    assert_eq!(
        errors(&wrong),
        [
            "MaxLengthField name",
            "NotFound type/id",
            "NotFound company/id",
            "InvalidField startDate",
            "InvalidField employeeCompRate",
            "InvalidField taxable"
        ]
    );
    let long = wrong.body().get("errors").items()[0]
        .get("message")
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        long,
        "The field name must be a string with a maximum length of 100."
    );
    assert_eq!(
        sim.post("finance/agreements", &child(&"é".repeat(100), "m"))
            .status(),
        201
    );
    let custom = child("x", "m").replace("\"id\":5,", "\"id\":6,");
    assert_eq!(
        errors(&sim.post("finance/agreements", &custom)),
        ["InvalidField customFields"]
    );
}

#[test]
fn contact_and_site_are_the_companys_own() {
    let mut sim = Sim::new();
    let body = child("x", "m").replace("\"contact\":{\"id\":7}", "\"contact\":{\"id\":9}");
    assert_eq!(
        errors(&sim.post("finance/agreements", &body)),
        ["InvalidField contact/id"]
    );
    let body = child("x", "m").replace("\"billAmount\":0", "\"site\":{\"id\":33}");
    assert_eq!(
        errors(&sim.post("finance/agreements", &body)),
        ["InvalidField site/id"]
    );
}

#[test]
fn an_end_date_excludes_the_flag_for_none() {
    let mut sim = Sim::new();
    let with = |more: &str| {
        format!(
            r#"{{"name":"x","type":{{"id":18}},"company":{{"id":250}},"contact":{{"id":7}},"startDate":"2026-01-01"{more}}}"#
        )
    };
    let both = with(r#","endDate":"2026-12-31","noEndingDateFlag":true"#);
    assert_eq!(
        errors(&sim.post("finance/agreements", &both)),
        ["InvalidField endDate"]
    );
    let neither = with(r#","noEndingDateFlag":false"#);
    assert_eq!(
        errors(&sim.post("finance/agreements", &neither)),
        ["MissingRequiredField endDate"]
    );
    let before = with(r#","endDate":"2025-12-31""#);
    assert_eq!(
        errors(&sim.post("finance/agreements", &before)),
        ["InvalidField endDate"]
    );
    let made = sim
        .post("finance/agreements", &with(r#","endDate":"2026-12-31""#))
        .body();
    assert_eq!(made.get("noEndingDateFlag").as_bool(), Some(false));
    let path = format!("finance/agreements/{}", made.get("id"));
    let open = sim.set(&path, "noEndingDateFlag", "true").body();
    assert!(open.get("endDate").is_null());
    let closed = sim.set(&path, "endDate", "\"2027-01-01T00:00:00Z\"").body();
    assert_eq!(closed.get("noEndingDateFlag").as_bool(), Some(false));
}

#[test]
fn bundling_has_rules() {
    let mut sim = Sim::new();
    let child_id = sim.child("vm1", "m1");
    let mut refused = |body: &str| {
        let answer = sim.post("finance/agreements", body);
        assert_eq!(
            errors(&answer),
            ["InvalidField parentAgreement/id"],
            "{}",
            answer.text()
        );
    };
    let body = child("x", "m");
    refused(&body.replace("\"id\":55", "\"id\":56"));
    refused(&body.replace("\"id\":55", &format!("\"id\":{child_id}")));
    refused(&body.replace("\"billAmount\":0", "\"billingCycle\":{\"id\":3}"));
    let unknown = body.replace("\"id\":55", "\"id\":999");
    assert_eq!(
        errors(&sim.post("finance/agreements", &unknown)),
        ["NotFound parentAgreement/id"]
    );
    let path = format!("finance/agreements/{child_id}");
    let itself = sim.set(&path, "parentAgreement", &format!("{{\"id\":{child_id}}}"));
    assert_eq!(itself.status(), 400);
    let cycle = sim.set(
        "finance/agreements/55",
        "parentAgreement",
        &format!("{{\"id\":{child_id}}}"),
    );
    assert_eq!(cycle.status(), 400);
    assert_eq!(
        sim.set("finance/agreements/55", "billingCycle", "{\"id\":3}")
            .status(),
        400
    );
    let shown = sim.get(&path).body();
    assert_eq!(
        shown.get("parentAgreement").get("name").as_str(),
        Some("Acme Master")
    );
    assert_eq!(sim.set(&path, "parentAgreement", "null").status(), 400);
    let freed = sim.patch(&path, r#"[{"op":"remove","path":"parentAgreement"}]"#);
    assert_eq!(freed.status(), 200, "{}", freed.text());
    assert!(freed.body().get("parentAgreement").is_null());
}

#[test]
fn the_status_follows_dates_and_flags() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let path = format!("finance/agreements/{id}");
    let line = sim.line(id, "1", "Billable", "l1");
    let status = |sim: &mut Sim, expected: &str| {
        assert_eq!(
            sim.get(&path).body().get("agreementStatus").as_str(),
            Some(expected)
        );
        let line = sim.get(&format!("{path}/additions/{line}")).body();
        assert_eq!(line.get("agreementStatus").as_str(), Some(expected));
    };
    status(&mut sim, "Active");
    sim.set(&path, "startDate", "\"2026-04-01T00:00:00Z\"");
    status(&mut sim, "Inactive");
    sim.now = START + 17 * DAY;
    status(&mut sim, "Active");
    sim.set(&path, "endDate", "\"2026-04-05T00:00:00Z\"");
    sim.now = START + 21 * DAY;
    status(&mut sim, "Active");
    sim.now = START + 22 * DAY;
    status(&mut sim, "Expired");
    sim.patch(
        &path,
        r#"[{"op":"replace","path":"cancelledFlag","value":true},
            {"op":"replace","path":"dateCancelled","value":"2026-04-02T00:00:00Z"},
            {"op":"replace","path":"reasonCancelled","value":"gone"}]"#,
    );
    status(&mut sim, "Cancelled");
    assert!(
        sim.get(&path)
            .body()
            .get("nextInvoiceDate")
            .is_string_before("2026-05")
    );
}

trait Before {
    fn is_string_before(&self, text: &str) -> bool;
}

impl Before for connectwise_sim::json::Json {
    fn is_string_before(&self, text: &str) -> bool {
        self.as_str().is_some_and(|own| own < text)
    }
}

#[test]
fn what_others_depend_on_is_not_deleted() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    sim.line(id, "1", "Billable", "l1");
    sim.human();
    assert_eq!(sim.delete("finance/agreements/55").status(), 409);
    assert_eq!(sim.delete("procurement/catalog/77").status(), 409);
    assert_eq!(sim.delete("company/companies/250").status(), 409);
    assert_eq!(
        sim.delete(&format!("finance/agreements/{id}")).status(),
        204
    );
    assert_eq!(
        sim.get(&format!("finance/agreements/{id}/additions"))
            .status(),
        404
    );
    assert_eq!(sim.delete("finance/agreements/55").status(), 204);
    assert_eq!(sim.delete("finance/agreements/55").status(), 404);
}

#[test]
fn the_recap_adds_up_lines_without_children() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    sim.line(id, "2", "Billable", "l1");
    sim.line(id, "7", "DoNotBill", "l2");
    sim.human()
        .set("finance/agreements/55", "billAmount", "100.50");
    let recap = |sim: &mut Sim, id: i64| sim.get(&format!("finance/agreementrecap/{id}")).body();
    assert_eq!(
        recap(&mut sim, id).get("nextInvoiceAmount").to_string(),
        "25"
    );
    let master = recap(&mut sim, 55);
    assert_eq!(master.get("nextInvoiceAmount").to_string(), "100.5");
    assert_eq!(master.get("companyName").as_str(), Some("Acme Corporation"));
    assert_eq!(
        master.get("nextInvoiceDate").as_str(),
        Some("2026-03-01T00:00:00Z")
    );
    let list = sim.get("finance/agreementrecap/?conditions=company/id=251&fields=id");
    assert_eq!(list.text(), r#"[{"id":56}]"#);
    sim.post(
        "finance/agreements/55/adjustments",
        r#"{"amount":-5.25,"description":"credit"}"#,
    );
    assert_eq!(
        recap(&mut sim, 55).get("adjustmentAmount").to_string(),
        "-5.25"
    );
}

#[test]
fn put_replaces_everything_and_needs_more() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let path = format!("finance/agreements/{id}");
    let short = r#"{"name":"y","type":{"id":18},"company":{"id":250},"contact":{"id":7}}"#;
    let refused = errors(&sim.put(&path, short));
    assert!(
        refused.contains(&"MissingRequiredField billTime".to_owned()),
        "{refused:?}"
    );
    let whole = sim
        .get(&path)
        .text()
        .replace("\"name\":\"vm1\"", "\"name\":\"y\"");
    let done = sim.put(&path, &whole);
    assert_eq!(done.status(), 200, "{}", done.text());
    assert_eq!(done.body().get("name").as_str(), Some("y"));
    assert_eq!(
        done.body().get("parentAgreement").get("id").as_int(),
        Some(55)
    );
}
