//! An INF file in memory.

use std::collections::HashMap;

use super::error::{Error, Result};
use super::lex::{self, RawLine};
use super::strings::Strings;
use super::text;

/// Bytes of a file; those of Windows end at 1 MiB.
const SIZE_LIMIT: usize = 4 << 20;

/// An INF file: sections of lines.
#[derive(Debug)]
pub struct Inf {
    file: String,
    sections: Vec<Section>,
    places: HashMap<String, usize>,
    strings: Strings,
}

/// A section, all its parts together.
#[derive(Debug)]
pub struct Section {
    /// Its name as it was first written.
    pub name: String,
    /// Its lines, in order.
    pub lines: Vec<Line>,
}

/// A line, its `%strings%` put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it begins in the file, from 1.
    pub number: u32,
    /// What stands before `=`.
    pub key: Option<String>,
    /// The same as it is written, with `%strings%`.
    pub raw_key: Option<String>,
    /// What is separated by commas behind it.
    pub values: Vec<String>,
}

impl Line {
    /// A value, "" when it is not there.
    #[must_use]
    pub fn value(&self, at: usize) -> &str {
        self.values.get(at).map_or("", String::as_str)
    }

    /// Whether its key is this one; letters count without case.
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        let own = self.key.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(key))
    }
}

impl Section {
    /// The lines of this key.
    pub fn all<'s>(&'s self, key: &'s str) -> impl Iterator<Item = &'s Line> {
        self.lines.iter().filter(move |line| line.is(key))
    }

    /// The first line of this key that says anything.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Line> {
        let found = self.lines.iter().filter(|line| line.is(key));
        found.into_iter().find(|line| !line.value(0).is_empty())
    }
}

impl Inf {
    /// English of the United States, the language drivers are written in.
    pub const ENGLISH: u16 = 0x0409;

    /// Reads a file. Its name is for messages, and for what refers to the
    /// package; `language` chooses the strings.
    ///
    /// # Errors
    /// When it is larger than 4 MiB, or its lines do not belong to sections.
    pub fn parse(file: &str, bytes: &[u8], language: u16) -> Result<Self> {
        if bytes.len() > SIZE_LIMIT {
            return Err(Error {
                file: file.to_owned(),
                line: 0,
                what: "size".to_owned(),
                expected: format!("at most {SIZE_LIMIT} bytes"),
                found: bytes.len().to_string(),
            });
        }
        let lexed = lex::lex(file, &text::decode(bytes))?;
        let mut strings = Strings::gather(&lexed, language);
        let mut sections = Vec::new();
        for raw in lexed.sections {
            let is_strings = raw.name.to_lowercase().starts_with("strings");
            let mut lines = Vec::new();
            for line in raw.lines.into_iter().filter(|_| !is_strings) {
                lines.push(line.put_in(file, &mut strings)?);
            }
            let name = raw.name;
            sections.push(Section { name, lines });
        }
        Ok(Self {
            file: file.to_owned(),
            sections,
            places: lexed.places,
            strings,
        })
    }

    /// The name it was parsed under, a path perhaps.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The last part of its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.file.rsplit(['/', '\\']).next().unwrap_or(&self.file)
    }

    /// The section of this name; letters count without case.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        let place = self.places.get(&name.to_lowercase())?;
        self.sections.get(*place)
    }

    /// The text of a string, by its name without percent signs.
    #[must_use]
    pub fn string(&self, name: &str) -> Option<&str> {
        let text = self.strings.texts().get(&name.to_lowercase());
        text.map(String::as_str)
    }

    pub(crate) fn error(
        &self,
        line: u32,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        Error {
            file: self.file.clone(),
            line,
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

impl RawLine {
    fn put_in(self, file: &str, strings: &mut Strings) -> Result<Line> {
        let mut put_in = |field: &String| strings.put_in(file, self.number, field);
        Ok(Line {
            number: self.number,
            key: self.key.as_ref().map(&mut put_in).transpose()?,
            values: self.values.iter().map(&mut put_in).collect::<Result<_>>()?,
            raw_key: self.key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read() {
        let text = "[A]\n%k% = %v%, 2\nx=\nX=y\n[Strings]\nk=Key\nv=Value\n";
        let inf = Inf::parse("dir/a.inf", text.as_bytes(), Inf::ENGLISH).unwrap();
        let section = inf.section("a").unwrap();
        let line = section.get("KEY").unwrap();
        assert_eq!(
            (line.number, line.value(0), line.value(2)),
            (2, "Value", "")
        );
        assert_eq!(line.raw_key.as_deref(), Some("%k%"));
        assert_eq!(section.get("x").unwrap().value(0), "y");
        assert_eq!((inf.name(), inf.string("K")), ("a.inf", Some("Key")));
        assert!(inf.section("b").is_none());
    }

    #[test]
    fn too_much_is_refused() {
        let error = Inf::parse("a.inf", &vec![b' '; SIZE_LIMIT + 1], Inf::ENGLISH);
        let said = error.unwrap_err().to_string();
        assert_eq!(
            said,
            "a.inf: size: expected at most 4194304 bytes, found 4194305"
        );
    }
}
