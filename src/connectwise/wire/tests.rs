//! Records read and bodies written, against the reference's examples. Nothing here sends anything.

use super::*;
use crate::connectwise::wire::outgoing::{self, Patch};
use crate::domain::ids::CustomFieldId;
use crate::domain::ledger::{AdditionChange, Cancellation, NewAddition, NewAgreement};
use rust_decimal::Decimal;

const CUSTOM: MarkField = MarkField::Custom {
    id: CustomFieldId(5),
};

fn record(json: &str) -> Record<'_> {
    Record::parse(json).expect("a record")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn an_agreement_is_read_with_what_it_has() {
    let read = agreement(
        &record(
            r#"{"id":901,"name":"VM web-1","type":{"id":18,"name":"Managed"},"company":{"id":250,"identifier":"ACME","name":"Acme"},
            "parentAgreement":{"id":55,"name":"Master","_info":{}},"startDate":"2026-01-01T00:00:00Z","noEndingDateFlag":true,
            "cancelledFlag":false,"prorateFlag":true,"nextInvoiceDate":"2026-02-01","billingCycle":{"id":2},"currency":{"id":7},
            "agreementStatus":"Frozen","newField":{"a":[]},
            "customFields":[{"id":4,"value":null},{"id":5,"caption":"mw mark","type":"Text","value":" mw1-abc "}],
            "_info":{"lastUpdated":"2026-01-02T03:04:05Z","updatedBy":"x"}}"#,
        ),
        CUSTOM,
    )
    .expect("an agreement");
    assert_eq!(read.id, AgreementId(901));
    assert_eq!(
        read.company
            .as_ref()
            .and_then(|company| company.name.as_deref()),
        Some("Acme")
    );
    assert_eq!(
        read.parent.as_ref().map(|parent| parent.id),
        Some(AgreementId(55))
    );
    assert_eq!(read.mark.as_deref(), Some("mw1-abc"));
    assert_eq!(read.next_invoice_date, Some(time("2026-02-01T00:00:00Z")));
    assert_eq!(
        (read.inherited.billing_cycle, read.inherited.tax_code),
        (Some(2), None)
    );
    assert!(read.prorate && !read.cancelled);
    assert_eq!(read.last_updated, Some(time("2026-01-02T03:04:05Z")));
}

#[test]
fn an_almost_empty_record_is_read() {
    let read = agreement(&record(r#"{"id":1}"#), MarkField::Plain).expect("an agreement");
    assert_eq!(
        (read.name.as_str(), read.mark, read.company),
        ("", None, None)
    );
    let read = addition(
        &record(r#"{"id":2,"customFields":null,"_info":{}}"#),
        CUSTOM,
    )
    .expect("an addition");
    assert_eq!((read.quantity, read.bill_customer), (None, None));
}

#[test]
fn the_mark_lies_where_it_was_configured() {
    let json = r#"{"id":1,"customerPO":"po","serialNumber":"sn","customFields":[{"id":5,"value":12},{"value":"no id"}]}"#;
    let agreement_mark = |field| agreement(&record(json), field).expect("an agreement").mark;
    assert_eq!(agreement_mark(MarkField::Plain).as_deref(), Some("po"));
    assert_eq!(agreement_mark(CUSTOM).as_deref(), Some("12"));
    assert_eq!(
        agreement_mark(MarkField::Custom {
            id: CustomFieldId(6)
        }),
        None
    );
    assert_eq!(
        addition(&record(json), MarkField::Plain)
            .expect("an addition")
            .mark
            .as_deref(),
        Some("sn")
    );
}

#[test]
fn unknown_words_are_preserved() {
    let read =
        addition(&record(r#"{"id":1,"billCustomer":"Sometimes"}"#), CUSTOM).expect("an addition");
    assert_eq!(
        read.bill_customer,
        Some(BillCustomer::Other("Sometimes".into()))
    );
}

#[test]
fn flaws_name_their_field() {
    for (json, field) in [
        ("{}", "id"),
        (r#"{"id":0}"#, "id"),
        (r#"{"id":1,"quantity":1e308}"#, "quantity"),
        (r#"{"id":1,"product":{"id":-1}}"#, "product/id"),
        (r#"{"id":1,"product":[]}"#, "product"),
        (r#"{"id":1,"effectiveDate":"soon"}"#, "effectiveDate"),
        (
            r#"{"id":1,"customFields":[{"id":5,"value":{}}]}"#,
            "customFields/5",
        ),
        (r#"{"id":1,"_info":{"lastUpdated":"?"}}"#, "lastUpdated"),
    ] {
        let flaw = addition(&record(json), CUSTOM).expect_err(json);
        assert_eq!(flaw.field.as_deref(), Some(field), "{json}");
    }
}

#[test]
fn a_new_agreement_is_inert_and_whole_references_are_sent() {
    let mut new = NewAgreement {
        name: "VM \"web\"".into(),
        agreement_type: AgreementTypeId(18),
        company: CompanyId(250),
        contact: ContactId(7),
        parent: Some(AgreementId(55)),
        start_date: time("2026-01-01T00:00:00Z"),
        mark: "mw1-abc".into(),
        inherited: Inherited {
            billing_cycle: Some(2),
            ..Inherited::default()
        },
        prorate: Some(false),
    };
    let body = |new: &NewAgreement, mark| {
        String::from_utf8(outgoing::new_agreement(new, mark).expect("a body")).expect("text")
    };
    assert_eq!(
        body(&new, CUSTOM),
        concat!(
            r#"{"name":"VM \"web\"","type":{"id":18},"company":{"id":250},"contact":{"id":7},"parentAgreement":{"id":55},"#,
            r#""startDate":"2026-01-01T00:00:00Z","noEndingDateFlag":true,"billAmount":0,"prorateFlag":false,"#,
            r#""billingCycle":{"id":2},"customFields":[{"id":5,"value":"mw1-abc"}]}"#
        )
    );
    new.inherited = Inherited::default();
    assert!(
        body(&new, MarkField::Plain).ends_with(r#""prorateFlag":false,"customerPO":"mw1-abc"}"#)
    );
}

#[test]
fn a_new_addition_bills_nothing() {
    let new = NewAddition::new(ProductId(77), time("2026-01-01T00:00:00Z"), "mw1-x".into());
    let body = outgoing::new_addition(&new, MarkField::Plain).expect("a body");
    assert_eq!(
        String::from_utf8_lossy(&body),
        r#"{"product":{"id":77},"quantity":0,"billCustomer":"DoNotBill","effectiveDate":"2026-01-01T00:00:00Z","serialNumber":"mw1-x"}"#
    );
}

#[test]
fn patches_are_bare_arrays_of_replacements_with_exact_numbers() {
    let changes = [
        AdditionChange::Quantity(Decimal::from_str_exact("12.3456789012345678").expect("a number")),
        AdditionChange::LessIncluded(Decimal::from_str_exact("2.00").expect("a number")),
        AdditionChange::Activate,
        AdditionChange::CancelledDate(time("2026-02-01T00:00:00Z")),
    ];
    let body = Patch::of_addition(&changes)
        .and_then(|patch| patch.body(true))
        .expect("a body");
    assert_eq!(
        String::from_utf8_lossy(&body),
        concat!(
            r#"[{"op":"replace","path":"quantity","value":12.3456789012345678},{"op":"replace","path":"lessIncluded","value":2},"#,
            r#"{"op":"replace","path":"billCustomer","value":"Billable"},"#,
            r#"{"op":"replace","path":"cancelledDate","value":"2026-02-01T00:00:00Z"},{"op":"replace","path":"customFields","value":[]}]"#
        )
    );
    let cancellation = Cancellation {
        date: time("2026-02-01T00:00:00Z"),
        reason: "removed".into(),
    };
    let body = Patch::of_cancellation(&cancellation)
        .body(false)
        .expect("a body");
    assert_eq!(
        String::from_utf8_lossy(&body),
        concat!(
            r#"[{"op":"replace","path":"cancelledFlag","value":true},{"op":"replace","path":"dateCancelled","value":"2026-02-01T00:00:00Z"},"#,
            r#"{"op":"replace","path":"reasonCancelled","value":"removed"}]"#
        )
    );
}
