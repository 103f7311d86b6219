//! JSON Patch, traps included.

use crate::common::{Sim, errors};

#[test]
fn paths_are_case_sensitive_and_the_slash_is_optional() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let path = format!("finance/agreements/{id}");
    let done = sim.patch(
        &path,
        r#"[{"op":"replace","path":"/customerPO","value":"a"},{"op":"add","path":"workOrder","value":"b"}]"#,
    );
    assert_eq!(done.body().get("customerPO").as_str(), Some("a"));
    assert_eq!(done.body().get("workOrder").as_str(), Some("b"));
    let wrong = sim.set(&path, "CustomerPO", "\"c\"");
    assert_eq!(errors(&wrong), ["InvalidField CustomerPO"]);
    assert_eq!(sim.get(&path).body().get("customerPO").as_str(), Some("a"));
    let removed = sim.patch(&path, r#"[{"op":"remove","path":"customerPO"}]"#);
    assert!(removed.body().get("customerPO").is_null());
}

#[test]
fn a_patch_is_all_or_nothing_and_must_be_an_array() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let path = format!("finance/agreements/{id}");
    let half = sim.patch(
        &path,
        r#"[{"op":"replace","path":"customerPO","value":"a"},{"op":"replace","path":"nonsense","value":1}]"#,
    );
    assert_eq!(half.status(), 400);
    assert!(sim.get(&path).body().get("customerPO").is_null());
    assert_eq!(
        sim.patch(&path, r#"{"op":"replace","path":"name","value":"x"}"#)
            .status(),
        400
    );
    assert_eq!(
        sim.patch(&path, r#"[{"op":"test","path":"name","value":"vm1"}]"#)
            .status(),
        400
    );
    let gone = sim.patch(&path, r#"[{"op":"remove","path":"name"}]"#);
    assert_eq!(errors(&gone), ["MissingRequiredField name"]);
}

#[test]
fn a_path_below_a_reference_is_a_false_success() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let path = format!("finance/agreements/{id}");
    let nothing = sim.set(&path, "contact/id", "8");
    assert_eq!(nothing.status(), 200);
    assert_eq!(nothing.body().get("contact").get("id").as_int(), Some(7));
    let whole = sim.set(&path, "contact", "{\"id\":8}");
    assert_eq!(
        whole.body().get("contact").get("name").as_str(),
        Some("Road Runner")
    );
    assert_eq!(
        errors(&sim.set(&path, "contact", "{\"id\":999}")),
        ["NotFound contact/id"]
    );
    assert_eq!(
        errors(&sim.set(&path, "contact", "8")),
        ["InvalidField contact"]
    );
}

#[test]
fn custom_fields_are_merged() {
    let mut sim = Sim::new();
    sim.human().post(
        "system/userDefinedFields",
        r#"{"podId":1,"caption":"other","sequenceNumber":2,"fieldTypeIdentifier":"Number"}"#,
    );
    let id = sim.operator().child("vm1", "m1");
    let path = format!("finance/agreements/{id}");
    let values = |outcome: &connectwise_sim::Outcome| {
        assert_eq!(outcome.status(), 200, "{}", outcome.text());
        let body = outcome.body();
        let list = body.get("customFields").items().iter();
        list.map(|f| f.get("value").to_string()).collect::<Vec<_>>()
    };
    let other = r#"[{"id":7,"value":3.50}]"#;
    assert_eq!(
        values(&sim.set(&path, "customFields", other)),
        ["\"m1\"", "3.5"]
    );
    assert_eq!(
        values(&sim.set(&path, "customFields", "[]")),
        ["\"m1\"", "3.5"]
    );
    assert_eq!(
        values(&sim.set(&path, "customFields/0/value", "\"m2\"")),
        ["\"m2\"", "3.5"]
    );
    let cleared = r#"[{"id":5,"value":null}]"#;
    assert_eq!(
        values(&sim.set(&path, "customFields", cleared)),
        ["null", "3.5"]
    );
    sim.assume("customfields-patch-mode", "replace");
    assert_eq!(
        values(&sim.set(&path, "customFields", r#"[{"id":5,"value":"m3"}]"#)),
        ["\"m3\"", "null"]
    );
    assert_eq!(
        sim.set(&path, "customFields", r#"[{"id":99,"value":"x"}]"#)
            .status(),
        400
    );
    assert_eq!(
        sim.set(&path, "customFields", r#"[{"id":7,"value":"many"}]"#)
            .status(),
        400
    );
}

#[test]
fn elements_of_arrays_can_be_set() {
    let mut sim = Sim::new();
    sim.human();
    let phone = r#"{"type":{"name":"Direct"},"value":"555","communicationType":"Phone"}"#;
    let added = sim.patch(
        "company/contacts/7",
        &format!(r#"[{{"op":"add","path":"/communicationItems/0","value":{phone}}}]"#),
    );
    assert_eq!(added.body().get("defaultPhoneNbr").as_str(), Some("555"));
    let changed = sim.set(
        "company/contacts/7",
        "communicationItems/0/value",
        "\"556\"",
    );
    assert_eq!(changed.body().get("defaultPhoneNbr").as_str(), Some("556"));
    assert_eq!(
        sim.set("company/contacts/7", "communicationItems/5/value", "\"1\"")
            .status(),
        400
    );
}

#[test]
fn people_make_companies_products_and_fields() {
    let mut sim = Sim::new();
    sim.human();
    let made = sim.post(
        "company/companies",
        r#"{"identifier":"NewCo","name":"New Company","types":[{"id":1}]}"#,
    );
    assert_eq!(made.status(), 201, "{}", made.text());
    let made = made.body();
    assert_eq!(made.get("status").get("name").as_str(), Some("Active"));
    assert_eq!(made.get("site").get("name").as_str(), Some("Main"));
    assert_eq!(
        made.get("types").items()[0].get("name").as_str(),
        Some("Client")
    );
    let id = made.get("id").as_int().unwrap();
    let twice = sim.post(
        "company/companies",
        r#"{"identifier":"newco","name":"Other"}"#,
    );
    assert_eq!(errors(&twice), ["ObjectExists identifier"]);
    let body = format!(r#"{{"firstName":"Ada","company":{{"id":{id}}},"defaultFlag":true}}"#);
    let contact = sim.post("company/contacts", &body).body();
    let company = sim.get(&format!("company/companies/{id}")).body();
    assert_eq!(company.get("defaultContact").get("id"), contact.get("id"));
    let site = sim
        .post(
            &format!("company/companies/{id}/sites"),
            r#"{"name":"Depot"}"#,
        )
        .body();
    assert_eq!(
        site.get("company").get("identifier").as_str(),
        Some("NewCo")
    );
    let product = r#"{"identifier":"P1","description":"P","subcategory":{"id":1},"type":{"id":1},"customerDescription":"P"}"#;
    let product = sim.post("procurement/catalog", product);
    assert_eq!(product.status(), 201, "{}", product.text());
    assert_eq!(
        product.body().get("productClass").as_str(),
        Some("NonInventory")
    );
    assert_eq!(
        product.body().get("category").get("name").as_str(),
        Some("Cloud")
    );
    let field =
        r#"{"podId":2,"caption":"meterwise","sequenceNumber":1,"fieldTypeIdentifier":"Text"}"#;
    assert_eq!(
        errors(&sim.post("system/userDefinedFields", field)),
        ["ObjectExists caption"]
    );
    let long = field.replace("meterwise", &"c".repeat(26));
    assert_eq!(
        errors(&sim.post("system/userDefinedFields", &long)),
        ["MaxLengthField caption"]
    );
}
