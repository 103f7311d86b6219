//! Addresses, headers, the codebase, and reads that are tried again or not.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::*;
use crate::connectwise::{Error, Verb};
use crate::domain::ids::CompanyId;

const ACME: &str = r#"{"id":1,"identifier":"ACME","name":"Acme"}"#;

#[tokio::test]
async fn every_call_is_pinned_and_signed_but_the_codebase_is_asked_for_without_keys() {
    let server = api(|_, _| Reply::json(200, ACME)).await;
    let client = client(&server);
    client.company(CompanyId(1)).await.expect("a company");
    client.company(CompanyId(1)).await.expect("a company");
    let seen = server.seen();
    assert_eq!(
        server.lines(),
        [
            "GET /login/companyinfo/acme",
            "GET /v2025_1/apis/3.0/company/companies/1",
            "GET /v2025_1/apis/3.0/company/companies/1",
        ]
    );
    assert_eq!(seen[0].header("authorization"), None);
    // acme+public-canary:private-canary
    assert_eq!(
        seen[1].header("authorization"),
        Some("Basic YWNtZStwdWJsaWMtY2FuYXJ5OnByaXZhdGUtY2FuYXJ5")
    );
    assert_eq!(
        seen[1].header("clientid"),
        Some("0b1f4e5c-0000-0000-0000-000000000000")
    );
    assert_eq!(
        seen[1].header("accept"),
        Some("application/vnd.connectwise.com+json; version=2025.1")
    );
    assert_eq!(client.stats().requests[&(Verb::Get, "ok")], 3);
}

#[tokio::test]
async fn an_unknown_login_company_is_told_and_asked_for_again() {
    let known = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&known);
    let server = Server::start(move |seen, _| match answer.load(Ordering::SeqCst) {
        false => Reply::json(200, "null"),
        true if seen.target.starts_with("/login") => Reply::json(200, "{}"),
        true => Reply::json(200, ACME),
    })
    .await;
    let client = client(&server);
    let error = client.company(CompanyId(1)).await.expect_err("unknown");
    assert_eq!(
        error,
        Error::UnknownCompany {
            company: "acme".into()
        }
    );
    known.store(true, Ordering::SeqCst);
    client
        .company(CompanyId(1))
        .await
        .expect("a company, by the alias");
    assert!(server.lines()[2].contains("/v4_6_release/apis/3.0/"));
}

#[tokio::test]
async fn a_404_is_believed_only_when_the_codebase_still_stands() {
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
        } else if !seen.target.contains(codebase) {
            Reply::json(404, "<html>").with("Content-Type", "text/html")
        } else if seen.target.ends_with("/9") {
            Reply::json(404, r#"{"code":"NotFound"}"#)
        } else {
            Reply::json(200, ACME)
        }
    })
    .await;
    let client = client(&server);
    client.company(CompanyId(1)).await.expect("a company");
    moved.store(true, Ordering::SeqCst);
    client
        .company(CompanyId(1))
        .await
        .expect("a company, where it moved");
    for _ in 0..2 {
        let error = client.company(CompanyId(9)).await.expect_err("missing");
        assert_eq!(error.category(), "not_found");
    }
    let asked = server
        .lines()
        .iter()
        .filter(|line| line.contains("companyinfo"))
        .count();
    assert_eq!(
        asked, 3,
        "at first, after the move, and once for the missing record"
    );
}

#[tokio::test]
async fn reads_are_tried_again_but_not_what_trying_cannot_mend() {
    let server = api(|_, number| match number {
        0 => Reply::json(503, ""),
        1 => Reply::Cut,
        _ => Reply::json(200, ACME),
    })
    .await;
    client(&server)
        .company(CompanyId(1))
        .await
        .expect("a company");
    for status in [400, 401, 403, 409] {
        let server = api(move |_, _| Reply::json(status, "{}")).await;
        client(&server)
            .company(CompanyId(1))
            .await
            .expect_err("refused");
        assert_eq!(server.lines().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn nothing_leaves_before_retry_after() {
    let server = api(|_, number| match number {
        0 => Reply::json(429, r#"{"error":"ConnectWiseAPI"}"#).with("Retry-After", "1"),
        _ => Reply::json(200, ACME),
    })
    .await;
    let client = client(&server);
    let begin = Instant::now();
    client.company(CompanyId(1)).await.expect("a company");
    assert!(begin.elapsed().as_millis() >= 1000, "{:?}", begin.elapsed());
    assert_eq!(client.stats().pace.per_minute, 30_000);
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let elsewhere = Server::start(|_, _| Reply::json(200, ACME)).await;
    let to = elsewhere.url.clone();
    for status in [301, 302, 307, 308] {
        let to = to.clone();
        let server = api(move |_, _| Reply::json(status, "").with("Location", to.clone())).await;
        let error = client(&server)
            .company(CompanyId(1))
            .await
            .expect_err("a redirection");
        assert_eq!(error.category(), "redirected");
    }
    assert!(elsewhere.lines().is_empty());
}

#[tokio::test]
async fn answers_that_are_too_large_late_or_of_another_kind_are_refused() {
    let large = " ".repeat(17 * 1024 * 1024);
    let server = api(move |seen, _| match seen.target.rsplit('/').next() {
        Some("1") => Reply::json(200, large.clone()),
        Some("2") => Reply::Silence,
        Some("3") => Reply::json(200, "<html>").with("Content-Type", "text/html"),
        Some("4") => Reply::json(200, r#"{"id":5}"#),
        _ => Reply::json(200, r#"{"id":6,"deletedFlag":7}"#),
    })
    .await;
    let client = client(&server);
    for (id, category) in [
        (1, "too_large"),
        (2, "timeout"),
        (3, "not_json"),
        (4, "unexpected_record"),
        (6, "decode"),
    ] {
        let error = client.company(CompanyId(id)).await.expect_err(category);
        assert_eq!(error.category(), category, "{error}");
        assert!(!error.is_ambiguous());
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_key_shows_in_any_log_or_error_even_when_it_is_echoed() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || sink.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let echo = r#"{"message":"private-canary YWNtZStwdWJsaWMtY2FuYXJ5OnByaXZhdGUtY2FuYXJ5","errors":[{"code":"public-canary"}]}"#;
    let server =
        api(move |_, _| Reply::json(400, echo).with("x-cw-request-id", "private-canary")).await;
    let client = client(&server);
    client.company(CompanyId(1)).await.expect_err("refused");
    // Tests beside this one have no subscriber; what they told tracing of a call site may have come last.
    tracing::callsite::rebuild_interest_cache();
    let error = client.company(CompanyId(1)).await.expect_err("refused");
    let log = String::from_utf8_lossy(&log.0.lock().expect("the log")).into_owned();
    assert!(log.contains("asked ConnectWise"), "{log}");
    for text in [
        log,
        error.to_string(),
        format!("{error:?}"),
        format!("{client:?}"),
    ] {
        assert!(
            !text.contains("canary") && !text.contains("YWNtZSt"),
            "{text}"
        );
    }
}
