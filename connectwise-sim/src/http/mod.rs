//! HTTP around the library: the interface itself, and the control interface beside it.

mod callbacks;
mod tls;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::control::control;
use crate::handle::{handle, tick};
use crate::json::Json;
use crate::obj;
use crate::state::State;
use crate::time::Now;
use crate::wire::{Callback, Delivery, Outcome, Request, Response};

const MAX_BODY: usize = 256 * 1024 * 1024;

type Body = BoxBody<Bytes, io::Error>;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the interface listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control interface listens.
    pub control: SocketAddr,
    /// Certificate chain and key, in PEM; plain HTTP without.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A file to append the log to, a line of JSON per request.
    pub log: Option<PathBuf>,
    /// A file to append every request and answer to, bodies included, for validators.
    pub traffic: Option<PathBuf>,
    /// A certificate, in PEM, that callbacks trust beside the usual ones.
    pub callback_ca: Option<PathBuf>,
}

struct Shared {
    state: Mutex<State>,
    log: Mutex<Option<std::fs::File>>,
    traffic: Mutex<Option<std::fs::File>>,
    client: reqwest::Client,
    /// Counts up whenever what hangs is let go.
    release: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_log(&self, line: &str) {
        append(&self.log, || line.to_owned());
    }
}

fn append(file: &Mutex<Option<std::fs::File>>, line: impl FnOnce() -> String) {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = file.as_mut() {
        let _ = writeln!(file, "{}", line());
    }
}

/// A request and its answer, for validators: status 0 when the answer was lost, and which fault had a hand in it.
fn exchange(request: &Request, outcome: &Outcome, fault: Option<&str>) -> String {
    let unanswered = Response::default();
    let (status, response) = match outcome.delivery {
        Delivery::Send => (outcome.response.status, &outcome.response),
        _ => (0, &unanswered),
    };
    let headers = |list: &[(String, String)]| {
        let mut out = crate::json::Map::new();
        for (name, value) in list.iter().filter(|(name, _)| name != "authorization") {
            out.set(name.clone(), value.as_str());
        }
        out
    };
    obj! {
        "method" => request.method.as_str(),
        "target" => request.target.as_str(),
        "requestHeaders" => headers(&request.headers),
        "requestBody" => String::from_utf8_lossy(&request.body).as_ref(),
        "fault" => fault.map_or(Json::Null, Json::from),
        "status" => status,
        "responseHeaders" => headers(&response.headers),
        "responseBody" => String::from_utf8_lossy(&response.body).as_ref(),
    }
    .to_string()
}

fn now() -> Now {
    Now(jiff::Timestamp::now())
}

/// A running simulator. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    /// The site's address.
    pub url: String,
    /// The control interface's address.
    pub control: String,
    tasks: tokio::task::JoinSet<()>,
}

impl Running {
    /// Waits for as long as it runs.
    pub async fn wait(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Starts a simulator.
///
/// # Errors
/// An address cannot be bound, or a file cannot be read.
pub async fn start(mut state: State, options: Options) -> anyhow::Result<Running> {
    let acceptor = options
        .tls
        .as_ref()
        .map(|(cert, key)| tls::acceptor(cert, key))
        .transpose()?;
    let api = TcpListener::bind(options.listen).await?;
    let control = TcpListener::bind(options.control).await?;
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", api.local_addr()?);
    let control_url = format!("http://{}", control.local_addr()?);
    state.config_mut().site.clone_from(&url);
    let open = |path: &Option<PathBuf>| -> io::Result<Option<std::fs::File>> {
        let mut how = std::fs::OpenOptions::new();
        path.as_ref()
            .map(|path| how.create(true).append(true).open(path))
            .transpose()
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        log: Mutex::new(open(&options.log)?),
        traffic: Mutex::new(open(&options.traffic)?),
        client: callbacks::client(options.callback_ca.as_deref())?,
        release: watch::channel(0).0,
    });
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(accept(shared.clone(), api, acceptor, true));
    tasks.spawn(accept(shared.clone(), control, None, false));
    tasks.spawn(late(shared));
    Ok(Running {
        url,
        control: control_url,
        tasks,
    })
}

async fn late(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let due = tick(&mut shared.state(), now());
        deliver(&shared, due);
    }
}

fn deliver(shared: &Arc<Shared>, callbacks: Vec<Callback>) {
    for callback in callbacks {
        let shared = shared.clone();
        tokio::spawn(async move {
            let attempts = callbacks::deliver(&shared.client, &callback).await;
            shared
                .state()
                .delivered(&callback.url, &callback.body, &attempts);
        });
    }
}

async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    api: bool,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (shared, tls) = (shared.clone(), tls.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(shared, stream, api).await;
                    }
                }
                None => connection(shared, stream, api).await,
            }
        });
    }
}

async fn connection<S>(shared: Arc<Shared>, stream: S, api: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let builder = Builder::new(TokioExecutor::new());
    // An error closes the connection: that is how answers get lost.
    let _ = if api {
        let service = service_fn(move |request| answer(shared.clone(), request));
        builder.serve_connection(io, service).await
    } else {
        let service = service_fn(move |request| answer_control(shared.clone(), request));
        builder.serve_connection(io, service).await
    };
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, io::Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |p| p.as_str())
        .to_owned();
    let headers = parts.headers.iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    Ok(Request {
        method: parts.method.to_string(),
        target,
        headers: headers.collect(),
        body: body.to_vec(),
    })
}

/// Corrects the log when the client goes away before its answer is on its way.
struct Unsent(Arc<Shared>, u64, bool);

impl Drop for Unsent {
    fn drop(&mut self) {
        if self.2 {
            self.0.state().sent(self.1, false);
            self.0
                .write_log(&obj! { "seq" => self.1, "sent" => false }.to_string());
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, io::Error> {
    let request = read(request).await?;
    let mut released = shared.release.subscribe();
    let (outcome, line, fault) = {
        let mut state = shared.state();
        let mut outcome = handle(&mut state, &request, now());
        // The instance tells the time by its own clock, right or wrong.
        let told = now().plus_millis(state.settings.clock_offset_ms).0;
        let date = told.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        outcome.response = outcome.response.header("date", date);
        let entry = state.witness().get(outcome.seq);
        let line = entry.map(|entry| entry.json().to_string());
        (outcome, line, entry.and_then(|entry| entry.fault.clone()))
    };
    shared.write_log(&line.unwrap_or_default());
    append(&shared.traffic, || {
        exchange(&request, &outcome, fault.as_deref())
    });
    deliver(&shared, outcome.callbacks);
    let sends = matches!(outcome.delivery, Delivery::Send | Delivery::Truncate);
    let mut unsent = Unsent(shared.clone(), outcome.seq, sends);
    if outcome.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(outcome.delay_ms)).await;
    }
    match outcome.delivery {
        Delivery::Send => {
            unsent.2 = false;
            into_http(outcome.response, false)
        }
        Delivery::Truncate => {
            unsent.2 = false;
            into_http(outcome.response, true)
        }
        Delivery::Drop => Err(io::Error::other("the answer is lost on purpose")),
        Delivery::Hang => {
            let _ = released.changed().await;
            Err(io::Error::other("the request hung on purpose"))
        }
    }
}

async fn answer_control(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, io::Error> {
    let request = read(request).await?;
    let (response, callbacks) = control(&mut shared.state(), &request, now());
    deliver(&shared, callbacks);
    if request.method == "DELETE" && request.path() == "/faults" {
        shared.release.send_modify(|n| *n += 1);
    }
    into_http(response, false)
}

fn into_http(response: Response, truncate: bool) -> Result<hyper::Response<Body>, io::Error> {
    let mut builder = hyper::Response::builder().status(response.status);
    for (name, value) in &response.headers {
        builder = builder.header(name, value);
    }
    let whole = Bytes::from(response.body);
    let body = if truncate {
        builder = builder.header("content-length", whole.len());
        let half = whole.slice(..whole.len() / 2);
        Half {
            half: Some(half),
            broken: false,
        }
        .boxed()
    } else {
        Full::new(whole)
            .map_err(|never: Infallible| match never {})
            .boxed()
    };
    builder.body(body).map_err(io::Error::other)
}

/// A body that breaks off.
struct Half {
    half: Option<Bytes>,
    broken: bool,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        use std::task::Poll;
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.broken {
            // Let the first half leave before the connection breaks.
            self.broken = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::other(
            "the answer is cut off on purpose",
        ))))
    }
}
