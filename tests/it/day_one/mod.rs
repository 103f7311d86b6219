//! A customer's first day on real parts: billed by hand until then, a parallel run beside it, and one approved change from
//! the one to the other, with the operator killed in the middle of it. What is charged is read from the simulator's
//! invoices, and held against a sum that is made here.

mod offered;

use std::str::FromStr as _;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::trouble::person::Person;
use crate::world::{OPERATOR, PATIENCE, PLATFORM, Seen, World, WorldOptions, condition, is};

const ACME: i64 = 55;
const QUIET: Duration = Duration::from_secs(4);
/// The unit prices of the seed, by product.
const PRICES: [(&str, &str); 3] = [
    ("CLOUD-VCPU", "12.50"),
    ("CLOUD-RAM-GIB", "6.25"),
    ("CLOUD-STORAGE-GIB", "0.14"),
];

/// A world in which Acme was billed by two additions on its master, and is declared with a parallel run.
struct FirstDay {
    world: World,
    /// The additions that are to be replaced.
    old: Vec<i64>,
    /// What they come to in a month.
    old_money: Decimal,
}

/// Today's month as its first day, and those of the next two.
fn months() -> [Date; 3] {
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date();
    let first = today.first_of_month();
    [first, first + 1.month(), first + 2.month()]
}

fn number(text: &str) -> Decimal {
    Decimal::from_str(text).expect("a number")
}

fn decimal(value: &Value) -> Decimal {
    number(value.to_string().trim_matches('"'))
}

impl FirstDay {
    /// `adopts` says whether the integration lets the namespace end what people made.
    fn start(prorate: bool, adopts: bool) -> Self {
        let world = World::start(&WorldOptions {
            vms: 4,
            operator: false,
            guarded: true,
            ..WorldOptions::default()
        });
        let mut state = world.control("GET", "/state", &Value::Null);
        for row in state["tables"]["agreement"].as_array_mut().unwrap() {
            row["prorateFlag"] = prorate.into();
        }
        world.control("PUT", "/state", &json!({ "tables": state["tables"] }));
        let person = Person::of(&world);
        let [this, ..] = months();
        let day = format!("{this}T00:00:00Z");
        let make = |product: i64, quantity: &str, price: &str| {
            let line = json!({
                "product": { "id": product }, "quantity": number(quantity), "unitPrice": number(price),
                "billCustomer": "Billable", "effectiveDate": day,
            });
            let made = person.make(&format!("finance/agreements/{ACME}/additions"), &line);
            made["id"].as_i64().expect("an id")
        };
        let old = vec![make(77, "20", "11.11"), make(78, "64", "5.99")];
        let old_money = number("20") * number("11.11") + number("64") * number("5.99");
        world.control("PUT", "/settings", &json!({ "replaceable": old }));
        let first = this.to_string();
        world.change_manifests(|manifest| match manifest["kind"].as_str() {
            Some("CustomerMapping") if manifest["metadata"]["name"] == "acme" => {
                let replaces: Vec<_> = old.iter().map(|id| json!({ "additionId": id })).collect();
                manifest["spec"]["replaces"] = replaces.into();
                manifest["spec"]["billFrom"] = first.clone().into();
            }
            Some("ConnectWiseIntegration") if adopts => {
                manifest["spec"]["tenants"][0]["mayAdopt"] = true.into();
            }
            _ => {}
        });
        world.start_operator();
        world.declare();
        Self {
            world,
            old,
            old_money,
        }
    }

    fn parallel(&self) -> Value {
        self.world.get("cmap", "acme", "acme")["status"]["parallel"].clone()
    }

    /// Waits until the change is offered for a day, and answers the parallel run.
    #[track_caller]
    fn await_offer(&self, day: Date) -> Value {
        self.world.until("the change is offered", PATIENCE, || {
            let parallel = self.parallel();
            let offered = parallel["plan"]["digest"].is_string();
            (offered && parallel["changesOn"] == day.to_string()).then_some(parallel)
        })
    }

    /// What the new lines come to in a month, by what vCenter holds.
    fn new_money(&self) -> Decimal {
        let mut sum = Decimal::ZERO;
        for machine in ["acme-web-01", "acme-db-01"] {
            let quantities = crate::world::quantities(&self.world.machine(machine));
            for (product, price) in PRICES {
                let line = quantities[product] * number(price);
                // ConnectWise charges each line to the cent.
                sum += line.round_dp_with_strategy(
                    2,
                    rust_decimal::RoundingStrategy::MidpointAwayFromZero,
                );
            }
        }
        sum
    }

    /// The invoice of the next period of Acme, made on that day: what it comes to.
    fn invoice(&self, day: Date) -> Decimal {
        let body = json!({ "agreementId": ACME, "date": day.to_string() });
        let bill = self.world.control("POST", "/invoice", &body);
        assert_eq!(bill["from"], day.to_string());
        decimal(&bill["total"])
    }

    fn line(&self, id: i64) -> Value {
        let lines = self.world.additions(ACME);
        let line = lines.into_iter().find(|line| line.id == id);
        line.expect("the line").record
    }

    /// The new lines, each as it stands.
    fn new_lines(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for machine in ["acme-web-01", "acme-db-01"] {
            let agreement = self.world.agreement_of(machine).id;
            let all = self.world.additions(agreement).into_iter();
            lines.extend(all.map(|line| line.record));
        }
        lines
    }

    #[track_caller]
    fn approve(&self, plan: &Value) {
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        self.world.apply(&json!({
            "apiVersion": "meterwise.dev/v1alpha1", "kind": "ChangeApproval",
            "metadata": { "name": "first-day", "namespace": "acme" },
            "spec": {
                "mappingRef": { "name": "acme" }, "planDigest": plan["digest"], "expiresAt": later.to_string(),
            },
        }));
    }
}

#[test]
fn a_handover_without_proration() {
    hand_over(false);
}

#[test]
fn a_handover_with_proration() {
    hand_over(true);
}

fn hand_over(prorate: bool) {
    let day = FirstDay::start(prorate, true);
    let world = &day.world;
    let [this, next, after] = months();
    a_parallel_run(&day, next);

    // The month before the change is invoiced: what people billed, and nothing else. The next invoice reaches the day that
    // was offered, so the change moves on.
    assert_eq!(day.invoice(this), day.old_money);
    let parallel = day.await_offer(after);

    // The first addition is ended, the second hangs, and the operator is killed.
    let path = format!("/additions/{}$", day.old[1]);
    world.fault(&json!({
        "match": { "principal": OPERATOR, "method": "PATCH", "pathRegex": path },
        "action": { "hang": { "commit": false } },
    }));
    let begin = world.position();
    day.approve(&parallel["plan"]);
    world.until("the second end hangs", PATIENCE, || {
        (world.hanging() > 0).then_some(())
    });
    world.kill_operator();
    world.clear_faults();
    // Lists lag behind what is there.
    std::thread::sleep(QUIET);
    let ended = |id: i64| day.line(id)["cancelledDate"].clone();
    assert_eq!(ended(day.old[0]), format!("{after}T00:00:00Z"));
    assert!(ended(day.old[1]).is_null());
    assert!(
        day.new_lines()
            .iter()
            .all(|line| line["billCustomer"] == "DoNotBill")
    );

    // An invoice that is made now charges what people billed, for it does not reach the day of the change.
    assert_eq!(day.invoice(next), day.old_money);

    // Nobody approves a second time: the approval is gone, and what was begun goes on.
    world.kubectl(&["delete", "appr", "first-day", "-n", "acme"]);
    world.start_operator();
    world.until("the change is made", PATIENCE, || {
        let lines = day.new_lines();
        let bills = lines.iter().all(|line| line["billCustomer"] == "Billable");
        (bills && day.parallel()["state"] == "Changed").then_some(())
    });
    world.await_quiet(QUIET);
    for id in &day.old {
        assert_eq!(ended(*id), format!("{after}T00:00:00Z"));
    }
    for line in day.new_lines() {
        assert_eq!(line["effectiveDate"], format!("{after}T00:00:00Z"));
    }
    let writes = world.writes_since(begin);
    let of_old = |seen: &&Seen| {
        let is = |id: &i64| seen.tail() == format!("finance/agreements/{ACME}/additions/{id}");
        day.old.iter().any(is)
    };
    let of_old: Vec<_> = writes.iter().filter(of_old).collect();
    assert!(of_old.len() >= 2, "{writes:#?}");
    let only = |seen: &&Seen| seen.patched() == ["cancelledDate"];
    assert!(of_old.iter().all(only), "{of_old:#?}");
    assert_eq!(
        day.invoice(after),
        day.new_money(),
        "{:#?}",
        day.new_lines()
    );

    world.until("nothing is held any more", PATIENCE, || {
        is(&world.get("cmap", "acme", "acme"), "Held", "False").then_some(())
    });
    world.await_quiet(QUIET);
    let (begin, since) = (world.position(), world.audit_now());
    std::thread::sleep(QUIET);
    assert!(
        world.writes_since(begin).is_empty(),
        "{:#?}",
        world.writes_since(begin)
    );
    assert!(
        world.audit_writes(&since).is_empty(),
        "{:#?}",
        world.audit_writes(&since)
    );
    world.assert_clean();
}

/// New lines stand and bill nothing, and old and new money is shown wherever somebody looks.
fn a_parallel_run(day: &FirstDay, next: Date) {
    let world = &day.world;
    let parallel = day.await_offer(next);
    assert_eq!(parallel["state"], "Running", "{parallel:#}");
    assert_eq!(parallel["plan"]["actions"], 4, "{parallel:#}");
    assert_eq!(
        (&parallel["old"]["lines"], &parallel["new"]["lines"]),
        (&json!(2), &json!(6))
    );
    assert_eq!(decimal(&parallel["old"]["amount"]), day.old_money);
    world.await_quiet(QUIET);
    let lines = day.new_lines();
    assert_eq!(lines.len(), 6);
    for line in &lines {
        assert_eq!(
            (&line["billCustomer"], decimal(&line["quantity"])),
            (&json!("DoNotBill"), Decimal::ZERO)
        );
    }
    let new = decimal(&parallel["new"]["amount"]);
    let rounded = new.round_dp(2);
    assert!(
        (rounded - day.new_money()).abs() <= number("0.03"),
        "{rounded} {}",
        day.new_money()
    );
    assert_eq!(decimal(&parallel["difference"]), new - day.old_money);
    let mapping = world.get("cmap", "acme", "acme");
    assert_eq!(
        condition(&mapping, "Held")["reason"],
        "ParallelRun",
        "{mapping:#}"
    );
    let plan = world.meterwise(&["plan", "-n", "acme"]);
    for word in [
        "kind: ChangeApproval",
        "ends",
        "bills from",
        parallel["plan"]["digest"].as_str().unwrap(),
    ] {
        assert!(plan.contains(word), "{word} in {plan}");
    }
    let report = world.meterwise(&["report", "customers", "-n", "acme"]);
    assert!(
        report.contains("parallel run") && report.contains("difference"),
        "{report}"
    );
    let page = world.meterwise(&["report", "customers", "-n", "acme", "-o", "html"]);
    assert!(page.contains("Parallel run"), "{page}");
    let metrics = world.metrics();
    assert!(
        metrics.contains("mapping=\"acme/acme\",kind=\"ParallelRun\""),
        "{metrics}"
    );
    let events = world.list("events.events.k8s.io");
    let told = |event: &Value| {
        event["reason"] == "ChangesHeld"
            && event["note"]
                .as_str()
                .is_some_and(|note| note.contains("ParallelRun"))
    };
    assert!(events.iter().any(told), "no event tells of it");
    // Globex has nothing to do with it.
    assert!(world.agreement_of("globex-web-01").mark.is_some());
    world.await_quiet(QUIET);
    let since = world.audit_now();
    let begin = world.position();
    std::thread::sleep(QUIET);
    assert!(world.writes_since(begin).is_empty());
    assert!(
        world.audit_writes(&since).is_empty(),
        "{:#?}",
        world.audit_writes(&since)
    );
    assert_eq!(
        world.get("cwi", PLATFORM, "connectwise")["spec"]["tenants"][0]["mayAdopt"],
        true
    );
}
