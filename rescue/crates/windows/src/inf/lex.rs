//! From text to sections of lines of fields.
//!
//! `;` begins a comment, `\` at the end continues a line, `"` quotes (doubled,
//! it is itself), `,` separates. The first `=` makes what stands before it a key,
//! unless a comma came first. Quotes end with their line.

use std::collections::HashMap;

use super::error::{Error, Result, shown};

/// Characters of a field; `MAX_INF_STRING_LENGTH` of Windows.
pub(crate) const FIELD_LIMIT: usize = 4096;
/// Characters of a section's name.
const NAME_LIMIT: usize = 255;
/// Lines of a file; the largest graphics drivers have some 30,000.
const LINE_LIMIT: u32 = 500_000;

/// A line that may go over several lines of the file, before `%strings%` are
/// put in.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawLine {
    pub(crate) number: u32,
    pub(crate) key: Option<String>,
    pub(crate) values: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct RawSection {
    pub(crate) name: String,
    pub(crate) lines: Vec<RawLine>,
}

/// Sections in the order of their first mention, and where each is by its
/// lower-case name. Sections that are there twice are one.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    pub(crate) sections: Vec<RawSection>,
    pub(crate) places: HashMap<String, usize>,
}

pub(crate) fn lex(file: &str, text: &str) -> Result<Lexed> {
    let mut lexer = Lexer {
        file,
        lexed: Lexed::default(),
        section: None,
        line: None,
    };
    // Editors of old ended files with Ctrl-Z.
    let text = text.split('\u{1a}').next().unwrap_or_default();
    for (number, line) in (1..).zip(text.lines()) {
        if number > LINE_LIMIT {
            return lexer.error(
                number,
                "file",
                format!("at most {LINE_LIMIT} lines"),
                "more",
            );
        }
        lexer.line(number, line)?;
    }
    lexer.end_line()?;
    Ok(lexer.lexed)
}

struct Lexer<'t> {
    file: &'t str,
    lexed: Lexed,
    /// The section that lines belong to now.
    section: Option<usize>,
    /// A line that goes on.
    line: Option<Fields>,
}

impl Lexer<'_> {
    fn error<T>(
        &self,
        line: u32,
        what: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Result<T> {
        Err(Error {
            file: self.file.to_owned(),
            line,
            what: what.to_owned(),
            expected: expected.into(),
            found: found.into(),
        })
    }

    fn line(&mut self, number: u32, text: &str) -> Result<()> {
        let start = text.trim_start();
        if let (None, Some(name)) = (&self.line, start.strip_prefix('[')) {
            return self.section(number, name);
        }
        let fields = self.line.get_or_insert_default();
        if fields.number == 0 {
            fields.number = number;
        }
        if fields.scan(text) {
            Ok(())
        } else {
            self.end_line()
        }
    }

    fn section(&mut self, number: u32, rest: &str) -> Result<()> {
        let Some((name, _)) = rest.split_once(']') else {
            return self.error(number, "name of a section", "\"]\" behind it", shown(rest));
        };
        let name = name.trim().trim_matches('"');
        if name.chars().count() > NAME_LIMIT {
            let expected = format!("at most {NAME_LIMIT} characters");
            return self.error(number, "name of a section", expected, shown(name));
        }
        let next = self.lexed.sections.len();
        let place = self.lexed.places.entry(name.to_lowercase());
        let place = *place.or_insert(next);
        if place == next {
            self.lexed.sections.push(RawSection {
                name: name.to_owned(),
                lines: Vec::new(),
            });
        }
        self.section = Some(place);
        Ok(())
    }

    fn end_line(&mut self) -> Result<()> {
        let Some(mut fields) = self.line.take() else {
            return Ok(());
        };
        if fields.begun || !fields.values.is_empty() {
            fields.end_field();
        }
        if fields.too_long {
            let expected = format!("fields of at most {FIELD_LIMIT} characters");
            return self.error(fields.number, "line", expected, "a longer one");
        }
        let Some(line) = fields.line() else {
            return Ok(());
        };
        let section = self.section.and_then(|at| self.lexed.sections.get_mut(at));
        match section {
            Some(section) => section.lines.push(line),
            None => {
                let found = line.key.or(line.values.into_iter().next());
                let found = shown(&found.unwrap_or_default());
                return self.error(line.number, "start of the file", "a [section]", found);
            }
        }
        Ok(())
    }
}

/// The fields of a line so far.
#[derive(Debug, Default)]
struct Fields {
    number: u32,
    key: Option<String>,
    values: Vec<String>,
    current: String,
    /// Bytes of `current` that were quoted or stand before such: not trimmed.
    kept: usize,
    /// Whether anything stands in the current field, an empty pair of quotes too.
    begun: bool,
    too_long: bool,
}

impl Fields {
    /// Takes a line of the file; whether it goes on with the next.
    fn scan(&mut self, text: &str) -> bool {
        let mut quoted = false;
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            let left = rest.as_str();
            match letter {
                '"' if quoted && left.starts_with('"') => {
                    rest.next();
                    self.keep('"');
                }
                '"' => {
                    quoted = !quoted;
                    self.begun = true;
                    self.kept = self.current.len();
                }
                _ if quoted => self.keep(letter),
                ';' => break,
                '\\' if ends(left) => return true,
                ',' => self.end_field(),
                '=' if self.key.is_none() && self.values.is_empty() => {
                    self.key = Some(self.take());
                }
                _ if letter.is_whitespace() && !self.begun => {}
                _ => {
                    self.begun = true;
                    self.current.push(letter);
                }
            }
        }
        false
    }

    fn keep(&mut self, letter: char) {
        self.begun = true;
        self.current.push(letter);
        self.kept = self.current.len();
    }

    fn take(&mut self) -> String {
        let mut field = std::mem::take(&mut self.current);
        let end = field.trim_end().len().max(self.kept);
        field.truncate(end);
        self.kept = 0;
        self.begun = false;
        self.too_long |= field.len() > FIELD_LIMIT && field.chars().count() > FIELD_LIMIT;
        field
    }

    fn end_field(&mut self) {
        let field = self.take();
        self.values.push(field);
    }

    /// The whole line; `None` when nothing stands on it.
    fn line(self) -> Option<RawLine> {
        let empty = self.key.is_none() && self.values.is_empty();
        (!empty).then_some(RawLine {
            number: self.number,
            key: self.key,
            values: self.values,
        })
    }
}

/// Whether nothing but a comment follows.
fn ends(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> (Option<String>, Vec<String>) {
        let lexed = lex("a.inf", &format!("[s]\n{text}")).unwrap();
        let line = lexed.sections[0].lines[0].clone();
        (line.key, line.values)
    }

    #[test]
    fn lines_come_apart() {
        let values = |text: &str| fields(text).1;
        assert_eq!(values("a , b;c"), ["a", "b"]);
        assert_eq!(values(r#"" a ""b"";," , c"#), [" a \"b\";,", "c"]);
        assert_eq!(values("a, \\ ; more\n  b, \\\n c"), ["a", "b", "c"]);
        assert_eq!(values(r"%12%\a.sys"), [r"%12%\a.sys"]);
        assert_eq!(values("HKR,,x,,a=b"), ["HKR", "", "x", "", "a=b"]);
        assert_eq!(values("x,"), ["x", ""]);
        assert_eq!(values(r#"a" b "c"#), ["a b c"]);
        assert_eq!(values("\"no end"), ["no end"]);
        assert_eq!(fields("a b = c, d").0.as_deref(), Some("a b"));
        assert_eq!(
            fields("a = b = c"),
            (Some("a".into()), vec!["b = c".into()])
        );
        assert_eq!(fields("a ="), (Some("a".into()), vec![]));
        assert_eq!(fields("= \"\""), (Some(String::new()), vec![String::new()]));
    }

    #[test]
    fn sections_are_one_whatever_their_case() {
        let lexed = lex("a.inf", "; c\n[A] x\n1\n[b]\n2\n[\"a\"]\n\n3\n\u{1a}junk").unwrap();
        let names: Vec<_> = lexed.sections.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["A", "b"]);
        let lines = lexed.sections[0].lines.iter();
        let lines: Vec<_> = lines.map(|l| (l.number, l.values[0].as_str())).collect();
        assert_eq!(lines, [(3, "1"), (8, "3")]);
    }

    #[test]
    fn what_is_no_inf_is_told() {
        let said = |text: &str| lex("a.inf", text).unwrap_err().to_string();
        assert_eq!(
            said("\nMZ"),
            "a.inf, line 2: start of the file: expected a [section], found \"MZ\""
        );
        assert!(said("[a\nb").contains("line 1: name of a section: expected \"]\""));
        let long = "a".repeat(FIELD_LIMIT + 1);
        assert!(said(&format!("[a]\nx,{long}")).contains("line 2: line: expected fields of at"));
    }
}
