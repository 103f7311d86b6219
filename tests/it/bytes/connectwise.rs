//! The ConnectWise client behind a proxy that spoils what the simulator answers: reads and writes, and afterwards what the
//! simulator was asked to do, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use meterwise::connectwise::{AgreementsFilter, Client, Error};
use meterwise::domain::ids::{AdditionId, AgreementId};
use meterwise::domain::ledger::{Addition, AdditionChange, Agreement};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::bytes::cases::{Case, other_answers, silences, slow_and_huge, truncations};
use crate::bytes::fields::wrong_fields;
use crate::bytes::proxy::Proxy;
use crate::bytes::{AT_ONCE, PATIENCE, RIGHT, Table, word};
use crate::connectwise::{Ground, new_addition, new_agreement};
use crate::raw::Upstream;

/// The largest answer that is read, and a little more than one.
const LIMIT: usize = 16 * 1024 * 1024;

pub(super) fn upstream(ground: &Ground) -> Upstream {
    let url: url::Url = ground.sim.url().parse().unwrap();
    Upstream::new(url.port().unwrap(), ground.sim.ca_pem())
}

/// A client that goes through the proxy.
pub(super) fn client(ground: &Ground, proxy: &Proxy, patience: Duration) -> Client {
    let mut config = ground.config();
    config.site = proxy.url().parse().unwrap();
    config.ca_bundle = Some(proxy.ca());
    config.request_timeout = patience;
    config.requests_per_minute = 1_000_000;
    Client::new(&config).unwrap()
}

fn meant(request: &str) -> bool {
    !request.contains("/login/companyinfo/")
}

/// What is read in these tests.
#[derive(Clone)]
struct Made {
    agreement: Agreement,
    line: Addition,
    all: Vec<Agreement>,
}

async fn make(ground: &Ground) -> Made {
    let client = ground.client();
    let master = client.agreement(AgreementId(55)).await.unwrap();
    let new = new_agreement(&master, "mw1-bytes");
    let agreement = client.create_agreement(&new).await.unwrap();
    let line = client
        .create_addition(agreement.id, &new_addition("mw1-line"))
        .await
        .unwrap();
    // Lists lag.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let all = client.agreements(&AgreementsFilter::All).await.unwrap();
    assert_eq!(all.len(), 2);
    Made {
        agreement: client.agreement(agreement.id).await.unwrap(),
        line,
        all,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_from_connectwise_are_right_or_a_typed_error() {
    let ground = Ground::start(0);
    let made = make(&ground).await;
    let upstream = upstream(&ground);
    let sample = sample(&upstream, &ground, &made).await;
    let mut cases = truncations(&sample, 83);
    cases.extend(silences());
    cases.extend(slow_and_huge(LIMIT));
    cases.extend(other_answers());
    // A read is tried again: some wait while others are busy.
    let all = cases
        .into_iter()
        .map(|case| read(&ground, &made, &upstream, case));
    let mut all = futures::stream::iter(all).buffer_unordered(AT_ONCE);
    let mut table = Table::new("ConnectWise, reads");
    while let Some((name, seen)) = all.next().await {
        seen.into_iter()
            .for_each(|outcome| table.add(&name, outcome));
    }
    table.check();
}

/// The answer with one line, as it comes.
async fn sample(upstream: &Upstream, ground: &Ground, made: &Made) -> crate::raw::Answer {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let (keeper, source) = (kept.clone(), upstream.clone());
    let proxy = Proxy::answering(move |request| {
        let answer = source.ask(request);
        *keeper.lock().unwrap() = Some(answer.clone());
        answer
    });
    let through = client(ground, &proxy, Duration::from_secs(5));
    let (agreement, line) = (made.agreement.id, made.line.id);
    assert_eq!(through.addition(agreement, line).await.unwrap(), made.line);
    let kept = kept.lock().unwrap().clone();
    kept.unwrap()
}

async fn read(
    ground: &Ground,
    made: &Made,
    upstream: &Upstream,
    (name, fault): Case,
) -> (String, Vec<String>) {
    let proxy = Proxy::before(upstream);
    let client = client(ground, &proxy, PATIENCE);
    client.codebase().await.unwrap();
    proxy.set(meant, fault);
    let line = client.addition(made.agreement.id, made.line.id).await;
    let list = client.agreements(&AgreementsFilter::All).await;
    let seen = vec![
        word(&name, &line, &made.line, Error::category).to_owned(),
        word(&name, &list, &made.all, Error::category).to_owned(),
    ];
    for error in [line.err(), list.err()].into_iter().flatten() {
        assert!(!error.is_ambiguous(), "a read changes nothing: {error:?}");
    }
    // Whatever it was, it is over with it.
    proxy.clear();
    let (agreement, line) = (made.agreement.id, made.line.id);
    let again = client.addition(agreement, line).await;
    assert!(
        matches!(&again, Ok(line) if *line == made.line)
            || matches!(again, Err(Error::RateLimited { .. })),
        "{name}: {again:?}"
    );
    (name, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_to_connectwise_is_sent_once_whatever_is_answered() {
    let ground = Ground::start(0);
    let made = make(&ground).await;
    let upstream = upstream(&ground);
    let sample = sample(&upstream, &ground, &made).await;
    let mut cases = truncations(&sample, 31);
    cases.extend(silences());
    cases.extend(slow_and_huge(LIMIT));
    cases.extend(other_answers());
    let mut table = Table::new("ConnectWise, writes");
    let proxy = Proxy::before(&upstream);
    let mut marks = BTreeMap::new();
    for (number, (name, fault)) in cases.into_iter().enumerate() {
        // Each with a budget of its own, so that one that was asked to wait keeps no other waiting.
        let client = client(&ground, &proxy, PATIENCE);
        client.codebase().await.unwrap();
        proxy.set(
            |request| meant(request) && !request.starts_with("GET"),
            fault,
        );
        let before = proxy.server.requests().len();
        let mark = format!("mw1-{number}");
        let post = client
            .create_addition(made.agreement.id, &new_addition(&mark))
            .await;
        let quantity = Decimal::from(number + 1);
        let patch = client
            .change_addition(
                made.agreement.id,
                made.line.id,
                &[AdditionChange::Quantity(quantity)],
            )
            .await;
        proxy.clear();
        let sent = proxy.server.requests();
        for verb in ["POST", "PATCH"] {
            let sent = sent[before..].iter().filter(|one| one.starts_with(verb));
            // None of the second once the first was told to wait.
            assert!(sent.count() <= 1, "{name}: each {verb} is sent once");
        }
        if let Ok(line) = &post {
            assert_eq!(line.mark.as_deref(), Some(&*mark), "{name}");
        }
        if let Ok(line) = &patch {
            assert_eq!(
                (line.id, line.quantity),
                (made.line.id, Some(quantity)),
                "{name}"
            );
        }
        table.add(&name, outcome(post.as_ref()));
        table.add(&name, outcome(patch.as_ref()));
        marks.insert(mark, (name, post.is_err_and(|error| !error.is_ambiguous())));
    }
    let log = posts(&ground);
    for (mark, (name, certain)) in &marks {
        let made = log.get(mark).copied().unwrap_or_default();
        assert!(made <= 1, "{name}: {made} records of one write");
        // Only a status that says so, such as 400, lets anybody conclude that nothing was done; a proxy can lie.
        let lies = name.starts_with("status 4");
        assert!(
            !certain || made == 0 || lies,
            "{name}: done, and taken for not done"
        );
    }
    println!("{} marks, each made at most once", marks.len());
    table.check();
}

fn outcome(result: Result<&Addition, &Error>) -> String {
    match result {
        Ok(_) => RIGHT.to_owned(),
        Err(error) if error.is_ambiguous() => format!("{} (perhaps done)", error.category()),
        Err(error) => error.category().to_owned(),
    }
}

/// How many records of a mark the simulator made.
fn posts(ground: &Ground) -> BTreeMap<String, usize> {
    let (status, log) = ground.sim.control("GET", "/log?since=0", "").unwrap();
    assert_eq!(status, 200);
    let log: Vec<Value> = serde_json::from_str(&log).unwrap();
    let mut made = BTreeMap::new();
    for seen in log {
        let post = seen["method"] == "POST" && seen["committed"] == true;
        let fields = seen["body"]["customFields"].as_array();
        for field in fields.into_iter().flatten().filter(|_| post) {
            let mark = field["value"].as_str().unwrap_or_default().to_owned();
            *made.entry(mark).or_default() += 1;
        }
    }
    assert!(!made.is_empty(), "the log shows what was made");
    made
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_type_in_any_field_of_connectwise_is_never_another_value() {
    let ground = Ground::start(0);
    let made = make(&ground).await;
    let upstream = upstream(&ground);
    let sample = sample(&upstream, &ground, &made).await;
    let proxy = Proxy::before(&upstream);
    let mut table = Table::new("ConnectWise, fields");
    let client = client(&ground, &proxy, Duration::from_secs(5));
    client.codebase().await.unwrap();
    let (agreement, line): (_, AdditionId) = (made.agreement.id, made.line.id);
    for wrong in wrong_fields(&sample.body) {
        proxy.set(meant, wrong.fault());
        let outcome = client.addition(agreement, line).await;
        table.add(&wrong.row(), wrong.judge(&outcome, &made.line));
    }
    table.check();
}
