//! From a path to what it names.

use crate::schema::{KINDS, Kind};

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A collection: the kind and, below a parent, the parent's id.
    List(Kind, Option<i64>),
    /// How many there are.
    Count(Kind, Option<i64>),
    /// One record.
    One(Kind, Option<i64>, i64),
    /// A short form of a table's rows, where the interface has one.
    Info(Kind, Option<i64>),
    /// `/system/info`.
    SystemInfo,
    /// `/system/bundles`, or its count.
    Bundles(bool),
    /// `/finance/agreementrecap`, or one of them.
    Recap(Option<i64>),
    /// A signing key of callbacks.
    SigningKey(i64),
}

impl Route {
    /// The kind that the route is about.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Route::List(kind, _)
            | Route::Count(kind, _)
            | Route::One(kind, ..)
            | Route::Info(kind, _) => Some(*kind),
            Route::Recap(_) => Some(Kind::Agreement),
            _ => None,
        }
    }
}

/// A path taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/login/companyinfo/{company}`.
    CompanyInfo(String),
    /// Below `apis/3.0/`; the route is absent when nothing is there.
    Api(Option<Route>),
    /// Anything else.
    Elsewhere,
}

/// Finds what a path names. `codebase` is the current release's path.
#[must_use]
pub fn place(path: &str, codebase: &str, alias: bool) -> Place {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let is =
        |segment: Option<&&str>, word: &str| segment.is_some_and(|s| s.eq_ignore_ascii_case(word));
    if is(segments.first(), "login") && is(segments.get(1), "companyinfo") && segments.len() == 3 {
        return Place::CompanyInfo(crate::query::decode(segments[2]));
    }
    let release = codebase.trim_matches('/');
    let known = is(segments.first(), release) || (alias && is(segments.first(), "v4_6_release"));
    if known && is(segments.get(1), "apis") && is(segments.get(2), "3.0") {
        return Place::Api(route(&segments[3..]));
    }
    Place::Elsewhere
}

/// The route of the segments below `apis/3.0/`.
#[must_use]
pub fn route(segments: &[&str]) -> Option<Route> {
    let lower: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["system", "info"] => return Some(Route::SystemInfo),
        ["system", "bundles"] => return Some(Route::Bundles(false)),
        ["system", "bundles", "count"] => return Some(Route::Bundles(true)),
        ["system", "callbacks", "signingkeys", id] => {
            return id.parse().ok().map(Route::SigningKey);
        }
        ["finance", "agreementrecap"] => return Some(Route::Recap(None)),
        ["finance", "agreementrecap", id] => {
            return id.parse().ok().map(|id| Route::Recap(Some(id)));
        }
        ["system", "locations", rest @ ..] => return tail(Kind::Location, None, rest),
        ["system", "departments", rest @ ..] => return tail(Kind::Department, None, rest),
        ["system", "members", rest @ ..] => return tail(Kind::Member, None, rest),
        _ => {}
    }
    // Longer collections first, so that `companies/statuses` is not a company called `statuses`.
    let mut best: Option<(usize, Route)> = None;
    for kind in KINDS {
        let path = kind.schema().path;
        if path.is_empty() {
            continue;
        }
        let pattern: Vec<String> = path.split('/').map(str::to_ascii_lowercase).collect();
        if words.len() < pattern.len()
            || best.as_ref().is_some_and(|(len, _)| *len >= pattern.len())
        {
            continue;
        }
        let mut parent = None;
        let fits = pattern.iter().zip(&words).all(|(want, have)| {
            if want == "{p}" {
                parent = have.parse::<i64>().ok();
                parent.is_some()
            } else {
                want == have
            }
        });
        if fits && let Some(found) = tail(kind, parent, &words[pattern.len()..]) {
            best = Some((pattern.len(), found));
        }
    }
    best.map(|(_, route)| route)
}

fn tail(kind: Kind, parent: Option<i64>, rest: &[&str]) -> Option<Route> {
    let brief = matches!(
        kind,
        Kind::AgreementType | Kind::BillingCycle | Kind::BillingTerm | Kind::TaxCode
    );
    match rest {
        [] => Some(Route::List(kind, parent)),
        ["count"] => Some(Route::Count(kind, parent)),
        ["info"] if brief => Some(Route::Info(kind, None)),
        [id, "info"] if brief => id.parse().ok().map(|id| Route::Info(kind, Some(id))),
        [id] => id
            .parse()
            .ok()
            .filter(|id| *id >= 0)
            .map(|id| Route::One(kind, parent, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Route, place};
    use crate::schema::Kind;

    fn api(path: &str) -> Option<Route> {
        match place(&format!("/v4_6_release/apis/3.0/{path}"), "v2026_1/", true) {
            Place::Api(route) => route,
            _ => None,
        }
    }

    #[test]
    fn paths_name_what_they_name() {
        assert_eq!(
            api("company/companies"),
            Some(Route::List(Kind::Company, None))
        );
        assert_eq!(
            api("company/companies/statuses/3"),
            Some(Route::One(Kind::CompanyStatus, None, 3))
        );
        assert_eq!(
            api("company/companies/9/sites/count"),
            Some(Route::Count(Kind::Site, Some(9)))
        );
        assert_eq!(
            api("Finance/Agreements/7/additions/4"),
            Some(Route::One(Kind::Addition, Some(7), 4))
        );
        assert_eq!(
            api("finance/agreements/types/info"),
            Some(Route::Info(Kind::AgreementType, None))
        );
        assert_eq!(api("finance/agreementrecap/"), Some(Route::Recap(None)));
        assert_eq!(api("finance/agreements/7/invoice"), None);
        assert_eq!(api("service/tickets"), None);
        assert_eq!(
            place("/v2025_1//apis/3.0/system/info", "v2026_1/", true),
            Place::Elsewhere
        );
        assert_eq!(
            place("/v2026_1//apis/3.0/system/info", "v2026_1/", true),
            Place::Api(Some(Route::SystemInfo))
        );
        assert_eq!(
            place("/login/companyinfo/a%20b", "v1/", true),
            Place::CompanyInfo("a b".into())
        );
    }
}
