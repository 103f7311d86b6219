//! Reading a list to its end: forward-only paging, in which each page holds the rows with ids above the last page's.
//! It knows ids and the Link header, not what the rows mean.
//!
//! Only the position is taken from a Link: every page's address is built anew from one query, so that no page can
//! lose the filter and no Link can lead elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use url::Url;

use crate::connectwise::error::{Error, Exchange, Verb};
use crate::connectwise::http::Call;
use crate::connectwise::record::{Flaw, Record, elements};
use crate::connectwise::resource::Resource;
use crate::connectwise::transport::Transport;

const PAGE_SIZE: &str = "1000";
const MOST_PAGES: usize = 10_000;
/// More could not be held.
const MOST_ROWS: usize = 2_000_000;

/// A record that could not be read, among others that could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id, where that could be read.
    pub id: Option<i32>,
    /// The field.
    pub field: Option<String>,
    /// What is wrong, in our words.
    pub problem: &'static str,
}

/// A list that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// The records, each once, by id.
    pub records: Vec<T>,
    /// Records that are there but could not be read: nothing may be concluded from their absence above.
    pub unreadable: Vec<Unreadable>,
    /// The last page's request, which errors made from `unreadable` name.
    at: Exchange,
    resource: Resource,
}

impl<T> Listing<T> {
    /// All records, or the first that could not be read as an error.
    ///
    /// # Errors
    /// [`Error::Decode`] naming the record and the field.
    pub fn all(self) -> Result<Vec<T>, Error> {
        match self.unreadable.into_iter().next() {
            None => Ok(self.records),
            Some(Unreadable { id, field, problem }) => Err(Error::Decode {
                resource: self.resource,
                id,
                field,
                problem,
                at: Box::new(self.at),
            }),
        }
    }
}

/// What a list holds: something with an id and, perhaps, a time of its last change.
pub(super) trait Listed {
    fn id(&self) -> i32;
    fn last_updated(&self) -> Option<Timestamp> {
        None
    }
}

/// What to read: built once, used for every page.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) resource: Resource,
    pub(super) path: String,
    pub(super) conditions: String,
    pub(super) custom_field_conditions: String,
}

/// Where the next page begins, as the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    End,
    From(String),
    /// No Link at all, which ought not to happen: something between us and ConnectWise may drop empty headers.
    Untold,
}

/// Reads the whole list that `query` asks for.
pub(super) async fn read_all<T: Listed>(
    transport: &Transport,
    query: &Query,
    decode: impl Fn(&Record<'_>) -> Result<T, Flaw>,
) -> Result<Listing<T>, Error> {
    let mut rows = Rows {
        records: BTreeMap::new(),
        unreadable: Vec::new(),
        highest: 0,
    };
    let mut position: Option<String> = None;
    let mut visited = BTreeSet::new();
    for _page in 0..MOST_PAGES {
        let answer = transport.call(&query.call(position.as_deref())).await?;
        let at = Exchange {
            verb: Verb::Get,
            path: query.path.clone(),
            request_id: answer.request_id,
        };
        let incomplete = |problem| Error::Incomplete {
            resource: query.resource,
            problem,
            at: Box::new(at.clone()),
        };
        let page = rows.take_page(&answer.body, &decode).map_err(|flaw| {
            let Flaw { id, field, problem } = flaw;
            Error::Decode {
                resource: query.resource,
                id,
                field,
                problem,
                at: Box::new(at.clone()),
            }
        })?;
        let next = next(answer.link.as_deref(), transport.site()).map_err(&incomplete)?;
        if page.rows > 0 && page.fresh == 0 && next != Next::End {
            return Err(incomplete("a page repeats the rows of earlier pages"));
        }
        if rows.records.len() > MOST_ROWS || rows.unreadable.len() > MOST_ROWS / 100 {
            return Err(incomplete("it has more records than can be held"));
        }
        position = match next {
            Next::End => return Ok(rows.listing(query.resource, at)),
            Next::Untold if page.rows == 0 => return Ok(rows.listing(query.resource, at)),
            Next::Untold => Some(rows.highest.to_string()),
            Next::From(position) => Some(position),
        };
        if !visited.insert(position.clone()) {
            return Err(incomplete("the pages go round in a circle"));
        }
    }
    let at = Box::new(Exchange {
        verb: Verb::Get,
        path: query.path.clone(),
        request_id: None,
    });
    Err(Error::Incomplete {
        resource: query.resource,
        problem: "there is no end to the pages",
        at,
    })
}

impl Query {
    fn call(&self, position: Option<&str>) -> Call {
        let mut parameters = vec![("pageSize", PAGE_SIZE.to_owned())];
        if !self.conditions.is_empty() {
            parameters.push(("conditions", self.conditions.clone()));
        }
        if !self.custom_field_conditions.is_empty() {
            parameters.push((
                "customFieldConditions",
                self.custom_field_conditions.clone(),
            ));
        }
        if let Some(position) = position {
            parameters.push(("pageId", position.to_owned()));
        }
        Call {
            query: parameters,
            forward_only: true,
            ..Call::get(self.resource, self.path.clone())
        }
    }
}

struct Rows<T> {
    records: BTreeMap<i32, T>,
    unreadable: Vec<Unreadable>,
    highest: i32,
}

struct Page {
    rows: usize,
    fresh: usize,
}

impl<T: Listed> Rows<T> {
    fn take_page(
        &mut self,
        body: &str,
        decode: &impl Fn(&Record<'_>) -> Result<T, Flaw>,
    ) -> Result<Page, Flaw> {
        let elements = elements(body)?;
        let mut page = Page {
            rows: elements.len(),
            fresh: 0,
        };
        for element in elements {
            let mut id = None;
            let row = Record::parse(element.get()).and_then(|record| {
                id = record.id("id")?;
                decode(&record)
            });
            match row {
                Ok(row) => page.fresh += usize::from(self.take(row)),
                Err(Flaw { field, problem, .. }) => {
                    let unreadable = Unreadable { id, field, problem };
                    self.highest = self.highest.max(id.unwrap_or_default());
                    if !self.unreadable.contains(&unreadable) {
                        page.fresh += 1;
                        self.unreadable.push(unreadable);
                    }
                }
            }
        }
        Ok(page)
    }

    /// Keeps a row unless a newer one with its id is there; says whether the id is new.
    fn take(&mut self, row: T) -> bool {
        let id = row.id();
        self.highest = self.highest.max(id);
        match self.records.get(&id) {
            Some(known) if known.last_updated() > row.last_updated() => false,
            known => {
                let fresh = known.is_none();
                self.records.insert(id, row);
                fresh
            }
        }
    }

    fn listing(self, resource: Resource, at: Exchange) -> Listing<T> {
        Listing {
            records: self.records.into_values().collect(),
            unreadable: self.unreadable,
            at,
            resource,
        }
    }
}

/// Reads a Link header. Empty, or without a next page, is the end; a next page elsewhere is refused.
pub(super) fn next(link: Option<&str>, site: &Url) -> Result<Next, &'static str> {
    let Some(link) = link else {
        return Ok(Next::Untold);
    };
    let mut rest = link;
    while let Some((_, entry)) = rest.split_once('<') {
        // Addresses may hold commas, so entries are told apart by their brackets.
        let (target, after) = entry
            .split_once('>')
            .ok_or("a Link header cannot be read")?;
        let parameters = after
            .split_once('<')
            .map_or(after, |(parameters, _)| parameters);
        rest = after;
        let is_next = parameters.split([';', ',']).any(|parameter| {
            parameter
                .trim()
                .strip_prefix("rel=")
                .is_some_and(|rel| rel.trim_matches('"').eq_ignore_ascii_case("next"))
        });
        if !is_next {
            continue;
        }
        let target = site
            .join(target)
            .map_err(|_syntax| "a Link header cannot be read")?;
        if target.origin() != site.origin() {
            return Err("a Link leads to another host");
        }
        let position = target
            .query_pairs()
            .find(|(name, _)| name.eq_ignore_ascii_case("pageId"));
        return match position {
            Some((_, position)) if !position.is_empty() && position.len() <= 64 => {
                Ok(Next::From(position.into_owned()))
            }
            _ => Err("a Link names no position"),
        };
    }
    Ok(Next::End)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Row(i32, Option<Timestamp>);

    impl Listed for Row {
        fn id(&self) -> i32 {
            self.0
        }
        fn last_updated(&self) -> Option<Timestamp> {
            self.1
        }
    }

    fn row(record: &Record<'_>) -> Result<Row, Flaw> {
        Ok(Row(
            crate::connectwise::wire::id_of(record)?,
            record.time("at")?,
        ))
    }

    fn rows() -> Rows<Row> {
        Rows {
            records: BTreeMap::new(),
            unreadable: Vec::new(),
            highest: 0,
        }
    }

    #[test]
    fn only_the_position_is_taken_from_a_link_on_the_same_site() {
        let site = Url::parse("https://cw.example:8443/").expect("a URL");
        let next = |link| next(link, &site);
        assert_eq!(next(None), Ok(Next::Untold));
        assert_eq!(next(Some("")), Ok(Next::End));
        assert_eq!(
            next(Some(r#"<https://cw.example:8443/x?pageId=1>; rel="first""#)),
            Ok(Next::End)
        );
        let link = r#"<https://cw.example:8443/x?conditions=(a%20in%20(1,2))&pageSize=1000&pageId=1234>; rel="next", <https://cw.example:8443/x?page=1>; rel="first""#;
        assert_eq!(next(Some(link)), Ok(Next::From("1234".into())));
        assert_eq!(
            next(Some("</x?pageid=5>; rel=next")),
            Ok(Next::From("5".into()))
        );
        for elsewhere in [
            r#"<https://evil.example/x?pageId=5>; rel="next""#,
            r#"<http://cw.example:8443/x?pageId=5>; rel="next""#,
            r#"<https://cw.example/x?pageId=5>; rel="next""#,
        ] {
            assert_eq!(next(Some(elsewhere)), Err("a Link leads to another host"));
        }
        assert!(next(Some(r#"<https://cw.example:8443/x?page=2>; rel="next""#)).is_err());
        assert!(next(Some("<https://cw.example:8443/x")).is_err());
    }

    #[test]
    fn rows_are_kept_once_and_the_newest_wins() {
        let mut rows = rows();
        let body = r#"[{"id":3,"at":"2026-01-02"},{"id":1},{"id":3,"at":"2026-01-01"},{"id":1,"at":"2026-01-05"}]"#;
        let page = rows.take_page(body, &row).expect("a page");
        assert_eq!((page.rows, page.fresh, rows.highest), (4, 2, 3));
        let page = rows.take_page(body, &row).expect("a page");
        assert_eq!((page.rows, page.fresh), (4, 0));
        assert_eq!(rows.records[&3].1, "2026-01-02T00:00:00Z".parse().ok());
        assert_eq!(rows.records[&1].1, "2026-01-05T00:00:00Z".parse().ok());
    }

    #[test]
    fn an_unreadable_row_leaves_the_others_and_is_told() {
        let mut rows = rows();
        rows.take_page(r#"[{"id":1},{"id":2,"at":"?"},{"id":0},7]"#, &row)
            .expect("a page");
        assert_eq!(rows.records.len(), 1);
        let at = Exchange {
            verb: Verb::Get,
            path: "x".into(),
            request_id: None,
        };
        let listing = rows.listing(Resource::Addition, at);
        assert_eq!(listing.unreadable.len(), 3);
        let error = listing.all().expect_err("an unreadable row");
        assert_eq!(
            error.to_string(),
            "the answer for addition 2 cannot be read: at is not a time (GET x)"
        );
    }
}
