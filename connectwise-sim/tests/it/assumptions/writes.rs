//! Switches about what writes do, and what is billed.

use super::{Case, bill, field, search, status, vm};
use crate::common::{child, line};

pub(super) const CASES: &[Case] = &[
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
];
