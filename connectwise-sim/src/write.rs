//! POST, PUT, PATCH and DELETE.

use crate::error::{ApiError, FieldError};
use crate::json::{Json, Map};
use crate::patch;
use crate::rules::{self, Write};
use crate::schema::Kind;
use crate::state::State;
use crate::store::Record;
use crate::time::Now;
use crate::validate;
use crate::view::View;
use crate::wire::Response;

/// A committed change.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The kind.
    pub kind: Kind,
    /// The record.
    pub id: i64,
    /// Its parent, 0 for none.
    pub parent: i64,
    /// The record as it was; none when it is new.
    pub before: Option<Record>,
    /// The record as it is; none when it is gone.
    pub after: Option<Record>,
    /// Other records that changed with it.
    pub others: Vec<(Kind, i64)>,
}

/// Who writes, and how the answer is to be shaped.
#[derive(Clone, Debug, Default)]
pub struct Hand {
    /// The member's name.
    pub member: String,
    /// The `fields` parameter, which POST honours as well.
    pub only: Option<Vec<Vec<String>>>,
}

type Done = Result<(Response, Effect), ApiError>;

fn stamp(record: &mut Map, hand: &Hand, now: Now, new: bool) {
    record.set("_updated", now.wire());
    record.set("_by", hand.member.as_str());
    if new {
        record.set("_entered", now.wire());
        record.set("_enteredBy", hand.member.as_str());
    }
}

fn answer(state: &State, status: u16, effect: &Effect, hand: &Hand, now: Now) -> Response {
    let record = effect.after.clone().unwrap_or_default();
    let view = View::new(state, now);
    Response::json(
        status,
        &view.render(effect.kind, effect.id, &record, hand.only.as_deref()),
    )
}

/// Makes a record.
///
/// # Errors
/// What the vendor refuses.
pub fn create(
    state: &mut State,
    kind: Kind,
    parent: i64,
    body: &Json,
    hand: &Hand,
    now: Now,
) -> Done {
    let schema = kind.schema();
    if body.as_obj().is_none() {
        return Err(ApiError::new(
            400,
            "InvalidObject",
            format!("{} object is invalid", schema.name),
        ));
    }
    let mut record =
        validate::body(state, kind, body, false).map_err(|e| ApiError::fields(schema, e))?;
    if matches!(kind, Kind::Agreement | Kind::Addition) && record.has("customFields") {
        match state.settings.assume.get("customfields-on-post") {
            "ignored" => record.remove("customFields"),
            "refused" => {
                let error =
                    FieldError::invalid(schema, "customFields", "customFields cannot be set here.");
                return Err(ApiError::field(schema, error));
            }
            _ => {}
        }
    }
    let write = Write {
        state,
        kind,
        id: None,
        parent,
        now,
        touched: &[],
        seeding: false,
    };
    rules::create(&write, &mut record)?;
    let lacking = validate::missing_custom(&View::new(state, now), kind, &record);
    if !lacking.is_empty() {
        return Err(ApiError::fields(schema, lacking));
    }
    stamp(&mut record, hand, now, true);
    let reuse = state.assumed("ids-reused", "yes");
    let id = state.store.new_id(kind, reuse);
    state.store.put(kind, id, parent, record, now.millis());
    let mut effect = Effect {
        kind,
        id,
        parent,
        before: None,
        after: None,
        others: Vec::new(),
    };
    aftermath(state, &mut effect, hand, now);
    Ok((answer(state, 201, &effect, hand, now), effect))
}

/// Changes a record by JSON Patch.
///
/// # Errors
/// What the vendor refuses.
pub fn patch(state: &mut State, kind: Kind, id: i64, body: &Json, hand: &Hand, now: Now) -> Done {
    let old = find(state, kind, id)?;
    let patched = patch::apply(&View::new(state, now), kind, &old, body)?;
    commit(
        state,
        kind,
        (id, old),
        (patched.record, &patched.touched),
        hand,
        now,
    )
}

/// Replaces a record; what the body leaves out is lost.
///
/// # Errors
/// What the vendor refuses.
pub fn replace(state: &mut State, kind: Kind, id: i64, body: &Json, hand: &Hand, now: Now) -> Done {
    let schema = kind.schema();
    let old = find(state, kind, id)?;
    let mut record =
        validate::body(state, kind, body, true).map_err(|e| ApiError::fields(schema, e))?;
    for (key, value) in old.iter().filter(|(key, _)| key.starts_with('_')) {
        record.set(key.to_owned(), value.clone());
    }
    let touched: Vec<&'static str> = schema.fields.iter().map(|f| f.name).collect();
    commit(state, kind, (id, old), (record, &touched), hand, now)
}

fn find(state: &State, kind: Kind, id: i64) -> Result<Record, ApiError> {
    let found = state.store.get(kind, id).cloned();
    found.ok_or_else(|| ApiError::not_found(kind.schema().title, &id.to_string()))
}

fn commit(
    state: &mut State,
    kind: Kind,
    (id, old): (i64, Record),
    (mut record, touched): (Map, &[&'static str]),
    hand: &Hand,
    now: Now,
) -> Done {
    let parent = state.store.parent(kind, id).unwrap_or_default();
    let write = Write {
        state,
        kind,
        id: Some(id),
        parent,
        now,
        touched,
        seeding: false,
    };
    rules::update(&write, &old, &mut record)?;
    stamp(&mut record, hand, now, false);
    rerate(state, kind, &old, &mut record);
    state.store.put(kind, id, parent, record, now.millis());
    let mut effect = Effect {
        kind,
        id,
        parent,
        before: Some(old),
        after: None,
        others: Vec::new(),
    };
    aftermath(state, &mut effect, hand, now);
    Ok((answer(state, 200, &effect, hand, now), effect))
}

/// Where the instance re-rates an invoiced period, the difference becomes a debt of the line.
fn rerate(state: &State, kind: Kind, old: &Map, record: &mut Map) {
    if kind != Kind::Addition || !state.assumed("invoiced-addition", "re-rates") {
        return;
    }
    let Some(last) = old.get("_billed").items().last() else {
        return;
    };
    let price = |r: &Map| {
        crate::money::times(
            crate::money::billed_quantity(r),
            r.get("unitPrice").as_num().unwrap_or_default(),
        )
    };
    let share = last.get("share").as_num().unwrap_or_default();
    let debt = crate::money::cents(crate::money::times(price(record) - price(old), share));
    let before = record.get("_debt").as_num().unwrap_or_default();
    if !debt.is_zero() {
        record.set("_debt", before + debt);
    }
}

/// Deletes a record.
///
/// # Errors
/// It does not exist or is in use.
pub fn delete(state: &mut State, kind: Kind, id: i64, now: Now) -> Done {
    let old = find(state, kind, id)?;
    let parent = state.store.parent(kind, id).unwrap_or_default();
    let write = Write {
        state,
        kind,
        id: Some(id),
        parent,
        now,
        touched: &[],
        seeding: false,
    };
    rules::delete(&write, id)?;
    let mut others = Vec::new();
    if kind == Kind::Agreement {
        for child in [Kind::Addition, Kind::Adjustment] {
            others.extend(state.store.children(child, id).map(|(id, _)| (child, id)));
        }
    }
    for (child, id) in &others {
        state.store.delete(*child, *id, now.millis());
    }
    state.store.delete(kind, id, now.millis());
    let effect = Effect {
        kind,
        id,
        parent,
        before: Some(old),
        after: None,
        others,
    };
    Ok((
        Response {
            status: 204,
            ..Response::default()
        },
        effect,
    ))
}

/// What a write does beyond its record.
fn aftermath(state: &mut State, effect: &mut Effect, hand: &Hand, now: Now) {
    let id = effect.id;
    match effect.kind {
        Kind::Agreement => {
            if let Some(old) = effect.before.clone() {
                effect.others = rules::after_update(state, id, &old, now);
            }
        }
        Kind::Company if effect.before.is_none() => {
            let mut site = Map::new();
            site.push("name", "Main");
            for name in [
                "primaryAddressFlag",
                "defaultShippingFlag",
                "defaultBillingFlag",
                "defaultMailingFlag",
            ] {
                site.push(name, true);
            }
            for name in ["inactiveFlag", "billSeparateFlag"] {
                site.push(name, false);
            }
            site.push("company", id);
            stamp(&mut site, hand, now, true);
            let site_id = state.store.new_id(Kind::Site, false);
            state.store.put(Kind::Site, site_id, id, site, now.millis());
            set(state, Kind::Company, id, "site", Json::from(site_id), now);
            effect.others.push((Kind::Site, site_id));
        }
        Kind::Site => set(
            state,
            Kind::Site,
            id,
            "company",
            Json::from(effect.parent),
            now,
        ),
        Kind::Contact => {
            let contact = state
                .store
                .get(Kind::Contact, id)
                .cloned()
                .unwrap_or_default();
            if contact.get("defaultFlag").as_bool() == Some(true)
                && let Some(company) = contact.get("company").as_int()
            {
                set(
                    state,
                    Kind::Company,
                    company,
                    "defaultContact",
                    Json::from(id),
                    now,
                );
                effect.others.push((Kind::Company, company));
            }
        }
        _ => {}
    }
    effect.after = state.store.get(effect.kind, id).cloned();
}

/// Sets one field of another record.
fn set(state: &mut State, kind: Kind, id: i64, field: &'static str, value: Json, now: Now) {
    let Some(record) = state.store.get(kind, id) else {
        return;
    };
    if *record.get(field) == value {
        return;
    }
    let mut record = record.as_ref().clone();
    record.set(field, value);
    let parent = state.store.parent(kind, id).unwrap_or_default();
    state.store.put(kind, id, parent, record, now.millis());
}
