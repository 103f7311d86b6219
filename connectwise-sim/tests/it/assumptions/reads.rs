//! Switches about reading, rights, limits and callbacks.

use connectwise_sim::query::encode;

use super::{Case, field, status, vm};

pub(super) const CASES: &[Case] = &[
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
