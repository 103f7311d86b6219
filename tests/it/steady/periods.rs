//! A period boundary on real parts: Acme is billed in advance, Globex in arrears, and the simulator's invoices say what
//! was charged. The boundary is moved by how far the masters are invoiced, not by a clock, for a clock that is wrong is
//! a case of its own here.

use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use stack::VirtualMachine;

use crate::steady::QUIET;
use crate::steady::statements::{stand, stated};
use crate::world::{PATIENCE, World, WorldOptions, condition};

const ACME: i64 = 55;
pub(super) const GLOBEX: i64 = 56;
/// For so long a reading of a master agreement serves, with `--timing test`, and a little longer.
const STALE: Duration = Duration::from_secs(5);

#[test]
fn a_boundary_without_proration() {
    boundary(false, "refused", "next-invoice");
}

#[test]
fn a_boundary_with_proration() {
    boundary(true, "accepted", "refused");
}

/// Today's month and the one before, as first days, and the first day of the next.
fn months() -> (Date, Date, Date) {
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let first = today.first_of_month();
    (first - 1.month(), first, first + 1.month())
}

fn boundary(prorate: bool, midperiod: &str, invoiced: &str) {
    let world = World::start(&WorldOptions {
        vms: 4,
        operator: false,
        edit: |manifest| {
            if manifest["kind"] == "CustomerMapping" && manifest["metadata"]["name"] == "globex" {
                manifest["spec"]["billing"] = "Arrears".into();
            }
        },
        ..WorldOptions::default()
    });
    let assume =
        json!({ "midperiod-date-without-prorate": midperiod, "invoiced-addition": invoiced });
    world.control("PUT", "/settings", &json!({ "assume": assume }));
    rewrite(&world, |table, row| {
        if table == "agreement" {
            row["prorateFlag"] = prorate.into();
        }
    });
    world.start_operator();
    world.declare();
    world.await_converged(4);
    world.await_no_differences();
    world.await_quiet(QUIET);
    let mut statements = in_advance(&world, prorate, invoiced);
    statements.push(in_arrears(&world, prorate, invoiced));
    a_wrong_clock(&world);
    stand(&world, &statements);
    world.assert_clean();
}

/// The current month is invoiced: what is new begins with the next, and a quantity counts from there.
fn in_advance(world: &World, prorate: bool, invoiced: &str) -> Vec<Value> {
    let (_, this, next) = months();
    let charged = invoice(world, ACME);
    world.await_quiet(STALE);
    assert_eq!(charged["from"], this.to_string());
    let first = stated(world, "acme", &charged, prorate);
    let agreement = world.agreement_of("acme-web-01").id;
    let of_line = |bill: &Value, line: i64| -> Vec<Value> {
        let lines = bill["lines"].as_array().expect("lines").iter();
        lines
            .filter(|found| found["additionId"] == line)
            .cloned()
            .collect()
    };
    let vcpu = line(world, agreement, "CLOUD-VCPU");
    let before = quantity(world, agreement, vcpu);
    assert_eq!(decimal(&of_line(&charged, vcpu)[0]["quantity"]), before);

    change_cpus(world, "acme/acme-web-01", 37);
    if invoiced == "refused" {
        world.until("the refusal is told", PATIENCE, || {
            let held = service(world, "acme", agreement)?;
            (condition(&held, "Held")["reason"] == "WriteRejected").then_some(())
        });
        assert_eq!(quantity(world, agreement, vcpu), before);
        change_cpus(world, "acme/acme-web-01", i64::try_from(before).unwrap());
    } else {
        world.until("the quantity counts from the next period", PATIENCE, || {
            (quantity(world, agreement, vcpu) == 37.into()).then_some(())
        });
    }
    let machine = VirtualMachine {
        name: "acme-late-01".to_owned(),
        cpus: 3,
        memory_mib: 3_072,
        disk_mib: 3_072,
    };
    world.vcsim.create_vm("acme", &machine).expect("a machine");
    world.until("the late machine is billed", PATIENCE, || {
        (world.check().billable_agreements == 5).then_some(())
    });
    world.await_quiet(QUIET);
    let late = world.agreement_of("acme-late-01").id;
    let begins: Vec<_> = world
        .additions(late)
        .iter()
        .map(|line| line.record["effectiveDate"].clone())
        .collect();
    assert_eq!(
        begins,
        vec![json!(format!("{next}T00:00:00Z")); 3],
        "prorate {prorate}"
    );
    // The invoice of the next month charges it for that month, and nothing for this one.
    let bill = invoice_on(world, ACME, next);
    let late: Vec<_> = bill["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|found| found["agreementId"] == late)
        .cloned()
        .collect();
    assert_eq!(late.len(), 3, "{late:#?}");
    assert!(
        late.iter()
            .all(|found| found["what"] == "period" && found["from"] == next.to_string()),
        "{late:#?}"
    );
    let odd: Vec<_> = bill["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|found| found["what"] != "period")
        .collect();
    assert!(odd.is_empty(), "an invoiced period was changed: {odd:#?}");
    vec![first, stated(world, "acme", &bill, prorate)]
}

/// The month before has ended and its invoice is late: what is charged for it is what stood when it ended.
fn in_arrears(world: &World, prorate: bool, invoiced: &str) -> Value {
    let (last, this, _) = months();
    let agreement = world.agreement_of("globex-web-01").id;
    let vcpu = line(world, agreement, "CLOUD-VCPU");
    let before = quantity(world, agreement, vcpu);
    antedate(world, last);
    world.await_quiet(STALE);
    let day = format!("{last}T00:00:00Z");
    // Read before the write: the operator was told nothing of it.
    let begin = world.position();
    change_cpus(world, "globex/globex-web-01", 41);
    world.until("the quantity waits for the invoice", PATIENCE, || {
        let held = service(world, "globex", agreement)?;
        (condition(&held, "Held")["reason"] == "AwaitingInvoice").then_some(())
    });
    let mapping = world.get("cmap", "globex", "globex");
    assert_eq!(mapping["status"]["period"]["openFrom"], last.to_string());
    assert_eq!(mapping["status"]["period"]["from"], this.to_string());
    world.await_quiet(QUIET);
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );

    // It has only been told of the master: another process reads every line.
    world.kill_operator();
    world.start_operator();
    world.await_quiet(STALE);
    let bill = invoice(world, GLOBEX);
    assert_eq!(bill["from"], last.to_string());
    let lines = bill["lines"].as_array().expect("lines");
    let charged = lines
        .iter()
        .find(|found| found["additionId"] == vcpu)
        .expect("the line");
    assert_eq!(decimal(&charged["quantity"]), before);
    assert_eq!(charged["days"], charged["periodDays"], "{charged:#?}");
    let statement = stated(world, "globex", &bill, prorate);

    if invoiced == "refused" {
        world.until("the refusal is told", PATIENCE, || {
            let held = service(world, "globex", agreement)?;
            (condition(&held, "Held")["reason"] == "WriteRejected").then_some(())
        });
        return statement;
    }
    world.until("the quantity follows its invoice", PATIENCE, || {
        (quantity(world, agreement, vcpu) == 41.into()).then_some(())
    });
    // The invoice is deleted: its period stands as it ended, and follows again when it is made again.
    rewrite(world, |table, row| {
        if table == "agreement" && row["id"] == GLOBEX {
            row["_through"] = day.clone().into();
        }
    });
    change_cpus(world, "globex/globex-web-01", 42);
    world.until(
        "what the deleted invoice held stands again",
        PATIENCE,
        || (quantity(world, agreement, vcpu) == before).then_some(()),
    );
    let again = invoice(world, GLOBEX);
    let lines = again["lines"].as_array().expect("lines");
    let charged = lines
        .iter()
        .filter(|found| found["additionId"] == vcpu && found["what"] == "period");
    assert!(
        charged.clone().count() > 0
            && charged
                .clone()
                .all(|found| decimal(&found["quantity"]) == before),
        "{again:#?}"
    );
    world.until("the newest quantity follows", PATIENCE, || {
        (quantity(world, agreement, vcpu) == 42.into()).then_some(())
    });
    statement
}

/// Two hours apart: nothing is written, and everybody is told why. Right again: it is done.
fn a_wrong_clock(world: &World) {
    let held = |is: bool| {
        world.until("the integration tells of the clock", PATIENCE, || {
            let integration = world.list("cwi").into_iter().next()?;
            let reason = condition(&integration, "Held")["reason"].clone();
            ((reason == "ClockSkew") == is).then_some(())
        });
    };
    world.await_quiet(QUIET);
    world.control("PUT", "/clock", &json!({ "offsetSeconds": 7200 }));
    held(true);
    let begin = world.position();
    let machine = VirtualMachine {
        name: "acme-skew-01".to_owned(),
        cpus: 2,
        memory_mib: 2_048,
        disk_mib: 2_048,
    };
    world.vcsim.create_vm("acme", &machine).expect("a machine");
    world.until("the new service is told of the clock", PATIENCE, || {
        let found = world.list("csvc").into_iter().find(|s| {
            s["spec"]["displayName"] == "acme-skew-01"
                || condition(s, "Synced")["reason"] == "ClockSkew"
        })?;
        (condition(&found, "Synced")["reason"] == "ClockSkew").then_some(())
    });
    world.await_quiet(QUIET);
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );
    world.control("PUT", "/clock", &json!({ "offsetSeconds": 0 }));
    held(false);
    world.until("what waited is written", PATIENCE, || {
        (!world.writes_since(begin).is_empty()).then_some(())
    });
    world.await_quiet(QUIET);
}

/// As if everything of Globex had been billed since that day, from which on no invoice covers it.
pub(super) fn antedate(world: &World, day: Date) {
    let day = format!("{day}T00:00:00Z");
    put(world, |table, row| match table {
        "agreement" if row["id"] == GLOBEX => row["_through"] = day.clone().into(),
        "agreement" if row["parentAgreement"] == GLOBEX => {
            row["startDate"] = day.clone().into();
            row["billStartDate"] = day.clone().into();
        }
        "addition" if row["_parent"] != ACME => row["effectiveDate"] = day.clone().into(),
        _ => {}
    });
}

/// Changes rows of the simulator as if they had come so.
fn rewrite(world: &World, change: impl Fn(&str, &mut Value)) {
    world.await_quiet(QUIET);
    put(world, change);
    world.await_quiet(STALE);
}

fn put(world: &World, change: impl Fn(&str, &mut Value)) {
    let mut state = world.control("GET", "/state", &Value::Null);
    let tables = state["tables"].as_object_mut().expect("tables");
    for (name, rows) in tables {
        for row in rows.as_array_mut().expect("rows") {
            change(name, row);
        }
    }
    world.control("PUT", "/state", &json!({ "tables": state["tables"] }));
}

pub(super) fn invoice(world: &World, master: i64) -> Value {
    world.control("POST", "/invoice", &json!({ "agreementId": master }))
}

fn invoice_on(world: &World, master: i64, day: Date) -> Value {
    let body = json!({ "agreementId": master, "date": day.to_string() });
    world.control("POST", "/invoice", &body)
}

fn change_cpus(world: &World, machine: &str, cpus: i64) {
    let path = format!("/DC0/vm/{machine}");
    let cpus = format!("-c={cpus}");
    world
        .vcsim
        .govc(&["vm.change", "-vm", &path, &cpus])
        .expect("govc");
}

fn line(world: &World, agreement: i64, product: &str) -> i64 {
    let lines = world.additions(agreement);
    lines
        .iter()
        .find(|line| line.product == product)
        .expect("a line")
        .id
}

fn quantity(world: &World, agreement: i64, line: i64) -> Decimal {
    let lines = world.additions(agreement);
    lines
        .iter()
        .find(|found| found.id == line)
        .expect("the line")
        .quantity
}

/// The service that an agreement belongs to.
fn service(world: &World, namespace: &str, agreement: i64) -> Option<Value> {
    let services = world.list("csvc");
    services.into_iter().find(|service| {
        service["metadata"]["namespace"] == namespace
            && service["status"]["agreementId"] == agreement
    })
}

fn decimal(value: &Value) -> Decimal {
    value
        .to_string()
        .trim_matches('"')
        .parse()
        .expect("a number")
}
