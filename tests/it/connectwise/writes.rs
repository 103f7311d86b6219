//! What is written, and what becomes of a write whose answer is lost.

use meterwise::connectwise::{AgreementsFilter, Error};
use meterwise::domain::ids::AgreementId;
use meterwise::domain::ledger::{Addition, AdditionChange, BillCustomer, Cancellation};
use rust_decimal::Decimal;

use crate::connectwise::{Ground, marked, new_addition, new_agreement, time};

#[tokio::test]
async fn a_service_is_made_inert_activated_changed_and_ended() {
    let ground = Ground::start(0);
    let client = ground.client();
    let master = client.agreement(AgreementId(55)).await.expect("the master");
    let made = client
        .create_agreement(&new_agreement(&master, "mw1-service"))
        .await
        .expect("an agreement");
    assert_eq!(
        (made.name.as_str(), made.inherited.billing_cycle),
        ("VM \"web\" – 1", master.inherited.billing_cycle)
    );
    let line = client
        .create_addition(made.id, &new_addition("mw1-line"))
        .await
        .expect("an addition");
    assert_eq!(
        (line.bill_customer.clone(), line.quantity),
        (Some(BillCustomer::DoNotBill), Some(Decimal::ZERO))
    );
    let quantity = Decimal::from_str_exact("12.345").expect("a number");
    let changes = [AdditionChange::Quantity(quantity), AdditionChange::Activate];
    let active = client
        .change_addition(made.id, line.id, &changes)
        .await
        .expect("activated");
    assert_eq!(
        (active.quantity, active.bill_customer.clone()),
        (Some(quantity), Some(BillCustomer::Billable))
    );
    assert_eq!(
        client
            .addition(made.id, line.id)
            .await
            .expect("the addition"),
        active
    );
    let included = [
        AdditionChange::LessIncluded(Decimal::TWO),
        AdditionChange::CancelledDate(time("2026-12-01T00:00:00Z")),
    ];
    let ended: Addition = client
        .change_addition(made.id, line.id, &included)
        .await
        .expect("ended");
    assert_eq!(ended.cancelled_date, Some(time("2026-12-01T00:00:00Z")));
    let cancellation = Cancellation {
        date: time("2026-12-01T00:00:00Z"),
        reason: "the machine is gone".into(),
    };
    let cancelled = client
        .cancel_agreement(made.id, &cancellation)
        .await
        .expect("cancelled");
    assert!(cancelled.cancelled);
    assert_eq!(
        marked(&client, "mw1-service", 1)
            .await
            .iter()
            .map(|one| one.id)
            .collect::<Vec<_>>(),
        [made.id]
    );
    let since = AgreementsFilter::UpdatedSince(
        made.last_updated.expect("a time") - jiff::SignedDuration::from_secs(2),
    );
    let touched = client.agreements(&since).await.expect("a list");
    assert!(touched.iter().any(|one| one.id == made.id));
}

#[tokio::test]
async fn lost_answers_are_ambiguous_and_what_was_committed_is_found_by_its_mark() {
    let ground = Ground::start(0);
    let client = ground.client();
    let master = client.agreement(AgreementId(55)).await.expect("the master");
    for (n, (action, category)) in [
        (r#"{"drop":{"commit":true}}"#, "transport"),
        (r#"{"status":{"code":500,"commit":true}}"#, "unavailable"),
        (r#"{"truncate":{}}"#, "transport"),
        (r#"{"html":{"commit":true}}"#, "not_json"),
    ]
    .into_iter()
    .enumerate()
    {
        ground.control(
            "POST",
            "/faults",
            &format!(r#"{{"match":{{"method":"POST"}},"times":1,"action":{action}}}"#),
        );
        let mark = format!("mw1-lost{n}");
        let error = client
            .create_agreement(&new_agreement(&master, &mark))
            .await
            .expect_err(category);
        assert_eq!(
            (error.category(), error.is_ambiguous()),
            (category, true),
            "{error}"
        );
        assert_eq!(marked(&client, &mark, 1).await.len(), 1, "{category}");
    }
}

#[tokio::test]
async fn what_nobody_confirmed_is_noticed_when_it_turns_out_otherwise() {
    let ground = Ground::start(3);
    let client = ground.client();
    let assume = |settings: &str| {
        ground.control(
            "PUT",
            "/settings",
            &format!(r#"{{"assume":{{{settings}}}}}"#),
        );
    };
    let master = client.agreement(AgreementId(55)).await.expect("the master");
    let made = client
        .create_agreement(&new_agreement(&master, "mw1-a"))
        .await
        .expect("an agreement");
    let line = client
        .create_addition(made.id, &new_addition("mw1-line"))
        .await
        .expect("an addition");

    assume(r#""customfield-search-agreements":"ignored""#);
    assert_eq!(marked(&client, "mw1-a", 1).await.len(), 1);
    assert!(marked(&client, "mw1-b", 0).await.is_empty());

    assume(r#""customfields-on-post":"ignored""#);
    let error = client
        .create_addition(made.id, &new_addition("mw1-lost"))
        .await
        .expect_err("no mark");
    assert_eq!(
        (error.category(), error.is_ambiguous()),
        ("unexpected_record", true)
    );

    assume(r#""billcustomer-patchable":"ignored""#);
    let error = client
        .change_addition(made.id, line.id, &[AdditionChange::Activate])
        .await
        .expect_err("a false 200");
    assert!(
        matches!(
            &error,
            Error::NotApplied {
                field: "billCustomer",
                ..
            }
        ),
        "{error:?}"
    );

    assume(r#""number-precision":"2""#);
    let quantity = Decimal::from_str_exact("1.2345").expect("a number");
    let error = client
        .change_addition(made.id, line.id, &[AdditionChange::Quantity(quantity)])
        .await
        .expect_err("rounded");
    assert!(
        matches!(&error, Error::NotApplied { field: "quantity", returned, .. } if returned == "1.23"),
        "{error:?}"
    );
}
