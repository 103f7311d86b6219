//! Every switch, in every setting: what a client sees.

use connectwise_sim::Outcome;
use connectwise_sim::assume::ASSUMPTIONS;
use connectwise_sim::query::encode;

use crate::common::{Sim, child, line};

/// A switch: what is done, and what comes of it under each setting.
struct Case {
    name: &'static str,
    act: fn(&mut Sim) -> String,
    seen: &'static [(&'static str, &'static str)],
}

fn status(outcome: &Outcome) -> String {
    outcome.status().to_string()
}

fn field(outcome: &Outcome, name: &str) -> String {
    format!("{} {}", outcome.status(), outcome.body().get(name))
}

fn vm(sim: &mut Sim) -> (i64, i64) {
    let id = sim.child("vm1", "m1");
    (id, sim.line(id, "2", "DoNotBill", "l1"))
}

fn bill(sim: &mut Sim) -> String {
    let done = sim.control(
        "POST",
        "/invoice",
        r#"{"agreementId":55,"date":"2026-05-01"}"#,
    );
    let lines = done.get("lines").items().iter();
    let amounts: Vec<String> = lines
        .map(|l| format!("{} {}", l.get("what"), l.get("amount")))
        .collect();
    amounts.join(",").replace('"', "")
}

fn search(sim: &mut Sim, path: &str) -> String {
    let query = encode("caption=\"meterwise\" AND value=\"none\"");
    let found = sim.get(&format!("{path}?customFieldConditions={query}"));
    format!("{} {}", found.status(), found.body().items().len())
}

const CASES: &[Case] = &[
    Case {
        name: "inert-donotbill",
        act: |sim| {
            vm(sim);
            bill(sim)
        },
        seen: &[
            ("never", ""),
            ("zero-line", "period 0"),
            ("full", "period 25"),
        ],
    },
    Case {
        name: "zero-quantity",
        act: |sim| {
            let (id, _) = vm(sim);
            let path = format!("finance/agreements/{id}/additions");
            let post = sim.post(&path, &line("0", "DoNotBill", "l2"));
            format!(
                "{} {}",
                post.status(),
                sim.set(&format!("{path}/1"), "quantity", "0").status()
            )
        },
        seen: &[("accepted", "201 200"), ("refused", "400 400")],
    },
    Case {
        name: "billcustomer-patchable",
        act: |sim| {
            let (id, line) = vm(sim);
            field(
                &sim.set(
                    &format!("finance/agreements/{id}/additions/{line}"),
                    "billCustomer",
                    "\"Billable\"",
                ),
                "billCustomer",
            )
        },
        seen: &[
            ("yes", "200 \"Billable\""),
            ("refused", "400 null"),
            ("ignored", "200 \"DoNotBill\""),
        ],
    },
    Case {
        name: "customfield-search-agreements",
        act: |sim| search(sim, "finance/agreements"),
        seen: &[("yes", "200 0"), ("ignored", "200 2"), ("refused", "400 0")],
    },
    Case {
        name: "customfield-search-additions",
        act: |sim| {
            let (id, _) = vm(sim);
            search(sim, &format!("finance/agreements/{id}/additions"))
        },
        seen: &[("yes", "200 0"), ("ignored", "200 1"), ("refused", "400 0")],
    },
    Case {
        name: "customfields-on-post",
        act: |sim| {
            let made = sim.post("finance/agreements", &child("vm1", "m1"));
            let body = made.body();
            let value = body
                .get("customFields")
                .items()
                .first()
                .map(|f| f.get("value").to_string());
            format!("{} {}", made.status(), value.unwrap_or_default())
        },
        seen: &[
            ("yes", "201 \"m1\""),
            ("ignored", "201 null"),
            ("refused", "400 "),
        ],
    },
    Case {
        name: "late-commit",
        act: |sim| {
            sim.control(
                "POST",
                "/faults",
                r#"{"match":{"method":"POST"},"times":1,"action":{"lateCommit":{"ms":5000}}}"#,
            );
            sim.post("finance/agreements", &child("vm1", "m1"));
            sim.pass(6_000);
            sim.get("finance/agreements/count")
                .body()
                .get("count")
                .to_string()
        },
        seen: &[("yes", "3"), ("no", "2")],
    },
    Case {
        name: "edge-replays-post",
        act: |sim| {
            for i in 0..8 {
                sim.child(&format!("vm{i}"), "m");
            }
            let made = sim
                .get("finance/agreements/count")
                .body()
                .get("count")
                .as_int()
                .unwrap()
                - 2;
            if made > 8 && made < 16 {
                "some".to_owned()
            } else {
                made.to_string()
            }
        },
        seen: &[("no", "8"), ("yes", "some"), ("always", "16")],
    },
    Case {
        name: "ids-reused",
        act: |sim| {
            let id = sim.child("vm1", "m1");
            sim.human().delete(&format!("finance/agreements/{id}"));
            (sim.child("vm2", "m2") - id).to_string()
        },
        seen: &[("never", "1"), ("yes", "0")],
    },
    Case {
        name: "read-lag",
        act: |sim| {
            sim.child("vm1", "m1");
            let mut seen = String::new();
            for wait in [0, 0, 0, 0, 2_000, 58_000, 540_000] {
                sim.pass(wait);
                seen += &sim
                    .get("finance/agreements/count")
                    .body()
                    .get("count")
                    .to_string();
            }
            seen
        },
        seen: &[
            ("2s", "2222333"),
            ("0", "3333333"),
            ("60s", "2222233"),
            ("10m", "2222223"),
            ("non-monotonic", "2222333"),
        ],
    },
    Case {
        name: "duplicate-addition",
        act: |sim| {
            let (id, _) = vm(sim);
            status(&sim.post(
                &format!("finance/agreements/{id}/additions"),
                &line("1", "DoNotBill", "l2"),
            ))
        },
        seen: &[("allowed", "201"), ("refused", "400")],
    },
    Case {
        name: "agreement-name-unique",
        act: |sim| {
            vm(sim);
            status(&sim.post("finance/agreements", &child("VM1", "m2")))
        },
        seen: &[("no", "201"), ("yes", "400")],
    },
    Case {
        name: "bundle-rules",
        act: |sim| {
            let foreign = sim.post(
                "finance/agreements",
                &child("a", "m").replace("\"id\":55", "\"id\":56"),
            );
            let typed = child("b", "m").replace("\"type\":{\"id\":18}", "\"type\":{\"id\":19}");
            let other = sim.post("finance/agreements", &typed);
            let id = sim.child("c", "m");
            let path = format!("finance/agreements/{id}");
            let null = sim.set(&path, "parentAgreement", "null");
            let remove = sim.patch(&path, r#"[{"op":"remove","path":"parentAgreement"}]"#);
            [foreign, other, null, remove].map(|o| status(&o)).join(" ")
        },
        seen: &[
            ("enforced", "400 201 400 200"),
            ("none", "201 201 200 200"),
            ("equal-type", "400 400 400 200"),
            ("null-unbundles", "400 201 200 200"),
        ],
    },
    Case {
        name: "parent-condition",
        act: |sim| {
            vm(sim);
            sim.get("finance/agreements/count?conditions=parentAgreement/id=55")
                .text()
        },
        seen: &[("yes", "{\"count\":1}"), ("ignored", "{\"count\":3}")],
    },
    Case {
        name: "cancel-cascade",
        act: |sim| {
            let (id, _) = vm(sim);
            sim.human()
                .set("finance/agreements/55", "cancelledFlag", "true");
            field(
                &sim.get(&format!("finance/agreements/{id}")),
                "agreementStatus",
            )
        },
        seen: &[("no", "200 \"Active\""), ("yes", "200 \"Cancelled\"")],
    },
    Case {
        name: "cancel-needs-date",
        act: |sim| {
            field(
                &sim.set("finance/agreements/55", "cancelledFlag", "true"),
                "dateCancelled",
            )
        },
        seen: &[
            ("defaulted", "200 \"2026-03-15T00:00:00Z\""),
            ("refused", "400 null"),
        ],
    },
    Case {
        name: "uncancel",
        act: |sim| {
            let (id, line) = vm(sim);
            let path = format!("finance/agreements/{id}/additions/{line}");
            sim.set(&path, "cancelledDate", "\"2026-04-01T00:00:00Z\"");
            sim.set("finance/agreements/56", "cancelledFlag", "true");
            let line = sim.set(&path, "cancelledDate", "null");
            format!(
                "{} {}",
                line.status(),
                sim.set("finance/agreements/56", "cancelledFlag", "false")
                    .status()
            )
        },
        seen: &[("yes", "200 200"), ("refused", "400 400")],
    },
    Case {
        name: "status-derivation",
        act: |sim| {
            // 23:30 in New York on the 14th is 03:30 UTC on the 15th.
            sim.state.config_mut().zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(-4));
            sim.now -= 6 * 3_600_000 + 1_800_000;
            sim.set(
                "finance/agreements/56",
                "startDate",
                "\"2026-03-15T00:00:00Z\"",
            );
            field(&sim.get("finance/agreements/56"), "agreementStatus")
        },
        seen: &[("site-zone", "200 \"Inactive\""), ("utc", "200 \"Active\"")],
    },
    Case {
        name: "startdate-default",
        act: |sim| {
            let body = r#"{"name":"x","type":{"id":18},"company":{"id":250},"contact":{"id":7}}"#;
            field(&sim.post("finance/agreements", body), "startDate")
        },
        seen: &[
            ("today", "201 \"2026-03-15T00:00:00Z\""),
            ("period-start", "201 \"2026-03-01T00:00:00Z\""),
        ],
    },
    Case {
        name: "effectivedate-default",
        act: |sim| {
            let body = r#"{"product":{"id":77},"billCustomer":"Billable"}"#;
            field(
                &sim.post("finance/agreements/55/additions", body),
                "effectiveDate",
            )
        },
        seen: &[
            ("today", "201 \"2026-03-15T00:00:00Z\""),
            ("period-start", "201 \"2026-03-01T00:00:00Z\""),
            ("null", "201 null"),
        ],
    },
    Case {
        name: "midperiod-date-without-prorate",
        act: |sim| {
            let body = line("1", "Billable", "l").replace("2026-03-01", "2026-03-10");
            field(
                &sim.post("finance/agreements/55/additions", &body),
                "effectiveDate",
            )
        },
        seen: &[
            ("refused", "400 null"),
            ("accepted", "201 \"2026-03-10T00:00:00Z\""),
            ("moved", "201 \"2026-03-01T00:00:00Z\""),
        ],
    },
    Case {
        name: "invoiced-addition",
        act: |sim| {
            let id = sim.child("vm1", "m1");
            let line = sim.line(id, "2", "Billable", "l1");
            let first = bill(sim);
            let set = sim.set(
                &format!("finance/agreements/{id}/additions/{line}"),
                "quantity",
                "4",
            );
            format!("{first};{};{}", set.status(), bill(sim))
        },
        seen: &[
            ("next-invoice", "period 25;200;period 50"),
            ("refused", "period 25;400;period 25"),
            ("re-rates", "period 25;200;period 50,re-rated 25"),
        ],
    },
    Case {
        name: "number-precision",
        act: |sim| {
            let body = line("1.23456", "Billable", "l");
            field(
                &sim.post("finance/agreements/55/additions", &body),
                "quantity",
            )
        },
        seen: &[
            ("exact", "201 1.23456"),
            ("2", "201 1.23"),
            ("4", "201 1.2346"),
        ],
    },
    Case {
        name: "readonly-fields-on-write",
        act: |sim| {
            let post =
                line("1", "Billable", "l").replace("\"quantity\"", "\"extPrice\":1,\"quantity\"");
            let post = sim.post("finance/agreements/55/additions", &post);
            format!(
                "{} {}",
                post.status(),
                sim.set("finance/agreements/55", "agreementStatus", "\"Active\"")
                    .status()
            )
        },
        seen: &[("ignored", "201 200"), ("refused", "400 400")],
    },
    Case {
        name: "addition-description-writable",
        act: |sim| {
            let body = line("1", "Billable", "l")
                .replace("\"quantity\"", "\"description\":\"mine\",\"quantity\"");
            field(
                &sim.post("finance/agreements/55/additions", &body),
                "description",
            )
        },
        seen: &[
            ("ignored", "201 \"Virtual CPU\""),
            ("written", "201 \"mine\""),
        ],
    },
    Case {
        name: "instance-required-fields",
        act: |sim| {
            let body = r#"{"name":"x","type":{"id":18},"company":{"id":250},"contact":{"id":7}}"#;
            crate::common::errors(&sim.post("finance/agreements", body)).join(",")
        },
        seen: &[
            ("none", ""),
            ("billing-cycle", "MissingRequiredField billingCycle"),
            (
                "location-department",
                "MissingRequiredField location,MissingRequiredField department",
            ),
            ("custom-field", "MissingRequiredField meterwise"),
        ],
    },
    Case {
        name: "patch-needs-customfields",
        act: |sim| {
            let plain = sim.set("finance/agreements/55", "customerPO", "\"x\"");
            let both = r#"[{"op":"replace","path":"customerPO","value":"y"},{"op":"replace","path":"/customFields","value":[]}]"#;
            format!(
                "{} {}",
                plain.status(),
                sim.patch("finance/agreements/55", both).status()
            )
        },
        seen: &[("off", "200 200"), ("on", "400 200")],
    },
    Case {
        name: "customfields-patch-mode",
        act: |sim| {
            let (id, _) = vm(sim);
            let set = sim.set(&format!("finance/agreements/{id}"), "customFields", "[]");
            set.body().get("customFields").items()[0]
                .get("value")
                .to_string()
        },
        seen: &[("merge", "\"m1\""), ("replace", "null")],
    },
    Case {
        name: "conditions-precedence",
        act: |sim| {
            sim.get(&format!(
                "finance/agreements/count?conditions={}",
                encode("id=55 or id=56 and id=1")
            ))
            .text()
        },
        seen: &[
            ("and-first", "{\"count\":1}"),
            ("left-to-right", "{\"count\":0}"),
        ],
    },
    Case {
        name: "conditions-quoting",
        act: |sim| {
            status(&sim.get(&format!(
                "finance/agreements?conditions={}",
                encode("name=\"a\"\"b\"")
            )))
        },
        seen: &[("refused", "400"), ("doubled", "200")],
    },
    Case {
        name: "conditions-null",
        act: |sim| {
            let (id, _) = vm(sim);
            sim.get(&format!(
                "finance/agreements/{id}/additions/count?conditions=cancelledDate=null"
            ))
            .text()
        },
        seen: &[("works", "{\"count\":1}"), ("nothing", "{\"count\":0}")],
    },
    Case {
        name: "conditions-derived",
        act: |sim| status(&sim.get("finance/agreements?conditions=agreementStatus='Active'")),
        seen: &[("works", "200"), ("refused", "400")],
    },
    Case {
        name: "conditions-error-body",
        act: |sim| status(&sim.get("finance/agreements?conditions=nonsense=1")),
        seen: &[("400", "400"), ("500", "500")],
    },
    Case {
        name: "pagesize-over-max",
        act: |sim| status(&sim.get("finance/agreements?pageSize=1001")),
        seen: &[("clamped", "200"), ("refused", "400")],
    },
    Case {
        name: "rate-limit-scope",
        act: |sim| {
            let mut told = String::new();
            for _ in 0..1_001 {
                told = status(&sim.get("system/info"));
                sim.now -= 1;
            }
            let early = if sim.state.witness().since(0)[100].status == 429 {
                " early"
            } else {
                ""
            };
            format!("{told} {}{early}", sim.human().get("system/info").status())
        },
        seen: &[
            ("key", "429 200"),
            ("company", "429 429"),
            ("60", "429 200 early"),
            ("none", "200 200"),
        ],
    },
    Case {
        name: "bundle-endpoint",
        act: |sim| {
            let ask =
                |ty: &str| format!(r#"{{"resourceType":"{ty}","apiRequest":{{"parentId":55}}}}"#);
            let body = format!(
                r#"{{"requests":[{},{}]}}"#,
                ask("addition"),
                ask("agreementaddition")
            );
            let answer = sim.post("system/bundles", &body).body();
            let codes = answer
                .get("results")
                .items()
                .iter()
                .map(|r| r.get("statusCode").to_string());
            codes.collect::<Vec<_>>().join(" ")
        },
        seen: &[
            ("unsupported", "400 400"),
            ("addition", "200 400"),
            ("agreementaddition", "400 200"),
        ],
    },
    Case {
        name: "bundle-accounting",
        act: |sim| {
            sim.control("PUT", "/settings", r#"{"ratePerMinute":3}"#);
            let one = r#"{"resourceType":"agreement","apiRequest":{}}"#;
            sim.post(
                "system/bundles",
                &format!(r#"{{"requests":[{one},{one},{one}]}}"#),
            );
            status(&sim.get("system/info"))
        },
        seen: &[("1", "200"), ("n", "429")],
    },
    Case {
        name: "callback-on-addition-edit",
        act: |sim| {
            let (id, line) = vm(sim);
            let body = r#"{"url":"https://x.example/?recordId=","objectId":1,"type":"agreement","level":"owner"}"#;
            sim.post("system/callbacks", body);
            let edit = sim.set(
                &format!("finance/agreements/{id}/additions/{line}"),
                "quantity",
                "3",
            );
            edit.callbacks
                .first()
                .map(|c| c.url.clone())
                .unwrap_or_default()
        },
        seen: &[
            ("no", ""),
            ("yes", "https://x.example/?recordId=57&action=updated"),
        ],
    },
    Case {
        name: "callback-key-auth",
        act: |sim| {
            let body =
                r#"{"url":"https://x.example/","objectId":1,"type":"agreement","level":"owner"}"#;
            sim.post("system/callbacks", body);
            let mut request = sim.request("GET", "system/callbacks/signingkeys/1");
            request.headers.clear();
            status(&sim.send(&request))
        },
        seen: &[("no", "200"), ("yes", "401")],
    },
    Case {
        name: "role-for-setup-reads",
        act: |sim| {
            let paths = [
                "system/userDefinedFields",
                "system/callbacks",
                "finance/invoices",
            ];
            paths.map(|path| status(&sim.get(path))).join(" ")
        },
        seen: &[
            ("granted", "200 200 200"),
            ("custom-fields", "403 200 200"),
            ("callbacks", "200 403 200"),
            ("invoices", "200 200 403"),
        ],
    },
    Case {
        name: "probe-needs-rights",
        act: |sim| {
            sim.control(
                "PUT",
                "/settings",
                r#"{"roles":{"operator":{"companies":["inquire"]}}}"#,
            );
            status(&sim.get("system/info"))
        },
        seen: &[("no", "200"), ("yes", "401")],
    },
    Case {
        name: "enum-drift",
        act: |sim| field(&sim.get("procurement/catalog/77"), "productClass"),
        seen: &[
            ("none", "200 \"NonInventory\""),
            ("unknown", "200 \"NotInAnyDocument\""),
        ],
    },
];

#[test]
fn every_switch_has_a_case_for_every_setting() {
    for known in ASSUMPTIONS.iter().filter(|known| known.settings.len() > 1) {
        let case = CASES.iter().find(|case| case.name == known.name);
        let case = case.unwrap_or_else(|| panic!("{} has no case", known.name));
        let settings: Vec<&str> = case.seen.iter().map(|(setting, _)| *setting).collect();
        assert_eq!(settings, known.settings, "{}", known.name);
    }
}

#[test]
fn every_setting_shows() {
    for case in CASES {
        for (setting, seen) in case.seen {
            let mut sim = Sim::new();
            sim.assume(case.name, setting);
            assert_eq!((case.act)(&mut sim), *seen, "{} = {setting}", case.name);
        }
    }
}

#[test]
fn a_lag_that_is_not_monotonic_shows_a_row_and_then_does_not() {
    let mut sim = Sim::with(&[("read-lag", "non-monotonic")]);
    sim.child("vm1", "m1");
    sim.pass(1_000);
    let counts: Vec<String> = (0..40)
        .map(|_| sim.get("finance/agreements/count").text())
        .collect();
    let seen = counts.iter().position(|c| c.contains('3')).expect("seen");
    assert!(
        counts[seen..].iter().any(|c| c.contains('2')),
        "then unseen"
    );
}

#[test]
fn a_switch_that_does_not_exist_is_refused() {
    let mut sim = Sim::new();
    let settings = sim.state.settings_mut();
    assert!(settings.assume.set("nonsense", "yes").is_err());
    assert!(settings.assume.set("uncancel", "perhaps").is_err());
    settings.assume.set("read-lag", "250ms").unwrap();
    assert_eq!(settings.assume.read_lag(), (250, false));
}
