//! What faults do to answers, and the headers that every answer has.

use crate::error::{ApiError, too_many};
use crate::faults::{Action, Late, Plan};
use crate::state::State;
use crate::time::Now;
use crate::wire::{Delivery, Request, Response};

/// The name of an action.
pub(crate) fn name_of(action: &Action) -> String {
    let value = serde_json::to_value(action).unwrap_or_default();
    match &value {
        serde_json::Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// How often the request takes effect now.
pub(crate) fn runs(action: Option<&Action>) -> u8 {
    match action {
        None
        | Some(
            Action::Truncate {}
            | Action::ContentType { .. }
            | Action::Shift { .. }
            | Action::Latency { .. },
        ) => 1,
        Some(Action::Duplicate {}) => 2,
        Some(
            Action::Status { commit, .. }
            | Action::Drop { commit }
            | Action::Hang { commit }
            | Action::Html { commit, .. },
        ) => u8::from(*commit),
        Some(Action::LateCommit { .. } | Action::Redirect { .. } | Action::RateLimit { .. }) => 0,
    }
}

/// Gives the answer the form that the fault wants.
pub(crate) fn spoil(
    state: &mut State,
    request: &Request,
    plan: &Plan,
    mut response: Response,
    seq: u64,
    now: Now,
) -> (Response, Delivery) {
    let kept = |mut response: Response, from: &Response| {
        if let Some(id) = from.get("x-cw-request-id") {
            response
                .headers
                .push(("x-cw-request-id".to_owned(), id.to_owned()));
        }
        response
    };
    match plan.action.clone() {
        None | Some(Action::Duplicate {} | Action::Shift { .. } | Action::Latency { .. }) => {
            (response, Delivery::Send)
        }
        Some(Action::Drop { .. }) => (response, Delivery::Drop),
        Some(Action::Truncate {}) => (response, Delivery::Truncate),
        Some(Action::Hang { .. }) => {
            hang(state, request, seq);
            (response, Delivery::Hang)
        }
        Some(Action::LateCommit { ms }) => {
            let due = now
                .millis()
                .saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
            state.late.push(Late {
                due,
                seq,
                request: request.clone(),
            });
            hang(state, request, seq);
            (response, Delivery::Hang)
        }
        Some(Action::ContentType { value }) => {
            response.headers.retain(|(name, _)| name != "content-type");
            (response.header("content-type", value), Delivery::Send)
        }
        Some(Action::Html { code, .. }) => (
            kept(login_page(code.unwrap_or(200)), &response),
            Delivery::Send,
        ),
        Some(Action::Redirect { to, code }) => {
            let redirect = Response {
                status: code.unwrap_or(302),
                ..Response::default()
            }
            .header("location", to);
            (kept(redirect, &response), Delivery::Send)
        }
        Some(Action::RateLimit { retry_after }) => {
            let mut limited = too_many(retry_after.as_deref().unwrap_or("30"));
            if retry_after.is_none() {
                limited.headers.clear();
            }
            (
                kept(
                    limited.header("content-type", "application/json"),
                    &response,
                ),
                Delivery::Send,
            )
        }
        Some(Action::Status {
            code,
            body,
            headers,
            ..
        }) => {
            let mut spoilt = Response {
                status: code,
                ..Response::default()
            };
            let has_type = headers
                .keys()
                .any(|name| name.eq_ignore_ascii_case("content-type"));
            if !has_type {
                spoilt = spoilt.header("content-type", "application/json; charset=utf-8");
            }
            for (name, value) in headers {
                spoilt = spoilt.header(&name.to_ascii_lowercase(), value);
            }
            spoilt.body = match body {
                Some(serde_json::Value::String(text)) => text.into_bytes(),
                Some(value) => value.to_string().into_bytes(),
                None => usual_body(code),
            };
            (kept(spoilt, &response), Delivery::Send)
        }
    }
}

fn usual_body(code: u16) -> Vec<u8> {
    let error = match code {
        204 | 304 => return Vec::new(),
        401 => ApiError::unauthenticated(),
        403 => ApiError::forbidden(),
        404 => ApiError::new(404, "NotFound", "The record was not found."),
        409 => ApiError::new(
            409,
            "ConnectWiseApi",
            "The record is in use by another user.",
        ),
        429 => return too_many("30").body,
        500 => ApiError::new(
            500,
            "InternalServerError",
            "The operation has reached its timeout.",
        ),
        _ => ApiError::new(
            code,
            "ConnectWiseApi",
            "The request could not be completed.",
        ),
    };
    error.response().body
}

fn hang(state: &mut State, request: &Request, seq: u64) {
    let entry = state.witness.get(seq);
    let (id, committed) = entry.map_or((None, false), |e| (e.id, e.committed));
    state.faults.hangs(serde_json::json!({
        "seq": seq, "method": request.method, "path": request.path(), "committed": committed, "id": id,
    }));
}

fn login_page(status: u16) -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n";
    Response {
        status,
        headers: Vec::new(),
        body: page.into(),
    }
    .header("content-type", "text/html; charset=utf-8")
}

/// Headers that every answer carries.
pub(crate) fn finish(
    state: &State,
    request: &Request,
    mut response: Response,
    request_id: &str,
) -> Response {
    if response.get("content-type").is_none() && !response.body.is_empty() {
        let accept = request.get("accept").unwrap_or_default();
        let version = accept
            .split_once("version=")
            .map(|(_, rest)| rest.split([',', ';', ' ']).next().unwrap_or(rest));
        let current = state.config.version.trim_start_matches('v').to_owned();
        let plain = !accept.contains("vnd.connectwise") && accept.contains("application/json");
        let value = match version {
            Some(version) => format!("application/vnd.connectwise.com+json; version={version}"),
            None if plain => "application/json; charset=utf-8".to_owned(),
            None => format!("application/vnd.connectwise.com+json; version={current}"),
        };
        response = response.header("content-type", value);
    }
    response
        .header("x-cw-request-id", request_id)
        .header(
            "api-current-version",
            state.config.version.trim_start_matches('v'),
        )
        .header("x-server-name", "SIM-1")
}
