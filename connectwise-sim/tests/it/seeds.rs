//! Seed files.

use connectwise_sim::{Now, seed};

use crate::common::{START, Sim, ids};

fn load(text: &str) -> Result<connectwise_sim::State, String> {
    seed::from_text(text, Now::from_millis(START))
}

#[test]
fn the_default_instance_has_what_the_readme_says() {
    let mut sim = Sim::new();
    assert_eq!(
        ids(&sim.get("company/companies")),
        [250, 251, 252, 253, 254]
    );
    let acme = sim.get("company/companies/250").body();
    assert_eq!(
        acme.get("defaultContact").get("name").as_str(),
        Some("Wile Coyote")
    );
    assert_eq!(acme.get("site").get("id").as_int(), Some(31));
    assert!(
        sim.get("company/companies/252")
            .body()
            .get("defaultContact")
            .is_null()
    );
    let master = sim.get("finance/agreements/55").body();
    assert_eq!(master.get("name").as_str(), Some("Acme Master"));
    assert_eq!(
        master.get("nextInvoiceDate").as_str(),
        Some("2026-03-01T00:00:00Z")
    );
    let fields = sim.get("system/userDefinedFields?fields=id,caption").text();
    assert_eq!(
        fields,
        r#"[{"id":5,"caption":"meterwise"},{"id":6,"caption":"meterwise"}]"#
    );
}

#[test]
fn names_stand_for_references_and_children_are_nested() {
    let state = load(
        r#"{"keys":[{"publicKey":"a","privateKey":"b","role":"readonly"}],
            "catalog":[{"identifier":"X","price":1.005,"uom":"GiB"}],
            "customFields":[{"caption":"tag","object":"addition"}],
            "companies":[{"identifier":"C","name":"C","contacts":[{"firstName":"F","default":true}]}],
            "agreements":[
              {"name":"M","company":"C","startDate":"2025-01-01","invoicedThrough":"2026-02-01T00:00:00Z"},
              {"name":"K","company":"C","parentAgreement":"M","startDate":"2025-01-01",
               "additions":[{"product":"X","quantity":3,"effectiveDate":"2025-01-17","customFields":{"tag":"t"}}]}]}"#,
    )
    .unwrap();
    let mut sim = Sim::new();
    sim.state = state;
    sim.state
        .settings_mut()
        .assume
        .set("read-lag", "0")
        .unwrap();
    sim.who = ("a".into(), "b".into());
    let line = sim.get("finance/agreements/2/additions").body().items()[0].clone();
    assert_eq!(line.get("extPrice").to_string(), "3.015");
    assert_eq!(line.get("uom").as_str(), Some("GiB"));
    assert_eq!(
        line.get("customFields").items()[0].get("value").as_str(),
        Some("t")
    );
    let next = sim.get("finance/agreements/2").body();
    assert_eq!(
        next.get("nextInvoiceDate").as_str(),
        Some("2026-02-01T00:00:00Z")
    );
    assert_eq!(
        sim.post("company/contacts", r#"{"firstName":"x"}"#)
            .status(),
        403
    );
}

#[test]
fn a_seed_that_cannot_be_is_refused_with_its_place() {
    for (text, told) in [
        ("{", "not JSON"),
        (r#"{"companys":[]}"#, "no section companys"),
        (r#"{"companies":[{"identifier":"C"}]}"#, "companies[0]"),
        (
            r#"{"agreements":[{"name":"x","company":"nobody"}]}"#,
            "agreements[0]: there is no Company",
        ),
        (
            r#"{"keys":[{"publicKey":"a","privateKey":"b","role":"king"}]}"#,
            "no role",
        ),
        (
            r#"{"catalog":[{"identifier":"X","colour":"red"}]}"#,
            "no colour",
        ),
        (
            r#"{"catalog":[{"id":1,"identifier":"X"},{"id":1,"identifier":"Y"}]}"#,
            "two of id 1",
        ),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn generated_seeds_are_of_the_size_asked_for_and_always_the_same() {
    let text = connectwise_sim::generate::seed(20, 100).to_string();
    assert_eq!(text, connectwise_sim::generate::seed(20, 100).to_string());
    let state = load(&text).unwrap();
    use connectwise_sim::schema::Kind;
    assert_eq!(state.store().len(Kind::Company), 20);
    assert_eq!(state.store().len(Kind::Addition), 100);
    assert!(load(&connectwise_sim::generate::seed(1, 1_000).to_string()).is_ok());
    assert!(load(&connectwise_sim::generate::seed(3, 0).to_string()).is_ok());
}
