//! What an answer's status, headers and error body mean, as one of our errors. Pure: it sends nothing.

use std::time::Duration;

use serde::Deserialize;

use crate::connectwise::error::{Error, Exchange, FieldProblem};
use crate::connectwise::resource::Resource;
use crate::connectwise::secret::Secret;
use crate::domain::foreign::is_printable;

const LONGEST_MESSAGE: usize = 200;
const LONGEST_WORD: usize = 60;
const MOST_FIELDS: usize = 20;

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// `Content-Type`, lower case; empty when absent.
    pub(super) content_type: String,
    /// `Link`, when there is one (which may be empty).
    pub(super) link: Option<String>,
    /// `Retry-After`, when there is one that can be read.
    pub(super) retry_after: Option<Duration>,
    /// `x-cw-request-id`.
    pub(super) request_id: Option<String>,
    /// The decoded body.
    pub(super) body: Vec<u8>,
}

/// A success that holds JSON text.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The body.
    pub(super) body: String,
    /// `Link`, when there is one (which may be empty).
    pub(super) link: Option<String>,
    /// `x-cw-request-id`.
    pub(super) request_id: Option<String>,
}

/// ConnectWise's error body; also the odd one of a 429, which has `error` instead of `code`.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    message: Option<String>,
    errors: Option<Vec<Detail>>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    code: Option<String>,
    message: Option<String>,
    field: Option<String>,
}

/// Cleans texts from outside: control characters out, our own keys out, cut to length.
#[derive(Clone, Debug)]
pub(super) struct Cleaner {
    secrets: Vec<Secret>,
}

impl Cleaner {
    /// Removes these from every text.
    pub(super) fn new(secrets: Vec<Secret>) -> Self {
        Self { secrets }
    }

    /// At most `most` characters of `text`, safe to print.
    pub(super) fn clean(&self, text: &str, most: usize) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose(), "[redacted]");
        }
        text.chars()
            .filter(|c| is_printable(*c))
            .take(most)
            .collect()
    }
}

impl Answer {
    /// The answer if it is a success that holds JSON, otherwise what it means instead.
    pub(super) fn accept(
        self,
        resource: Resource,
        host: &str,
        cleaner: &Cleaner,
        at: Exchange,
    ) -> Result<Accepted, Error> {
        let at = Box::new(Exchange {
            request_id: self.request_id.clone(),
            ..at
        });
        let status = self.status;
        let not_json = !self.is_json();
        match status {
            200..=299 => {}
            300..=399 => return Err(Error::Redirected { status, at }),
            400 => {
                let (message, fields) = self.refusal(cleaner);
                return Err(Error::Invalid {
                    fields,
                    message,
                    at,
                });
            }
            401 => {
                return Err(Error::Unauthorized {
                    right: resource.right(at.verb),
                    at,
                });
            }
            // The edge in front of ConnectWise refuses in HTML; that says nothing of rights.
            403 if not_json => {
                return Err(Error::NotJson {
                    host: host.to_owned(),
                    status,
                    at,
                });
            }
            403 => {
                return Err(Error::Forbidden {
                    right: resource.right(at.verb),
                    at,
                });
            }
            404 => return Err(Error::NotFound { resource, at }),
            409 => return Err(Error::Conflict { at }),
            429 => {
                let retry_after = self.retry_after.unwrap_or_default();
                return Err(Error::RateLimited { retry_after, at });
            }
            408 | 500.. => return Err(Error::Unavailable { status, at }),
            _ => return Err(Error::UnexpectedStatus { status, at }),
        }
        let undecodable = |problem| Error::Decode {
            resource,
            id: None,
            field: None,
            problem,
            at: at.clone(),
        };
        if self.body.is_empty() {
            return Err(undecodable("the answer is empty"));
        }
        if not_json {
            return Err(Error::NotJson {
                host: host.to_owned(),
                status,
                at,
            });
        }
        let body =
            String::from_utf8(self.body).map_err(|_byte| undecodable("the answer is not UTF-8"))?;
        Ok(Accepted {
            body,
            link: self.link,
            request_id: self.request_id,
        })
    }

    fn is_json(&self) -> bool {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        (self.content_type.is_empty() || self.content_type.contains("json")) && first != Some(&b'<')
    }

    fn refusal(&self, cleaner: &Cleaner) -> (String, Vec<FieldProblem>) {
        let refusal: Refusal = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |text: Option<String>, most| cleaner.clean(&text.unwrap_or_default(), most);
        let fields = refusal
            .errors
            .unwrap_or_default()
            .into_iter()
            .take(MOST_FIELDS)
            .map(|detail| FieldProblem {
                field: text(detail.field, LONGEST_WORD),
                code: text(detail.code, LONGEST_WORD),
                message: text(detail.message, LONGEST_MESSAGE),
            });
        let fields = fields.collect();
        (text(refusal.message, LONGEST_MESSAGE), fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectwise::error::Verb;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        Answer {
            status,
            content_type: content_type.into(),
            link: None,
            retry_after: None,
            request_id: Some("r-1".into()),
            body: body.as_bytes().to_vec(),
        }
    }

    fn error(verb: Verb, answer: Answer) -> Error {
        let at = Exchange {
            verb,
            path: "finance/agreements".into(),
            request_id: None,
        };
        let cleaner = Cleaner::new(vec![Secret::new("canary")]);
        answer
            .accept(Resource::Agreement, "cw.example", &cleaner, at)
            .expect_err("an error")
    }

    const JSON: &str = "application/vnd.connectwise.com+json; version=2025.1";

    #[test]
    fn each_status_has_its_meaning_and_keeps_the_request_id() {
        for (status, category, ambiguous) in [
            (302, "redirected", true),
            (400, "invalid", false),
            (401, "unauthorized", false),
            (403, "forbidden", false),
            (404, "not_found", false),
            (408, "unavailable", true),
            (409, "conflict", false),
            (412, "unexpected_status", true),
            (429, "rate_limited", false),
            (500, "unavailable", true),
            (504, "unavailable", true),
        ] {
            let error = error(Verb::Post, answer(status, JSON, "{}"));
            assert_eq!(error.category(), category, "{status}");
            assert_eq!(error.is_ambiguous(), ambiguous, "{status}");
            assert_eq!(error.request_id(), Some("r-1"));
            let read = super::tests::error(Verb::Get, answer(status, JSON, "{}"));
            assert!(!read.is_ambiguous(), "{status}");
        }
    }

    #[test]
    fn a_missing_right_is_named() {
        for (verb, right) in [
            (Verb::Get, "Inquire"),
            (Verb::Post, "Add"),
            (Verb::Patch, "Edit"),
        ] {
            let error = error(verb, answer(403, JSON, r#"{"code":"Security"}"#));
            assert!(
                error
                    .to_string()
                    .contains(&format!("Finance > Agreements: {right}")),
                "{error}"
            );
        }
    }

    #[test]
    fn refused_fields_are_listed_and_texts_from_outside_cleaned() {
        let long = "x".repeat(300);
        let body = format!(
            r#"{{"code":"InvalidObject","message":"agreement object\r\n is invalid canary","errors":[
            {{"code":"MissingRequiredField","message":"{long}","resource":"agreement","field":"company/id"}},{{"code":null}}]}}"#
        );
        let error = error(Verb::Post, answer(400, JSON, &body));
        let Error::Invalid {
            fields, message, ..
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(message, "agreement object is invalid [redacted]");
        assert_eq!(
            (fields[0].field.as_str(), fields[0].message.len()),
            ("company/id", 200)
        );
        assert!(
            error
                .to_string()
                .contains("company/id MissingRequiredField"),
            "{error}"
        );
        assert!(!error.to_string().contains("xxx"), "{error}");
    }

    #[test]
    fn error_bodies_may_lack_everything() {
        for body in [
            "",
            "null",
            "[]",
            "<html>",
            r#"{"errors":null}"#,
            r#"{"errors":[{}]}"#,
        ] {
            assert_eq!(
                error(Verb::Post, answer(400, JSON, body)).category(),
                "invalid",
                "{body}"
            );
        }
    }

    #[test]
    fn a_success_that_is_not_json_names_the_host() {
        for answer in [
            answer(200, "text/html", "<html>login</html>"),
            answer(200, JSON, "  <html>"),
            answer(200, "text/plain", "{}"),
        ] {
            let error = error(Verb::Get, answer);
            assert!(
                matches!(&error, Error::NotJson { host, .. } if host == "cw.example"),
                "{error:?}"
            );
        }
        assert_eq!(
            error(Verb::Get, answer(403, "text/html", "<html>")).category(),
            "not_json"
        );
    }

    #[test]
    fn an_empty_or_garbled_success_of_a_write_is_ambiguous() {
        let empty = error(Verb::Patch, answer(204, "", ""));
        assert_eq!((empty.category(), empty.is_ambiguous()), ("decode", true));
        let mut garbled = answer(200, JSON, "");
        garbled.body = vec![b'"', 0xff, b'"'];
        assert!(error(Verb::Post, garbled).is_ambiguous());
    }
}
