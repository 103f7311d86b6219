//! The vSphere client behind a proxy that spoils what vcsim answered: a snapshot is whole and right, or an error with a type; it
//! is never a smaller inventory. What vcsim says is asked for once and then given again, so that each case is alike.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use meterwise::domain::inventory::Inventory;
use meterwise::egress::Egress;
use meterwise::vsphere::{Client, Config, Error, Limits, Secret, Trust};
use stack::{Vcsim, VcsimOptions, distinct_customers};
use tempfile::TempDir;

use crate::bytes::cases::{Case, other_answers, silences, slow_and_huge, truncations};
use crate::bytes::proxy::Proxy;
use crate::bytes::xml::wrong_values;
use crate::bytes::{AT_ONCE, PATIENCE, Table, word};
use crate::raw::{Answer, Upstream};

/// The largest answer that is read in these tests.
const LIMIT: usize = 4 * 1024 * 1024;
/// The requests of a snapshot that are spoilt, by what makes each the one meant.
const METHODS: [&str; 6] = [
    "RetrieveServiceContent",
    "Login",
    "CurrentTime",
    "CreateContainerView",
    "RetrievePropertiesEx",
    "ContinueRetrievePropertiesEx",
];

/// Which method a request calls.
fn method(request: &str) -> String {
    let body = request.split("Body>").nth(1).unwrap_or_default();
    let tag = body.trim_start_matches('<');
    let end = tag.find([' ', '>', '/']).unwrap_or(0);
    let tag = tag.get(..end).unwrap_or_default();
    tag.rsplit(':').next().unwrap_or_default().to_owned()
}

/// What each request of a snapshot was answered with.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// By the request's body, but for the number of the operation.
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    username: String,
    password: String,
    _files: Arc<TempDir>,
    _vcsim: Arc<Vcsim>,
}

/// A request without what differs each time.
fn key(request: &str) -> String {
    let body = request.split("Body>").nth(1).unwrap_or_default();
    body.to_owned()
}

impl Recording {
    /// Of a vCenter with a few machines.
    fn take() -> (Self, Proxy) {
        let files = tempfile::tempdir().unwrap();
        let vcsim = Vcsim::start(files.path(), &VcsimOptions::default()).unwrap();
        vcsim
            .seed_customers(&distinct_customers(&["acme", "globex"], 4))
            .unwrap();
        let url: url::Url = vcsim.url().parse().unwrap();
        let upstream = Upstream::new(url.port().unwrap(), vcsim.ca_pem());
        let answers: Arc<Mutex<BTreeMap<String, Answer>>> = Arc::default();
        let known = answers.clone();
        let proxy = Proxy::answering(move |request| {
            if let Some(answer) = known.lock().unwrap().get(&key(request)) {
                return answer.clone();
            }
            let answer = upstream.ask(request);
            known.lock().unwrap().insert(key(request), answer.clone());
            answer
        });
        let recording = Self {
            answers,
            username: vcsim.username().to_owned(),
            password: vcsim.password().to_owned(),
            _files: Arc::new(files),
            _vcsim: Arc::new(vcsim),
        };
        (recording, proxy)
    }

    /// The first answer to a method.
    fn sample(&self, called: &str) -> Answer {
        let answers = self.answers.lock().unwrap();
        let found = answers
            .iter()
            .filter(|(request, _)| method(&format!("Body>{request}")) == called)
            .max_by_key(|(_, answer)| answer.body.len());
        found
            .unwrap_or_else(|| panic!("{called} was asked"))
            .1
            .clone()
    }

    /// A proxy of its own that says the same again.
    fn again(&self) -> Proxy {
        let answers = self.answers.clone();
        let other = self.sample("CurrentTime");
        Proxy::answering(move |request| {
            let answers = answers.lock().unwrap();
            // After an error a client may say what no snapshot says.
            answers.get(&key(request)).unwrap_or(&other).clone()
        })
    }

    fn client(&self, proxy: &Proxy, patience: Duration) -> Client {
        let local = Egress {
            allow_loopback: true,
            ..Egress::default()
        };
        Client::new(Config {
            url: proxy.url().parse().unwrap(),
            username: self.username.clone(),
            password: Secret::new(&*self.password),
            trust: Trust::CaBundle(proxy.ca()),
            limits: Limits {
                request_timeout: patience,
                body_bytes: LIMIT,
                page_objects: 5,
                ..Limits::default()
            },
            gate: local.to_vcenter(),
        })
        .unwrap()
    }
}

/// A recording, a proxy, and what a snapshot is without faults.
async fn recorded() -> (Recording, Proxy, Inventory) {
    let (recording, proxy) = Recording::take();
    let client = recording.client(&proxy, Duration::from_secs(10));
    let whole = client.snapshot().await.unwrap();
    assert_eq!(whole.machines.len(), 4);
    let again = recording.client(&proxy, Duration::from_secs(10));
    assert_eq!(again.snapshot().await.unwrap(), whole, "it can be repeated");
    (recording, proxy, whole)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_of_vcenter_is_whole_or_a_typed_error() {
    let (recording, _proxy, whole) = recorded().await;
    let mut all = Vec::new();
    for called in METHODS {
        let sample = recording.sample(called);
        let stride = (sample.body.len() / 6).max(41);
        let mut cases = truncations(&sample, stride);
        cases.extend(silences());
        cases.extend(slow_and_huge(LIMIT));
        cases.extend(other_answers());
        let each = |case| spoilt(&recording, &whole, called, case);
        all.extend(cases.into_iter().map(each));
    }
    let mut all = futures::stream::iter(all).buffer_unordered(AT_ONCE);
    let mut table = Table::new("vCenter, snapshots");
    while let Some((name, outcome)) = all.next().await {
        table.add(&name, outcome);
    }
    table.check();
}

async fn spoilt(
    recording: &Recording,
    whole: &Inventory,
    called: &'static str,
    (name, fault): Case,
) -> (String, &'static str) {
    let proxy = recording.again();
    proxy.set(move |request| method(request) == called, fault);
    let client = recording.client(&proxy, PATIENCE);
    let about = format!("{called}: {name}");
    let outcome = client.snapshot().await;
    let outcome = word(&about, &outcome, whole, Error::category);
    proxy.clear();
    let mut again = client.snapshot().await;
    // A machine that is busy enough is slow anywhere; what is asked here is whether the fault stays with the client.
    for _ in 0..3 {
        if !matches!(&again, Err(error) if error.category() == "Timeout") {
            break;
        }
        again = client.snapshot().await;
    }
    match again {
        Ok(again) => assert!(again == *whole, "{about}: another inventory after it"),
        Err(error) => panic!("{about}: it is not over with it: {error}"),
    }
    (name, outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_value_anywhere_in_an_inventory_is_never_another_size() {
    let (recording, _proxy, whole) = recorded().await;
    let mut table = Table::new("vCenter, values");
    let proxy = recording.again();
    let client = recording.client(&proxy, Duration::from_secs(10));
    let sample = recording.sample("RetrievePropertiesEx");
    for wrong in wrong_values(&sample.body) {
        let body = sample.body.clone();
        proxy.set(
            |request| method(request) == "RetrievePropertiesEx",
            wrong.fault(body),
        );
        let outcome = client.snapshot().await;
        table.add(&wrong.row(), wrong.judge(&outcome, &whole));
    }
    table.check();
}
