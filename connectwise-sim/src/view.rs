//! Records as they are shown: references spelled out, computed fields filled in, nulls left out.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cond::Path;
use crate::json::{Json, Map};
use crate::money;
use crate::obj;
use crate::schema::{Field, Kind, Type};
use crate::state::State;
use crate::time::Now;

/// A reader of one state at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The state.
    pub state: &'a State,
    /// The date at the site, for what depends on today.
    pub today: Date,
}

impl<'a> View<'a> {
    /// A reader at a moment.
    #[must_use]
    pub fn new(state: &'a State, now: Now) -> Self {
        let utc = state.assumed("status-derivation", "utc");
        let zone = if utc {
            &TimeZone::UTC
        } else {
            &state.config.zone
        };
        Self {
            state,
            today: now.date(zone),
        }
    }

    /// A record with all its fields, or with those that `only` names.
    #[must_use]
    pub fn render(&self, kind: Kind, id: i64, record: &Map, only: Option<&[Vec<String>]>) -> Json {
        let wanted = |name: &str| {
            only.is_none_or(|only| {
                only.iter().any(|path| {
                    path.first()
                        .is_some_and(|first| first.eq_ignore_ascii_case(name))
                })
            })
        };
        let mut out = Map::new();
        for field in kind.schema().fields.iter().filter(|f| wanted(f.name)) {
            let value = self.value(kind, id, record, field);
            if !value.is_null() {
                out.push(field.name, value);
            }
        }
        if wanted("_info") {
            out.push("_info", self.info(kind, id, record));
        }
        match only {
            None => Json::Obj(out),
            Some(only) => project(&Json::Obj(out), only),
        }
    }

    fn info(&self, kind: Kind, id: i64, record: &Map) -> Json {
        let mut info = Map::new();
        for (shown, key) in [
            ("lastUpdated", "_updated"),
            ("updatedBy", "_by"),
            ("dateEntered", "_entered"),
            ("enteredBy", "_enteredBy"),
        ] {
            if let Some(text) = record.get(key).as_str() {
                info.push(shown, text);
            }
        }
        if kind == Kind::Company {
            info.push(
                "contacts_href",
                format!(
                    "{}company/contacts?conditions=company/id={id}",
                    self.state.api_root()
                ),
            );
        }
        Json::Obj(info)
    }

    /// One field as it is shown.
    #[must_use]
    pub fn value(&self, kind: Kind, id: i64, record: &Map, field: &Field) -> Json {
        if field.name == "id" {
            return Json::from(id);
        }
        if let Some(value) = money::computed(self, kind, id, record, field.name) {
            return value;
        }
        let stored = record.get(field.name);
        match field.ty {
            Type::Ref(to) => stored
                .as_int()
                .map_or(Json::Null, |id| self.reference(to, id)),
            Type::Refs(to) => match stored {
                Json::Arr(ids) => Json::Arr(
                    ids.iter()
                        .filter_map(Json::as_int)
                        .map(|id| self.reference(to, id))
                        .collect(),
                ),
                _ => Json::Null,
            },
            Type::Custom => self.custom(kind, record),
            Type::Enum(_) if !stored.is_null() && self.drifted(kind) => {
                Json::from("NotInAnyDocument")
            }
            _ => stored.clone(),
        }
    }

    fn drifted(&self, kind: Kind) -> bool {
        !matches!(
            kind,
            Kind::Agreement | Kind::Addition | Kind::AgreementType | Kind::UserDefinedField
        ) && self.state.assumed("enum-drift", "unknown")
    }

    /// A reference as it is shown.
    #[must_use]
    pub fn reference(&self, kind: Kind, id: i64) -> Json {
        let mut out = Map::new();
        out.push("id", id);
        let Some(record) = self.state.store.get(kind, id) else {
            return Json::Obj(out);
        };
        for name in kind.reference_fields() {
            let value = self.named(kind, record, name);
            if !value.is_null() {
                out.push(*name, value);
            }
        }
        if kind == Kind::Agreement {
            out.push(
                "type",
                record
                    .get("type")
                    .as_int()
                    .map_or(Json::Null, |id| self.name(Kind::AgreementType, id)),
            );
            out.push(
                "chargeFirmFlag",
                record.get("chargeToFirm").as_bool().unwrap_or(false),
            );
        }
        let path = kind.schema().path;
        if !path.is_empty() && kind.schema().parent.is_none() {
            let href = format!("{}{path}/{id}", self.state.api_root());
            out.push(
                "_info",
                obj! { format!("{}_href", kind.schema().name) => href },
            );
        }
        Json::Obj(out)
    }

    fn named(&self, kind: Kind, record: &Map, field: &str) -> Json {
        match (kind, field) {
            (Kind::Contact, "name") => {
                let first = record.get("firstName").as_str().unwrap_or_default();
                let last = record.get("lastName").as_str().unwrap_or_default();
                Json::from(format!("{first} {last}").trim())
            }
            (Kind::CatalogItem, "name") => record.get("description").clone(),
            (Kind::Member, "name") => record.get("fullName").clone(),
            _ => record.get(field).clone(),
        }
    }

    fn name(&self, kind: Kind, id: i64) -> Json {
        self.state
            .store
            .get(kind, id)
            .map_or(Json::Null, |record| self.named(kind, record, "name"))
    }

    /// The custom field definitions of a kind, in order.
    pub fn definitions(&self, kind: Kind) -> impl Iterator<Item = (i64, &'a Map)> {
        let object = kind.schema().name;
        let all = self.state.store.all(Kind::UserDefinedField);
        all.map(|(id, record)| (id, record.as_ref()))
            .filter(move |(_, d)| d.get("_object").as_str() == Some(object))
    }

    /// The custom fields of a record: every definition, with the value or an explicit null.
    #[must_use]
    pub fn custom(&self, kind: Kind, record: &Map) -> Json {
        let stored = record.get("customFields");
        let entries = self.definitions(kind).map(|(id, definition)| {
            let value = custom_value(stored, id).clone();
            let mut out = Map::new();
            out.push("id", id);
            out.push("caption", definition.get("caption").clone());
            out.push("type", definition.get("fieldTypeIdentifier").clone());
            out.push(
                "entryMethod",
                definition
                    .get("entryTypeIdentifier")
                    .as_str()
                    .unwrap_or("EntryField"),
            );
            out.push(
                "numberOfDecimals",
                definition.get("numberDecimals").as_int().unwrap_or(0),
            );
            out.push("value", value);
            Json::Obj(out)
        });
        let entries: Vec<Json> = entries.collect();
        if entries.is_empty() {
            Json::Null
        } else {
            Json::Arr(entries)
        }
    }

    /// What a path of a condition reads as.
    #[must_use]
    pub fn read(&self, kind: Kind, id: i64, record: &Map, path: &Path) -> Json {
        let Some(name) = path.field else {
            return match path.segments.last().map(String::as_str) {
                Some("lastupdated") => record.get("_updated").clone(),
                Some("dateentered") => record.get("_entered").clone(),
                _ => Json::Null,
            };
        };
        let Some(field) = kind.schema().field(name) else {
            return Json::Null;
        };
        match (field.ty, path.segments.get(1).map(String::as_str)) {
            (Type::Ref(_), None | Some("id")) => record.get(name).clone(),
            (Type::Ref(to), Some(_)) => {
                let whole = record
                    .get(name)
                    .as_int()
                    .map_or(Json::Null, |id| self.reference(to, id));
                dig(&whole, &path.segments[1..])
            }
            (_, None) => self.value(kind, id, record, field),
            (_, Some(_)) => dig(&self.value(kind, id, record, field), &path.segments[1..]),
        }
    }
}

/// The stored value of one custom field.
#[must_use]
pub fn custom_value(stored: &Json, id: i64) -> &Json {
    static NULL: Json = Json::Null;
    stored
        .items()
        .iter()
        .find(|e| e.get("id").as_int() == Some(id))
        .map_or(&NULL, |e| e.get("value"))
}

/// Follows a path through a value, whatever the case of the names.
#[must_use]
pub fn dig(value: &Json, path: &[String]) -> Json {
    let mut at = value;
    for segment in path {
        let Some((_, next)) = at
            .as_obj()
            .and_then(|o| o.iter().find(|(k, _)| k.eq_ignore_ascii_case(segment)))
        else {
            return Json::Null;
        };
        at = next;
    }
    at.clone()
}

/// Keeps only what the paths name.
#[must_use]
pub fn project(whole: &Json, only: &[Vec<String>]) -> Json {
    let mut out = Map::new();
    for (key, value) in whole.as_obj().into_iter().flat_map(Map::iter) {
        let paths: Vec<&Vec<String>> = only
            .iter()
            .filter(|p| p.first().is_some_and(|f| f.eq_ignore_ascii_case(key)))
            .collect();
        if paths.iter().any(|p| p.len() == 1) {
            out.push(key.to_owned(), value.clone());
            continue;
        }
        if paths.is_empty() {
            continue;
        }
        let rest: Vec<Vec<String>> = paths.iter().map(|p| p[1..].to_vec()).collect();
        match value {
            Json::Obj(_) => out.push(key.to_owned(), project(value, &rest)),
            Json::Arr(items) => {
                out.push(
                    key.to_owned(),
                    items
                        .iter()
                        .map(|item| project(item, &rest))
                        .collect::<Vec<_>>(),
                );
            }
            _ => {}
        }
    }
    Json::Obj(out)
}
