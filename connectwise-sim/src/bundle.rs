//! Many reads in one request.

use crate::auth;
use crate::error::ApiError;
use crate::json::{Json, Map};
use crate::list::{self, Ask};
use crate::obj;
use crate::query::Query;
use crate::route::Route;
use crate::schema::Kind;
use crate::special::below_its_parent;
use crate::state::{Key, State};
use crate::time::Now;
use crate::view::View;
use crate::wire::Response;

/// `/system/bundles`: many reads in one request.
///
/// # Errors
/// The body is not a collection of requests.
pub fn bundles(
    state: &mut State,
    key: &Key,
    body: &Json,
    count: bool,
    now: Now,
) -> Result<Response, ApiError> {
    let Json::Arr(requests) = body.get("requests") else {
        return Err(ApiError::new(
            400,
            "InvalidObject",
            "The requests field is required.",
        ));
    };
    let results: Vec<Json> = requests
        .iter()
        .map(|request| bundled(state, key, request, count, now))
        .collect();
    Ok(Response::json(200, &obj! { "results" => results }))
}

/// A member by its name, whatever the case: the vendor's samples differ from its schema.
fn member<'a>(value: &'a Json, name: &str) -> &'a Json {
    static NULL: Json = Json::Null;
    let found = value
        .as_obj()
        .and_then(|o| o.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)));
    found.map_or(&NULL, |(_, v)| v)
}

fn bundled(state: &mut State, key: &Key, request: &Json, count: bool, now: Now) -> Json {
    let mut out = Map::new();
    out.push("sequenceNumber", member(request, "sequenceNumber").clone());
    out.push("resourceType", member(request, "resourceType").clone());
    if let Some(version) = member(request, "version").as_str() {
        out.push("version", version);
    }
    match bundle_rows(state, key, request, count, now) {
        Ok((rows, n)) => {
            if !count {
                out.push("entities", rows);
            }
            out.push("count", n);
            out.push("success", true);
            out.push("statusCode", 200_i64);
        }
        Err(error) => {
            out.push("success", false);
            out.push("statusCode", error.status());
            out.push("error", error.json());
        }
    }
    Json::Obj(out)
}

fn bundle_kind(state: &State, name: &str) -> Option<Kind> {
    let name = name.to_ascii_lowercase();
    if name == "addition" || name == "agreementaddition" {
        return state
            .assumed("bundle-endpoint", &name)
            .then_some(Kind::Addition);
    }
    let kind = match name.as_str() {
        "company" => Kind::Company,
        "companysite" | "site" => Kind::Site,
        "contact" => Kind::Contact,
        "agreement" => Kind::Agreement,
        "agreementtype" => Kind::AgreementType,
        "agreementadjustment" => Kind::Adjustment,
        "catalogitem" | "productcatalog" => Kind::CatalogItem,
        "member" => Kind::Member,
        "invoice" => Kind::Invoice,
        "unitofmeasure" => Kind::Uom,
        _ => return None,
    };
    Some(kind)
}

fn bundle_rows(
    state: &mut State,
    key: &Key,
    request: &Json,
    count: bool,
    now: Now,
) -> Result<(Vec<Json>, usize), ApiError> {
    let name = member(request, "resourceType")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let kind = bundle_kind(state, &name).ok_or_else(|| {
        ApiError::new(
            400,
            "InvalidObject",
            format!("The resource type {name} is not supported."),
        )
    })?;
    let ask = member(request, "apiRequest");
    let parent = member(ask, "parentId")
        .as_int()
        .filter(|_| kind.schema().parent.is_some());
    if kind.schema().parent.is_some() && parent.is_none() {
        return Err(ApiError::new(
            400,
            "InvalidObject",
            "The parentId field is required.",
        ));
    }
    let route = Route::List(kind, parent);
    auth::authorize(state, key, "GET", &route)?;
    below_its_parent(state, &route)?;
    if let Some(id) = member(ask, "id").as_int().filter(|id| *id > 0) {
        let record = state.store.get(kind, id);
        let record =
            record.ok_or_else(|| ApiError::not_found(kind.schema().title, &id.to_string()))?;
        return Ok((
            vec![View::new(state, now).render(kind, id, record, None)],
            1,
        ));
    }
    let mut query = Query::default();
    let (filters, page) = (member(ask, "filters"), member(ask, "page"));
    for (name, value) in [
        ("conditions", member(filters, "conditions")),
        ("childConditions", member(filters, "childConditions")),
        (
            "customFieldConditions",
            member(filters, "customFieldConditions"),
        ),
        ("orderBy", member(filters, "orderBy")),
        ("fields", member(ask, "fields")),
        ("page", member(page, "page")),
        ("pageSize", member(page, "pageSize")),
        ("pageId", member(page, "pageId")),
    ] {
        match value {
            Json::Null => {}
            Json::Str(text) => query.set(name, text),
            other => query.set(name, &other.to_string()),
        }
    }
    let forward_only = query.get("pageId").is_some();
    let ask = Ask {
        kind: Some(kind),
        parent,
        forward_only,
        query,
        ..Ask::default()
    };
    if count {
        let body = list::count(state, &ask, now)?;
        let count = crate::parse::parse(&body.body)
            .unwrap_or_default()
            .get("count")
            .as_int()
            .unwrap_or_default();
        return Ok((Vec::new(), usize::try_from(count).unwrap_or_default()));
    }
    let (rows, _) = list::rows(state, &ask, now)?;
    let n = rows.len();
    Ok((rows, n))
}
