//! JSON values with exact decimals and ordered objects.
//!
//! Money and quantities must survive a round trip digit for digit, so numbers are [`Decimal`] and
//! never floating point. The type is this crate's own: records are stored in it, patched in it and
//! written from it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// A JSON value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Json {
    /// `null`; also what an absent member reads as.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An exact number.
    Num(Decimal),
    /// A string.
    Str(Box<str>),
    /// An array.
    Arr(Vec<Json>),
    /// An object, in order of insertion.
    Obj(Map),
    /// A text that is JSON already, kept to be written as it is.
    Raw(Arc<str>),
}

/// An object that keeps the order of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<(Cow<'static, str>, Json)>);

static NULL: Json = Json::Null;

impl Map {
    /// An empty object.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty object with room for so many members.
    #[must_use]
    pub fn with_capacity(members: usize) -> Self {
        Self(Vec::with_capacity(members))
    }

    /// Puts the members into the order that a rank gives to their names.
    pub fn sort_by_key(&mut self, rank: impl Fn(&str) -> usize) {
        self.0.sort_by_cached_key(|(key, _)| rank(key));
    }

    /// The member at `at` if it is called `key`; then `at` moves on. For members in a known order.
    #[must_use]
    pub fn next_if(&self, at: &mut usize, key: &str) -> &Json {
        match self.0.get(*at) {
            Some((k, value)) if k == key => {
                *at += 1;
                value
            }
            _ => &NULL,
        }
    }

    /// The member called `key`, or `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> &Json {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map_or(&NULL, |(_, v)| v)
    }

    /// Whether a member called `key` is present, even as `null`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    /// Sets a member, keeping its place if it exists.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Json>) {
        let key = key.into();
        let value = value.into();
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some(slot) => slot.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// Appends a member that is known not to be there yet.
    pub fn push(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Json>) {
        self.0.push((key.into(), value.into()));
    }

    /// Removes a member.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }

    /// Keeps only some members.
    pub fn retain(&mut self, keep: impl Fn(&str, &Json) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(k, v)| (k.as_ref(), v))
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives back spare capacity; stored records live long.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

impl Json {
    /// The member `key` of an object, else `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> &Json {
        match self {
            Json::Obj(map) => map.get(key),
            _ => &NULL,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_num(&self) -> Option<Decimal> {
        match self {
            Json::Num(number) => Some(*number),
            _ => None,
        }
    }

    /// The number as an integer, if it is one without a fraction.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Json::Num(number) if number.fract().is_zero() => number.to_i64(),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The elements of an array; none for anything else.
    #[must_use]
    pub fn items(&self) -> &[Json] {
        match self {
            Json::Arr(items) => items,
            _ => &[],
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_obj(&self) -> Option<&Map> {
        match self {
            Json::Obj(map) => Some(map),
            _ => None,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// Writes compact JSON.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(true) => out.push_str("true"),
            Json::Bool(false) => out.push_str("false"),
            Json::Num(number) => {
                let _ = write!(out, "{}", number.normalize());
            }
            Json::Str(text) => write_str(text, out),
            Json::Raw(text) => out.push_str(text),
            Json::Arr(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Obj(map) => {
                out.push('{');
                for (i, (key, value)) in map.0.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_str(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_str(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|b| b < b' ' || b == b'"' || b == b'\\')
    {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        match special.as_bytes()[0] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        rest = &special[1..];
    }
    out.push_str(rest);
    out.push('"');
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Str(text.into())
    }
}
impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Str(text.into_boxed_str())
    }
}
impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Json::Bool(flag)
    }
}
impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Json::Num(Decimal::from(number))
    }
}
impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Json::Num(Decimal::from(number))
    }
}
impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Json::Num(Decimal::from(number))
    }
}
impl From<u16> for Json {
    fn from(number: u16) -> Self {
        Json::Num(Decimal::from(number))
    }
}
impl From<Decimal> for Json {
    fn from(number: Decimal) -> Self {
        Json::Num(number)
    }
}
impl From<Map> for Json {
    fn from(map: Map) -> Self {
        Json::Obj(map)
    }
}
impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Json::Arr(items)
    }
}
impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Json::Null, Into::into)
    }
}

/// Builds an object: `obj! { "id" => 1_i64, "name" => "x" }`.
#[macro_export]
macro_rules! obj {
    ($($key:expr => $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut map = $crate::json::Map::new();
        $(map.push($key, $value);)*
        $crate::json::Json::Obj(map)
    }};
}
