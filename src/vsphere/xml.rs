//! Pulls XML that a stranger may have written: bounded depth, no document type, no entities but XML's own five.
//! Names are taken by their local part, so that a server may choose its prefixes. Knows nothing of SOAP or vSphere.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::domain::ids::Moref;
use crate::vsphere::error::Flaw;

/// Deepest nesting accepted; answers of a vCenter stay below 20.
const DEEPEST: usize = 64;

/// A start tag: its local name and the two attributes that SOAP bindings of vSphere use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tag {
    /// The name without its prefix.
    pub(super) name: String,
    /// The prefixed `type` attribute (`xsi:type`), without the prefix of its value.
    pub(super) xsi_type: Option<String>,
    /// The plain `type` attribute: the type of the object that a reference points at.
    pub(super) object_type: Option<String>,
}

/// A cursor on an XML text.
pub(super) struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
}

enum Piece {
    Start(Tag),
    Text(String),
    End,
    Eof,
}

impl<'a> Xml<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0 }
    }

    /// Reads the root element: `each` gets every child of it, and nothing may follow it.
    pub(super) fn root(
        &mut self,
        name: &'static str,
        each: impl FnMut(&mut Self, &Tag) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        loop {
            match self.next()? {
                Piece::Start(tag) if tag.name == name => break,
                Piece::Text(text) if text.trim().is_empty() => {}
                _ => return Err(Flaw::Missing(name)),
            }
        }
        self.children(each)?;
        loop {
            match self.next()? {
                Piece::Eof => return Ok(()),
                Piece::Text(text) if text.trim().is_empty() => {}
                _ => return Err(Flaw::Syntax),
            }
        }
    }

    /// Gives every child of the element just started to `each`, and consumes its end. What `each` leaves of a child is
    /// skipped; text between children is ignored.
    pub(super) fn children(
        &mut self,
        mut each: impl FnMut(&mut Self, &Tag) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        loop {
            match self.next()? {
                Piece::Start(tag) => {
                    let inside = self.depth;
                    each(self, &tag)?;
                    self.leave(inside)?;
                }
                Piece::Text(_) => {}
                Piece::End => return Ok(()),
                Piece::Eof => return Err(Flaw::Syntax),
            }
        }
    }

    /// The text of the element just started, whose end is consumed. Child elements are skipped.
    pub(super) fn text(&mut self) -> Result<String, Flaw> {
        let mut all = String::new();
        loop {
            match self.next()? {
                Piece::Start(_) => self.leave(self.depth)?,
                Piece::Text(text) if all.is_empty() => all = text,
                Piece::Text(text) => all.push_str(&text),
                Piece::End => return Ok(all),
                Piece::Eof => return Err(Flaw::Syntax),
            }
        }
    }

    /// The text of the element just started as a value; `what` names it in the error.
    pub(super) fn value<T: std::str::FromStr>(&mut self, what: &'static str) -> Result<T, Flaw> {
        self.text()?.trim().parse().map_err(|_| Flaw::Value(what))
    }

    /// The text of the element just started as the address of an object, or `None` when it is empty. Addresses go back to
    /// the server, and into logs and statuses.
    pub(super) fn address(&mut self) -> Result<Option<Moref>, Flaw> {
        let text = self.text()?;
        match text.trim() {
            "" => Ok(None),
            text if text.len() <= 256 && text.chars().all(|c| c.is_ascii_graphic()) => {
                Ok(Some(Moref::new(text)))
            }
            _ => Err(Flaw::Value("an object's address")),
        }
    }

    /// An `xsd:boolean`.
    pub(super) fn boolean(&mut self, what: &'static str) -> Result<bool, Flaw> {
        match self.text()?.trim() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Flaw::Value(what)),
        }
    }

    fn leave(&mut self, inside: usize) -> Result<(), Flaw> {
        while self.depth >= inside {
            if matches!(self.next()?, Piece::Eof) {
                return Err(Flaw::Syntax);
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Piece, Flaw> {
        loop {
            return Ok(match self.reader.read_event().map_err(|_| Flaw::Syntax)? {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return Err(Flaw::Depth(DEEPEST));
                    }
                    Piece::Start(tag(&start)?)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Piece::End
                }
                Event::Text(text) => Piece::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Piece::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(reference) => Piece::Text(resolved(&reference)?.to_string()),
                Event::DocType(_) => return Err(Flaw::Doctype),
                Event::Eof => Piece::Eof,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Empty(_) => continue,
            });
        }
    }
}

fn tag(start: &BytesStart<'_>) -> Result<Tag, Flaw> {
    let mut tag = Tag {
        name: start.local_name().as_ref().to_owned(),
        ..Tag::default()
    };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Flaw::Syntax)?;
        let prefix = attribute
            .key
            .prefix()
            .map(|prefix| prefix.as_ref().to_owned());
        if attribute.key.local_name().as_ref() != "type" || prefix.as_deref() == Some("xmlns") {
            continue;
        }
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|_| Flaw::Entity)?;
        let local = value.rsplit(':').next().unwrap_or_default().to_owned();
        if prefix.is_some() {
            tag.xsi_type = Some(local);
        } else {
            tag.object_type = Some(local);
        }
    }
    Ok(tag)
}

fn resolved(reference: &BytesRef<'_>) -> Result<char, Flaw> {
    if reference.is_char_ref() {
        return match reference.resolve_char_ref() {
            Ok(Some(character)) => Ok(character),
            _ => Err(Flaw::Entity),
        };
    }
    match reference.as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(Flaw::Entity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> Result<Vec<(Tag, String)>, Flaw> {
        let mut found = Vec::new();
        Xml::new(document).root("r", |xml, tag| {
            let text = xml.text()?;
            let copy = Tag {
                name: tag.name.clone(),
                xsi_type: tag.xsi_type.clone(),
                object_type: tag.object_type.clone(),
            };
            found.push((copy, text));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn prefixes_and_the_way_types_are_written_do_not_matter() {
        for document in [
            r#"<?xml version="1.0"?><r><val xsi:type="xsd:string">a</val></r>"#,
            r#"<p:r><p:val _XMLSchema-instance:type="string">a</p:val></p:r>"#,
            r#"<r xmlns:XMLSchema-instance="x"> <val XMLSchema-instance:type="x:string">a</val> </r> "#,
        ] {
            let found = texts(document).unwrap();
            assert_eq!(found[0].0.name, "val");
            assert_eq!(found[0].0.xsi_type.as_deref(), Some("string"));
            assert_eq!(found[0].1, "a");
        }
    }

    #[test]
    fn text_is_put_together_from_its_pieces() {
        let found =
            texts("<r><a>x &amp; &#x79;<![CDATA[<z>]]><!-- no --> <b>skipped</b>!</a><c/></r>");
        let found: Vec<String> = found.unwrap().into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, ["x & y<z> !", ""]);
    }

    #[test]
    fn what_a_handler_leaves_is_skipped() {
        let mut names = Vec::new();
        Xml::new("<r><a><b><c/></b>t</a><d/></r>")
            .root("r", |_, tag| {
                names.push(tag.name.clone());
                Ok(())
            })
            .unwrap();
        assert_eq!(names, ["a", "d"]);
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = format!("<r>{}{}</r>", "<a>".repeat(64), "</a>".repeat(64));
        let bomb = r#"<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">]><r><x>&a;</x></r>"#;
        for (document, flaw) in [
            (deep.as_str(), Flaw::Depth(64)),
            (bomb, Flaw::Doctype),
            ("<r><x>&a;</x></r>", Flaw::Entity),
            (r#"<r><x p:type="&a;"/></r>"#, Flaw::Entity),
            ("<r><x>a</x>", Flaw::Syntax),
            ("<r><x>a</y></r>", Flaw::Syntax),
            ("<r><x>a", Flaw::Syntax),
            ("<r/><r/>", Flaw::Syntax),
            ("<s/>", Flaw::Missing("r")),
            ("", Flaw::Missing("r")),
            ("<html", Flaw::Syntax),
        ] {
            assert_eq!(texts(document).unwrap_err(), flaw, "{document}");
        }
    }
}
