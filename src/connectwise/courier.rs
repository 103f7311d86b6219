//! The last inch of a request: one that is ready goes out, and its answer comes back whole, or a reason why not. It
//! knows connections, certificates and limits; neither keys nor records nor what a status means.
//!
//! It is a seam: everything above it runs the same over another courier, such as one that asks a simulator in the same
//! process.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::header::HeaderMap;

use crate::connectwise::config::Config;
use crate::connectwise::error::Error;
use crate::domain::foreign::Foreign;
use crate::egress::{Gate, Refusal};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Beyond this an error's body is not read: its status says enough.
const LARGEST_REFUSAL: usize = 256 * 1024;

/// An answer, whole.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The decoded body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing was sent, because the operator may not connect there.
    Refused(Refusal),
    /// Nothing was sent.
    Unsent,
    /// Nothing was sent, because TLS found something wrong: its words.
    Untrusted(String),
    /// It may have been sent; then the connection broke.
    Broken,
    /// It may have been sent; then nothing came for too long.
    Silent,
    /// An answer came that is larger than this many bytes.
    TooLarge(usize),
}

/// Takes requests out, each once, and brings what comes back.
pub trait Courier: fmt::Debug + Send + Sync {
    /// Sends one request and waits for its whole answer.
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Delivered, Lost>>;
}

/// HTTPS to one site: no redirects, no retries, no proxy.
#[derive(Debug)]
pub(super) struct Https {
    client: reqwest::Client,
    gate: Gate,
}

impl Https {
    /// Prepares the connection; sends nothing.
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let refuse = |problem| Error::Config {
            field: "caBundle",
            problem,
        };
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Losing a race for the process-wide default leaves one in place just the same.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("meterwise/", env!("CARGO_PKG_VERSION")))
            .https_only(config.site.scheme() == "https")
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT);
        builder = config.gate.guard(builder).map_err(|_url| Error::Config {
            field: "--connectwise-proxy",
            problem: "is no proxy that can be used",
        })?;
        if let Some(pem) = &config.ca_bundle {
            let roots = reqwest::Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|roots| !roots.is_empty())
                .ok_or_else(|| refuse("holds no PEM certificate"))?;
            builder = builder.tls_certs_only(roots);
        }
        let client = builder
            .build()
            .map_err(|_reason| refuse("or the system's trusted roots cannot be used"))?;
        Ok(Self {
            client,
            gate: config.gate.clone(),
        })
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Delivered, Lost> {
        self.gate.check_host(request.url()).map_err(Lost::Refused)?;
        let mut response = self
            .client
            .execute(request)
            .await
            .map_err(|error| loss(&error))?;
        let limit = if response.status().is_success() {
            LARGEST_ANSWER
        } else {
            LARGEST_REFUSAL
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| loss(&error))? {
            if body.len() + chunk.len() > limit {
                if response.status().is_success() {
                    return Err(Lost::TooLarge(limit));
                }
                body.clear();
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Delivered {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }
}

impl Courier for Https {
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Delivered, Lost>> {
        Box::pin(self.exchange(request))
    }
}

fn loss(error: &reqwest::Error) -> Lost {
    if let Some(refusal) = Refusal::behind(error) {
        Lost::Refused(refusal)
    } else if error.is_connect() {
        tls_problem(error).map_or(Lost::Unsent, Lost::Untrusted)
    } else if error.is_timeout() {
        Lost::Silent
    } else {
        Lost::Broken
    }
}

/// What TLS found wrong, when a connection failed because of it.
fn tls_problem(error: &reqwest::Error) -> Option<String> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(Foreign::within(&tls.to_string(), 200).to_string());
        }
        source = match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
