//! JSON Patch as the vendor does it, traps included.

use crate::error::{ApiError, FieldError};
use crate::json::{Json, Map};
use crate::schema::{Kind, Type};
use crate::state::State;
use crate::validate::{coerce, ignored, merge_custom, refuses_computed};
use crate::view::View;

/// The record after a patch, and the fields that it touched.
#[derive(Clone, Debug)]
pub struct Patched {
    /// The record.
    pub record: Map,
    /// Fields that an operation set or removed.
    pub touched: Vec<&'static str>,
}

/// Applies a patch.
///
/// # Errors
/// The body is no patch, a path leads nowhere (paths are case-sensitive), or a value does not suit.
pub fn apply(view: &View<'_>, kind: Kind, old: &Map, body: &Json) -> Result<Patched, ApiError> {
    let state = view.state;
    let schema = kind.schema();
    let Json::Arr(operations) = body else {
        return Err(ApiError::new(
            400,
            "InvalidObject",
            "The body must be an array of patch operations.",
        ));
    };
    let mut out = Patched {
        record: old.clone(),
        touched: Vec::new(),
    };
    let mut errors = Vec::new();
    for operation in operations {
        if let Err(error) = one(view, kind, &mut out, operation) {
            errors.push(error);
        }
    }
    let has_custom = !view.definitions(kind).is_empty();
    if has_custom
        && state.assumed("patch-needs-customfields", "on")
        && !out.touched.contains(&"customFields")
    {
        errors.push(FieldError::missing(schema, "customFields"));
    }
    for name in &out.touched {
        if schema.field(name).is_some_and(|f| f.required) && out.record.get(name).is_null() {
            errors.push(FieldError::missing(schema, name));
        }
    }
    if errors.is_empty() {
        Ok(out)
    } else {
        Err(ApiError::fields(schema, errors))
    }
}

fn one(view: &View<'_>, kind: Kind, out: &mut Patched, operation: &Json) -> Result<(), FieldError> {
    let state = view.state;
    let schema = kind.schema();
    let op = operation.get("op").as_str().unwrap_or_default();
    let path = operation.get("path").as_str().unwrap_or_default();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    if !matches!(op, "add" | "replace" | "remove") {
        return Err(FieldError::invalid(
            schema,
            path,
            format!("The operation '{op}' is not supported."),
        ));
    }
    let nowhere = || {
        let message = format!("The target location specified by path '{path}' was not found.");
        FieldError::invalid(schema, path, message)
    };
    let field = schema.field(segments[0]).ok_or_else(nowhere)?;
    if field.computed || ignored(state, kind, field.name) {
        if field.computed && refuses_computed(state) {
            return Err(FieldError::invalid(
                schema,
                field.name,
                format!("{} is read-only.", field.name),
            ));
        }
        return Ok(());
    }
    let value = if op == "remove" {
        &Json::Null
    } else {
        operation.get("value")
    };
    if segments.len() > 1 {
        return inside(view, kind, out, &segments, field.name, field.ty, value);
    }
    let value = coerce(state, schema, field, value)?;
    let value = if field.ty == Type::Custom {
        let replace = op == "remove" || state.assumed("customfields-patch-mode", "replace");
        merge_custom(out.record.get(field.name), &value, replace)
    } else {
        unbundling(state, kind, out, field.name, op, value)?
    };
    if value.is_null() {
        out.record.remove(field.name);
    } else {
        out.record.set(field.name, value);
    }
    touch(out, field.name);
    Ok(())
}

fn touch(out: &mut Patched, name: &'static str) {
    if !out.touched.contains(&name) {
        out.touched.push(name);
    }
}

/// How a parent is taken away depends on an assumption.
fn unbundling(
    state: &State,
    kind: Kind,
    out: &Patched,
    name: &'static str,
    op: &str,
    value: Json,
) -> Result<Json, FieldError> {
    let taken = kind == Kind::Agreement
        && name == "parentAgreement"
        && value.is_null()
        && !out.record.get("parentAgreement").is_null();
    let wanted = match state.settings.assume.get("bundle-rules") {
        "none" => op,
        "null-unbundles" => "replace",
        _ => "remove",
    };
    if taken && op != wanted {
        return Err(FieldError::invalid(
            kind.schema(),
            name,
            "The parent agreement cannot be taken away like this.",
        ));
    }
    Ok(value)
}

/// A path below a field. Below a reference the vendor answers 200 and changes nothing; elements of
/// arrays can be set.
fn inside(
    view: &View<'_>,
    kind: Kind,
    out: &mut Patched,
    segments: &[&str],
    name: &'static str,
    ty: Type,
    value: &Json,
) -> Result<(), FieldError> {
    let schema = kind.schema();
    let nowhere = || {
        let path = segments.join("/");
        let message = format!("The target location specified by path '{path}' was not found.");
        FieldError::invalid(schema, &path, message)
    };
    match ty {
        Type::Ref(_) | Type::Unmodelled => Ok(()),
        Type::Custom => {
            let [_, index, "value"] = segments else {
                return Err(nowhere());
            };
            let index: usize = index.parse().map_err(|_| nowhere())?;
            let definitions = view.definitions(kind);
            let (id, _) = definitions.get(index).ok_or_else(nowhere)?;
            let mut entry = Map::new();
            entry.push("id", *id);
            entry.push("value", value.clone());
            let field = schema.field(name).ok_or_else(nowhere)?;
            let new = coerce(
                view.state,
                schema,
                field,
                &Json::Arr(vec![Json::Obj(entry)]),
            )?;
            let merged = merge_custom(out.record.get(name), &new, false);
            out.record.set(name, merged);
            touch(out, name);
            Ok(())
        }
        Type::Items => {
            let index: usize = segments[1].parse().map_err(|_| nowhere())?;
            let mut items = out.record.get(name).items().to_vec();
            let end = items.len();
            match (segments, items.get_mut(index)) {
                ([_, _], Some(slot)) if value.is_null() => {
                    *slot = Json::Null;
                    items.retain(|item| !item.is_null());
                }
                ([_, _], Some(slot)) => *slot = value.clone(),
                ([_, _], None) if index == end => items.push(value.clone()),
                ([_, _, key], Some(Json::Obj(map))) => map.set((*key).to_owned(), value.clone()),
                _ => return Err(nowhere()),
            }
            out.record.set(name, items);
            touch(out, name);
            Ok(())
        }
        _ => Err(nowhere()),
    }
}
