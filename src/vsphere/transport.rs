//! One HTTPS request and its answer, within bounds: no redirects, no proxies, no retries, no larger body than allowed.
//! Knows that the answer of a VIM method has status 200 or 500, and nothing of what is in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderValue, SET_COOKIE};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;

use crate::egress::{Gate, Refusal};
use crate::vsphere::config::{Config, Limits};
use crate::vsphere::error::{Error, Flaw, tame};
use crate::vsphere::soap::{Arguments, Method, Reference, envelope};
use crate::vsphere::tls;

const SESSION_COOKIE: &str = "vmware_soap_session";

/// The way to one vCenter.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    gate: Gate,
    endpoint: Url,
    limits: Limits,
    sent: AtomicU64,
    #[cfg(test)]
    pub(super) script: Option<crate::vsphere::recorded::Script>,
}

/// What a request carries beside its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    /// The API version to speak, as `urn:vim25/8.0.3.0`.
    pub(super) action: &'a str,
    /// The session, when there is one.
    pub(super) cookie: Option<&'a HeaderValue>,
}

/// An answer, not yet looked into.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) text: String,
    /// The session that the server opened with it.
    pub(super) cookie: Option<HeaderValue>,
}

impl Transport {
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let endpoint = config.endpoint()?;
        let builder = reqwest::Client::builder()
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .http1_only()
            .connect_timeout(config.limits.connect_timeout)
            .timeout(config.limits.request_timeout)
            .user_agent(concat!("meterwise/", env!("CARGO_PKG_VERSION")));
        let builder = config.gate.guard(builder).map_err(|_url| Error::Config {
            what: "no HTTPS client can be made from it",
        })?;
        let http = tls::configure(builder, &config.trust)?
            .build()
            .map_err(|_| Error::Config {
                what: "no HTTPS client can be made from it",
            })?;
        Ok(Self {
            http,
            gate: config.gate.clone(),
            endpoint,
            limits: config.limits,
            sent: AtomicU64::new(0),
            #[cfg(test)]
            script: None,
        })
    }

    /// Sends one request.
    pub(super) async fn send(
        &self,
        caller: Caller<'_>,
        method: Method,
        this: &Reference,
        arguments: Arguments,
    ) -> Result<Reply, Error> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let operation = format!("meterwise-{number:x}");
        let text = envelope(method, this, arguments, &operation);
        let sent = Instant::now();
        let outcome = self.exchange(caller, method, text).await;
        let elapsed_ms = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(reply) => {
                let bytes = reply.text.len();
                tracing::debug!(
                    method = method.name(),
                    operation,
                    bytes,
                    elapsed_ms,
                    "vCenter answered"
                );
            }
            Err(error) => {
                let category = error.category();
                tracing::debug!(method = method.name(), operation, category, elapsed_ms, %error, "vCenter call failed");
            }
        }
        outcome
    }

    /// One request that is not SOAP, at a path of the same server.
    pub(super) async fn fetch(
        &self,
        method: &'static str,
        verb: reqwest::Method,
        url: Url,
        dress: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        self.gate.check_host(&url)?;
        let request = dress(self.http.request(verb, url));
        let response = request.send().await.map_err(|e| self.failed(method, &e))?;
        let status = response.status();
        Ok((status, self.body(method, response).await?))
    }

    /// Where the server is, without a path.
    pub(super) fn server(&self) -> Url {
        let mut server = self.endpoint.clone();
        server.set_path("");
        server
    }

    async fn exchange(
        &self,
        caller: Caller<'_>,
        method: Method,
        text: String,
    ) -> Result<Reply, Error> {
        #[cfg(test)]
        if let Some(script) = &self.script {
            // A network would make the caller wait, too.
            tokio::task::yield_now().await;
            return script.answer(caller, method, &text);
        }
        self.gate.check_host(&self.endpoint)?;
        let mut request = self
            .http
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .header("SOAPAction", format!("\"{}\"", caller.action))
            .body(text);
        if let Some(cookie) = caller.cookie {
            request = request.header(COOKIE, cookie);
        }
        let response = request
            .send()
            .await
            .map_err(|e| self.failed(method.name(), &e))?;
        let status = response.status();
        if status != StatusCode::OK && status != StatusCode::INTERNAL_SERVER_ERROR {
            return Err(Error::Status {
                method: method.name(),
                status: status.as_u16(),
            });
        }
        let cookie = response
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .find_map(session_cookie);
        let body = self.body(method.name(), response).await?;
        // A 500 that is not a SOAP fault comes from something in front of vCenter, or from one that is just starting.
        if status == StatusCode::INTERNAL_SERVER_ERROR && !is_envelope(&body) {
            return Err(Error::Status {
                method: method.name(),
                status: status.as_u16(),
            });
        }
        let text = String::from_utf8(body).map_err(|_| Error::Malformed {
            method: method.name(),
            flaw: Flaw::Encoding,
        })?;
        Ok(Reply { text, cookie })
    }

    pub(super) async fn body(
        &self,
        method: &'static str,
        mut response: Response,
    ) -> Result<Vec<u8>, Error> {
        let limit = self.limits.body_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| self.failed(method, &e))?
        {
            if body.len() + chunk.len() > limit {
                return Err(Error::TooLarge { method, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failed(&self, method: &'static str, error: &reqwest::Error) -> Error {
        if let Some(refusal) = Refusal::behind(error) {
            return Error::Egress(refusal);
        }
        if let Some(tls) = find_tls(error) {
            return Error::Tls {
                reason: tame(&tls.to_string()),
            };
        }
        if error.is_timeout() {
            return Error::Timeout {
                method,
                after: if error.is_connect() {
                    self.limits.connect_timeout
                } else {
                    self.limits.request_timeout
                },
            };
        }
        // The outer messages only repeat the URL; the innermost says what happened.
        let mut innermost: &dyn std::error::Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let reason = if std::ptr::addr_eq(innermost, error) {
            "the exchange failed".to_owned()
        } else {
            tame(&innermost.to_string())
        };
        Error::Transport { reason }
    }
}

fn find_tls<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An `io::Error` does not name the error it wraps as its source.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(tls) = wrapped.and_then(|wrapped| find_tls(wrapped)) {
            return Some(tls);
        }
        next = error.source();
    }
    None
}

fn is_envelope(body: &[u8]) -> bool {
    let head = body.get(..1024).unwrap_or(body);
    head.windows(8).any(|window| window == b"Envelope")
}

fn session_cookie(header: &HeaderValue) -> Option<HeaderValue> {
    let pair = header.to_str().ok()?.split(';').next()?.trim();
    if pair.split('=').next() != Some(SESSION_COOKIE) {
        return None;
    }
    let mut cookie = HeaderValue::from_str(pair).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_session_of_a_set_cookie_header_is_kept() {
        let cookie = session_cookie(&HeaderValue::from_static(
            "vmware_soap_session=\"a1b2\"; Path=/; HttpOnly; Secure;",
        ));
        let cookie = cookie.unwrap();
        assert_eq!(cookie.to_str().unwrap(), "vmware_soap_session=\"a1b2\"");
        assert!(!format!("{cookie:?}").contains("a1b2"));
        assert!(session_cookie(&HeaderValue::from_static("other=1")).is_none());
    }
}
