//! Searches in ConnectWise's condition language, built so that no value can change what is asked.
//! It knows the language's quoting and nothing of records.
//!
//! How a double quote inside a string is written is not documented, so a text that would need it is never sent:
//! the caller asks for more and filters what comes.

use std::fmt::Display;

use jiff::Timestamp;

use crate::domain::foreign::is_printable;

/// Longer texts are not searched for: ConnectWise refuses addresses of more than about 2000 characters, and each
/// character may take twelve.
const LONGEST_TEXT: usize = 100;
/// Shorter pieces would match too much to be worth a search.
const SHORTEST_PIECE: usize = 3;

/// A text that cannot stand in a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unquotable;

/// Comparisons that must all hold, each in parentheses of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions(Vec<String>);

impl Conditions {
    /// No condition: everything.
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn and(mut self, field: &'static str, operator: &str, value: impl Display) -> Self {
        self.0.push(format!("({field} {operator} {value})"));
        self
    }

    /// `field = number`.
    pub(super) fn number_is(self, field: &'static str, number: i32) -> Self {
        self.and(field, "=", number)
    }

    /// `field = "text"`.
    pub(super) fn text_is(self, field: &'static str, text: &str) -> Result<Self, Unquotable> {
        let quoted = quoted(text)?;
        Ok(self.and(field, "=", quoted))
    }

    /// `field contains "..."`, with the longest piece of `text` that can be quoted. Matches everything that
    /// `text_is` would, and more.
    pub(super) fn contains_part_of(
        self,
        field: &'static str,
        text: &str,
    ) -> Result<Self, Unquotable> {
        let plain = |c: char| is_quotable(c) && !matches!(c, '*' | '%' | '_' | '[' | ']' | '\'');
        let piece = text
            .split(|c| !plain(c))
            .map(str::trim)
            .filter(|piece| (SHORTEST_PIECE..=LONGEST_TEXT).contains(&piece.chars().count()))
            .max_by_key(|piece| piece.chars().count())
            .ok_or(Unquotable)?;
        let quoted = quoted(piece)?;
        Ok(self.and(field, "contains", quoted))
    }

    /// `field > [time]`, to the second.
    pub(super) fn later_than(self, field: &'static str, time: Timestamp) -> Self {
        self.and(
            field,
            ">",
            format_args!("[{}]", time.strftime("%Y-%m-%dT%H:%M:%SZ")),
        )
    }

    /// The value of the query parameter; empty when there is no condition.
    pub(super) fn text(&self) -> String {
        self.0.join(" and ")
    }
}

/// The value of `customFieldConditions` that finds a custom field's text. This parameter's documented form has no
/// parentheses.
pub(super) fn custom_field(caption: &str, text: &str) -> Result<String, Unquotable> {
    Ok(format!(
        "caption={} AND value={}",
        quoted(caption)?,
        quoted(text)?
    ))
}

fn is_quotable(c: char) -> bool {
    // Besides what would end or escape the string: characters that show as nothing, or turn the text round.
    is_printable(c) && c != '"' && c != '\\'
}

fn quoted(text: &str) -> Result<String, Unquotable> {
    if text.is_empty() || text.chars().count() > LONGEST_TEXT || !text.chars().all(is_quotable) {
        return Err(Unquotable);
    }
    Ok(format!("\"{text}\""))
}

/// Whether two names are the same to ConnectWise, whose comparisons ignore case and surrounding spaces.
pub(super) fn same_name(left: &str, right: &str) -> bool {
    left.trim().to_lowercase() == right.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_comparison_stands_in_its_own_parentheses() {
        let conditions = Conditions::new()
            .number_is("company/id", 250)
            .text_is("name", "Managed & 'more' 100%")
            .expect("quotable")
            .later_than(
                "lastUpdated",
                "2026-08-20T18:04:26.9Z".parse().expect("a time"),
            );
        assert_eq!(
            conditions.text(),
            r#"(company/id = 250) and (name = "Managed & 'more' 100%") and (lastUpdated > [2026-08-20T18:04:26Z])"#
        );
        assert_eq!(Conditions::new().text(), "");
        assert_eq!(
            custom_field("mw mark", "mw1-abc").as_deref(),
            Ok(r#"caption="mw mark" AND value="mw1-abc""#)
        );
    }

    #[test]
    fn what_cannot_be_quoted_is_not_sent() {
        for text in [
            "",
            "a\"b",
            "a\\b",
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            &"x".repeat(101),
        ] {
            assert_eq!(
                Conditions::new().text_is("name", text),
                Err(Unquotable),
                "{text:?}"
            );
        }
        assert!(Conditions::new().text_is("name", "Zürich 東京").is_ok());
    }

    #[test]
    fn a_part_stands_in_for_a_text_that_cannot_be_quoted() {
        let part = |text| {
            Conditions::new()
                .contains_part_of("identifier", text)
                .map(|c| c.text())
        };
        assert_eq!(
            part("SSD-3.5\"-1TB").as_deref(),
            Ok(r#"(identifier contains "SSD-3.5")"#)
        );
        assert_eq!(part("ab\"%*cd"), Err(Unquotable));
    }

    #[test]
    fn names_compare_as_connectwise_compares_them() {
        assert!(same_name("Acme Managed ", "ACME managed"));
        assert!(!same_name("Acme", "Acme 2"));
    }

    proptest! {
        #[test]
        fn no_text_ends_its_own_string(text in "\\PC*|.*") {
            if let Ok(conditions) = Conditions::new().text_is("name", &text) {
                let sent = conditions.text();
                prop_assert_eq!(sent.matches('"').count(), 2);
                prop_assert_eq!(sent, format!("(name = \"{text}\")"));
            }
            if let Ok(conditions) = Conditions::new().contains_part_of("name", &text) {
                prop_assert_eq!(conditions.text().matches('"').count(), 2);
            }
        }
    }
}
