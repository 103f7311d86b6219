//! Endpoints that are not collections of records.

use crate::error::ApiError;
use crate::json::Json;
use crate::list::{self, Ask};
use crate::obj;
use crate::route::Route;
use crate::schema::Kind;
use crate::state::State;
use crate::time::Now;
use crate::view::View;
use crate::wire::{Request, Response};
use crate::write::Hand;

/// `/login/companyinfo/{company}`; an unknown company is `null`, not an error.
#[must_use]
pub fn company_info(state: &State, company: &str) -> Response {
    let config = &state.config;
    let known = company.eq_ignore_ascii_case(&config.company_id);
    let body = if known {
        obj! {
            "CompanyName" => config.company_id.as_str(),
            "Codebase" => config.codebase.as_str(),
            "VersionCode" => config.version.as_str(),
            "VersionNumber" => format!("{}.0", config.version),
            "CompanyID" => config.company_id.as_str(),
            "IsCloud" => "True",
            "SiteUrl" => config.site.trim_start_matches("https://").trim_start_matches("http://"),
        }
    } else {
        Json::Null
    };
    Response::json(200, &body).header("content-type", "application/json; charset=utf-8")
}

/// What a path outside the interface answers.
#[must_use]
pub fn nothing_here() -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>404 - File or directory not found.</title></head>\
                <body><h2>404 - File or directory not found.</h2></body></html>\n";
    Response {
        status: 404,
        headers: Vec::new(),
        body: page.into(),
    }
    .header("content-type", "text/html; charset=utf-8")
}

/// `/system/info`.
#[must_use]
pub fn system_info(state: &State) -> Response {
    let license = |name: &str| obj! { "name" => name, "activeFlag" => true };
    let body = obj! {
        "version" => format!("{}.0", state.config.version),
        "isCloud" => true,
        "serverTimeZone" => state.config.zone_name.as_str(),
        "licenseBits" => vec![license("isCloudLicense"), license("hasSaaS")],
        "cloudRegion" => "NA",
        "maxWorkFlowRecordsAllowed" => 2000_i64,
    };
    Response::json(200, &body)
}

/// The methods that a route answers.
#[must_use]
pub fn methods(route: &Route) -> &'static [&'static str] {
    match route {
        Route::List(kind, _) if kind.schema().writable => &["GET", "POST"],
        Route::One(kind, ..) if kind.schema().writable => &["GET", "PUT", "PATCH", "DELETE"],
        Route::Bundles(_) => &["POST"],
        _ => &["GET"],
    }
}

/// What a request counts as against the rate.
#[must_use]
pub fn cost(state: &State, route: Option<&Route>, request: &Request) -> usize {
    if !matches!(route, Some(Route::Bundles(_))) || state.assumed("bundle-accounting", "1") {
        return 1;
    }
    crate::parse::parse(&request.body).map_or(1, |body| body.get("requests").items().len().max(1))
}

/// Checks that the parent exists, and that the record is a child of it.
///
/// # Errors
/// 404.
pub fn below_its_parent(state: &State, route: &Route) -> Result<(), ApiError> {
    let (kind, parent, id) = match route {
        Route::List(kind, Some(parent)) | Route::Count(kind, Some(parent)) => {
            (*kind, *parent, None)
        }
        Route::One(kind, Some(parent), id) => (*kind, *parent, Some(*id)),
        _ => return Ok(()),
    };
    let Some(above) = kind.schema().parent else {
        return Ok(());
    };
    if state.store.get(above, parent).is_none() {
        return Err(ApiError::not_found(
            above.schema().title,
            &parent.to_string(),
        ));
    }
    match id {
        Some(id) if state.store.parent(kind, id) != Some(parent) => {
            Err(ApiError::not_found(kind.schema().title, &id.to_string()))
        }
        _ => Ok(()),
    }
}

/// One record.
///
/// # Errors
/// 404.
pub fn one(
    state: &State,
    kind: Kind,
    id: i64,
    hand: &Hand,
    now: Now,
) -> Result<Response, ApiError> {
    let record = state.store.get(kind, id);
    let record = record.ok_or_else(|| ApiError::not_found(kind.schema().title, &id.to_string()))?;
    Ok(Response::json(
        200,
        &View::new(state, now).render(kind, id, record, hand.only.as_deref()),
    ))
}

const BRIEF: &str = "id,name,inactiveFlag,defaultFlag,applicationUnits,billingTerms,_info";

/// The short form of a table: all of it, or one row.
///
/// # Errors
/// A parameter cannot be read, or there is no such row.
pub fn brief(
    state: &mut State,
    ask: &Ask,
    id: Option<i64>,
    now: Now,
) -> Result<Response, ApiError> {
    let mut ask = ask.clone();
    ask.query.set("fields", BRIEF);
    match (ask.kind, id) {
        (Some(kind), Some(id)) => {
            let hand = Hand {
                only: Some(list::paths(BRIEF)),
                ..Hand::default()
            };
            one(state, kind, id, &hand, now)
        }
        _ => list::list(state, &ask, now),
    }
}

/// The key with which callbacks are signed.
///
/// # Errors
/// There is no such callback.
pub fn signing_key(state: &State, id: i64) -> Result<Response, ApiError> {
    if state.store.get(Kind::Callback, id).is_none() {
        return Err(ApiError::not_found("CallbackEntry", &id.to_string()));
    }
    let body = obj! { "signing_key" => crate::callback::signing_key(state, id) };
    Ok(Response::json(200, &body))
}
