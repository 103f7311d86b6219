//! Texts from outside as they may be printed: names of machines and records, words of servers. They come from people whom
//! we do not know, and end in statuses, events, logs and terminals, where a line break, an escape sequence or a change of
//! direction would pretend to be something else.

use std::fmt::{self, Write as _};

/// Characters that a name is shown with at most; what ConnectWise and vCenter take is shorter.
const NAME: usize = 120;

/// A text from outside. `Display` prints it on one line, with every character that would not show as itself written as
/// `\u{..}`, and cut with `…`; `Debug` does so in quotes.
#[derive(Clone, Copy)]
pub struct Foreign<'a> {
    text: &'a str,
    most: usize,
}

impl<'a> Foreign<'a> {
    /// A name.
    #[must_use]
    pub fn name(text: &'a str) -> Self {
        Self::within(text, NAME)
    }

    /// A text of at most so many characters; an escaped one counts as one.
    #[must_use]
    pub fn within(text: &'a str, most: usize) -> Self {
        Self { text, most }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, quoted: bool) -> fmt::Result {
        let mut rest = self.text.chars();
        for c in rest.by_ref().take(self.most) {
            match c {
                '"' | '\\' if quoted => write!(f, "\\{c}")?,
                c if is_printable(c) => f.write_char(c)?,
                c => write!(f, "{}", c.escape_unicode())?,
            }
        }
        if rest.next().is_some() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl fmt::Debug for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        self.write(f, true)?;
        f.write_char('"')
    }
}

/// Whether a character shows as itself: neither a control character nor one that prints nothing, turns the direction of
/// text, or has no meaning that everybody shares.
#[must_use]
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "web-01",
            "Zürich \"A\" \\ 東京 100%",
            "",
            "مرحبا",
            "e\u{301}",
        ] {
            assert_eq!(Foreign::name(name).to_string(), name);
        }
        assert_eq!(
            format!("{:?}", Foreign::name("a \"b\" \\")),
            r#""a \"b\" \\""#
        );
    }

    #[test]
    fn what_would_not_show_as_itself_is_written_out() {
        let shown = Foreign::name("a\r\nb\u{1b}[2J\u{202e}c\u{200b}d\u{2028}e").to_string();
        assert_eq!(shown, r"a\u{d}\u{a}b\u{1b}[2J\u{202e}c\u{200b}d\u{2028}e");
    }

    #[test]
    fn length_is_bounded() {
        let huge = "x".repeat(10 << 20);
        assert_eq!(Foreign::name(&huge).to_string().chars().count(), NAME + 1);
        assert_eq!(Foreign::within("abc", 3).to_string(), "abc");
        assert_eq!(Foreign::within("abcd", 3).to_string(), "abc…");
    }

    proptest! {
        #[test]
        fn whatever_comes_prints_on_one_short_line(text in any::<String>()) {
            let shown = Foreign::within(&text, 50).to_string();
            prop_assert!(shown.chars().all(is_printable), "{shown:?}");
            prop_assert!(shown.chars().count() <= 50 * 10 + 1);
            let quoted = format!("{:?}", Foreign::within(&text, 50));
            prop_assert!(quoted.len() >= 2 && quoted.chars().all(is_printable));
            let inner = quoted.strip_prefix('"').unwrap_or_default().replace("\\\\", "").replace("\\\"", "");
            prop_assert_eq!(inner.matches('"').count(), 1, "one quote ends it: {}", quoted);
        }
    }
}
