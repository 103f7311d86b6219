//! UsageStatements beside the simulator's invoices: each line that was charged is stated with the same numbers, once, and
//! neither a later change nor another process touches what is stated.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::steady::QUIET;
use crate::world::{OPERATOR_USER, PATIENCE, World};

/// Quantity, price and days, by agreement and line.
type Lines = BTreeMap<(i64, i64), (Decimal, Decimal, i64)>;

/// Waits for the statement of a bill, and compares its lines with it. Where days are not prorated, a line may have stood
/// for fewer days than it was charged for.
#[track_caller]
pub(super) fn stated(world: &World, customer: &str, bill: &Value, prorate: bool) -> Value {
    let name = format!("{customer}-{}", text(&bill["from"]));
    let statement = world.until(&format!("{name} is stated"), PATIENCE, || {
        let found = world.get("stmt", customer, &name);
        found.is_object().then_some(found)
    });
    let spec = &statement["spec"];
    let midnight = |day: &Value| format!("{}T00:00:00Z", text(day));
    assert_eq!(spec["period"]["start"], midnight(&bill["from"]));
    assert_eq!(spec["period"]["end"], midnight(&bill["to"]));
    assert_eq!(spec["mappingRef"]["name"], customer);
    let (charged, said) = (charged(bill), said(spec));
    let untimed = |lines: &Lines| -> Vec<_> {
        let lines = lines.iter();
        lines
            .map(|(of, (quantity, price, _))| (*of, *quantity, *price))
            .collect()
    };
    assert!(!charged.is_empty(), "{bill:#}");
    assert_eq!(untimed(&charged), untimed(&said), "{statement:#}");
    for (of, (_, _, days)) in &said {
        let billed = charged[of].2;
        assert!(
            *days == billed || !prorate && (1..billed).contains(days),
            "{of:?}: {days} of {billed}"
        );
    }
    let lines = spec["lines"].as_array().expect("lines");
    // What waited for the invoice was read when the period ended; what is read now says nothing of it.
    let waited = |line: &&Value| line["reading"] == "what stood on the line";
    assert!(lines.iter().filter(waited).count() <= 1, "{lines:#?}");
    for line in lines {
        assert!(
            waited(&line) || !text(&line["explanation"]).is_empty(),
            "{line:#}"
        );
        assert_eq!(line["ruleVersion"], 1);
    }
    statement
}

/// Another process finds what is stated, and nothing of it was ever written twice.
pub(super) fn stand(world: &World, statements: &[Value]) {
    world.kill_operator();
    world.start_operator();
    world.await_quiet(QUIET);
    for statement in statements {
        let name = text(&statement["metadata"]["name"]);
        let namespace = text(&statement["metadata"]["namespace"]);
        assert_eq!(&world.get("stmt", namespace, name), statement);
    }
    let log = world.plane.audit_log().expect("the audit log");
    let written: Vec<_> = log
        .iter()
        .filter(|event| event.user == OPERATOR_USER && event.resource == "usagestatements")
        .filter(|event| event.verb != "get")
        .map(|event| event.verb.as_str())
        .collect();
    assert_eq!(written, vec!["create"; world.list("stmt").len()]);
    let told = world.kubectl(&["get", "usagestatements", "-A"]);
    let columns: Vec<_> = told
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(
        columns,
        ["NAMESPACE", "NAME", "MAPPING", "FROM", "TO", "AGE"]
    );
}

fn charged(bill: &Value) -> Lines {
    let lines = bill["lines"].as_array().expect("lines").iter();
    let of_period = lines.filter(|line| line["what"] == "period" && line["additionId"].is_number());
    let lines = of_period.filter(|line| line["from"] == bill["from"]);
    lines
        .map(|line| {
            let of = (number(&line["agreementId"]), number(&line["additionId"]));
            let price = decimal(&line["unitPrice"]);
            (
                of,
                (decimal(&line["quantity"]), price, number(&line["days"])),
            )
        })
        .collect()
}

fn said(spec: &Value) -> Lines {
    let lines = spec["lines"].as_array().expect("lines").iter();
    lines
        .map(|line| {
            let of = (number(&line["agreementId"]), number(&line["additionId"]));
            let included = match &line["lessIncluded"] {
                Value::Null => Decimal::ZERO,
                included => decimal(included),
            };
            let charged = (decimal(&line["quantity"]) - included).max(Decimal::ZERO);
            let moment = |field: &str| -> Timestamp {
                text(&line["days"][field]).parse().expect("a moment")
            };
            let days = moment("end").duration_since(moment("start")).as_hours() / 24;
            (of, (charged, decimal(&line["unitPrice"]), days))
        })
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

fn decimal(value: &Value) -> Decimal {
    let text = value.to_string();
    text.trim_matches('"').parse().expect("a number")
}
