//! From what a client sent to what is stored, or to the vendor's field errors.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::error::FieldError;
use crate::json::{Json, Map};
use crate::schema::{Field, Kind, Schema, Type};
use crate::state::State;
use crate::view::{View, custom_value};

/// Turns the value of one field into its stored form.
///
/// # Errors
/// The vendor's field error for a value that does not suit.
pub fn coerce(
    state: &State,
    schema: &Schema,
    field: &Field,
    value: &Json,
) -> Result<Json, FieldError> {
    if value.is_null() {
        return Ok(Json::Null);
    }
    let invalid = || {
        FieldError::invalid(
            schema,
            field.name,
            format!("The field {} is invalid.", field.name),
        )
    };
    match field.ty {
        Type::Int => {
            let number = as_number(value)
                .filter(|n| n.fract().is_zero())
                .ok_or_else(invalid)?;
            let small = number.abs() <= Decimal::from(i32::MAX);
            if small {
                Ok(Json::Num(number))
            } else {
                Err(invalid())
            }
        }
        Type::Dec => {
            let number = as_number(value).ok_or_else(invalid)?;
            Ok(Json::Num(precise(state, field.name, number)))
        }
        Type::Bool => match value {
            Json::Bool(_) => Ok(value.clone()),
            Json::Str(text) if text.eq_ignore_ascii_case("true") => Ok(Json::Bool(true)),
            Json::Str(text) if text.eq_ignore_ascii_case("false") => Ok(Json::Bool(false)),
            _ => Err(invalid()),
        },
        Type::Text => {
            let text = match value {
                Json::Str(text) => text.to_string(),
                Json::Num(number) => number.to_string(),
                _ => return Err(invalid()),
            };
            if field.max > 0 && text.chars().count() > field.max {
                return Err(FieldError::too_long(schema, field.name, field.max));
            }
            Ok(if text.is_empty() {
                Json::Null
            } else {
                Json::from(text)
            })
        }
        Type::Date => {
            let at = value
                .as_str()
                .and_then(crate::time::read)
                .ok_or_else(invalid)?;
            Ok(Json::from(crate::time::stamp(at)))
        }
        Type::Enum(values) => {
            let text = value.as_str().ok_or_else(invalid)?;
            let known = values
                .iter()
                .find(|v| v.eq_ignore_ascii_case(text))
                .ok_or_else(invalid)?;
            Ok(Json::from(*known))
        }
        Type::Ref(kind) => reference(state, schema, field, kind, value),
        Type::Unmodelled => match value.get("id") {
            Json::Null => Ok(Json::Null),
            id => Err(FieldError::no_such(
                schema,
                field.name,
                field.name,
                &id.to_string(),
            )),
        },
        Type::Refs(kind) => match value {
            Json::Arr(items) => {
                let ids: Result<Vec<Json>, FieldError> = items
                    .iter()
                    .map(|item| reference(state, schema, field, kind, item))
                    .collect();
                ids.map(Json::Arr)
            }
            _ => Err(invalid()),
        },
        Type::Custom => custom(state, schema, value),
        Type::Items | Type::List => match value {
            Json::Arr(_) => Ok(value.clone()),
            _ => Err(invalid()),
        },
    }
}

fn as_number(value: &Json) -> Option<Decimal> {
    match value {
        Json::Num(number) => Some(*number),
        Json::Str(text) => Decimal::from_str_exact(text.trim()).ok(),
        _ => None,
    }
}

fn precise(state: &State, name: &str, number: Decimal) -> Decimal {
    if !matches!(name, "quantity" | "unitPrice") {
        return number;
    }
    match state.settings.assume.get("number-precision").parse() {
        Ok(places) => number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero),
        Err(_) => number,
    }
}

fn reference(
    state: &State,
    schema: &Schema,
    field: &Field,
    kind: Kind,
    value: &Json,
) -> Result<Json, FieldError> {
    let title = kind.schema().title;
    let missing = |key: &str| FieldError::no_such(schema, field.name, title, key);
    if value.as_obj().is_none() {
        let message = format!("The field {} is invalid.", field.name);
        return Err(FieldError::invalid(schema, field.name, message));
    }
    match value.get("id") {
        Json::Null => {}
        id => {
            let found = id
                .as_int()
                .filter(|id| state.store.get(kind, *id).is_some());
            return found
                .map(Json::from)
                .ok_or_else(|| missing(&id.to_string()));
        }
    }
    for name in ["identifier", "name"] {
        let Some(text) = value
            .get(name)
            .as_str()
            .filter(|_| kind.schema().field(name).is_some())
        else {
            continue;
        };
        let mut same = state
            .store
            .all(kind)
            .filter(|(_, r)| r.get(name).as_str() == Some(text));
        return match (same.next(), same.next()) {
            (Some((id, _)), None) => Ok(Json::from(id)),
            _ => Err(missing(text)),
        };
    }
    Ok(Json::Null)
}

fn custom(state: &State, schema: &Schema, value: &Json) -> Result<Json, FieldError> {
    let bad = |message: &str| FieldError::invalid(schema, "customFields", message);
    let Json::Arr(items) = value else {
        return Err(bad("The field customFields is invalid."));
    };
    let mut out = Vec::new();
    for item in items {
        let id = item
            .get("id")
            .as_int()
            .ok_or_else(|| bad("A custom field needs its id."))?;
        let definition = state.store.get(Kind::UserDefinedField, id);
        let definition = definition.filter(|d| d.get("_object").as_str() == Some(schema.name));
        let definition =
            definition.ok_or_else(|| bad(&format!("Custom field {id} does not exist here.")))?;
        let value = item.get("value");
        let kept = match (definition.get("fieldTypeIdentifier").as_str(), value) {
            (_, Json::Null) => Json::Null,
            (_, Json::Str(text)) if text.is_empty() => Json::Null,
            (Some("Number" | "Currency" | "Percent"), v) => as_number(v)
                .map(Json::Num)
                .ok_or_else(|| bad(&format!("Custom field {id} is a number.")))?,
            (Some("Checkbox"), Json::Bool(_)) => value.clone(),
            (Some("Checkbox"), _) => {
                return Err(bad(&format!("Custom field {id} is true or false.")));
            }
            (_, Json::Str(_)) => value.clone(),
            (_, Json::Num(number)) => Json::from(number.to_string()),
            _ => return Err(bad(&format!("Custom field {id} is a text."))),
        };
        let mut entry = Map::new();
        entry.push("id", id);
        entry.push("value", kept);
        out.push(Json::Obj(entry));
    }
    Ok(Json::Arr(out))
}

/// Puts custom field values over those that are there. Entries that are not named stay, unless
/// the whole array is replaced.
#[must_use]
pub fn merge_custom(old: &Json, new: &Json, replace: bool) -> Json {
    let mut out: Vec<Json> = Vec::new();
    if !replace {
        let named = |id: &Json| new.items().iter().any(|e| e.get("id") == id);
        out.extend(old.items().iter().filter(|e| !named(e.get("id"))).cloned());
    }
    out.extend(
        new.items()
            .iter()
            .filter(|e| !e.get("value").is_null())
            .cloned(),
    );
    if out.is_empty() {
        Json::Null
    } else {
        Json::Arr(out)
    }
}

/// Reads a whole body against the schema. `complete` asks for all required fields.
///
/// # Errors
/// All field errors together.
pub fn body(state: &State, kind: Kind, body: &Json, update: bool) -> Result<Map, Vec<FieldError>> {
    let schema = kind.schema();
    let mut errors = Vec::new();
    let mut out = Map::new();
    for field in schema.fields {
        let sent = body.get(field.name);
        let read_only = field.computed || ignored(state, kind, field.name);
        if read_only {
            if field.computed && field.name != "id" && !sent.is_null() && refuses_computed(state) {
                errors.push(FieldError::invalid(
                    schema,
                    field.name,
                    format!("{} is read-only.", field.name),
                ));
            }
            continue;
        }
        match coerce(state, schema, field, sent) {
            Ok(Json::Null) if field.required || (update && field.required_on_update) => {
                errors.push(FieldError::missing(schema, field.name));
            }
            Ok(Json::Null) => {}
            Ok(value) if field.ty == Type::Custom => {
                let kept = merge_custom(&Json::Null, &value, true);
                if !kept.is_null() {
                    out.push(field.name, kept);
                }
            }
            Ok(value) => out.push(field.name, value),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(out)
    } else {
        Err(errors)
    }
}

/// Whether the instance refuses computed fields in bodies.
#[must_use]
pub fn refuses_computed(state: &State) -> bool {
    state.assumed("readonly-fields-on-write", "refused")
}

/// Whether an assumption makes a field unwritable without an error.
#[must_use]
pub fn ignored(state: &State, kind: Kind, name: &str) -> bool {
    kind == Kind::Addition
        && name == "description"
        && state.assumed("addition-description-writable", "ignored")
}

/// Custom fields that a definition, or the instance, makes mandatory and a new record lacks.
#[must_use]
pub fn missing_custom(view: &View<'_>, kind: Kind, record: &Map) -> Vec<FieldError> {
    let all = kind == Kind::Agreement
        && view
            .state
            .assumed("instance-required-fields", "custom-field");
    let stored = record.get("customFields");
    let store = &view.state.store;
    let mandatory = |id: i64| {
        let definition = store.get(Kind::UserDefinedField, id);
        all || definition.is_some_and(|d| d.get("requiredFlag").as_bool() == Some(true))
    };
    let definitions = view.definitions(kind);
    let lacking = definitions
        .iter()
        .filter(|(id, _)| mandatory(*id) && custom_value(stored, *id).is_null());
    lacking
        .map(|(_, entry)| {
            let caption = entry.get("caption").as_str().unwrap_or_default();
            FieldError::missing(kind.schema(), caption)
        })
        .collect()
}
