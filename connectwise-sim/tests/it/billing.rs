//! Invoices against sums done by hand.

use connectwise_sim::json::Json;

use crate::common::{Sim, line};

fn invoice(sim: &mut Sim, date: &str) -> Json {
    sim.control(
        "POST",
        "/invoice",
        &format!(r#"{{"agreementId":55,"date":"{date}"}}"#),
    )
}

fn refused(sim: &mut Sim, agreement: i64, date: &str) -> String {
    let mut request = connectwise_sim::Request::new("POST", "/invoice");
    request.body = format!(r#"{{"agreementId":{agreement},"date":"{date}"}}"#).into_bytes();
    let now = connectwise_sim::Now::from_millis(sim.now);
    let (answer, _) = connectwise_sim::control::control(&mut sim.state, &request, now);
    assert_eq!(answer.status, 400);
    String::from_utf8(answer.body).unwrap()
}

/// `what days/of amount` of every line.
fn lines(invoice: &Json) -> Vec<String> {
    let text = |l: &Json| {
        format!(
            "{} {}/{} {}",
            l.get("what"),
            l.get("days"),
            l.get("periodDays"),
            l.get("amount")
        )
        .replace('"', "")
    };
    invoice.get("lines").items().iter().map(text).collect()
}

fn prorate(sim: &mut Sim, id: i64) {
    sim.human()
        .set("finance/agreements/55", "prorateFlag", "true");
    sim.set(&format!("finance/agreements/{id}"), "prorateFlag", "true");
    sim.operator();
}

#[test]
fn a_run_bills_parent_and_children_and_closes_the_period() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    sim.line(id, "4", "Billable", "l1");
    sim.line(id, "9", "NoCharge", "l2");
    sim.line(id, "9", "DoNotBill", "l3");
    sim.human()
        .set("finance/agreements/55", "billAmount", "100");
    let done = invoice(&mut sim, "2026-03-02");
    assert_eq!(
        lines(&done),
        ["agreement 31/31 100", "period 31/31 50", "period 31/31 0"]
    );
    assert_eq!(done.get("total").to_string(), "150");
    assert_eq!(done.get("from").as_str(), Some("2026-03-01"));
    assert_eq!(
        done.get("lines").items()[1].get("mark").as_str(),
        Some("l1")
    );
    assert_eq!(
        done.get("lines").items()[1].get("agreementMark").as_str(),
        Some("m1")
    );
    for path in ["finance/agreements/55", &format!("finance/agreements/{id}")] {
        assert_eq!(
            sim.get(path).body().get("nextInvoiceDate").as_str(),
            Some("2026-04-01T00:00:00Z")
        );
    }
    let listed = sim
        .get("finance/invoices?conditions=agreement/id=55")
        .body()
        .items()[0]
        .clone();
    assert_eq!(listed.get("total").to_string(), "150");
    assert_eq!(listed.get("type").as_str(), Some("Agreement"));
    let recap = sim.get("finance/agreementrecap/55").body();
    assert_eq!(recap.get("lastInvoiceAmount").as_str(), Some("150.00"));
}

#[test]
fn a_run_refuses_what_it_cannot_bill() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    assert!(refused(&mut sim, id, "2026-03-01").contains("with its parent"));
    invoice(&mut sim, "2026-03-01");
    assert!(refused(&mut sim, 55, "2026-03-31").contains("2026-04-01"));
    sim.human()
        .set("finance/agreements/56", "billingCycle", "{\"id\":1}");
    assert!(refused(&mut sim, 56, "2026-03-01").contains("does not recur"));
    sim.patch(
        "finance/agreements/55",
        r#"[{"op":"replace","path":"cancelledFlag","value":true},{"op":"replace","path":"dateCancelled","value":"2026-04-01"}]"#,
    );
    assert!(refused(&mut sim, 55, "2026-04-01").contains("cancelled"));
}

#[test]
fn without_proration_a_line_that_touches_the_period_is_billed_in_full() {
    let mut sim = Sim::with(&[
        ("read-lag", "0"),
        ("midperiod-date-without-prorate", "accepted"),
    ]);
    let id = sim.child("vm1", "m1");
    let path = format!("finance/agreements/{id}/additions");
    let body = line("4", "Billable", "l1").replace("2026-03-01", "2026-03-20");
    sim.post(&path, &body);
    assert_eq!(lines(&invoice(&mut sim, "2026-03-31")), ["period 31/31 50"]);
    sim.set(
        &format!("{path}/1"),
        "cancelledDate",
        "\"2026-04-10T00:00:00Z\"",
    );
    assert_eq!(lines(&invoice(&mut sim, "2026-04-30")), ["period 30/30 50"]);
    assert_eq!(
        lines(&invoice(&mut sim, "2026-05-31")),
        Vec::<String>::new()
    );
}

#[test]
fn with_proration_days_are_billed_caught_up_and_credited() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    prorate(&mut sim, id);
    let path = format!("finance/agreements/{id}/additions");
    assert_eq!(
        lines(&invoice(&mut sim, "2026-03-01")),
        Vec::<String>::new()
    );
    // Begins on 22 March, after March was invoiced: 10 of 31 days are caught up in April.
    let body = line("4", "Billable", "l1").replace("2026-03-01", "2026-03-22");
    sim.post(&path, &body);
    let april = invoice(&mut sim, "2026-04-01");
    assert_eq!(lines(&april), ["caught up 10/31 16.13", "period 30/30 50"]);
    // Ends on 16 April, after April was invoiced: 15 of 30 days are credited in May.
    sim.set(
        &format!("{path}/1"),
        "cancelledDate",
        "\"2026-04-16T00:00:00Z\"",
    );
    assert_eq!(
        lines(&invoice(&mut sim, "2026-05-01")),
        ["credit -15/30 -25"]
    );
    assert_eq!(
        lines(&invoice(&mut sim, "2026-06-01")),
        Vec::<String>::new()
    );
}

#[test]
fn two_years_of_cancel_and_replace_come_to_the_sum_done_by_hand() {
    let mut sim = Sim::new();
    sim.state.settings_mut().rate_per_minute = Some(0);
    let id = sim.child("vm1", "m1");
    prorate(&mut sim, id);
    let path = format!("finance/agreements/{id}/additions");
    let mut total = connectwise_sim::json::Json::from(0_i64).as_num().unwrap();
    let mut previous: Option<i64> = None;
    let (mut year, mut month) = (2026, 3);
    // On the 11th of every month the quantity becomes the number of the month.
    for n in 1..=24 {
        let first = format!("{year}-{month:02}-01");
        total += invoice(&mut sim, &first).get("total").as_num().unwrap();
        let day = format!("{year}-{month:02}-11");
        if let Some(line) = previous {
            sim.set(
                &format!("{path}/{line}"),
                "cancelledDate",
                &format!("\"{day}\""),
            );
        }
        let body = line(&n.to_string(), "Billable", "l1").replace("2026-03-01", &day);
        previous = sim.post(&path, &body).body().get("id").as_int();
        (year, month) = if month == 12 {
            (year + 1, 1)
        } else {
            (year, month + 1)
        };
    }
    total += invoice(&mut sim, &format!("{year}-{month:02}-01"))
        .get("total")
        .as_num()
        .unwrap();
    // By hand: in month n, ten days at n-1 and the rest at n, at 12.50; the last run also bills
    // the whole next month at 24.
    let cents = |quantity: i64, days: i64, of: i64| {
        // Twice the cents, rounded half up.
        (quantity * 1250 * days * 2 + of) / (of * 2)
    };
    let lengths = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28];
    let mut hand = 24 * 1250;
    for n in 1..=24_i64 {
        // The second February is a leap year's.
        let length = if n == 24 {
            29
        } else {
            lengths[usize::try_from((n - 1) % 12).unwrap()]
        };
        // The old line was billed whole, then credited; each step is rounded on its own.
        hand += (n - 1) * 1250 - cents(n - 1, length - 10, length) + cents(n, length - 10, length);
    }
    let hand = rust_decimal::Decimal::new(hand, 2);
    assert_eq!(total.normalize(), hand.normalize());
    assert_eq!(
        sim.control("GET", "/check", "")
            .get("violations")
            .items()
            .len(),
        0
    );
}

#[test]
fn an_invoiced_line_is_not_deleted() {
    let mut sim = Sim::new();
    let id = sim.child("vm1", "m1");
    let line = sim.line(id, "4", "Billable", "l1");
    invoice(&mut sim, "2026-03-01");
    assert_eq!(
        sim.human()
            .delete(&format!("finance/agreements/{id}/additions/{line}"))
            .status(),
        409
    );
    assert_eq!(sim.delete("finance/agreements/55").status(), 409);
}
