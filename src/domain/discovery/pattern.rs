//! Patterns for names: `*` stands for any run of characters, `?` for one. Case does not matter, as it does not in vCenter.

/// A pattern that a whole name has to fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().flat_map(char::to_lowercase).collect())
    }

    /// Whether a name fits, in time proportional to the product of both lengths at worst.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
        let (mut at, mut wanted) = (0, 0);
        // Where the last `*` stood, and how far the name was then: there the search goes on when it came to nothing.
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            match self.0.get(wanted) {
                Some('*') => {
                    star = Some((wanted, at));
                    wanted += 1;
                }
                Some(c) if *c == '?' || name.get(at) == Some(c) => {
                    at += 1;
                    wanted += 1;
                }
                _ => {
                    let Some((place, taken)) = star else {
                        return false;
                    };
                    star = Some((place, taken + 1));
                    (wanted, at) = (place + 1, taken + 1);
                }
            }
        }
        self.0.iter().skip(wanted).all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_what_they_should() {
        for (pattern, name, fits) in [
            ("acme-*", "ACME-web-01", true),
            ("acme-*", "acme-", true),
            ("acme-*", "my-acme-1", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("*web*db*", "a-web-b-db", true),
            ("*web*db*", "a-db-b-web", false),
            ("vm-??", "vm-12", true),
            ("vm-??", "vm-123", false),
            ("*ab", "aaab", true),
            ("a*a*a*a*b", &"a".repeat(200), false),
            ("straße*", "STRASSE", false),
            ("ü*", "Übung", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(name), fits, "{pattern} {name}");
        }
    }
}
