//! Writes: sent once whatever the answer, and believed only when they come back as sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rust_decimal::Decimal;

use super::*;
use crate::connectwise::{Error, Verb};
use crate::domain::ids::{
    AdditionId, AgreementId, AgreementTypeId, CompanyId, ContactId, ProductId,
};
use crate::domain::ledger::{AdditionChange, Cancellation, Inherited, NewAddition, NewAgreement};

const MADE: &str = r#"{"id":4001,"product":{"id":77},"quantity":0,"billCustomer":"DoNotBill","effectiveDate":"2026-01-01T00:00:00Z","customFields":[{"id":6,"value":"mw1-x"}]}"#;

fn new_addition() -> NewAddition {
    NewAddition::new(
        ProductId(77),
        "2026-01-01T00:00:00Z".parse().expect("a time"),
        "mw1-x".into(),
    )
}

fn new_agreement() -> NewAgreement {
    NewAgreement {
        name: "VM web-1".into(),
        agreement_type: AgreementTypeId(18),
        company: CompanyId(250),
        contact: ContactId(7),
        parent: Some(AgreementId(55)),
        start_date: "2026-01-01T00:00:00Z".parse().expect("a time"),
        mark: "mw1-x".into(),
        inherited: Inherited::default(),
        prorate: Some(false),
    }
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_comes_back() {
    let answers = [
        (
            "unavailable",
            true,
            Reply::json(500, r#"{"message":"timeout"}"#),
        ),
        ("unavailable", true, Reply::json(503, "")),
        ("transport", true, Reply::Cut),
        ("transport", true, Reply::Truncated(MADE.to_owned())),
        ("timeout", true, Reply::Silence),
        (
            "not_json",
            true,
            Reply::json(200, "<html>").with("Content-Type", "text/html"),
        ),
        ("decode", true, Reply::json(204, "")),
        ("decode", true, Reply::json(201, "{\"id\":")),
        (
            "redirected",
            true,
            Reply::json(302, "").with("Location", "/"),
        ),
        ("unexpected_record", true, Reply::json(201, "{}")),
        (
            "unexpected_record",
            true,
            Reply::json(201, r#"{"id":4001}"#),
        ),
        (
            "not_applied",
            false,
            Reply::json(201, MADE.replace("DoNotBill", "Billable")),
        ),
        ("invalid", false, Reply::json(400, "{}")),
        ("unauthorized", false, Reply::json(401, "{}")),
        ("forbidden", false, Reply::json(403, "{}")),
        ("not_found", false, Reply::json(404, "{}")),
        ("conflict", false, Reply::json(409, "{}")),
        (
            "rate_limited",
            false,
            Reply::json(429, "{}").with("Retry-After", "7"),
        ),
    ];
    for (category, ambiguous, answer) in answers {
        let shown = format!("{answer:?}");
        let server = api(move |_, _| answer.clone()).await;
        let error = client(&server)
            .create_addition(AgreementId(901), &new_addition())
            .await
            .expect_err(category);
        assert_eq!(
            (error.category(), error.is_ambiguous()),
            (category, ambiguous),
            "{shown}: {error}"
        );
        let posts = server
            .seen()
            .iter()
            .filter(|seen| seen.method == "POST")
            .count();
        assert_eq!(posts, 1, "{shown}");
    }
}

#[tokio::test]
async fn a_write_leaves_at_once_or_not_at_all() {
    let server = api(|_, _| Reply::json(429, "{}").with("Retry-After", "30")).await;
    let client = client(&server);
    for sent in [1, 1] {
        let error = client
            .create_addition(AgreementId(901), &new_addition())
            .await
            .expect_err("limited");
        let Error::RateLimited { retry_after, .. } = error else {
            panic!("{error}")
        };
        assert!(retry_after.as_secs() >= 29);
        assert_eq!(
            server
                .seen()
                .iter()
                .filter(|seen| seen.method == "POST")
                .count(),
            sent
        );
    }
    assert_eq!(client.stats().requests[&(Verb::Post, "held_back")], 1);
}

#[tokio::test]
async fn a_write_follows_a_codebase_that_moved_because_nothing_was_there_to_commit_it() {
    let moved = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&moved);
    let server = Server::start(move |seen, _| {
        let codebase = if answer.load(Ordering::SeqCst) {
            "v2025_2/"
        } else {
            "v2025_1/"
        };
        if seen.target.starts_with("/login") {
            Reply::json(200, format!(r#"{{"Codebase":"{codebase}"}}"#))
        } else if seen.target.contains(codebase) {
            Reply::json(201, MADE)
        } else {
            Reply::json(404, "")
        }
    })
    .await;
    let client = client(&server);
    client
        .create_addition(AgreementId(901), &new_addition())
        .await
        .expect("an addition");
    moved.store(true, Ordering::SeqCst);
    client
        .create_addition(AgreementId(901), &new_addition())
        .await
        .expect("an addition");
    let posts: Vec<String> = server
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("POST"))
        .collect();
    assert_eq!(posts.len(), 3);
    assert!(posts[2].contains("/v2025_2/apis/3.0/finance/agreements/901/additions"));
}

#[tokio::test]
async fn what_came_back_is_compared_with_what_was_sent() {
    let answer = r#"{"id":4001,"quantity":12.35,"lessIncluded":2.0,"billCustomer":"DoNotBill","cancelledDate":"2026-02-01T00:00:00Z"}"#;
    let server = api(move |_, _| Reply::json(200, answer)).await;
    let client = client(&server);
    let number = |text| Decimal::from_str_exact(text).expect("a number");
    let change = async |change| {
        client
            .change_addition(AgreementId(901), AdditionId(4001), &[change])
            .await
    };
    let applied = [
        AdditionChange::Quantity(number("12.350")),
        AdditionChange::LessIncluded(number("2")),
        AdditionChange::CancelledDate("2026-02-01T00:00:00Z".parse().expect("a time")),
    ];
    for applied in applied {
        change(applied).await.expect("applied");
    }
    let error = change(AdditionChange::Quantity(number("12.3456")))
        .await
        .expect_err("rounded");
    assert!(
        matches!(&error, Error::NotApplied { field: "quantity", sent, returned, .. } if sent == "12.3456" && returned == "12.35"),
        "{error:?}"
    );
    let error = change(AdditionChange::Activate)
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
    let other = client
        .change_addition(AgreementId(901), AdditionId(5), &[AdditionChange::Activate])
        .await;
    assert_eq!(
        other.expect_err("another record").category(),
        "unexpected_record"
    );
    let patch = &server.seen()[1];
    assert_eq!(patch.method, "PATCH");
    assert_eq!(
        patch.target,
        "/v2025_1/apis/3.0/finance/agreements/901/additions/4001"
    );
    assert_eq!(
        patch.body,
        r#"[{"op":"replace","path":"quantity","value":12.35}]"#
    );
}

#[tokio::test]
async fn an_agreement_must_come_back_bundled_as_asked() {
    let server = api(|seen, _| {
        let parent = if seen.body.contains("\"name\":\"loose\"") { "" } else { r#""parentAgreement":{"id":55},"# };
        let body = format!(
            r#"{{"id":901,"company":{{"id":250}},{parent}"cancelledFlag":true,"dateCancelled":"2026-02-01T00:00:00Z","customFields":[{{"id":5,"value":"mw1-x"}}]}}"#
        );
        Reply::json(201, body)
    })
    .await;
    let client = client(&server);
    let mut new = new_agreement();
    assert_eq!(
        client
            .create_agreement(&new)
            .await
            .expect("an agreement")
            .id,
        AgreementId(901)
    );
    new.name = "loose".into();
    let error = client
        .create_agreement(&new)
        .await
        .expect_err("not bundled");
    assert!(
        matches!(
            &error,
            Error::NotApplied {
                field: "parentAgreement",
                ..
            }
        ),
        "{error:?}"
    );
    let cancellation = Cancellation {
        date: "2026-02-01T00:00:00Z".parse().expect("a time"),
        reason: "removed".into(),
    };
    let error = client
        .cancel_agreement(AgreementId(901), &cancellation)
        .await
        .expect_err("no reason came back");
    assert!(
        matches!(
            &error,
            Error::NotApplied {
                field: "reasonCancelled",
                ..
            }
        ),
        "{error:?}"
    );
}
