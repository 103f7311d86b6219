//! One process of the operator: its client, its books and its ledger, all of them the real ones, over the door of a
//! world; and passes over its services, a request of each in turn.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request as HttpRequest, Response as HttpResponse};
use jiff::Timestamp;
use kube::client::Body;
use meterwise::api::billing_record::BillingRecord;
use meterwise::connectwise::{
    AgreementsFilter, Client, Config, Courier, Delivered, Lost, MarkFields, Secret,
};
use meterwise::controllers::books::Books;
use meterwise::controllers::errands::{Errands, Keep};
use meterwise::domain::book::Book;
use meterwise::domain::desired::Meters;
use meterwise::domain::ids::CustomFieldId;
use meterwise::domain::ledger::MarkField;
use meterwise::domain::mark::ServiceMark;
use meterwise::domain::observed::Ledger;
use meterwise::domain::plan::known;
use meterwise::domain::protocol::{Goal, Hold, Pass, Step};
use meterwise::domain::step::{absorb, step};
use meterwise::egress::Egress;

use crate::matrix::goals::QUARANTINE;
use crate::matrix::register::{Ask, NAMESPACE};
use crate::matrix::world::{Call, Door, NoReply, Reply};

/// The totals that follow from a book and what is seen.
pub(crate) type Next = dyn Fn(&Book) -> Meters;

/// More requests than any honest pass makes for one service.
const LONGEST: usize = 120;

/// How a pass over one service ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done(Vec<Hold>),
    Held(Hold),
    Wait(Timestamp),
    Failed,
    Killed,
}

/// A running process.
pub(crate) struct Process {
    door: Door,
    client: Client,
    books: Books,
    ledger: Kept,
    name: String,
    passes: usize,
    /// What ConnectWise had come to when the mirror was last brought up to date.
    mirrored: Option<usize>,
}

#[derive(Debug, Default)]
struct Kept(Mutex<Ledger>);

impl Keep for Kept {
    fn keep<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes the client's requests to the door.
#[derive(Debug)]
struct Usher(Door);

impl Courier for Usher {
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Delivered, Lost>> {
        let url = request.url();
        let mut asked = connectwise_sim::Request::new(
            request.method().as_str(),
            &url[url::Position::BeforePath..],
        );
        for (name, value) in request.headers() {
            let value = value.to_str().expect("a header");
            asked
                .headers
                .push((name.as_str().to_owned(), value.to_owned()));
        }
        let body = request.body().and_then(reqwest::Body::as_bytes);
        asked.body = body.unwrap_or_default().to_vec();
        Box::pin(async move {
            let reply = self.0.pass(Call::ConnectWise(asked)).await;
            let reply = reply.map_err(|lost| match lost {
                NoReply::Unsent => Lost::Unsent,
                NoReply::Broken => Lost::Broken,
                NoReply::Silent => Lost::Silent,
            })?;
            let headers = reply.headers.iter().map(|(name, value)| {
                let name: http::HeaderName = name.parse().expect("a header");
                (name, value.parse().expect("a header"))
            });
            Ok(Delivered {
                status: reply.status,
                headers: headers.collect(),
                body: reply.body,
            })
        })
    }
}

/// A client of the API server whose requests go through the door.
fn kubernetes(door: &Door) -> kube::Client {
    let door = door.clone();
    let service = tower::service_fn(move |request: HttpRequest<Body>| {
        let door = door.clone();
        async move {
            let (head, body) = request.into_parts();
            let bytes = body.collect_bytes().await.expect("a body");
            let ask = Ask {
                method: head.method.to_string(),
                path: head.uri.to_string(),
                body: serde_json::from_slice(&bytes).unwrap_or_default(),
            };
            match door.pass(Call::Kubernetes(ask)).await {
                Ok(Reply { status, body, .. }) => {
                    let answer = HttpResponse::builder()
                        .status(status)
                        .header("content-type", "application/json");
                    Ok(answer.body(Body::from(body)).expect("an answer"))
                }
                Err(lost) => Err(std::io::Error::other(format!("{lost:?}"))),
            }
        }
    });
    kube::Client::new(service, NAMESPACE)
}

impl Process {
    /// Starts one that knows nothing yet.
    pub(crate) fn start(door: &Door, name: String) -> Self {
        let plain = door.world().watch.marks.agreement == "customerPO";
        let field = |id| match plain {
            true => MarkField::Plain,
            false => MarkField::Custom {
                id: CustomFieldId(id),
            },
        };
        let config = Config {
            site: "https://cw.example/".parse().expect("an address"),
            company: "acme_c".into(),
            client_id: "0b1f4e5c-0000-0000-0000-000000000000".into(),
            public_key: Secret::new("operatorPublicKey"),
            private_key: Secret::new("operatorPrivateKey"),
            ca_bundle: None,
            requests_per_minute: 600_000,
            marks: MarkFields {
                agreement: field(5),
                addition: field(6),
            },
            request_timeout: Duration::from_secs(20),
            gate: Egress::default().to_connectwise(),
            patch_custom_fields: false,
        };
        let usher = Arc::new(Usher(door.clone()));
        Self {
            client: Client::over(&config, usher).expect("a client"),
            books: Books::new(&kubernetes(door), NAMESPACE),
            ledger: Kept::default(),
            door: door.clone(),
            name,
            passes: 0,
            mirrored: None,
        }
    }

    /// Brings the mirrors up to date, as the operator does all the time. These requests meet no fault: without them
    /// nothing is decided.
    pub(crate) async fn refresh(&mut self) {
        self.door.world().counting = false;
        self.see_books();
        let shows = self.door.world().shows();
        if shows.is_none() || self.mirrored != shows {
            self.mirror().await;
            self.mirrored = shows;
        }
        self.door.world().counting = true;
    }

    fn see_books(&self) {
        let records: Vec<_> = {
            let world = self.door.world();
            world.register.records.values().cloned().collect()
        };
        for record in records {
            let record: BillingRecord = serde_json::from_value(record).expect("a record");
            self.books.saw(&record);
        }
    }

    async fn mirror(&self) {
        let agreements = self.client.agreements(&AgreementsFilter::All).await;
        let agreements = agreements.expect("the agreements");
        let is_ours = |mark: &str| ServiceMark::of_agreement(mark).is_some();
        for agreement in agreements {
            let (id, now) = (agreement.id, self.door.now());
            let ours = agreement.mark.as_deref().is_some_and(is_ours);
            self.ledger
                .keep(|ledger| ledger.put_agreement(agreement, now));
            if ours {
                let lines = self.client.additions(id).await.expect("the lines");
                self.ledger.keep(|ledger| ledger.put_lines(id, lines, now));
            }
        }
    }

    /// One pass over every service, a request of each in turn.
    pub(crate) async fn pass(&mut self, goals: &[Goal]) -> Vec<Ended> {
        self.refresh().await;
        self.decide(goals).await
    }

    /// Writes the totals of a service into its book, as the operator does before it decides; again while that fails. Says
    /// what stands then, and nothing when there is no book or the process is killed.
    pub(crate) async fn count(&mut self, mark: &ServiceMark, next: &Next) -> Option<Meters> {
        for _ in 0..LONGEST {
            self.see_books();
            self.door.world().counting = true;
            let seen = self.books.get(mark)?;
            let meters = next(&seen.book);
            if seen.book.is_empty() || meters == seen.book.meters {
                return Some(seen.book.meters);
            }
            let killed = self.door.killed.notified();
            let write = async {
                let live = self.books.read_live(mark).await.ok()??;
                let mut book = live.book;
                book.meters = next(&book);
                self.books.write(&book, Some(&live.version)).await.ok()
            };
            tokio::select! {
                biased;
                () = killed => return None,
                _ = write => {}
            }
        }
        panic!("the totals are never written");
    }

    /// The same, by what the mirrors held when they were last brought up to date.
    pub(crate) async fn decide(&mut self, goals: &[Goal]) -> Vec<Ended> {
        let (client, books, ledger) = (&self.client, &self.books, &self.ledger);
        let mut passes = Vec::new();
        for goal in goals {
            self.passes += 1;
            let mark = goal.key.mark();
            let book = books.get(&mark).map(|versioned| versioned.book);
            let pass = Pass {
                attempt: format!("{}-{}", self.name, self.passes),
                quarantine: QUARANTINE,
                known: ledger.keep(|ledger| known(ledger, goal, book.as_ref())),
            };
            let errands = Errands::new(client, books, ledger, mark, goal.service.clone());
            passes.push((goal, pass, errands, None));
        }
        for _ in 0..LONGEST {
            let mut idle = true;
            for (goal, pass, errands, ended) in &mut passes {
                if ended.is_some() {
                    continue;
                }
                idle = false;
                let now = self.door.now();
                *ended = match step(goal, pass, now) {
                    Step::Wait(until) => Some(Ended::Wait(until)),
                    Step::Held(hold) => Some(Ended::Held(hold)),
                    Step::Done(holds) => Some(Ended::Done(holds)),
                    Step::Ask(request) => {
                        let killed = self.door.killed.notified();
                        let asked = tokio::select! {
                            biased;
                            () = killed => return vec![Ended::Killed; goals.len()],
                            asked = errands.ask(&request, now) => asked,
                        };
                        match asked {
                            Ok(response) => {
                                absorb(pass, &request, response);
                                None
                            }
                            Err(_) => Some(Ended::Failed),
                        }
                    }
                };
            }
            if idle {
                let ended = passes.into_iter().filter_map(|(.., ended)| ended);
                return ended.collect();
            }
        }
        panic!("a pass does not end");
    }
}
