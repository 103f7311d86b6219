//! Dumps, differences, settings.

use crate::common::Sim;

#[test]
fn a_state_can_be_dumped_loaded_and_compared() {
    let mut sim = Sim::new();
    let before = sim.control("GET", "/state", "").to_string();
    let id = sim.child("vm1", "m1");
    sim.line(id, "2.5", "Billable", "l1");
    sim.human()
        .set("finance/agreements/55", "customerPO", "\"x\"");
    let diff = sim.control("POST", "/state/diff", &before);
    assert_eq!(diff.get("agreement").get("added").items().len(), 1);
    assert_eq!(
        diff.get("addition").get("added").items()[0]
            .get("quantity")
            .to_string(),
        "2.5"
    );
    let changed = &diff.get("agreement").get("changed").items()[0];
    assert_eq!(changed.get("id").as_int(), Some(55));
    assert_eq!(
        changed.get("fields").get("customerPO").to_string(),
        "[null,\"x\"]"
    );
    let after = sim.control("GET", "/state", "").to_string();
    let shown = sim
        .get(&format!("finance/agreements/{id}/additions"))
        .text();
    sim.control("PUT", "/state", &before);
    assert_eq!(sim.get(&format!("finance/agreements/{id}")).status(), 404);
    assert_eq!(sim.control("GET", "/state", "").to_string(), before);
    sim.control("PUT", "/state", &after);
    assert_eq!(
        sim.get(&format!("finance/agreements/{id}/additions"))
            .text(),
        shown
    );
    assert_eq!(
        sim.control("GET", "/check", "")
            .get("billableLines")
            .as_int(),
        Some(1)
    );
}

#[test]
fn settings_are_shown_and_checked() {
    let mut sim = Sim::new();
    let shown = sim.control(
        "PUT",
        "/settings",
        r#"{"readLagMs":1500,"assume":{"uncancel":"refused"}}"#,
    );
    assert_eq!(shown.get("assume").get("read-lag").as_str(), Some("1500ms"));
    assert_eq!(
        shown.get("assume").get("uncancel").as_str(),
        Some("refused")
    );
    for bad in [
        r#"{"nonsense":1}"#,
        r#"{"assume":{"uncancel":"perhaps"}}"#,
        r#"{"latencyMs":-1}"#,
        "[]",
    ] {
        let mut request = connectwise_sim::Request::new("PUT", "/settings");
        request.body = bad.as_bytes().to_vec();
        let now = connectwise_sim::Now::from_millis(sim.now);
        let (answer, _) = connectwise_sim::control::control(&mut sim.state, &request, now);
        assert_eq!(answer.status, 400, "{bad}");
    }
    assert_eq!(
        sim.control("GET", "/healthz", "").to_string(),
        r#"{"ok":true}"#
    );
}

#[test]
fn rights_can_be_taken_while_it_runs() {
    let mut sim = Sim::new();
    assert_eq!(sim.get("finance/agreements").status(), 200);
    sim.control("PUT", "/settings", r#"{"roles":{"operator":{}}}"#);
    assert_eq!(sim.get("finance/agreements").status(), 403);
    sim.control("PUT", "/settings", r#"{"keys":[]}"#);
    assert_eq!(sim.get("finance/agreements").status(), 401);
}
