//! Addresses, credentials, headers, and the answers that are the same everywhere.

use connectwise_sim::wire::Request;

use crate::common::{CLIENT, Sim};

#[test]
fn companyinfo_tells_the_codebase_and_null_of_strangers() {
    let mut sim = Sim::new();
    let known = sim.send(&Request::new("GET", "/login/companyinfo/METERWISE_c"));
    assert_eq!(known.body().get("Codebase").as_str(), Some("v2026_1/"));
    assert_eq!(known.body().get("IsCloud").as_str(), Some("True"));
    let unknown = sim.send(&Request::new("GET", "/login/companyinfo/nobody"));
    assert_eq!((unknown.status(), unknown.text().as_str()), (200, "null"));
}

#[test]
fn the_interface_is_at_the_alias_and_at_the_codebase() {
    let mut sim = Sim::new();
    let at = |sim: &mut Sim, base: &str| {
        let mut request = sim.request("GET", "");
        request.target = format!("{base}/apis/3.0/system/info");
        sim.send(&request).status()
    };
    assert_eq!(at(&mut sim, "/v4_6_release"), 200);
    assert_eq!(at(&mut sim, "/v2026_1"), 200);
    assert_eq!(at(&mut sim, "/v2026_1/"), 200);
    assert_eq!(at(&mut sim, "/v2025_1"), 404);
    sim.control("PUT", "/settings", r#"{"codebase":"v2026_2/"}"#);
    assert_eq!(at(&mut sim, "/v2026_1"), 404);
    assert_eq!(at(&mut sim, "/v2026_2"), 200);
    sim.control("PUT", "/settings", r#"{"alias":false}"#);
    assert_eq!(at(&mut sim, "/v4_6_release"), 404);
}

#[test]
fn credentials_and_client_id_are_checked() {
    let mut sim = Sim::new();
    let good = sim.request("GET", "system/info");
    assert_eq!(sim.send(&good).status(), 200);
    let without = |name: &str| {
        let mut request = good.clone();
        request.headers.retain(|(n, _)| n != name);
        request
    };
    let nobody = sim.send(&without("authorization"));
    assert_eq!(nobody.status(), 401);
    assert_eq!(nobody.body().get("code").as_str(), Some("Unauthorized"));
    assert_eq!(sim.send(&without("clientid")).status(), 401);
    assert_eq!(
        sim.send(&without("clientid").header("clientid", "not-a-guid"))
            .status(),
        401
    );
    sim.who.1 = "wrong".to_owned();
    let wrong = sim.get("system/info");
    assert_eq!(wrong.status(), 401);
    assert_eq!(
        wrong.body().get("message").as_str(),
        Some("UserNotAuthenticated")
    );
    sim.operator();
    sim.state.config_mut().client_ids = vec!["99999999-2222-3333-4444-555555555555".to_owned()];
    assert_eq!(sim.get("system/info").status(), 401);
    sim.state.config_mut().client_ids = vec![CLIENT.to_owned()];
    assert_eq!(sim.get("system/info").status(), 200);
}

#[test]
fn every_answer_names_the_version_and_the_request() {
    let mut sim = Sim::new();
    let plain = sim.get("system/info").response;
    assert_eq!(
        plain.get("content-type"),
        Some("application/vnd.connectwise.com+json; version=2026.1")
    );
    let first = plain.get("x-cw-request-id").unwrap().to_owned();
    assert_eq!(first.len(), 36);
    let request = sim.request("GET", "system/info").header(
        "accept",
        "application/vnd.connectwise.com+json; version=2025.1, application/json",
    );
    let pinned = sim.send(&request).response;
    assert_eq!(
        pinned.get("content-type"),
        Some("application/vnd.connectwise.com+json; version=2025.1")
    );
    assert_ne!(pinned.get("x-cw-request-id"), Some(first.as_str()));
    assert_eq!(pinned.get("api-current-version"), Some("2026.1"));
}

#[test]
fn what_is_not_there_and_what_is_not_allowed() {
    let mut sim = Sim::new();
    let nowhere = sim.get("service/tickets");
    assert_eq!(nowhere.status(), 404);
    assert_eq!(
        nowhere.body().get("message").as_str(),
        Some("The endpoint does not exist.")
    );
    let gone = sim.get("finance/agreements/999");
    assert_eq!(gone.status(), 404);
    assert_eq!(gone.body().get("code").as_str(), Some("NotFound"));
    assert_eq!(
        gone.body().get("message").as_str(),
        Some("Agreement 999 not found")
    );
    assert_eq!(sim.get("finance/agreements/999/additions").status(), 404);
    assert_eq!(sim.delete("system/info").status(), 405);
    assert_eq!(sim.post("finance/invoices", "{}").status(), 405);
    assert_eq!(
        sim.get(&format!(
            "finance/agreements?conditions={}",
            "x".repeat(2000)
        ))
        .status(),
        414
    );
    let mut request = sim
        .request("POST", "finance/agreements")
        .header("content-type", "text/plain");
    request.body = b"{}".to_vec();
    assert_eq!(sim.send(&request).status(), 415);
    assert_eq!(sim.post("finance/agreements", "{").status(), 400);
    assert_eq!(sim.post("finance/agreements", "[]").status(), 400);
}

#[test]
fn a_role_without_a_right_is_refused() {
    let mut sim = Sim::new();
    let child = sim.child("vm1", "m1");
    let refused = sim.delete(&format!("finance/agreements/{child}"));
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.body().get("code").as_str(), Some("Security"));
    assert_eq!(
        sim.post("company/companies", r#"{"identifier":"x","name":"x"}"#)
            .status(),
        403
    );
    sim.control(
        "PUT",
        "/settings",
        r#"{"roles":{"operator":{"agreements":["inquire"]}}}"#,
    );
    assert_eq!(sim.get("finance/agreements").status(), 200);
    assert_eq!(sim.get("procurement/catalog").status(), 403);
    assert_eq!(
        sim.set(&format!("finance/agreements/{child}"), "name", "\"x\"")
            .status(),
        403
    );
    let gone = sim.human().delete(&format!("finance/agreements/{child}"));
    assert_eq!((gone.status(), gone.response.body.len()), (204, 0));
}

#[test]
fn too_many_requests_have_a_body_of_their_own() {
    let mut sim = Sim::with(&[("rate-limit-scope", "60")]);
    for _ in 0..60 {
        assert_eq!(sim.get("system/info").status(), 200);
    }
    let limited = sim.get("system/info");
    assert_eq!(limited.status(), 429);
    let wait: i64 = limited
        .response
        .get("retry-after")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(limited.body().get("error").as_str(), Some("ConnectWiseAPI"));
    assert_eq!(sim.human().get("system/info").status(), 200);
    sim.operator().pass(wait * 1_000 + 1_000);
    assert_eq!(sim.get("system/info").status(), 200);
}

#[test]
fn the_small_tables_are_there() {
    let mut sim = Sim::new();
    for path in [
        "system/info/members",
        "system/info/locations",
        "system/info/departments",
        "company/companies",
        "company/companies/250/sites",
        "company/companies/types",
        "company/companies/statuses",
        "company/contacts",
        "finance/agreements",
        "finance/agreements/types",
        "finance/agreements/types/info",
        "finance/billingCycles",
        "finance/billingCycles/info",
        "finance/billingTerms",
        "finance/taxCodes",
        "finance/agreementrecap/",
        "procurement/catalog",
        "procurement/categories",
        "procurement/subcategories",
        "procurement/types",
        "procurement/unitOfMeasures",
        "system/userDefinedFields",
    ] {
        let list = sim.get(path);
        assert!(!list.body().items().is_empty(), "{path}: {}", list.text());
    }
    for path in [
        "finance/invoices",
        "system/callbacks",
        "finance/agreements/55/adjustments",
    ] {
        assert_eq!(sim.get(path).text(), "[]", "{path}");
    }
    for path in [
        "company/companies/count",
        "company/contacts/count",
        "company/companies/250/sites/count",
        "finance/agreements/count",
        "finance/agreements/55/additions/count",
        "procurement/catalog/count",
        "system/callbacks/count",
        "system/info/members/count",
    ] {
        assert!(
            sim.get(path).body().get("count").as_int().is_some(),
            "{path}"
        );
    }
    assert_eq!(
        sim.get("system/info/members/1")
            .body()
            .get("identifier")
            .as_str(),
        Some("apimember")
    );
}
