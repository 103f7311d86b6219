//! Both servers behind one door: the ConnectWise simulator and the register of billing records, in this process. Every
//! request of ours passes here, meets its fault if it has one, and what it changed is looked at by `watch`.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connectwise_sim::{Now, State, seed};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::matrix::fault::{Fault, Outcome};
use crate::matrix::register::{Ask, Register};
use crate::matrix::watch::Watch;

/// How long a request takes.
const TAKES: Duration = Duration::from_millis(300);
/// How long a client waits for an answer that never comes.
const GIVES_UP: Duration = Duration::from_secs(30);

/// A request of ours to either server.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    ConnectWise(connectwise_sim::Request),
    Kubernetes(Ask),
}

/// An answer of either server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReply {
    Unsent,
    Broken,
    Silent,
}

/// How much was written so far.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) log: usize,
    /// What the books say, without ids and attempts.
    pub(crate) books: String,
    pub(crate) book_writes: usize,
}

/// Both servers, and what our requests met.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) connectwise: State,
    pub(crate) register: Register,
    pub(crate) watch: Watch,
    /// The requests that were counted, in words, in order.
    pub(crate) requests: Vec<String>,
    pub(crate) fault: Option<Fault>,
    /// Whether requests are counted, and so can meet a fault.
    pub(crate) counting: bool,
    /// The time when `began` was now.
    pub(crate) epoch: Timestamp,
    /// How often ConnectWise changed.
    pub(crate) changes: usize,
    struck: usize,
    late: Vec<(Call, Option<usize>)>,
}

/// A world that several parts of a process share, and the end of that process.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    world: Arc<Mutex<World>>,
    pub(crate) killed: Arc<Notify>,
    began: Instant,
}

impl World {
    /// The instance of the tests, at noon of the tenth of March.
    pub(crate) fn new() -> Self {
        let epoch = "2026-03-10T12:00:00Z".parse().unwrap();
        let connectwise = seed::from_text(include_str!("seed.json"), Now(epoch)).unwrap();
        Self {
            connectwise,
            register: Register::default(),
            watch: Watch::default(),
            requests: Vec::new(),
            fault: None,
            counting: false,
            epoch,
            changes: 0,
            struck: 0,
            late: Vec::new(),
        }
    }

    /// Whether something is still on its way.
    pub(crate) fn is_in_flight(&self) -> bool {
        !self.late.is_empty()
    }

    /// How much was written so far, on both sides.
    pub(crate) fn written(&self) -> Written {
        Written {
            log: self.watch.log.len(),
            books: self.register.text(),
            book_writes: self.register.writes,
        }
    }

    /// How long lists lag behind writes.
    pub(crate) fn lag(&mut self) -> SignedDuration {
        let (lag, _) = self.connectwise.settings_mut().assume.read_lag();
        SignedDuration::from_millis(lag)
    }

    /// What lists show depends on this alone; on time, too, where there is none.
    pub(crate) fn shows(&mut self) -> Option<usize> {
        self.lag().is_zero().then_some(self.changes)
    }

    fn serve(&mut self, call: &Call, now: Timestamp) -> Reply {
        match call {
            Call::ConnectWise(request) => {
                let before = self.watch.before(&self.connectwise, request);
                let outcome = connectwise_sim::handle(&mut self.connectwise, request, Now(now));
                self.changes += usize::from(request.method != "GET");
                self.watch.connectwise(
                    &self.connectwise,
                    &self.register,
                    &before,
                    outcome.seq,
                    now,
                );
                Reply {
                    status: outcome.response.status,
                    headers: outcome.response.headers,
                    body: outcome.response.body,
                }
            }
            Call::Kubernetes(ask) => {
                let old = self.register.records.get(&ask.name()).cloned();
                let answer = self.register.answer(ask);
                let (state, register) = (&self.connectwise, &self.register);
                self.watch
                    .register(state, register, &ask.name(), old.as_ref());
                Reply {
                    status: answer.status,
                    headers: vec![("content-type".into(), "application/json".into())],
                    body: answer.body.to_string().into_bytes(),
                }
            }
        }
    }

    /// Lets one of the requests to come meet this, or none.
    pub(crate) fn meet(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        self.struck = 0;
    }

    /// Does what is due of the late requests.
    pub(crate) fn arrive(&mut self, now: Timestamp, all: bool) {
        let counted = self.requests.len();
        let (due, rest) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(_, due)| all || due.is_some_and(|due| due <= counted));
        self.late = rest;
        for (call, _) in due {
            self.serve(&call, now);
        }
    }

    /// Counts a request and says what becomes of it.
    fn meets(&mut self, call: &Call) -> Option<Outcome> {
        if !self.counting {
            return None;
        }
        let words = words(call);
        let at = self.requests.len();
        self.requests.push(words.clone());
        let fault = self.fault?;
        // A read is tried again by the client itself; for as long as it does that, it meets the same.
        let again = self.struck > 0
            && self.struck
                < fault
                    .outcome
                    .times()
                    .max(if is_read(&words) { 4 } else { 1 })
            && self.requests.get(fault.at) == Some(&words);
        if fault.at == at || again {
            self.struck += 1;
            return Some(fault.outcome);
        }
        None
    }
}

impl Door {
    /// Opens a world within a runtime whose clock stands still.
    pub(crate) fn open(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            killed: Arc::new(Notify::new()),
            began: Instant::now(),
        }
    }

    /// The world, as it is now.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the world as it is, at its present time.
    pub(crate) fn close(self) -> World {
        let now = self.now();
        let mut world = self.world().clone();
        world.epoch = now;
        world
    }

    /// The time in the world.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap();
        self.world().epoch.saturating_add(passed).unwrap()
    }

    /// Carries a request through, with what it meets on its way.
    pub(crate) async fn pass(&self, call: Call) -> Result<Reply, NoReply> {
        sleep(TAKES).await;
        let now = self.now();
        let outcome = {
            let mut world = self.world();
            let outcome = world.meets(&call);
            world.arrive(now, false);
            outcome
        };
        let Some(outcome) = outcome else {
            return Ok(self.world().serve(&call, now));
        };
        let reply = outcome.commits().then(|| self.world().serve(&call, now));
        match outcome {
            Outcome::KilledBefore | Outcome::Killed => {
                self.killed.notify_one();
                pending().await
            }
            Outcome::NotSent => Err(NoReply::Unsent),
            Outcome::Dropped | Outcome::ResponseLost => Err(NoReply::Broken),
            Outcome::Late(_) | Outcome::LateAfterAll => {
                {
                    let mut world = self.world();
                    let due = match outcome {
                        Outcome::Late(after) => Some(world.requests.len() + after),
                        _ => None,
                    };
                    world.late.push((call, due));
                }
                sleep(GIVES_UP).await;
                Err(NoReply::Silent)
            }
            Outcome::ErrorCommitted | Outcome::TenErrors => Ok(error(500)),
            Outcome::ErrorNotCommitted => Ok(error(503)),
            Outcome::Conflict | Outcome::TenConflicts => Ok(error(409)),
            Outcome::Duplicated => {
                self.world().serve(&call, now);
                Ok(reply.unwrap_or_default())
            }
            Outcome::OtherRecord => Ok(reply.map(another).unwrap_or_default()),
            Outcome::WithoutId => Ok(reply.map(without_id).unwrap_or_default()),
            Outcome::Truncated => {
                let mut reply = reply.unwrap_or_else(|| self.world().serve(&call, now));
                reply.body.truncate(reply.body.len() / 2);
                Ok(reply)
            }
        }
    }
}

/// A request in words without ids.
pub(crate) fn words(call: &Call) -> String {
    let (method, path) = match call {
        Call::ConnectWise(request) => (request.method.as_str(), request.path()),
        Call::Kubernetes(ask) => (ask.method.as_str(), ask.path.as_str()),
    };
    let path = path.split('?').next().unwrap_or_default();
    let what = match () {
        () if path.contains("/billingrecords") => "book",
        () if path.contains("/additions/") => "addition",
        () if path.ends_with("/additions") => "additions",
        () if path.contains("/agreements/") => "agreement",
        () if path.ends_with("/agreements") => "agreements",
        () if path.contains("/userDefinedFields") => "custom field",
        () if path.contains("/companyinfo") => "codebase",
        () => path,
    };
    format!("{method} {what}")
}

/// Whether a request in words only reads.
pub(crate) fn is_read(words: &str) -> bool {
    words.starts_with("GET")
}

fn error(status: u16) -> Reply {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Fault","code":{status},"message":"a fault"}}"#
    );
    Reply {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.into_bytes(),
    }
}

/// The answer with an id and a mark that are not those of the record.
fn another(mut reply: Reply) -> Reply {
    if let Ok(mut body @ Value::Object(_)) = serde_json::from_slice(&reply.body) {
        body["id"] = 900.into();
        body["customFields"] =
            serde_json::json!([{"id": 5, "value": "PO 1"}, {"id": 6, "value": "PO 2"}]);
        reply.body = body.to_string().into_bytes();
    }
    reply
}

fn without_id(mut reply: Reply) -> Reply {
    if let Ok(Value::Object(mut body)) = serde_json::from_slice(&reply.body) {
        body.remove("id");
        reply.body = Value::Object(body).to_string().into_bytes();
    }
    reply
}
