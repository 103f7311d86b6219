//! `orderBy`.

use std::cmp::Ordering;

use crate::json::Json;
use crate::schema::Kind;
use crate::view::View;

/// Sorts rows; equal ones keep the order of their ids.
///
/// # Errors
/// A field does not exist, or the direction is neither `asc` nor `desc`.
pub(crate) fn sort(
    view: &View<'_>,
    kind: Kind,
    order: &str,
    rows: &mut Vec<(i64, &crate::store::Record)>,
) -> Result<(), String> {
    let mut keys = Vec::new();
    for part in order.split(',') {
        let mut words = part.split_whitespace();
        let name = words.next().ok_or("a field name is expected")?;
        let descending = match words.next().map(str::to_ascii_lowercase).as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(format!("{other} is neither asc nor desc")),
        };
        let segments: Vec<String> = name
            .to_ascii_lowercase()
            .split('/')
            .map(str::to_owned)
            .collect();
        let field = kind.schema().field_ci(&segments[0]);
        if field.is_none() && !matches!(segments[0].as_str(), "lastupdated" | "_info") {
            return Err(format!("{name} is not a field of {}", kind.schema().name));
        }
        keys.push((crate::cond::Path { segments, field }, descending));
    }
    let mut keyed: Vec<(Vec<Json>, (i64, &crate::store::Record))> = std::mem::take(rows)
        .into_iter()
        .map(|row| {
            (
                keys.iter()
                    .map(|(path, _)| folded(view.read(kind, row.0, row.1, path)))
                    .collect(),
                row,
            )
        })
        .collect();
    keyed.sort_by(|(a, x), (b, y)| {
        let parts = a.iter().zip(b).zip(&keys).map(|((a, b), (_, descending))| {
            let order = rank(a, b);
            if *descending { order.reverse() } else { order }
        });
        parts
            .fold(Ordering::Equal, Ordering::then)
            .then(x.0.cmp(&y.0))
    });
    *rows = keyed.into_iter().map(|(_, row)| row).collect();
    Ok(())
}

/// Texts compare without regard to case.
fn folded(value: Json) -> Json {
    match value {
        Json::Str(text) => Json::from(text.to_lowercase()),
        other => other,
    }
}

fn rank(a: &Json, b: &Json) -> Ordering {
    match (a, b) {
        (Json::Num(a), Json::Num(b)) => a.cmp(b),
        (Json::Bool(a), Json::Bool(b)) => a.cmp(b),
        (Json::Str(a), Json::Str(b)) => a.cmp(b),
        (Json::Null, Json::Null) => Ordering::Equal,
        (Json::Null, _) => Ordering::Less,
        (_, Json::Null) => Ordering::Greater,
        _ => a.to_string().cmp(&b.to_string()),
    }
}
