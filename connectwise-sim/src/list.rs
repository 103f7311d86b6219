//! Collections: filters, order, projection and both ways of paging.

use crate::cond::{Dialect, Expr, Path, parse};
use crate::error::ApiError;
use crate::json::{Json, Map};
use crate::obj;
use crate::query::Query;
use crate::schema::{Kind, Type};
use crate::state::State;
use crate::time::Now;
use crate::view::{View, custom_value, dig};
use crate::wire::Response;

const DEFAULT_PAGE: usize = 25;
const MAX_PAGE: usize = 1000;

/// What a list is asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The kind.
    pub kind: Option<Kind>,
    /// The parent.
    pub parent: Option<i64>,
    /// Whether the header asked for forward-only paging.
    pub forward_only: bool,
    /// The parameters.
    pub query: Query,
    /// The absolute address of the collection, for links.
    pub address: String,
    /// Rows by which a page is displaced, for the fault that shifts rows.
    pub shift: i64,
    /// Whether agreements are shown as rows of the recap.
    pub recap: bool,
}

/// The filters of a query, ready to be asked.
#[derive(Debug)]
pub struct Filters {
    conditions: Option<Expr>,
    child: Option<Expr>,
    custom: Option<Expr>,
}

impl Filters {
    /// Reads the three filter parameters.
    ///
    /// # Errors
    /// A condition cannot be read, or is refused by an assumption.
    pub fn read(state: &State, kind: Kind, query: &Query) -> Result<Self, ApiError> {
        let dialect = Dialect {
            left_to_right: state.assumed("conditions-precedence", "left-to-right"),
            doubled_quotes: state.assumed("conditions-quoting", "doubled"),
        };
        let read = |name: &str| -> Result<Option<Expr>, ApiError> {
            query
                .get(name)
                .map(|text| parse(text, dialect).map_err(|m| bad(state, kind, name, &m)))
                .transpose()
        };
        let mut conditions = read("conditions")?;
        if let Some(expr) = &mut conditions {
            expr.bind(kind.schema())
                .map_err(|m| bad(state, kind, "conditions", &m))?;
            expr.each(&mut |one| assumed_away(state, kind, one))
                .map_err(|m| bad(state, kind, "conditions", &m))?;
        }
        let mut custom = read("customFieldConditions")?;
        let switch = match kind {
            Kind::Agreement => state.settings.assume.get("customfield-search-agreements"),
            Kind::Addition => state.settings.assume.get("customfield-search-additions"),
            _ => "yes",
        };
        match switch {
            "ignored" => custom = None,
            "refused" if custom.is_some() => {
                return Err(bad(
                    state,
                    kind,
                    "customFieldConditions",
                    "customFieldConditions is not supported",
                ));
            }
            _ => {}
        }
        Ok(Self {
            conditions,
            child: read("childConditions")?,
            custom,
        })
    }

    fn pass(&self, view: &View<'_>, kind: Kind, id: i64, record: &Map) -> bool {
        let plain = |e: &Expr| e.holds(&|path| view.read(kind, id, record, path));
        self.conditions.as_ref().is_none_or(plain)
            && self
                .custom
                .as_ref()
                .is_none_or(|e| any_custom(view, kind, record, e))
            && self
                .child
                .as_ref()
                .is_none_or(|e| child(view, kind, id, record, e))
    }
}

fn any_custom(view: &View<'_>, kind: Kind, record: &Map, expr: &Expr) -> bool {
    let stored = record.get("customFields");
    let definitions = view.definitions(kind);
    definitions.iter().any(|(id, entry)| {
        expr.holds(&|path| match path.segments.as_slice() {
            [only] if only == "value" => custom_value(stored, *id).clone(),
            segments => dig(entry, segments),
        })
    })
}

fn any_child(expr: &Expr, items: &Json) -> bool {
    let below = |item: &Json, path: &Path| dig(item, path.segments.get(1..).unwrap_or_default());
    let mut items = items.items().iter();
    items.any(|item| expr.holds(&|path| below(item, path)))
}

/// Whether some element of the array that the expression speaks of satisfies all of it.
fn child(view: &View<'_>, kind: Kind, id: i64, record: &Map, expr: &Expr) -> bool {
    let mut names = Vec::new();
    let mut probe = expr.clone();
    let _ = probe.each(&mut |one| {
        if let Expr::Is { path, .. } = one {
            names.extend(path.segments.first().cloned());
        }
        Ok(())
    });
    names.dedup();
    names.iter().any(|name| {
        kind.schema()
            .field_ci(name)
            .filter(|f| matches!(f.ty, Type::Custom | Type::Items | Type::Refs(_)))
            .is_some_and(|field| any_child(expr, &view.value(kind, id, record, field)))
    })
}

fn assumed_away(state: &State, kind: Kind, one: &mut Expr) -> Result<(), String> {
    let Expr::Is { path, with, .. } = one else {
        return Ok(());
    };
    if path.field.is_some_and(|f| f.name == "parentAgreement")
        && state.assumed("parent-condition", "ignored")
    {
        *one = Expr::Anything;
    } else if path.field.is_some_and(|f| f.name == "agreementStatus")
        && state.assumed("conditions-derived", "refused")
    {
        return Err("agreementStatus cannot be used in a condition".to_owned());
    } else if kind == Kind::Addition
        && with.contains(&crate::cond::Literal::Null)
        && state.assumed("conditions-null", "nothing")
    {
        *one = Expr::Nothing;
    }
    Ok(())
}

fn bad(state: &State, kind: Kind, name: &str, message: &str) -> ApiError {
    if state.assumed("conditions-error-body", "500") {
        return ApiError::new(
            500,
            "InternalServerError",
            format!("Error parsing {name}: {message}"),
        );
    }
    let error = crate::error::FieldError::invalid(kind.schema(), name, message);
    ApiError::field(kind.schema(), error)
}

/// The moment of the past that lists show.
pub fn seen_at(state: &mut State, now: Now) -> i64 {
    let (lag, draws) = state.settings.assume.read_lag();
    let lag = if draws {
        let limit = u64::try_from(lag).unwrap_or_default() + 1;
        i64::try_from(state.rng.below(limit)).unwrap_or_default()
    } else {
        lag
    };
    now.millis() - lag
}

/// How many records pass the filters.
///
/// # Errors
/// A filter cannot be read.
pub fn count(state: &mut State, ask: &Ask, now: Now) -> Result<Response, ApiError> {
    let at = seen_at(state, now);
    let Some(kind) = ask.kind else {
        return Err(ApiError::no_endpoint());
    };
    let filters = Filters::read(state, kind, &ask.query)?;
    let view = View::new(state, now);
    let rows = state.store.listed(kind, ask.parent, 0, at);
    let count = rows
        .filter(|(id, record)| filters.pass(&view, kind, *id, record))
        .count();
    Ok(Response::json(200, &obj! { "count" => count }))
}

/// One page of records.
///
/// # Errors
/// A parameter cannot be read.
pub fn list(state: &mut State, ask: &Ask, now: Now) -> Result<Response, ApiError> {
    let (rows, link) = rows(state, ask, now)?;
    let response = Response::json(200, &Json::Arr(rows));
    Ok(match link {
        Some(link) => response.header("link", link),
        None => response,
    })
}

/// The rows of one page, and its `Link` header.
///
/// # Errors
/// A parameter cannot be read.
pub fn rows(
    state: &mut State,
    ask: &Ask,
    now: Now,
) -> Result<(Vec<Json>, Option<String>), ApiError> {
    let at = seen_at(state, now);
    let kind = ask.kind.ok_or_else(ApiError::no_endpoint)?;
    let query = &ask.query;
    let filters = Filters::read(state, kind, query)?;
    let size = page_size(state, kind, query)?;
    let only = query.get("fields").map(paths);
    let view = View::new(state, now);
    let show = |id: i64, record: &Map| match &only {
        _ if !ask.recap => view.render(kind, id, record, only.as_deref()),
        Some(only) => crate::view::project(&crate::recap::recap_of(&view, id, record), only),
        None => crate::recap::recap_of(&view, id, record),
    };
    let pass = |row: &(i64, &crate::store::Record)| filters.pass(&view, kind, row.0, row.1);
    if ask.forward_only {
        if query.get("orderBy").is_some() {
            return Err(bad(
                state,
                kind,
                "orderBy",
                "orderBy cannot be used with forward-only paging",
            ));
        }
        let after = number(state, kind, query, "pageId")?.unwrap_or(0);
        let mut found = state.store.listed(kind, ask.parent, after, at).filter(pass);
        let page: Vec<_> = found.by_ref().take(size).collect();
        let more = found.next().is_some();
        let last = page.last().map_or(after, |(id, _)| *id);
        let link = if more {
            links(ask, size, &[("pageId", i64_text(last), "next")])
        } else {
            String::new()
        };
        return Ok((
            page.into_iter().map(|(id, r)| show(id, r)).collect(),
            Some(link),
        ));
    }
    let page = usize::try_from(number(state, kind, query, "page")?.unwrap_or(1))
        .unwrap_or(1)
        .max(1);
    let mut found: Vec<_> = state
        .store
        .listed(kind, ask.parent, 0, at)
        .filter(pass)
        .collect();
    if let Some(order) = query.get("orderBy") {
        crate::order::sort(&view, kind, order, &mut found)
            .map_err(|m| bad(state, kind, "orderBy", &m))?;
    }
    let total = found.len();
    let pages = total.div_ceil(size).max(1);
    let mut from = (page - 1).saturating_mul(size);
    if page > 1 {
        from = from.saturating_add_signed(isize::try_from(ask.shift).unwrap_or_default());
    }
    let shown = found
        .iter()
        .skip(from)
        .take(size)
        .map(|(id, r)| show(*id, r))
        .collect();
    let mut to = Vec::new();
    if page < pages {
        to.push(("page", (page + 1).to_string(), "next"));
        to.push(("page", pages.to_string(), "last"));
    }
    if page > 1 {
        to.push(("page", "1".to_owned(), "first"));
        to.push(("page", (page - 1).min(pages).to_string(), "prev"));
    }
    Ok((shown, (!to.is_empty()).then(|| links(ask, size, &to))))
}

fn i64_text(number: i64) -> String {
    number.to_string()
}

fn links(ask: &Ask, size: usize, to: &[(&str, String, &str)]) -> String {
    let kept = ask.query.without(&["page", "pageId", "pageSize"]);
    let separator = if kept.is_empty() { "" } else { "&" };
    let address = &ask.address;
    let link = |(name, value, rel): &(&str, String, &str)| {
        format!("<{address}?{kept}{separator}pageSize={size}&{name}={value}>; rel=\"{rel}\"")
    };
    to.iter().map(link).collect::<Vec<_>>().join(", ")
}

fn page_size(state: &State, kind: Kind, query: &Query) -> Result<usize, ApiError> {
    let asked = number(state, kind, query, "pageSize")?;
    let size = asked
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| *n > 0)
        .unwrap_or(DEFAULT_PAGE);
    if size > MAX_PAGE && state.assumed("pagesize-over-max", "refused") {
        return Err(bad(
            state,
            kind,
            "pageSize",
            "pageSize must not be greater than 1000",
        ));
    }
    Ok(size.min(MAX_PAGE))
}

fn number(state: &State, kind: Kind, query: &Query, name: &str) -> Result<Option<i64>, ApiError> {
    let text = query.get(name);
    text.map(|t| {
        t.trim()
            .parse()
            .map_err(|_| bad(state, kind, name, "a whole number is expected"))
    })
    .transpose()
}

/// `id,company/name` as paths.
#[must_use]
pub fn paths(fields: &str) -> Vec<Vec<String>> {
    let each = fields.split(',').map(str::trim).filter(|f| !f.is_empty());
    each.map(|f| f.split('/').map(str::to_owned).collect())
        .collect()
}
