//! One request over HTTPS and its answer, whole and within limits. It knows certificates, headers and bodies; neither
//! the budget nor retries nor what an answer means.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER,
};
use url::Url;

use crate::connectwise::budget::retry_after;
use crate::connectwise::config::Config;
use crate::connectwise::error::{Error, Exchange, Verb};
use crate::connectwise::refusal::{Answer, Cleaner};
use crate::connectwise::resource::Resource;
use crate::connectwise::secret::Secret;

const API_VERSION: &str = "application/vnd.connectwise.com+json; version=2025.1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// Beyond this an error's body is not read: its status says enough.
const LARGEST_REFUSAL: usize = 256 * 1024;

/// One request, by its place below the API's root.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) resource: Resource,
    /// Below the API's root, made of words of ours and numbers only.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) forward_only: bool,
    pub(super) body: Option<Vec<u8>>,
}

impl Call {
    /// A read without a query.
    pub(super) fn get(resource: Resource, path: String) -> Self {
        Self {
            verb: Verb::Get,
            resource,
            path,
            query: Vec::new(),
            forward_only: false,
            body: None,
        }
    }

    /// A write.
    pub(super) fn write(verb: Verb, resource: Resource, path: String, body: Vec<u8>) -> Self {
        Self {
            verb,
            body: Some(body),
            ..Self::get(resource, path)
        }
    }

    pub(super) fn exchange(&self) -> Exchange {
        Exchange {
            verb: self.verb,
            path: self.path.clone(),
            request_id: None,
        }
    }

    pub(super) fn at(&self) -> Box<Exchange> {
        Box::new(self.exchange())
    }
}

/// The HTTPS client of one ConnectWise instance, with our keys to it.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    authorization: HeaderValue,
    client_id: HeaderValue,
    pub(super) cleaner: Cleaner,
}

impl Http {
    /// Prepares the client; sends nothing.
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let refuse = |field, problem| Error::Config { field, problem };
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
        if let Some(pem) = &config.ca_bundle {
            let roots = reqwest::Certificate::from_pem_bundle(pem)
                .ok()
                .filter(|roots| !roots.is_empty())
                .ok_or_else(|| refuse("caBundle", "holds no PEM certificate"))?;
            builder = builder.tls_certs_only(roots);
        }
        let client = builder.build().map_err(|_reason| {
            refuse("caBundle", "or the system's trusted roots cannot be used")
        })?;
        let pair = format!(
            "{}+{}:{}",
            config.company,
            config.public_key.expose(),
            config.private_key.expose()
        );
        let encoded = STANDARD.encode(pair);
        let mut authorization = HeaderValue::from_str(&format!("Basic {encoded}"))
            .map_err(|_byte| refuse("privateKey", "cannot stand in a header"))?;
        authorization.set_sensitive(true);
        let client_id = HeaderValue::from_str(&config.client_id)
            .map_err(|_byte| refuse("clientId", "cannot stand in a header"))?;
        let secrets = vec![
            config.private_key.clone(),
            config.public_key.clone(),
            Secret::new(encoded),
        ];
        Ok(Self {
            client,
            authorization,
            client_id,
            cleaner: Cleaner::new(secrets),
        })
    }

    /// Sends one request and reads its answer.
    pub(super) async fn exchange(&self, call: &Call, address: Url) -> Result<Answer, Error> {
        let method = match call.verb {
            Verb::Get => reqwest::Method::GET,
            Verb::Post => reqwest::Method::POST,
            Verb::Patch => reqwest::Method::PATCH,
        };
        let mut request = self
            .client
            .request(method, address)
            .header("clientId", self.client_id.clone());
        // Who we are is not asked where the codebase is told, so it is not said there.
        request = if call.resource == Resource::CompanyInfo {
            request.header(ACCEPT, "application/json")
        } else {
            request
                .header(ACCEPT, API_VERSION)
                .header(AUTHORIZATION, self.authorization.clone())
        };
        if call.forward_only {
            request = request.header("pagination-type", "forward-only");
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let mut response = request
            .send()
            .await
            .map_err(|error| failure(&error, call))?;
        let status = response.status().as_u16();
        let limit = if response.status().is_success() {
            LARGEST_ANSWER
        } else {
            LARGEST_REFUSAL
        };
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failure(&error, call))?
        {
            if body.len() + chunk.len() > limit {
                if response.status().is_success() {
                    return Err(Error::TooLarge {
                        limit,
                        at: call.at(),
                    });
                }
                body.clear();
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let headers = response.headers();
        Ok(Answer {
            status,
            content_type: header(headers, &CONTENT_TYPE)
                .unwrap_or_default()
                .to_ascii_lowercase(),
            link: header(headers, &LINK).map(str::to_owned),
            retry_after: header(headers, &RETRY_AFTER)
                .and_then(|value| retry_after(value, Timestamp::now())),
            request_id: header(headers, &HeaderName::from_static("x-cw-request-id"))
                .map(|id| self.cleaner.clean(id, 64))
                .filter(|id| !id.is_empty()),
            body,
        })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn failure(error: &reqwest::Error, call: &Call) -> Error {
    if !error.is_connect() {
        let at = call.at();
        return if error.is_timeout() {
            Error::Timeout {
                after: IDLE_TIMEOUT,
                at,
            }
        } else {
            Error::Transport { sent: true, at }
        };
    }
    match tls_problem(error) {
        Some(problem) => Error::Tls {
            problem,
            at: call.at(),
        },
        None => Error::Transport {
            sent: false,
            at: call.at(),
        },
    }
}

/// What TLS found wrong, when a connection failed because of it.
fn tls_problem(error: &reqwest::Error) -> Option<String> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(
                tls.to_string()
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect(),
            );
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
