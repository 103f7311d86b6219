//! Credentials, client ids, roles and the rate of requests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;
use crate::route::Route;
use crate::schema::Kind;
use crate::state::{Key, State};
use crate::time::Now;
use crate::wire::Request;

/// The key that the request claims, whether or not the secret half is right.
#[must_use]
pub fn claimed(request: &Request) -> Option<(String, String, String)> {
    let value = request.get("authorization")?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, secret) = text.split_once(':')?;
    let (company, public) = user.split_once('+')?;
    Some((company.to_owned(), public.to_owned(), secret.to_owned()))
}

/// Who sends the request.
///
/// # Errors
/// 401 for credentials or a client id that are missing or not known.
pub fn authenticate(state: &State, request: &Request) -> Result<Key, ApiError> {
    let Some((company, public, secret)) = claimed(request) else {
        return Err(ApiError::new(
            401,
            "Unauthorized",
            "Credentials are missing or malformed.",
        ));
    };
    let client = request.get("clientid").map(str::trim).unwrap_or_default();
    let known = &state.config.client_ids;
    if !guid(client)
        || !(known.is_empty() || known.iter().any(|id| id.eq_ignore_ascii_case(client)))
    {
        return Err(ApiError::new(
            401,
            "Unauthorized",
            "The clientId header is missing or not valid.",
        ));
    }
    let key = state
        .config
        .keys
        .iter()
        .find(|k| k.public_key == public && k.private_key == secret);
    let same = company.eq_ignore_ascii_case(&state.config.company_id);
    key.filter(|_| same)
        .cloned()
        .ok_or_else(ApiError::unauthenticated)
}

fn guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// Whether a key's role lets it do that.
///
/// # Errors
/// 403, or 401 where the instance answers so.
pub fn authorize(state: &State, key: &Key, method: &str, route: &Route) -> Result<(), ApiError> {
    let (right, level) = match route {
        Route::SystemInfo => {
            let lacks = !allows(state, key, "agreements", "inquire");
            if lacks && state.assumed("probe-needs-rights", "yes") {
                return Err(ApiError::unauthenticated());
            }
            return Ok(());
        }
        Route::Bundles(_) | Route::SigningKey(_) => return Ok(()),
        Route::Recap(_) => ("agreements", "inquire"),
        other => {
            let right = other.kind().map_or("system", |kind| kind.schema().right);
            let level = match method {
                "POST" => "add",
                "PUT" | "PATCH" => "edit",
                "DELETE" => "delete",
                _ => "inquire",
            };
            (right, level)
        }
    };
    let withheld = match (
        state.settings.assume.get("role-for-setup-reads"),
        route.kind(),
    ) {
        ("custom-fields", Some(Kind::UserDefinedField))
        | ("callbacks", Some(Kind::Callback))
        | ("invoices", Some(Kind::Invoice)) => !allows(state, key, "setup", level),
        _ => false,
    };
    if withheld || !allows(state, key, right, level) {
        Err(ApiError::forbidden())
    } else {
        Ok(())
    }
}

/// Whether a key's role has a right.
#[must_use]
pub fn allows(state: &State, key: &Key, right: &str, level: &str) -> bool {
    let Some(role) = state.config.roles.get(&key.role) else {
        return false;
    };
    let has = |name: &str| {
        role.get(name)
            .is_some_and(|levels| levels.iter().any(|l| l == level || l == "all"))
    };
    // `*` speaks for every right that the role does not name itself.
    if role.contains_key(right) {
        has(right)
    } else {
        has("*")
    }
}

/// Counts a request against the rate. Answers with the seconds to wait when it is exceeded.
pub fn limited(state: &mut State, key: &Key, cost: usize, now: Now) -> Option<i64> {
    let scope = state.settings.assume.get("rate-limit-scope");
    let (bucket, limit) = match scope {
        "none" => (String::new(), None),
        "company" => (state.config.company_id.clone(), Some(1000)),
        "60" => (key.public_key.clone(), Some(60)),
        _ => (key.public_key.clone(), Some(1000)),
    };
    let limit = state
        .settings
        .rate_per_minute
        .or(limit)
        .filter(|limit| *limit > 0)?;
    let at = now.millis();
    let window = state.rates.entry(bucket).or_default();
    while window.front().is_some_and(|first| at - first >= 60_000) {
        window.pop_front();
    }
    if window.len() >= limit {
        let first = window.front().copied().unwrap_or(at);
        return Some(((60_000 - (at - first)) / 1_000).max(1));
    }
    for _ in 0..cost {
        window.push_back(at);
    }
    None
}
