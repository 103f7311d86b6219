//! Reading one JSON record field by field: nothing is required, unknown fields are passed over, numbers stay decimal
//! text until they are decimals, and whatever cannot be read names its field.
//! It knows JSON and value types, not which fields a ConnectWise record has.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The record, once its id is known.
    pub(super) id: Option<i32>,
    /// The field.
    pub(super) field: Option<String>,
    /// What is wrong.
    pub(super) problem: &'static str,
}

impl Flaw {
    fn of(field: &str, problem: &'static str) -> Self {
        Self {
            id: None,
            field: Some(field.to_owned()),
            problem,
        }
    }
}

/// One JSON object, undecoded. Of a field given twice the last counts.
#[derive(Debug)]
pub(super) struct Record<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// A key without a copy, unless it holds escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Record<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key, value));
                }
                Ok(Record { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'a> Record<'a> {
    /// Reads one object.
    pub(super) fn parse(json: &'a str) -> Result<Self, Flaw> {
        serde_json::from_str(json).map_err(|error| syntax(json, &error))
    }

    /// The field's raw JSON; absent and null are the same.
    fn raw(&self, field: &str) -> Option<&'a str> {
        let (_, value) = self.members.iter().rfind(|(name, _)| name == field)?;
        Some(value.get()).filter(|json| *json != "null")
    }

    /// A text; a number or truth value is taken as it is written.
    pub(super) fn text(&self, field: &str) -> Result<Option<String>, Flaw> {
        let Some(raw) = self.raw(field) else {
            return Ok(None);
        };
        match raw.as_bytes().first() {
            Some(b'{' | b'[') => Err(Flaw::of(field, "is not a text")),
            _ => scalar(field, raw).map(|text| Some(text.into_owned())),
        }
    }

    /// A record id: 1 to 2^31-1.
    pub(super) fn id(&self, field: &str) -> Result<Option<i32>, Flaw> {
        let Some(number) = self.decimal(field)? else {
            return Ok(None);
        };
        i32::try_from(number)
            .ok()
            .filter(|id| *id > 0 && number.fract().is_zero())
            .map(Some)
            .ok_or_else(|| Flaw::of(field, "is not a record id"))
    }

    /// A decimal number, exactly as written; a number in a string is tolerated.
    pub(super) fn decimal(&self, field: &str) -> Result<Option<Decimal>, Flaw> {
        let Some(raw) = self.raw(field) else {
            return Ok(None);
        };
        let text = scalar(field, raw)?;
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let number = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        };
        number
            .map(|number| Some(number.normalize()))
            .map_err(|_reason| Flaw::of(field, "is not a number that can be held"))
    }

    /// A truth value; absent is false.
    pub(super) fn flag(&self, field: &str) -> Result<bool, Flaw> {
        let Some(raw) = self.raw(field) else {
            return Ok(false);
        };
        match scalar(field, raw)?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" | "" => Ok(false),
            _ => Err(Flaw::of(field, "is not a truth value")),
        }
    }

    /// A time; without a zone it is UTC, a bare date its midnight.
    pub(super) fn time(&self, field: &str) -> Result<Option<Timestamp>, Flaw> {
        let Some(text) = self.text(field)? else {
            return Ok(None);
        };
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let utc = |civil: DateTime| {
            civil
                .to_zoned(TimeZone::UTC)
                .ok()
                .map(|zoned| zoned.timestamp())
        };
        text.parse::<Timestamp>()
            .ok()
            .or_else(|| text.parse::<DateTime>().ok().and_then(utc))
            .or_else(|| {
                text.parse::<Date>()
                    .ok()
                    .and_then(|date| utc(date.to_datetime(jiff::civil::Time::midnight())))
            })
            .map(Some)
            .ok_or_else(|| Flaw::of(field, "is not a time"))
    }

    /// An object.
    pub(super) fn object(&self, field: &str) -> Result<Option<Record<'a>>, Flaw> {
        let Some(raw) = self.raw(field) else {
            return Ok(None);
        };
        serde_json::from_str(raw)
            .map(Some)
            .map_err(|_shape| Flaw::of(field, "is not an object"))
    }

    /// The field's own JSON, to be sent back as it came; absent and null are the same.
    pub(super) fn json(&self, field: &str) -> Option<Box<RawValue>> {
        RawValue::from_string(self.raw(field)?.to_owned()).ok()
    }

    /// A list of objects; absent is empty.
    pub(super) fn objects(&self, field: &str) -> Result<Vec<Record<'a>>, Flaw> {
        let Some(raw) = self.raw(field) else {
            return Ok(Vec::new());
        };
        serde_json::from_str(raw).map_err(|_shape| Flaw::of(field, "is not a list of objects"))
    }
}

/// Bytes of one value; the longest text that is read is a note.
const LONGEST: usize = 256 * 1024;

/// A string's content, or another scalar as it is written.
fn scalar<'a>(field: &str, raw: &'a str) -> Result<Cow<'a, str>, Flaw> {
    if raw.len() > LONGEST {
        return Err(Flaw::of(field, "is too long"));
    }
    if !raw.starts_with('"') {
        return Ok(Cow::Borrowed(raw));
    }
    serde_json::from_str::<Key<'a>>(raw)
        .map(|Key(text)| text)
        .map_err(|_escape| Flaw::of(field, "is not a well-formed text"))
}

/// The records of a page, each still undecoded so that one bad record does not spoil its neighbours.
pub(super) fn elements(json: &str) -> Result<Vec<&RawValue>, Flaw> {
    serde_json::from_str(json).map_err(|error| {
        if json.trim_start().starts_with('[') {
            syntax(json, &error)
        } else {
            Flaw {
                id: None,
                field: None,
                problem: "is not a list",
            }
        }
    })
}

/// Describes a syntax error in our words, with the last field that began before it (`NaN` is such an error).
fn syntax(json: &str, error: &serde_json::Error) -> Flaw {
    let problem = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends early",
        serde_json::error::Category::Data => "is not an object",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            "is not well-formed JSON"
        }
    };
    let before = json
        .lines()
        .take(error.line().saturating_sub(1))
        .map(|line| line.len() + 1)
        .sum::<usize>()
        + error.column();
    let field = (!error.is_data())
        .then(|| json.get(..before.min(json.len())))
        .flatten()
        .and_then(last_key);
    Flaw {
        id: None,
        field,
        problem,
    }
}

fn last_key(json: &str) -> Option<String> {
    let colon = json.rfind("\":")?;
    let key = json.get(..colon)?.rsplit('"').next()?;
    let word = key.len() <= 60 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word.then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw<T: fmt::Debug>(result: Result<T, Flaw>) -> (Option<String>, &'static str) {
        let flaw = result.expect_err("a flaw");
        (flaw.field, flaw.problem)
    }

    #[test]
    fn numbers_stay_exact_and_may_be_strings() {
        let json =
            r#"{"a":0.1,"b":"12.50","c":1.25E+2,"d":null,"e":123456789012345.678901,"f":""}"#;
        let record = Record::parse(json).expect("a record");
        let number = |field| {
            record
                .decimal(field)
                .expect("a number")
                .map(|n| n.to_string())
        };
        assert_eq!(number("a").as_deref(), Some("0.1"));
        assert_eq!(number("b").as_deref(), Some("12.5"));
        assert_eq!(number("c").as_deref(), Some("125"));
        assert_eq!(number("d"), None);
        assert_eq!(number("e").as_deref(), Some("123456789012345.678901"));
        assert_eq!(number("f"), None);
        assert_eq!(number("absent"), None);
    }

    #[test]
    fn numbers_that_cannot_be_held_name_their_field() {
        for json in [
            r#"{"quantity":1e308}"#,
            r#"{"quantity":"NaN"}"#,
            r#"{"quantity":true}"#,
            r#"{"quantity":{}}"#,
        ] {
            let record = Record::parse(json).expect("a record");
            assert_eq!(
                flaw(record.decimal("quantity")).0.as_deref(),
                Some("quantity"),
                "{json}"
            );
        }
        let (field, problem) = flaw(Record::parse(r#"{"id":7,"quantity":NaN}"#));
        assert_eq!(
            (field.as_deref(), problem),
            (Some("quantity"), "is not well-formed JSON")
        );
    }

    #[test]
    fn ids_are_positive_and_fit() {
        let id = |json| Record::parse(json).expect("a record").id("id");
        assert_eq!(id(r#"{"id":2147483647}"#), Ok(Some(i32::MAX)));
        assert_eq!(id(r#"{"id":"5"}"#), Ok(Some(5)));
        for json in [
            r#"{"id":0}"#,
            r#"{"id":-3}"#,
            r#"{"id":2147483648}"#,
            r#"{"id":1.5}"#,
        ] {
            assert_eq!(flaw(id(json)).0.as_deref(), Some("id"), "{json}");
        }
    }

    #[test]
    fn times_may_lack_a_zone_or_a_clock() {
        let time = |json| {
            Record::parse(json)
                .expect("a record")
                .time("d")
                .map(|t| t.map(|t| t.to_string()))
        };
        for json in [
            r#"{"d":"2026-02-01T00:00:00Z"}"#,
            r#"{"d":"2026-02-01T00:00:00"}"#,
            r#"{"d":"2026-02-01"}"#,
        ] {
            assert_eq!(
                time(json),
                Ok(Some("2026-02-01T00:00:00Z".to_owned())),
                "{json}"
            );
        }
        assert_eq!(time(r#"{"d":""}"#), Ok(None));
        assert_eq!(flaw(time(r#"{"d":"next week"}"#)).0.as_deref(), Some("d"));
    }

    #[test]
    fn repeated_and_unknown_fields_are_tolerated() {
        let record =
            Record::parse(r#"{"na\u006de":"a","name":"b","extra":{"x":[1,2]},"f":"True"}"#)
                .expect("a record");
        assert_eq!(record.text("name"), Ok(Some("b".to_owned())));
        assert_eq!(record.flag("f"), Ok(true));
        assert_eq!(flaw(record.text("extra")).0.as_deref(), Some("extra"));
    }

    #[test]
    fn a_page_that_is_not_a_list_or_ends_early_is_a_flaw() {
        assert_eq!(elements(r#"[{"a":1},{"a":2}]"#).map(|all| all.len()), Ok(2));
        assert_eq!(flaw(elements("{}")).1, "is not a list");
        assert_eq!(flaw(elements(r#"[{"a":1},{"a"#)).1, "the JSON ends early");
        assert_eq!(flaw(elements("[] trailing")).1, "is not well-formed JSON");
        assert_eq!(flaw(elements("\u{feff}[]")).1, "is not a list");
    }

    #[test]
    fn deep_nesting_is_passed_over_without_recursion() {
        let deep = format!(
            r#"{{"id":1,"x":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let record = Record::parse(&deep).expect("a record");
        assert_eq!(record.id("id"), Ok(Some(1)));
    }
}
