//! Bytes that nobody promised: whatever a server sends, decoding it ends in a value or an error, never in a panic.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use url::Url;

use crate::connectwise::budget::retry_after;
use crate::connectwise::conditions::{Conditions, custom_field};
use crate::connectwise::error::{Exchange, Verb};
use crate::connectwise::paging;
use crate::connectwise::record::{Record, elements};
use crate::connectwise::refusal::{Answer, Cleaner};
use crate::connectwise::resource::Resource;
use crate::connectwise::secret::Secret;
use crate::connectwise::wire;
use crate::domain::foreign::is_printable;
use crate::domain::ids::CustomFieldId;
use crate::domain::ledger::MarkField;

const AGREEMENT: &str = r#"[{"id":57,"name":"Acme \"web\"","type":{"id":18,"name":"Managed"},"company":{"id":250,"identifier":"AcmeCorp"},
"parentAgreement":{"id":55},"startDate":"2026-11-01T00:00:00Z","endDate":null,"cancelledFlag":false,"dateCancelled":"2026-02-01",
"nextInvoiceDate":"2026-12-01T00:00:00Z","prorateFlag":true,"billingCycle":{"id":2},"taxCode":{"id":3},
"customFields":[{"id":5,"caption":"meterwise","type":"Text","value":"mw1-duojxnxejoj3ghst3n5aydo76u.1"}],
"_info":{"lastUpdated":"2026-11-22T14:00:00Z"}}]"#;
const ADDITION: &str = r#"[{"id":501,"product":{"id":77,"identifier":"CLOUD-VCPU"},"quantity":4.50,"lessIncluded":0.00,"unitPrice":1.25E+1,
"billCustomer":"DoNotBill","effectiveDate":"2026-11-01T00:00:00Z","cancelledDate":"","serialNumber":"x",
"customFields":[{"id":6,"value":"mw1-duojxnxejoj3ghst3n5aydo76u.1.1"}],"_info":{"lastUpdated":"2026-11-22T14:00:00Z"}}]"#;
const LINK: &str = r#"<https://cw.example/x?conditions=(id%20in%20(1,2))&pageSize=1000&pageId=1234>; rel="next", </x?page=1>; rel="first""#;

/// One change to a text: where, how much goes, and what comes instead.
type Cut = (prop::sample::Index, u8, Vec<u8>);

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let pieces = prop_oneof![
        vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            b"\"".to_vec(),
            b"{".to_vec(),
            b"]".to_vec(),
            b"null".to_vec(),
            b"1e999".to_vec(),
            b"-0".to_vec(),
            b"\\ud800".to_vec(),
            b"<".to_vec(),
            b">;".to_vec(),
            b"9".repeat(400),
            b"\x00".to_vec(),
        ]),
    ];
    vec((any::<prop::sample::Index>(), any::<u8>(), pieces), 0..6)
}

fn changed(text: &str, cuts: &[Cut]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, gone, instead) in cuts {
        let at = at.index(bytes.len() + 1);
        let end = (at + usize::from(*gone) % 24).min(bytes.len());
        bytes.splice(at..end, instead.iter().copied());
    }
    bytes
}

/// Valid answers with changes, and no answers at all.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        cuts().prop_map(|cuts| changed(AGREEMENT, &cuts)),
        cuts().prop_map(|cuts| changed(ADDITION, &cuts)),
        vec(any::<u8>(), 0..300),
        any::<String>().prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_page_is_records_or_a_flaw(body in bodies()) {
        let text = String::from_utf8_lossy(&body);
        let Ok(rows) = elements(&text) else { return Ok(()) };
        for row in rows {
            let Ok(record) = Record::parse(row.get()) else { continue };
            for mark in [MarkField::Plain, MarkField::Custom { id: CustomFieldId(5) }] {
                if let Ok(read) = wire::agreement(&record, mark) {
                    prop_assert!(read.id.0 > 0);
                }
                if let Ok(read) = wire::addition(&record, mark) {
                    prop_assert!(read.id.0 > 0);
                }
            }
        }
    }

    #[test]
    fn an_answer_is_accepted_or_an_error_that_prints_on_one_line(
        status in 100_u16..600,
        kind in prop_oneof![Just("application/json"), Just("text/html"), Just("")],
        body in bodies(),
    ) {
        let answer = Answer {
            status,
            content_type: kind.to_owned(),
            link: None,
            retry_after: None,
            request_id: None,
            body,
        };
        let at = Exchange { verb: Verb::Patch, path: "x".into(), request_id: None };
        let cleaner = Cleaner::new(vec![Secret::new("canary")]);
        if let Err(error) = answer.accept(Resource::Agreement, "cw.example", &cleaner, at) {
            prop_assert!(error.to_string().chars().all(is_printable), "{error}");
            prop_assert!(error.to_string().len() < 1000);
        }
    }

    #[test]
    fn a_link_leads_nowhere_else(cuts in cuts(), noise in any::<String>()) {
        let site = Url::parse("https://cw.example/").expect("a URL");
        let changed = changed(LINK, &cuts);
        for link in [String::from_utf8_lossy(&changed).as_ref(), noise.as_str()] {
            if let Ok(paging::Next::From(position)) = paging::next(Some(link), &site) {
                prop_assert!(!position.is_empty() && position.len() <= 64);
            }
        }
    }

    #[test]
    fn a_wait_is_bounded_whatever_is_asked_for(header in prop_oneof![any::<String>(), "[0-9]{1,30}", "[A-Z][a-z]{2}, [0-9]{1,4} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} GMT"]) {
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().expect("a time");
        if let Some(wait) = retry_after(&header, now) {
            prop_assert!(wait.as_secs() <= 600);
        }
    }

    #[test]
    fn t09_no_name_becomes_a_condition_of_its_own(name in any::<String>(), caption in any::<String>()) {
        if let Ok(sent) = custom_field(&caption, &name) {
            prop_assert_eq!(sent.matches('"').count(), 4);
            prop_assert!(sent.chars().all(is_printable));
        }
        if let Ok(conditions) = Conditions::new().text_is("name", &name) {
            let sent = conditions.number_is("id", 7).text();
            prop_assert_eq!(sent, format!("(name = \"{name}\") and (id = 7)"));
            prop_assert!(!name.contains(['"', '\\']) && name.chars().all(is_printable));
        }
    }
}
