//! The log and the checker.

use crate::common::{Sim, child, line};

fn rules(sim: &mut Sim) -> Vec<String> {
    let report = sim.control("GET", "/check", "");
    let list = report.get("violations").items().iter();
    list.map(|v| v.get("rule").as_str().unwrap().to_owned())
        .collect()
}

fn lines(sim: &mut Sim) -> i64 {
    sim.control("GET", "/check", "")
        .get("billableLines")
        .as_int()
        .unwrap()
}

#[test]
fn the_log_tells_who_did_what_and_what_became_of_it() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let line = sim.line(id, "1", "Billable", "l1");
    sim.post("finance/agreements", "{}");
    sim.human().get("finance/agreements?pageSize=1");
    let log = sim.control("GET", "/log", "");
    let log = log.items();
    assert_eq!(log.len(), 4);
    let made = &log[1];
    for (field, value) in [
        ("seq", "2"),
        ("principal", "\"operatorPublicKey\""),
        ("method", "\"POST\""),
        ("status", "201"),
        ("committed", "true"),
        ("sent", "true"),
        ("kind", "\"addition\""),
        ("mark", "\"l1\""),
    ] {
        assert_eq!(made.get(field).to_string(), value, "{field}");
    }
    assert_eq!(made.get("id").as_int(), Some(line));
    assert_eq!(made.get("parent").as_int(), Some(id));
    assert_eq!(
        made.get("body").get("billCustomer").as_str(),
        Some("Billable")
    );
    assert_eq!(made.get("bodySha256").as_str().unwrap().len(), 64);
    assert_eq!(log[2].get("committed").as_bool(), Some(false));
    assert_eq!(log[2].get("status").as_int(), Some(400));
    assert_eq!(log[3].get("query").as_str(), Some("pageSize=1"));
    assert_eq!(log[3].get("principal").as_str(), Some("humanPublicKey"));
    assert_eq!(sim.control("GET", "/log?since=3", "").items().len(), 1);
}

#[test]
fn the_orderly_way_breaks_no_rule() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let a = sim.line(id, "0", "DoNotBill", "l1");
    assert_eq!(lines(&mut sim), 0);
    sim.patch(
        &format!("finance/agreements/{id}/additions/{a}"),
        r#"[{"op":"replace","path":"quantity","value":4},{"op":"replace","path":"billCustomer","value":"Billable"}]"#,
    );
    assert_eq!(lines(&mut sim), 1);
    // A stray of the same marks is inert and is cancelled.
    let stray = sim.child("vm1", "m1");
    sim.line(stray, "0", "DoNotBill", "l1");
    sim.set(
        &format!("finance/agreements/{stray}"),
        "cancelledFlag",
        "true",
    );
    // A successor begins where its predecessor ends.
    sim.set(
        &format!("finance/agreements/{id}/additions/{a}"),
        "cancelledDate",
        "\"2026-04-01T00:00:00Z\"",
    );
    let next = line("5", "Billable", "l1").replace("2026-03-01", "2026-04-01");
    assert_eq!(
        sim.post(&format!("finance/agreements/{id}/additions"), &next)
            .status(),
        201
    );
    assert_eq!(rules(&mut sim), Vec::<String>::new());
    let report = sim.control("GET", "/check", "");
    assert_eq!(report.get("repeatedMarks").items().len(), 2);
    assert_eq!(report.get("markedAgreements").as_int(), Some(1));
}

#[test]
fn two_billable_lines_of_one_mark_are_seen_even_if_they_do_not_last() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    sim.line(id, "1", "Billable", "l1");
    let second = sim.line(id, "1", "Billable", "l1");
    sim.set(
        &format!("finance/agreements/{id}/additions/{second}"),
        "billCustomer",
        "\"DoNotBill\"",
    );
    assert_eq!(rules(&mut sim), ["two-billable"]);
    let report = sim.control("GET", "/check", "");
    let violation = &report.get("violations").items()[0];
    assert_eq!(violation.get("seq").as_int(), Some(3));
    assert_eq!(violation.get("mark").as_str(), Some("l1"));
    assert_eq!(violation.get("lines").to_string(), "[1,2]");
}

#[test]
fn lines_in_two_agreements_of_one_mark_are_seen() {
    let mut sim = Sim::new();
    let a = sim.child("vm1", "m1");
    let b = sim.child("vm1", "m1");
    sim.line(a, "1", "Billable", "l1");
    sim.line(a, "1", "Billable", "l2");
    assert_eq!(rules(&mut sim), Vec::<String>::new());
    sim.line(b, "1", "Billable", "l3");
    assert_eq!(rules(&mut sim), ["two-billable", "two-billable"]);
}

#[test]
fn dates_decide_whether_two_lines_meet() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let first = sim.line(id, "1", "Billable", "l1");
    sim.set(
        &format!("finance/agreements/{id}/additions/{first}"),
        "cancelledDate",
        "\"2026-03-20T00:00:00Z\"",
    );
    // Backdated into the days of the first.
    sim.line(id, "1", "Billable", "l1");
    assert_eq!(rules(&mut sim), ["two-billable"]);
}

#[test]
fn the_operator_writes_absolutely_and_only_what_is_marked() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    sim.line(id, "1", "Billable", "l1");
    sim.set("finance/agreements/55", "customerPO", "\"x\"");
    sim.set(
        &format!("finance/agreements/{id}"),
        "customFields/0/value",
        "\"m2\"",
    );
    let whole = sim.get(&format!("finance/agreements/{id}")).text();
    sim.put(&format!("finance/agreements/{id}"), &whole);
    sim.post(
        "finance/agreements/55/additions",
        r#"{"product":{"id":77},"billCustomer":"DoNotBill"}"#,
    );
    assert_eq!(
        rules(&mut sim),
        ["unmarked", "not-absolute", "not-absolute", "unmarked"]
    );
    // People may do all that.
    let before = rules(&mut sim).len();
    sim.human()
        .set("finance/agreements/55", "customerPO", "\"y\"");
    sim.delete(&format!("finance/agreements/{id}/additions/1"));
    assert_eq!(rules(&mut sim).len(), before);
    let report = sim.control("GET", "/check", "");
    let writes = report.get("writes").items();
    let human = writes
        .iter()
        .filter(|w| w.get("principal").as_str() == Some("humanPublicKey"));
    assert_eq!(human.count(), 2);
}

#[test]
fn a_record_of_people_may_be_given_its_first_mark_and_nothing_with_it() {
    let mut sim = Sim::new();
    let mark = |field: u32, with: &str| {
        format!(
            r#"[{{"op":"replace","path":"customFields","value":[{{"id":{field},"value":"m9"}}]}}{with}]"#
        )
    };
    let made = line("3", "Billable", "").replace(r#"{"id":6,"value":""}"#, "");
    sim.human().post("finance/agreements/55/additions", &made);
    sim.operator();
    let line = "finance/agreements/55/additions/1";
    let renamed = r#",{"op":"replace","path":"name","value":"ours"}"#;
    sim.patch("finance/agreements/55", &mark(5, ""));
    assert_eq!(rules(&mut sim), Vec::<String>::new());
    sim.patch("finance/agreements/56", &mark(5, renamed));
    assert_eq!(rules(&mut sim), ["unmarked"]);
    let moved = r#",{"op":"replace","path":"quantity","value":4}"#;
    sim.patch(line, &mark(6, moved));
    assert_eq!(rules(&mut sim), ["unmarked", "unmarked"]);
    // What carries its mark is the operator's to change.
    sim.set(line, "quantity", "5");
    assert_eq!(rules(&mut sim), ["unmarked", "unmarked"]);
}

#[test]
fn marks_may_live_in_other_fields() {
    let mut sim = Sim::new();
    sim.control(
        "PUT",
        "/settings",
        r#"{"marks":{"agreement":"internalNotes","addition":"serialNumber","prefix":"mw1-"}}"#,
    );
    let body = child("vm1", "x").replace(
        "\"billAmount\":0",
        "\"billAmount\":0,\"internalNotes\":\"mw1-a\"",
    );
    let id = sim
        .post("finance/agreements", &body)
        .body()
        .get("id")
        .as_int()
        .unwrap();
    let body = line("1", "Billable", "x")
        .replace("\"quantity\"", "\"serialNumber\":\"mw1-b\",\"quantity\"");
    sim.post(&format!("finance/agreements/{id}/additions"), &body);
    sim.post(&format!("finance/agreements/{id}/additions"), &body);
    assert_eq!(rules(&mut sim), ["two-billable"]);
}
