//! Records as they are shown: references spelled out, computed fields filled in, nulls left out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cond::Path;
use crate::json::{Json, Map};
use crate::money;
use crate::obj;
use crate::schema::{Field, Kind, Type};
use crate::state::State;
use crate::time::Now;

/// A reader of one state at one moment. Make one per request: it remembers what it has spelled out.
#[derive(Debug)]
pub struct View<'a> {
    /// The state.
    pub state: &'a State,
    /// The date at the site, for what depends on today.
    pub today: Date,
    root: String,
    fragments: RefCell<HashMap<(Kind, i64), Json>>,
    fields: RefCell<HashMap<Kind, Entries>>,
}

/// Custom fields as they are shown, but for their values.
type Entries = Rc<Vec<(i64, Json)>>;

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
            root: state.api_root(),
            fragments: RefCell::default(),
            fields: RefCell::default(),
        }
    }

    /// A stored record with all its fields, or with those that `only` names.
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
        let fields = kind.schema().fields;
        let mut out = Map::with_capacity(fields.len() + 1);
        let mut at = 0;
        for field in fields {
            let stored = record.next_if(&mut at, field.name);
            if !wanted(field.name) {
                continue;
            }
            let value = match (field.ty, stored.as_int()) {
                (Type::Ref(to), Some(id)) if only.is_none() => self.fragment(to, id),
                _ => self.shown(kind, id, record, field, stored),
            };
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

    /// A reference, spelled out once and then copied.
    fn fragment(&self, kind: Kind, id: i64) -> Json {
        let known = self.fragments.borrow().get(&(kind, id)).cloned();
        known.unwrap_or_else(|| {
            let text: Arc<str> = self.reference(kind, id).to_string().into();
            let mut fragments = self.fragments.borrow_mut();
            fragments.insert((kind, id), Json::Raw(text.clone()));
            Json::Raw(text)
        })
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
                format!("{}company/contacts?conditions=company/id={id}", self.root),
            );
        }
        Json::Obj(info)
    }

    /// One field as it is shown.
    #[must_use]
    pub fn value(&self, kind: Kind, id: i64, record: &Map, field: &Field) -> Json {
        self.shown(kind, id, record, field, record.get(field.name))
    }

    fn shown(&self, kind: Kind, id: i64, record: &Map, field: &Field, stored: &Json) -> Json {
        if field.name == "id" {
            return Json::from(id);
        }
        if let Some(value) = money::computed(self, kind, id, record, field.name) {
            return value;
        }
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
            Type::Bool if stored.is_null() && !field.computed => Json::Bool(false),
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
            let href = format!("{}{path}/{id}", self.root);
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

    /// The custom fields of a kind, in order, as they are shown but for their values.
    pub fn definitions(&self, kind: Kind) -> Entries {
        if let Some(known) = self.fields.borrow().get(&kind) {
            return known.clone();
        }
        let object = kind.schema().name;
        let all = self.state.store.all(Kind::UserDefinedField);
        let own = all.filter(|(_, d)| d.get("_object").as_str() == Some(object));
        let entries: Entries = Rc::new(own.map(|(id, d)| (id, entry(id, d))).collect());
        self.fields.borrow_mut().insert(kind, entries.clone());
        entries
    }

    /// The custom fields of a record: every definition, with the value or an explicit null.
    #[must_use]
    pub fn custom(&self, kind: Kind, record: &Map) -> Json {
        let stored = record.get("customFields");
        let entries = self.definitions(kind);
        let entries = entries.iter().map(|(id, entry)| {
            let mut entry = entry.as_obj().cloned().unwrap_or_default();
            entry.push("value", custom_value(stored, *id).clone());
            Json::Obj(entry)
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
        let Some(field) = path.field else {
            return match path.segments.last().map(String::as_str) {
                Some("lastupdated") => record.get("_updated").clone(),
                Some("dateentered") => record.get("_entered").clone(),
                _ => Json::Null,
            };
        };
        let name = field.name;
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

fn entry(id: i64, definition: &Map) -> Json {
    let method = definition.get("entryTypeIdentifier").as_str();
    obj! {
        "id" => id,
        "caption" => definition.get("caption").clone(),
        "type" => definition.get("fieldTypeIdentifier").clone(),
        "entryMethod" => method.unwrap_or("EntryField"),
        "numberOfDecimals" => definition.get("numberDecimals").as_int().unwrap_or(0),
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
