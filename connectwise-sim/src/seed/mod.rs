//! From a seed file to an instance.
//!
//! A seed names things the way people do: references are names, identifiers or ids, children are
//! nested below their parents, and what is left out has a default.

mod config;

pub use config::{config, read_role, standard_roles};

use crate::check::Checker;
use crate::json::{Json, Map};
use crate::obj;
use crate::period;
use crate::rules::{self, PODS, Write};
use crate::schema::{KINDS, Kind, Schema, Type};
use crate::state::State;
use crate::store::Store;
use crate::time::{Now, midnight};
use crate::validate;

/// The seed that is used when none is given.
pub const DEFAULT: &str = include_str!("default.json");

/// Tables that every instance has, unless its seed brings its own.
const BASE: &str = include_str!("base.json");

/// The default instance.
///
/// # Errors
/// Never, in a build whose tests pass.
pub fn default_state(now: Now) -> Result<State, String> {
    from_text(DEFAULT, now)
}

/// An instance from the text of a seed file. `now` is what undated things count as entered at.
///
/// # Errors
/// The text is not JSON, or says something that cannot be.
pub fn from_text(text: &str, now: Now) -> Result<State, String> {
    let seed =
        crate::parse::parse(text.as_bytes()).map_err(|e| format!("the seed is not JSON: {e}"))?;
    let base = crate::parse::parse(BASE.as_bytes()).map_err(|e| e.to_string())?;
    let known = [
        "companyId",
        "codebase",
        "version",
        "serverTimeZone",
        "keys",
        "clientIds",
        "roles",
    ];
    for (name, _) in seed.as_obj().ok_or("a seed is a JSON object")?.iter() {
        let section = KINDS.iter().any(|kind| kind.schema().section == name);
        if !section && !known.contains(&name) && !name.starts_with('$') {
            return Err(format!("a seed has no section {name}"));
        }
    }
    let mut state = State::new(config(&seed)?);
    for kind in KINDS {
        let section = kind.schema().section;
        let rows = if seed.as_obj().is_some_and(|s| s.has(section)) {
            seed.get(section)
        } else {
            base.get(section)
        };
        for (i, row) in rows.items().iter().enumerate() {
            add(&mut state, kind, row, 0, now).map_err(|e| format!("{section}[{i}]: {e}"))?;
        }
    }
    Checker::reset(&mut state);
    Ok(state)
}

/// Finds what a seed means by a reference.
fn resolve(store: &Store, kind: Kind, value: &Json) -> Result<i64, String> {
    let title = kind.schema().title;
    let found = match value {
        Json::Num(_) => value.as_int(),
        Json::Obj(map) if !map.get("id").is_null() => map.get("id").as_int(),
        Json::Obj(map) if !map.get("identifier").is_null() => {
            return resolve(store, kind, map.get("identifier"));
        }
        Json::Obj(map) => return resolve(store, kind, map.get("name")),
        Json::Str(text) => {
            let by = |field: &str| {
                let mut all = store.all(kind);
                all.find(|(_, r)| r.get(field).as_str() == Some(text))
                    .map(|(id, _)| id)
            };
            by("identifier").or_else(|| by("name"))
        }
        _ => None,
    };
    let found = found.filter(|id| store.get(kind, *id).is_some());
    found.ok_or_else(|| format!("there is no {title} {value}"))
}

fn add(state: &mut State, kind: Kind, row: &Json, parent: i64, now: Now) -> Result<i64, String> {
    let schema = kind.schema();
    let Json::Obj(row) = row else {
        return Err(format!("a {} is an object", schema.name));
    };
    if let (Kind::CatalogItem, Some(unit)) = (kind, row.get("uom").as_str())
        && resolve(&state.store, Kind::Uom, row.get("uom")).is_err()
    {
        add(state, Kind::Uom, &obj! { "name" => unit }, 0, now)?;
    }
    let mut body = Map::new();
    for (key, value) in row.iter() {
        put(state, schema, key, value, &mut body)?;
    }
    friendly_defaults(state, kind, row, &mut body)?;
    let body = Json::Obj(body);
    let mut record = validate::body(state, kind, &body, false).map_err(|errors| {
        crate::error::ApiError::fields(schema, errors)
            .json()
            .to_string()
    })?;
    let write = Write {
        state,
        kind,
        id: None,
        parent,
        now,
        touched: &[],
        seeding: true,
    };
    rules::create(&write, &mut record).map_err(|error| error.json().to_string())?;
    if kind == Kind::Site {
        record.set("company", parent);
    }
    let member = state
        .config
        .keys
        .first()
        .map_or("apimember", |key| key.member.as_str());
    for (name, value) in [("_updated", now.wire()), ("_entered", now.wire())] {
        record.set(name, value);
    }
    record.set("_by", member);
    record.set("_enteredBy", member);
    let id = row
        .get("id")
        .as_int()
        .unwrap_or_else(|| state.store.new_id(kind, false));
    if state.store.get(kind, id).is_some() {
        return Err(format!("there are two of id {id}"));
    }
    if kind == Kind::Agreement {
        invoiced_so_far(state, row, &mut record, now);
    }
    state.store.put(kind, id, parent, record, i64::MIN);
    nested(state, kind, id, row, now)?;
    Ok(id)
}

/// One member of a seed row, in the form that the interface takes.
fn put(
    state: &State,
    schema: &Schema,
    key: &str,
    value: &Json,
    body: &mut Map,
) -> Result<(), String> {
    let Some(field) = schema.field(key) else {
        let known = [
            "default",
            "sites",
            "contacts",
            "additions",
            "uom",
            "object",
            "type",
            "invoicedThrough",
        ];
        if known.contains(&key) || key.starts_with('$') {
            return Ok(());
        }
        return Err(format!("a {} has no {key}", schema.name));
    };
    let reference =
        |kind: Kind, value: &Json| resolve(&state.store, kind, value).map(|id| obj! { "id" => id });
    match field.ty {
        _ if value.is_null() => {}
        Type::Ref(kind) => body.set(field.name, reference(kind, value)?),
        Type::Refs(kind) => {
            let items: Result<Vec<Json>, String> =
                value.items().iter().map(|v| reference(kind, v)).collect();
            body.set(field.name, items?);
        }
        Type::Custom => {
            let Json::Obj(by_caption) = value else {
                body.set(field.name, value.clone());
                return Ok(());
            };
            let mut entries = Vec::new();
            for (caption, value) in by_caption.iter() {
                let mut all = state.store.all(Kind::UserDefinedField);
                let found = all.find(|(_, d)| {
                    d.get("caption").as_str() == Some(caption)
                        && d.get("_object").as_str() == Some(schema.name)
                });
                let (id, _) =
                    found.ok_or_else(|| format!("no custom field has the caption {caption}"))?;
                entries.push(obj! { "id" => id, "value" => value.clone() });
            }
            body.set(field.name, entries);
        }
        _ => body.set(field.name, value.clone()),
    }
    Ok(())
}

/// What a seed may leave out although the interface requires it.
fn friendly_defaults(state: &State, kind: Kind, row: &Map, body: &mut Map) -> Result<(), String> {
    let first = |kind: Kind| {
        state
            .store
            .all(kind)
            .next()
            .map(|(id, _)| obj! { "id" => id })
    };
    let mut default = |name: &'static str, value: Option<Json>| {
        if let (true, Some(value)) = (body.get(name).is_null(), value) {
            body.set(name, value);
        }
    };
    match kind {
        Kind::CatalogItem => {
            default("subcategory", first(Kind::Subcategory));
            default("type", first(Kind::ProductType));
            default("description", Some(row.get("identifier").clone()));
            let words = if row.get("description").is_null() {
                row.get("identifier")
            } else {
                row.get("description")
            };
            default("customerDescription", Some(words.clone()));
            if !row.get("uom").is_null() {
                default(
                    "unitOfMeasure",
                    Some(obj! { "id" => resolve(&state.store, Kind::Uom, row.get("uom"))? }),
                );
            }
        }
        Kind::UserDefinedField => {
            let object = row.get("object").as_str().unwrap_or("agreement");
            let pod = PODS
                .iter()
                .find(|(_, kind, _)| kind.schema().name.eq_ignore_ascii_case(object));
            let (pod, ..) = pod.ok_or_else(|| format!("no custom fields exist on {object}"))?;
            default("podId", Some(Json::from(*pod)));
            default("sequenceNumber", Some(Json::from(1_i64)));
            default(
                "fieldTypeIdentifier",
                Some(row.get("type").clone()).filter(|t| !t.is_null()),
            );
            default("fieldTypeIdentifier", Some(Json::from("Text")));
        }
        Kind::AgreementType => {
            for (name, value) in [
                ("employeeCompRate", "Actual"),
                ("employeeCompNotExceed", "Billing"),
                ("invoicingCycle", "CalendarYear"),
                ("billTime", "Billable"),
                ("billExpenses", "Billable"),
                ("billProducts", "Billable"),
            ] {
                default(name, Some(Json::from(value)));
            }
        }
        Kind::Agreement => {
            let company = body_id(row, "company", state, Kind::Company);
            let company = company.and_then(|id| state.store.get(Kind::Company, id));
            let contact = company.and_then(|c| c.get("defaultContact").as_int());
            default("contact", contact.map(|id| obj! { "id" => id }));
            default("type", first(Kind::AgreementType));
        }
        Kind::Addition => default("billCustomer", Some(Json::from("Billable"))),
        _ => {}
    }
    Ok(())
}

fn body_id(row: &Map, field: &str, state: &State, kind: Kind) -> Option<i64> {
    resolve(&state.store, kind, row.get(field)).ok()
}

/// An agreement that began before now has been invoiced up to the current period, unless the seed
/// says how far.
fn invoiced_so_far(state: &State, row: &Map, record: &mut Map, now: Now) {
    if let Some(through) = row.get("invoicedThrough").as_str() {
        record.set("_through", through);
        return;
    }
    if !record.get("parentAgreement").is_null() {
        return;
    }
    let today = now.date(&state.config.zone);
    if let Some(cycle) = period::cycle(&state.store, record) {
        let start = cycle.of(today).start;
        if start > cycle.begins {
            record.set("_through", midnight(start));
        }
    }
}

fn nested(state: &mut State, kind: Kind, id: i64, row: &Map, now: Now) -> Result<(), String> {
    match kind {
        Kind::Company => {
            let mut sites = row.get("sites").items().to_vec();
            if sites.is_empty() {
                sites.push(obj! { "name" => "Main" });
            }
            let mut first = None;
            for site in &sites {
                let mut site = site.as_obj().cloned().unwrap_or_default();
                if first.is_none() {
                    for name in [
                        "primaryAddressFlag",
                        "defaultBillingFlag",
                        "defaultShippingFlag",
                        "defaultMailingFlag",
                    ] {
                        site.set(name, true);
                    }
                }
                let site = add(state, Kind::Site, &Json::Obj(site), id, now)?;
                first = first.or(Some(site));
            }
            let mut chosen = None;
            for contact in row.get("contacts").items() {
                let mut body = contact.as_obj().cloned().unwrap_or_default();
                let default = contact.get("default").as_bool() == Some(true);
                body.set("company", id);
                body.set("defaultFlag", default);
                let contact = add(state, Kind::Contact, &Json::Obj(body), 0, now)?;
                chosen = if default { Some(contact) } else { chosen };
            }
            let mut record = state
                .store
                .get(kind, id)
                .map(|r| r.as_ref().clone())
                .unwrap_or_default();
            if let Some(site) = first {
                record.set("site", site);
            }
            if let Some(contact) = chosen {
                record.set("defaultContact", contact);
            }
            state.store.put(kind, id, 0, record, i64::MIN);
        }
        Kind::Agreement => {
            for addition in row.get("additions").items() {
                add(state, Kind::Addition, addition, id, now)?;
            }
        }
        _ => {}
    }
    Ok(())
}
