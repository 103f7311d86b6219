//! From a request to the answer that the vendor would give.

use crate::auth;
use crate::error::{ApiError, too_many};
use crate::json::Json;
use crate::list::{self, Ask};
use crate::query::Query;
use crate::route::{Place, Route, place};
use crate::schema::Kind;
use crate::state::{Key, State};
use crate::time::Now;
use crate::wire::{Request, Response};
use crate::write::{self, Effect, Hand};
use crate::{bundle, recap, special};

/// Longer addresses are refused.
const MAX_TARGET: usize = 2000;

/// What serving a request came to.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) response: Response,
    pub(crate) effect: Option<Effect>,
    pub(crate) member: String,
}

/// Serves a request as the vendor would.
pub(crate) fn serve(state: &mut State, request: &Request, shift: i64, now: Now) -> Served {
    let (response, effect, member) = match answer(state, request, shift, now) {
        Ok((response, effect, member)) => (response, effect, member),
        Err(error) => (error.response(), None, String::new()),
    };
    Served {
        response,
        effect,
        member,
    }
}

type Answer = Result<(Response, Option<Effect>, String), ApiError>;

fn answer(state: &mut State, request: &Request, shift: i64, now: Now) -> Answer {
    let route = match place(
        request.path(),
        &state.config.codebase,
        !state.settings.no_alias,
    ) {
        Place::CompanyInfo(company) => {
            return Ok((special::company_info(state, &company), None, String::new()));
        }
        Place::Elsewhere => return Ok((special::nothing_here(), None, String::new())),
        Place::Api(route) => route,
    };
    if request.target.len() > MAX_TARGET {
        return Err(ApiError::new(
            414,
            "ConnectWiseApi",
            "The request URI is too long.",
        ));
    }
    if let Some(Route::SigningKey(id)) = route
        && state.assumed("callback-key-auth", "no")
    {
        return special::signing_key(state, id).map(|response| (response, None, String::new()));
    }
    let key = auth::authenticate(state, request)?;
    let cost = special::cost(state, route.as_ref(), request);
    if let Some(seconds) = auth::limited(state, &key, cost, now) {
        return Ok((too_many(&seconds.to_string()), None, String::new()));
    }
    let route = route.ok_or_else(ApiError::no_endpoint)?;
    let method = request.method.as_str();
    if !special::methods(&route).contains(&method) {
        let message = format!("The requested resource does not support http method '{method}'.");
        return Err(ApiError::new(405, "ConnectWiseApi", message));
    }
    auth::authorize(state, &key, method, &route)?;
    if let Route::List(_, Some(_)) | Route::Count(_, Some(_)) | Route::One(_, Some(_), _) = route {
        special::below_its_parent(state, &route)?;
    }
    let body = match method {
        "POST" | "PUT" | "PATCH" => read_body(request)?,
        _ => Json::Null,
    };
    dispatch(state, request, &route, &key, &body, shift, now)
        .map(|(r, effect)| (r, effect, key.member))
}

fn read_body(request: &Request) -> Result<Json, ApiError> {
    let ty = request.get("content-type").unwrap_or("application/json");
    if !ty.contains("json") {
        return Err(ApiError::new(
            415,
            "ConnectWiseApi",
            "The media type is not supported.",
        ));
    }
    crate::parse::parse(&request.body).map_err(|error| {
        ApiError::new(
            400,
            "InvalidObject",
            format!("The body is not valid JSON: {error}."),
        )
    })
}

fn dispatch(
    state: &mut State,
    request: &Request,
    route: &Route,
    key: &Key,
    body: &Json,
    shift: i64,
    now: Now,
) -> Result<(Response, Option<Effect>), ApiError> {
    let query = Query::parse(request.query());
    let hand = Hand {
        member: key.member.clone(),
        only: query.get("fields").map(list::paths),
    };
    let ask = |kind: Kind, parent: Option<i64>, query: Query| Ask {
        kind: Some(kind),
        parent,
        forward_only: request
            .get("pagination-type")
            .is_some_and(|t| t.eq_ignore_ascii_case("forward-only")),
        address: format!("{}{}", state.config.site, request.path()),
        query,
        shift,
        recap: false,
    };
    let write = |(response, effect): (Response, Effect)| (response, Some(effect));
    match (request.method.as_str(), route) {
        ("GET", Route::List(kind, parent)) => {
            let ask = ask(*kind, *parent, query);
            list::list(state, &ask, now).map(|r| (r, None))
        }
        ("GET", Route::Count(kind, parent)) => {
            let ask = ask(*kind, *parent, query);
            list::count(state, &ask, now).map(|r| (r, None))
        }
        ("GET", Route::One(kind, _, id)) => {
            special::one(state, *kind, *id, &hand, now).map(|r| (r, None))
        }
        ("POST", Route::List(kind, parent)) => {
            write::create(state, *kind, parent.unwrap_or_default(), body, &hand, now).map(write)
        }
        ("PATCH", Route::One(kind, _, id)) => {
            write::patch(state, *kind, *id, body, &hand, now).map(write)
        }
        ("PUT", Route::One(kind, _, id)) => {
            write::replace(state, *kind, *id, body, &hand, now).map(write)
        }
        ("DELETE", Route::One(kind, _, id)) => write::delete(state, *kind, *id, now).map(write),
        (_, Route::Info(kind, id)) => {
            let ask = ask(*kind, None, query);
            special::brief(state, &ask, *id, now).map(|r| (r, None))
        }
        (_, Route::SystemInfo) => Ok((special::system_info(state), None)),
        (_, Route::Recap(id)) => recap::recap(state, &query, *id, now).map(|r| (r, None)),
        (_, Route::Bundles(count)) => {
            bundle::bundles(state, key, body, *count, now).map(|r| (r, None))
        }
        (_, Route::SigningKey(id)) => special::signing_key(state, *id).map(|r| (r, None)),
        _ => Err(ApiError::no_endpoint()),
    }
}
