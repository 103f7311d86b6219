//! Faults: what the client sees, and what was committed all the same.

use connectwise_sim::Delivery;
use connectwise_sim::faults::Rule;

use crate::common::{Sim, child, ids};

fn agreements(sim: &mut Sim) -> usize {
    sim.state
        .store()
        .len(connectwise_sim::schema::Kind::Agreement)
        - 2
}

fn fault(sim: &mut Sim, action: &str) {
    let rule = format!(
        r#"{{"match":{{"method":"POST","kind":"agreement"}},"times":1,"action":{action}}}"#
    );
    sim.control("POST", "/faults", &rule);
}

#[test]
fn each_action_does_what_it_says() {
    // Action, status, delivery, what was committed.
    for (action, status, delivery, commits) in [
        (r#"{"status":{"code":503}}"#, 503, Delivery::Send, 0),
        (
            r#"{"status":{"code":500,"commit":true}}"#,
            500,
            Delivery::Send,
            1,
        ),
        (r#"{"drop":{}}"#, 0, Delivery::Drop, 0),
        (r#"{"drop":{"commit":true}}"#, 0, Delivery::Drop, 1),
        (r#"{"hang":{}}"#, 0, Delivery::Hang, 0),
        (r#"{"hang":{"commit":true}}"#, 0, Delivery::Hang, 1),
        (r#"{"lateCommit":{"ms":30000}}"#, 0, Delivery::Hang, 0),
        (r#"{"duplicate":{}}"#, 201, Delivery::Send, 2),
        (r#"{"truncate":{}}"#, 201, Delivery::Truncate, 1),
        (r#"{"html":{}}"#, 200, Delivery::Send, 0),
        (
            r#"{"html":{"code":502,"commit":true}}"#,
            502,
            Delivery::Send,
            1,
        ),
        (
            r#"{"contentType":{"value":"text/plain"}}"#,
            201,
            Delivery::Send,
            1,
        ),
        (
            r#"{"redirect":{"to":"https://elsewhere.example/"}}"#,
            302,
            Delivery::Send,
            0,
        ),
        (
            r#"{"rateLimit":{"retryAfter":"7"}}"#,
            429,
            Delivery::Send,
            0,
        ),
        (r#"{"latency":{"ms":250}}"#, 201, Delivery::Send, 1),
    ] {
        let mut sim = Sim::new();
        fault(&mut sim, action);
        let outcome = sim.post("finance/agreements", &child("vm1", "m1"));
        let seen = if delivery == Delivery::Send || delivery == Delivery::Truncate {
            outcome.status()
        } else {
            0
        };
        assert_eq!((seen, outcome.delivery), (status, delivery), "{action}");
        assert_eq!(agreements(&mut sim), commits, "{action}");
        let log = sim.control("GET", "/log", "");
        let entry = &log.items()[0];
        assert_eq!(
            entry.get("committed").as_bool(),
            Some(commits > 0),
            "{action}"
        );
        assert_eq!(
            entry.get("commits").as_int(),
            Some(i64::try_from(commits).unwrap()),
            "{action}"
        );
        assert_eq!(entry.get("sent").as_bool(), Some(seen > 0), "{action}");
        assert_eq!(
            entry.get("status").as_int(),
            Some(i64::from(status)),
            "{action}"
        );
        // The next one is not met.
        assert_eq!(
            sim.post("finance/agreements", &child("vm2", "m2")).status(),
            201,
            "{action}"
        );
    }
}

#[test]
fn a_late_commit_comes_after_the_client_gave_up() {
    let mut sim = Sim::new();
    fault(&mut sim, r#"{"lateCommit":{"ms":30000}}"#);
    sim.post("finance/agreements", &child("vm1", "m1"));
    sim.pass(29_000);
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56]);
    sim.pass(1_000);
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56, 57]);
    let log = sim.control("GET", "/log", "");
    assert_eq!(log.items()[0].get("committed").as_bool(), Some(true));
    assert_eq!(log.items()[0].get("sent").as_bool(), Some(false));
    assert_eq!(log.items()[0].get("mark").as_str(), Some("m1"));
}

#[test]
fn bodies_and_headers_are_the_ones_asked_for() {
    let mut sim = Sim::new();
    for (action, header, value, body) in [
        (
            r#"{"rateLimit":{"retryAfter":"0"}}"#,
            "retry-after",
            Some("0"),
            "Too many requests",
        ),
        (
            r#"{"rateLimit":{}}"#,
            "retry-after",
            None,
            "Too many requests",
        ),
        (
            r#"{"status":{"code":200,"body":"[]"}}"#,
            "content-type",
            Some("application/json; charset=utf-8"),
            "[]",
        ),
        (
            r#"{"status":{"code":429,"headers":{"Retry-After":"soon","content-type":"text/html"},"body":"<html>"}}"#,
            "retry-after",
            Some("soon"),
            "<html>",
        ),
        (
            r#"{"status":{"code":200,"body":{"id":0}}}"#,
            "content-type",
            Some("application/json; charset=utf-8"),
            "{\"id\":0}",
        ),
        (
            r#"{"redirect":{"to":"http://e.example/","code":307}}"#,
            "location",
            Some("http://e.example/"),
            "",
        ),
        (
            r#"{"html":{}}"#,
            "content-type",
            Some("text/html; charset=utf-8"),
            "<!DOCTYPE html>",
        ),
        (
            r#"{"contentType":{"value":"text/plain"}}"#,
            "content-type",
            Some("text/plain"),
            "{\"id\":",
        ),
        (
            r#"{"status":{"code":500}}"#,
            "content-type",
            Some("application/json; charset=utf-8"),
            "timeout",
        ),
    ] {
        fault(&mut sim, action);
        let outcome = sim.post("finance/agreements", &child("vm1", "m1"));
        assert_eq!(outcome.response.get(header), value, "{action}");
        assert!(
            outcome.text().contains(body),
            "{action}: {}",
            outcome.text()
        );
        assert!(
            outcome.response.get("x-cw-request-id").is_some(),
            "{action}"
        );
    }
}

#[test]
fn rules_choose_by_method_path_kind_and_principal() {
    let mut sim = Sim::new();
    let mut met = |matches: &str, request: (&str, &str)| {
        sim.control("DELETE", "/faults", "");
        sim.control(
            "POST",
            "/faults",
            &format!(r#"{{"match":{matches},"action":{{"status":{{"code":418}}}}}}"#),
        );
        let request = sim.request(request.0, request.1).json("[]");
        sim.send(&request).status() == 418
    };
    let line = "finance/agreements/55/additions/1";
    assert!(met("{}", ("GET", "system/info")));
    assert!(met(r#"{"method":"write"}"#, ("PATCH", line)));
    assert!(!met(r#"{"method":"write"}"#, ("GET", line)));
    assert!(met(r#"{"method":"POST|patch"}"#, ("PATCH", line)));
    assert!(met(r#"{"kind":"addition"}"#, ("PATCH", line)));
    assert!(!met(r#"{"kind":"agreement"}"#, ("PATCH", line)));
    assert!(met(r#"{"pathRegex":"additions/\\d+$"}"#, ("GET", line)));
    assert!(!met(r#"{"pathRegex":"^/finance"}"#, ("GET", line)));
    assert!(met(r#"{"principal":"operatorPublicKey"}"#, ("GET", line)));
    assert!(!met(r#"{"principal":"humanPublicKey"}"#, ("GET", line)));
    assert!(
        serde_json::from_str::<Rule>(r#"{"match":{"metod":"GET"},"action":{"drop":{}}}"#).is_err()
    );
}

#[test]
fn rules_wait_stop_and_draw_alike_for_one_seed() {
    let mut sim = Sim::new();
    sim.control(
        "POST",
        "/faults",
        r#"{"after":2,"times":2,"action":{"status":{"code":503}}}"#,
    );
    let codes: Vec<u16> = (0..6).map(|_| sim.get("system/info").status()).collect();
    assert_eq!(codes, [200, 200, 503, 503, 200, 200]);
    let shown = sim.control("GET", "/faults", "");
    assert_eq!(
        shown.get("rules").items()[0].get("matched").as_int(),
        Some(6)
    );
    assert_eq!(shown.get("rules").items()[0].get("fired").as_int(), Some(2));
    let drawn = |seed: u64| {
        let mut sim = Sim::new();
        sim.control("PUT", "/settings", &format!(r#"{{"seed":{seed}}}"#));
        sim.control(
            "POST",
            "/faults",
            r#"[{"percent":30,"action":{"status":{"code":401}}}]"#,
        );
        (0..100)
            .map(|_| sim.get("system/info").status())
            .collect::<Vec<_>>()
    };
    assert_eq!(drawn(7), drawn(7));
    assert_ne!(drawn(7), drawn(8));
    let refused = drawn(7).iter().filter(|code| **code == 401).count();
    assert!((15..45).contains(&refused), "{refused}");
}

#[test]
fn what_hangs_is_told_with_what_it_committed() {
    let mut sim = Sim::new();
    sim.control(
        "POST",
        "/faults",
        r#"{"match":{"method":"POST","kind":"addition"},"after":1,"times":1,"action":{"hang":{"commit":true}}}"#,
    );
    let id = sim.child("vm1", "m1");
    sim.line(id, "1", "DoNotBill", "l1");
    let body = crate::common::line("1", "DoNotBill", "l2");
    let hung = sim.post(&format!("finance/agreements/{id}/additions"), &body);
    assert_eq!(hung.delivery, Delivery::Hang);
    let shown = sim.control("GET", "/faults", "");
    let hanging = &shown.get("hanging").items()[0];
    assert_eq!(hanging.get("committed").as_bool(), Some(true));
    assert_eq!(hanging.get("id").as_int(), Some(2));
    sim.control("DELETE", "/faults", "");
    assert!(
        sim.control("GET", "/faults", "")
            .get("hanging")
            .items()
            .is_empty()
    );
}

#[test]
fn latency_adds_up_and_jitters() {
    let mut sim = Sim::new();
    sim.control(
        "PUT",
        "/settings",
        r#"{"latencyMs":100,"latencyJitterMs":50}"#,
    );
    sim.control("POST", "/faults", r#"{"action":{"latency":{"ms":1000}}}"#);
    let delays: Vec<u64> = (0..20).map(|_| sim.get("system/info").delay_ms).collect();
    assert!(
        delays.iter().all(|d| (1_100..=1_150).contains(d)),
        "{delays:?}"
    );
    assert!(delays.iter().any(|d| *d != delays[0]));
}

#[test]
fn shifted_rows_are_lost_or_repeated_unless_paging_is_forward_only() {
    let mut sim = Sim::new();
    for i in 0..4 {
        sim.child(&format!("vm{i}"), &format!("m{i}"));
    }
    let read = |sim: &mut Sim| {
        let mut all = ids(&sim.get("finance/agreements?pageSize=3"));
        all.extend(ids(&sim.get("finance/agreements?pageSize=3&page=2")));
        all
    };
    sim.control("POST", "/faults", r#"{"action":{"shift":{"by":1}}}"#);
    assert_eq!(read(&mut sim), [55, 56, 57, 59, 60]);
    sim.control("DELETE", "/faults", "");
    sim.control("POST", "/faults", r#"{"action":{"shift":{"by":-1}}}"#);
    assert_eq!(read(&mut sim), [55, 56, 57, 57, 58, 59]);
    sim.headers
        .push(("pagination-type".into(), "forward-only".into()));
    assert_eq!(
        ids(&sim.get("finance/agreements?pageSize=3&pageId=57")),
        [58, 59, 60]
    );
}

#[test]
fn the_clock_can_be_wrong() {
    let mut sim = Sim::new();
    sim.control("PUT", "/clock", r#"{"offsetSeconds":-7200}"#);
    let id = sim.child("vm1", "m1");
    let shown = sim.get(&format!("finance/agreements/{id}")).body();
    assert_eq!(
        shown.get("_info").get("lastUpdated").as_str(),
        Some("2026-03-15T08:00:00Z")
    );
    let log = sim.control("GET", "/log", "");
    assert!(
        log.items()[0]
            .get("at")
            .as_str()
            .unwrap()
            .starts_with("2026-03-15T08:00")
    );
}
