//! Every value of a record replaced by values of other types, and what the client may make of each. What a field is, is
//! written down here once more, and not asked of the client.

use std::sync::Arc;

use meterwise::connectwise::Error;
use meterwise::domain::ledger::Addition;
use serde_json::{Value, json};

use crate::bytes::RIGHT;
use crate::bytes::proxy::Fault;
use crate::raw::{Framing, Step};

/// What stands in a field of an addition that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Number,
    Flag,
    Time,
    Text,
    Object,
    List,
}

/// The fields of an addition that decide anything.
const READ: [(&str, Kind); 20] = [
    ("/id", Kind::Id),
    ("/product", Kind::Object),
    ("/product/id", Kind::Id),
    ("/quantity", Kind::Number),
    ("/lessIncluded", Kind::Number),
    ("/unitPrice", Kind::Number),
    ("/sequenceNumber", Kind::Number),
    ("/taxableFlag", Kind::Flag),
    ("/invoiceDescription", Kind::Text),
    ("/billCustomer", Kind::Text),
    ("/effectiveDate", Kind::Time),
    ("/cancelledDate", Kind::Time),
    ("/customFields", Kind::List),
    ("/customFields/0", Kind::Object),
    ("/customFields/0/id", Kind::Id),
    ("/customFields/0/value", Kind::Text),
    ("/product/identifier", Kind::Text),
    ("/_info", Kind::Object),
    ("/_info/lastUpdated", Kind::Time),
    ("/_info/updatedBy", Kind::Text),
];

/// What is put into a field instead. The number of nines does not fit anything.
fn wrongs() -> Vec<(&'static str, String)> {
    let nines = "9".repeat(400);
    let text = |text: &str| json!(text).to_string();
    vec![
        ("null", "null".into()),
        ("true", "true".into()),
        ("a negative number", "-1".into()),
        ("a fraction", "1.5".into()),
        ("1e308", "1e308".into()),
        ("400 digits", nines),
        ("no text", text("")),
        ("NaN as a text", text("NaN")),
        ("a word", text("next week")),
        ("bare NaN", "NaN".into()),
        ("a list", "[]".into()),
        ("a nested list", "[[{}]]".into()),
        ("an object", "{}".into()),
    ]
}

/// One value of a record, replaced.
#[derive(Debug)]
pub(super) struct Wrong {
    path: String,
    kind: Option<Kind>,
    what: &'static str,
    body: String,
}

/// All of them.
pub(super) fn wrong_fields(body: &[u8]) -> Vec<Wrong> {
    let record: Value = serde_json::from_slice(body).unwrap();
    let mut paths = Vec::new();
    walk(&record, String::new(), &mut paths);
    for (path, _) in READ {
        let there = paths.iter().any(|found| found == path);
        assert!(there || record.pointer(path).is_none(), "{path}");
    }
    let mut all = Vec::new();
    for path in paths {
        for (what, value) in wrongs() {
            let mut other = record.clone();
            *other.pointer_mut(&path).unwrap() = json!("@@");
            let kind = READ.iter().find(|(read, _)| *read == path);
            all.push(Wrong {
                body: other.to_string().replace("\"@@\"", &value),
                kind: kind.map(|(_, kind)| *kind),
                path: path.clone(),
                what,
            });
        }
    }
    all
}

fn walk(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                walk(member, format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, format!("{path}/{number}"), found);
            }
        }
        _ => {}
    }
    if !path.is_empty() {
        found.push(path);
    }
}

impl Wrong {
    pub(super) fn fault(&self) -> Fault {
        let body = self.body.clone();
        Fault::After(Arc::new(move |answer| {
            let other = answer.with(body.clone());
            vec![Step::Send(other.bytes(Framing::Length))]
        }))
    }

    /// Which row of the table it belongs to.
    pub(super) fn row(&self) -> String {
        match self.kind {
            Some(kind) => format!("other values for a field of kind {kind:?}"),
            None => "other values for a field that is not read".to_owned(),
        }
    }

    /// What came of it; fails where that is a value that the field did not hold and cannot mean.
    pub(super) fn judge(&self, outcome: &Result<Addition, Error>, due: &Addition) -> &'static str {
        let about = format!("{} = {}", self.path, self.what);
        match outcome {
            Err(Error::Decode { field, .. }) => {
                // Bare NaN is not JSON at all: the last field before it is named.
                let last = self
                    .path
                    .rsplit('/')
                    .find(|part| part.parse::<u8>().is_err());
                let named = field.as_deref();
                let word = |named: &str| {
                    named
                        .split('/')
                        .all(|part| self.path.contains(part) || part == "5" || part == "6")
                };
                let fits = named.is_some_and(word);
                assert!(fits, "{about}: {named:?} is named, not {last:?}");
                "decode"
            }
            Err(error) => error.category(),
            Ok(line) if line == due => RIGHT,
            Ok(line) => {
                assert!(self.may_differ(), "{about}: {line:?}");
                if self.what == "null" || self.what == "no text" {
                    "unknown"
                } else {
                    "as written"
                }
            }
        }
    }

    /// Whether a value that was put in is one that the field may hold, or says that nobody knows.
    fn may_differ(&self) -> bool {
        let absent = ["null", "no text"].contains(&self.what);
        let numeric = ["a negative number", "a fraction"].contains(&self.what);
        match self.kind {
            None => false,
            Some(Kind::Number) => absent || numeric,
            Some(Kind::Id | Kind::Time) => absent,
            Some(Kind::Flag) => absent || self.what == "true",
            Some(Kind::Text) => !["a list", "a nested list", "an object"].contains(&self.what),
            Some(Kind::Object | Kind::List) => {
                absent || ["a list", "an object"].contains(&self.what)
            }
        }
    }
}
