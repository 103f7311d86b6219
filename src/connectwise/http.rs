//! One request with our keys and its answer. It knows headers; neither the connection nor the budget nor retries nor
//! what an answer means.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LINK,
    RETRY_AFTER,
};
use url::Url;

use crate::connectwise::budget::retry_after;
use crate::connectwise::config::Config;
use crate::connectwise::courier::{Courier, Delivered, IDLE_TIMEOUT, Lost};
use crate::connectwise::error::{Error, Exchange, Verb};
use crate::connectwise::refusal::{Answer, Cleaner};
use crate::connectwise::resource::Resource;
use crate::connectwise::secret::Secret;

const API_VERSION: &str = "application/vnd.connectwise.com+json; version=2025.1";

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

/// What goes out to one ConnectWise instance, with our keys to it.
#[derive(Debug)]
pub(super) struct Http {
    courier: Arc<dyn Courier>,
    authorization: HeaderValue,
    client_id: HeaderValue,
    pub(super) cleaner: Cleaner,
    ahead: Mutex<Option<SignedDuration>>,
}

impl Http {
    /// Prepares the client over a courier; sends nothing.
    pub(super) fn new(config: &Config, courier: Arc<dyn Courier>) -> Result<Self, Error> {
        let refuse = |field, problem| Error::Config { field, problem };
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
            courier,
            authorization,
            client_id,
            cleaner: Cleaner::new(secrets),
            ahead: Mutex::default(),
        })
    }

    /// By how much the server's clock was ahead of ours in its last answer.
    pub(super) fn ahead(&self) -> Option<SignedDuration> {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request and reads its answer.
    pub(super) async fn exchange(&self, call: &Call, address: Url) -> Result<Answer, Error> {
        let method = match call.verb {
            Verb::Get => reqwest::Method::GET,
            Verb::Post => reqwest::Method::POST,
            Verb::Patch => reqwest::Method::PATCH,
        };
        let mut request = reqwest::Request::new(method, address);
        let headers = request.headers_mut();
        headers.insert("clientid", self.client_id.clone());
        // Who we are is not asked where the codebase is told, so it is not said there.
        if call.resource == Resource::CompanyInfo {
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        } else {
            headers.insert(ACCEPT, HeaderValue::from_static(API_VERSION));
            headers.insert(AUTHORIZATION, self.authorization.clone());
        }
        if call.forward_only {
            headers.insert("pagination-type", HeaderValue::from_static("forward-only"));
        }
        if let Some(body) = &call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        let Delivered {
            status,
            headers,
            body,
        } = self
            .courier
            .carry(request)
            .await
            .map_err(|lost| failure(lost, call))?;
        let headers = &headers;
        let told = header(headers, &DATE)
            .and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        if let Some(told) = told {
            let ahead = told.duration_since(Timestamp::now());
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
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

fn failure(lost: Lost, call: &Call) -> Error {
    let at = call.at();
    match lost {
        Lost::Refused(refusal) => Error::Egress(refusal),
        Lost::Unsent => Error::Transport { sent: false, at },
        Lost::Untrusted(problem) => Error::Tls { problem, at },
        Lost::Broken => Error::Transport { sent: true, at },
        Lost::Silent => Error::Timeout {
            after: IDLE_TIMEOUT,
            at,
        },
        Lost::TooLarge(limit) => Error::TooLarge { limit, at },
    }
}
