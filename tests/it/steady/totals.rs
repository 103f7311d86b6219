//! Totals over a period on real parts, with an operator that is stopped, for a while and for a long time, while machines
//! change: what vCenter's events say is counted to the moment, what nobody knows is an interval, and what a month then
//! comes to is the sum done by hand.
//!
//! A month is not waited for: what the books say of the time before, and since when nobody looked, is put back into the
//! last one, as if all of it had happened there.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::steady::QUIET;
use crate::steady::left::left_to_another;
use crate::steady::periods::{GLOBEX, antedate, invoice};
use crate::steady::statements::stated;
use crate::world::{PATIENCE, PLATFORM, World, WorldOptions};

pub(super) const MACHINE: &str = "/DC0/vm/globex/globex-web-01";
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const GIB: i64 = 1 << 30;

fn declare(manifest: &mut Value) {
    if manifest["kind"] != "CustomerMapping" || manifest["metadata"]["name"] != "globex" {
        return;
    }
    let hundredth = json!({ "mode": "Nearest", "step": "0.01" });
    manifest["spec"]["billing"] = "Arrears".into();
    manifest["spec"]["overrides"] = json!([{ "rules": [
        { "name": "vcpu", "property": "vcpu", "product": { "identifier": "CLOUD-VCPU" }, "unit": "vCPU",
          "rounding": hundredth, "aggregation": "Average", "gaps": "Hold" },
        { "name": "memory", "property": "memory", "product": { "identifier": "CLOUD-RAM-GIB" }, "unit": "GiB",
          "rounding": hundredth, "aggregation": "Average", "gaps": "Exclude" },
        { "name": "storage", "property": "storage.provisioned", "product": { "identifier": "CLOUD-STORAGE-GIB" },
          "unit": "GiB", "aggregation": "P95" },
    ] }]);
}

#[test]
fn what_a_month_came_to_is_the_sum_done_by_hand_whoever_looked() {
    let world = World::start(&WorldOptions {
        vms: 2,
        snapshot_interval: "2s",
        edit: declare,
        ..WorldOptions::default()
    });
    let looked = world.until(
        "the machine is counted, and that is marked",
        PATIENCE,
        || {
            let meters = &book(&world)?["spec"]["meters"];
            let all = ["vcpu", "memory", "storage"].iter();
            (all.clone().all(|rule| meters[rule]["level"].is_number())).then_some(())?;
            watermark(&world)
        },
    );
    world.until("what is looked at later is marked, too", PATIENCE, || {
        (watermark(&world)? > looked).then_some(())
    });
    what_events_say_is_counted_to_the_moment(&world);
    what_is_not_written_is_not_marked_as_looked_at(&world);
    a_month(&world);
    left_to_another(&world);
    world.assert_clean();
}

/// The operator is stopped for a while.
fn what_events_say_is_counted_to_the_moment(world: &World) {
    world.await_quiet(QUIET);
    let before = meter(world, "vcpu");
    assert_eq!(before["level"], 2);
    world.kill_operator();
    let first = cpus(world, 5);
    let second = cpus(world, 7);
    world.start_operator();
    let after = counted(world, 7);
    assert!(within(&after["until"], second), "{after:#} {second:?}");
    let period = &after["periods"][0];
    let gap = &period["gaps"][0];
    assert!(
        within(&gap["from"], first) && within(&gap["to"], second),
        "{period:#}"
    );
    assert_eq!(gap["held"], 2, "what stood before it");
    assert!(period["gaps"][1].is_null(), "{period:#}");
    whole(&after);
    // Its memory was the same at both ends, and nobody knows what it was between them.
    assert_eq!(
        meter(world, "memory")["periods"][0]["gaps"][0]["from"],
        gap["from"]
    );

    // One event leaves nothing open.
    world.until("all of that is marked", PATIENCE, || {
        (watermark(world)? > second.1).then_some(())
    });
    world.kill_operator();
    let only = cpus(world, 8);
    world.start_operator();
    let after = counted(world, 8);
    assert!(within(&after["until"], only), "{after:#} {only:?}");
    let period = &after["periods"][0];
    assert!(period["gaps"][1].is_null(), "{period:#}");
    let at_seven = period["levels"]["7"].as_i64().expect("a time at 7");
    let longest = only.1.as_millisecond() - second.0.as_millisecond();
    let shortest = only.0.as_millisecond() - second.1.as_millisecond();
    assert!((shortest..=longest).contains(&at_seven), "{period:#}");
    whole(&after);
}

/// The operator sees a change that it cannot write down, and dies: the next one knows since when to ask.
fn what_is_not_written_is_not_marked_as_looked_at(world: &World) {
    world.await_quiet(QUIET);
    let role: Value = serde_json::from_str(&world.kubectl(&[
        "get",
        "role",
        "meterwise-platform",
        "-n",
        PLATFORM,
        "-o",
        "json",
    ]))
    .expect("a Role");
    let mut less = role.clone();
    for rule in less["rules"].as_array_mut().expect("rules") {
        if rule["resources"][0] == "billingrecords" {
            rule["verbs"] = json!(["get", "list", "watch"]);
        }
    }
    let rights = |role: &Value| {
        let patch = json!({ "rules": role["rules"] }).to_string();
        let args = [
            "patch",
            "role",
            "meterwise-platform",
            "-n",
            PLATFORM,
            "--type=merge",
            "-p",
        ];
        world.kubectl(&[&args[..], &[&patch]].concat());
    };
    rights(&less);
    let change = cpus(world, 9);
    let refused = || {
        let log = world.plane.audit_log().expect("the audit log");
        let writes = log
            .into_iter()
            .filter(|event| event.resource == "billingrecords");
        writes.filter(|event| event.code == 403).count()
    };
    world.until("its total cannot be written", PATIENCE, || {
        (refused() > 0).then_some(())
    });
    // Many reads of the whole inventory later.
    let begun = Timestamp::now();
    world.until("it is looked at again and again", PATIENCE, || {
        (Timestamp::now().duration_since(begun).as_secs() > 7 && refused() > 1).then_some(())
    });
    let marked = watermark(world).expect("a watermark");
    assert!(marked < change.1, "{marked} is after {change:?}");
    world.kill_operator();
    rights(&role);
    world.start_operator();
    let after = counted(world, 9);
    assert!(within(&after["until"], change), "{after:#} {change:?}");
    world.until("what is written is marked", PATIENCE, || {
        (watermark(world)? > change.1).then_some(())
    });
}

/// The operator was stopped in the last month, for longer than events are asked for.
fn a_month(world: &World) {
    world.await_quiet(QUIET);
    world.kill_operator();
    let (from, to) = last_month();
    let hours = (to.as_millisecond() - from.as_millisecond()) / HOUR;
    let after = |hours: i64| from.saturating_add(hours.hours()).expect("a moment");
    // It came after 5 days, stood otherwise for 6 and a half, and was last looked at after 20 days and a quarter.
    let (came, changed, dark) = (5 * 24, 11 * 24 + 12, 20 * 24 + 6);
    let mut record = book(world).expect("a book");
    let mut levels = [("vcpu", 3), ("memory", GIB), ("storage", GIB)].map(|(rule, early)| {
        let meter = &mut record["spec"]["meters"][rule];
        let late = meter["level"].as_i64().expect("a level");
        meter["until"] = json!(after(changed).to_string());
        let mut spent = json!({ "0": came * HOUR });
        spent[early.to_string()] = json!((changed - came) * HOUR);
        meter["periods"] =
            json!([{ "from": from.to_string(), "to": to.to_string(), "levels": spent }]);
        (Decimal::from(early), Decimal::from(late))
    });
    replace(world, &record);
    let lease = json!({ "spec": { "renewTime": format!("{:.6}", after(dark)) } }).to_string();
    let name = "meterwise-source-vcenter";
    world.kubectl(&[
        "patch",
        "lease",
        name,
        "-n",
        PLATFORM,
        "--type=merge",
        "-p",
        &lease,
    ]);
    antedate(world, from.to_zoned(TimeZone::UTC).date());
    // What happens now nobody can know the time of, and it is no matter of the last month.
    let memory = ["vm.change", "-vm", MACHINE, "-m=8192"];
    world.vcsim.govc(&memory).expect("govc");
    world.start_operator();

    let agreement = world.agreement_of("globex-web-01").id;
    world.until(
        "what the month came to stands on its lines",
        PATIENCE,
        || {
            let lines = world.additions(agreement);
            (lines.iter().filter(|line| line.billable).count() == 3).then_some(())
        },
    );
    world.await_quiet(QUIET);
    let bill = invoice(world, GLOBEX);
    let statement = stated(world, "globex", &bill, false);
    for (_, level) in &mut levels[1..] {
        *level /= Decimal::from(GIB);
    }
    levels[1].0 /= Decimal::from(GIB);
    let [vcpu, memory, storage] = levels;
    let mean = |(early, late): (Decimal, Decimal), until: i64| {
        let total = early * Decimal::from(changed - came) + late * Decimal::from(until - changed);
        rounded(total / Decimal::from(until))
    };
    let by_hand = [
        // The last level counts for the time that nobody saw.
        ("vcpu", mean(vcpu, hours)),
        // That time does not count.
        ("memory", mean(memory, dark)),
        // Less than 95 hundredths of the month, and more than 5, it was less.
        ("storage", storage.1),
    ];
    let lines = statement["spec"]["lines"].as_array().expect("lines");
    assert_eq!(lines.len(), 3);
    for (rule, quantity) in by_hand {
        let line = lines
            .iter()
            .find(|line| line["rule"] == rule)
            .expect("a line");
        let said: Decimal = line["quantity"]
            .as_str()
            .expect("text")
            .parse()
            .expect("a number");
        assert_eq!(said, quantity.normalize(), "{line:#}");
        assert_eq!(line["counted"], line["quantity"]);
        let unseen = json!([{ "start": after(dark).to_string(), "end": to.to_string() }]);
        assert_eq!(line["unseen"], unseen, "{line:#}");
    }
}

/// To the hundredth, as the rules do.
pub(super) fn rounded(quantity: Decimal) -> Decimal {
    let half_up = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    quantity.round_dp_with_strategy(2, half_up)
}

/// The last month, from its first moment to the first one after it.
pub(super) fn last_month() -> (Timestamp, Timestamp) {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let this = today.first_of_month();
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).expect("a day").timestamp();
    (midnight(this - 1.month()), midnight(this))
}

/// Writes a book as if the operator had.
pub(super) fn replace(world: &World, record: &Value) {
    let (text, replace) = (record.to_string(), ["replace", "-f", "-"]);
    let replaced = world.plane.kubectl_with(&replace, Some(&text));
    replaced.expect("kubectl replace");
}

/// Changes the machine's processors, and says between which moments that was.
fn cpus(world: &World, cpus: u32) -> (Timestamp, Timestamp) {
    let begun = Timestamp::now();
    let cpus = format!("-c={cpus}");
    let change = ["vm.change", "-vm", MACHINE, &cpus];
    world.vcsim.govc(&change).expect("govc");
    (begun, Timestamp::now())
}

fn counted(world: &World, level: i64) -> Value {
    world.until(&format!("a level of {level} is counted"), PATIENCE, || {
        let meter = book(world)?["spec"]["meters"]["vcpu"].clone();
        (meter["level"] == level).then_some(meter)
    })
}

pub(super) fn book(world: &World) -> Option<Value> {
    let records = world.list("brec").into_iter();
    let mut of_globex = records.filter(|record| {
        let service = record["spec"]["service"].as_str().unwrap_or_default();
        service.starts_with("globex/")
    });
    of_globex.next()
}

fn meter(world: &World, rule: &str) -> Value {
    book(world).expect("a book")["spec"]["meters"][rule].clone()
}

pub(super) fn watermark(world: &World) -> Option<Timestamp> {
    let lease = world.get("lease", PLATFORM, "meterwise-source-vcenter");
    lease["spec"]["renewTime"].as_str()?.parse().ok()
}

fn within(moment: &Value, (from, to): (Timestamp, Timestamp)) -> bool {
    let moment: Timestamp = moment.as_str().expect("text").parse().expect("a moment");
    from <= moment && moment <= to
}

/// Every millisecond since the period began is either at a level or unseen.
fn whole(meter: &Value) {
    let period = &meter["periods"][0];
    let moment =
        |value: &Value| -> Timestamp { value.as_str().expect("text").parse().expect("a moment") };
    let sum = |times: &Value| -> i64 {
        let times = times.as_object().into_iter().flatten();
        times.map(|(_, time)| time.as_i64().expect("a time")).sum()
    };
    let counted = sum(&period["levels"]) + sum(&period["unseen"]);
    let length =
        moment(&meter["until"]).as_millisecond() - moment(&period["from"]).as_millisecond();
    // Each change may cut a millisecond off.
    assert!(
        (counted - length).abs() <= 20,
        "{counted} of {length}: {meter:#}"
    );
}
