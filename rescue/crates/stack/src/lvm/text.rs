//! The text that LVM keeps its metadata in: sections in braces, values of
//! numbers, strings and lists (`lvm.conf(5)` describes the syntax).

use std::collections::BTreeMap;

/// LVM nests four deep.
const DEPTH_CAP: usize = 8;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Text(String),
    List(Vec<Value>),
}

/// What is between braces, or the whole text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) values: BTreeMap<String, Value>,
    /// In their order.
    pub(crate) sections: Vec<(String, Section)>,
}

impl Section {
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.values.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
    /// The list, or nothing where it is none.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        match self.values.get(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }
    /// The list has the string.
    pub(crate) fn has(&self, name: &str, text: &str) -> bool {
        let is = |value: &Value| matches!(value, Value::Text(is) if is == text);
        self.list(name).iter().any(is)
    }
    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        let found = self.sections.iter().find(|(is, _)| is == name);
        found.map(|(_, section)| section)
    }
}

/// The text as a tree; the error says what is wrong, and where.
pub(crate) fn parse(text: &[u8]) -> Result<Section, String> {
    let mut parser = Parser { text, at: 0 };
    parser.section(0)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, expected: &str) -> Result<T, String> {
        let at = self.at;
        Err(format!("its text has no {expected} at byte {at}"))
    }

    /// The next byte that is neither space nor in a comment.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at)? {
                b'#' => {
                    let rest = self.text.get(self.at..)?;
                    let line = rest.iter().position(|byte| *byte == b'\n');
                    self.at += line.unwrap_or(rest.len());
                }
                // The text ends with a zero.
                byte if byte.is_ascii_whitespace() || *byte == 0 => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self) -> Result<String, String> {
        self.peek();
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| !byte.is_ascii_graphic() || b"{}[]=,\"#".contains(byte);
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or_default();
        if word.is_empty() {
            return self.fail("name");
        }
        self.at += len;
        Ok(String::from_utf8_lossy(word).into_owned())
    }

    fn section(&mut self, depth: usize) -> Result<Section, String> {
        if depth > DEPTH_CAP {
            return self.fail("end of its sections");
        }
        let mut section = Section::default();
        loop {
            match self.peek() {
                None if depth == 0 => return Ok(section),
                Some(b'}') if depth > 0 => {
                    self.at += 1;
                    return Ok(section);
                }
                _ => {}
            }
            let name = self.word()?;
            if self.takes(b'{') {
                let inner = self.section(depth + 1)?;
                section.sections.push((name, inner));
            } else if self.takes(b'=') {
                let value = self.value(depth)?;
                section.values.insert(name, value);
            } else {
                return self.fail("= or {");
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'[') if depth <= DEPTH_CAP => {
                self.at += 1;
                let mut list = Vec::new();
                while !self.takes(b']') {
                    list.push(self.value(depth + 1)?);
                    if !self.takes(b',') && self.peek() != Some(b']') {
                        return self.fail(", or ]");
                    }
                }
                Ok(Value::List(list))
            }
            _ => {
                let word = self.word()?;
                let number = word.parse().map(Value::Number);
                Ok(number.unwrap_or(Value::Text(word)))
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut string = Vec::new();
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    string.extend(self.text.get(self.at));
                }
                Some(byte) => string.push(*byte),
                None => return self.fail("\" to end a string"),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(String::from_utf8_lossy(&string).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_sections_lists_and_comments() {
        let text = b"a = 7 # a = 8\nvg-1 {\n s = \"x \\\"y\\\" \\\\ #\"\n l = [\"pv0\", 3,\n\"pv1\", 0]\n e = []\nin { n = -1 }\n}\n\0";
        let tree = parse(text).unwrap();
        assert_eq!(tree.number("a"), Some(7));
        let vg = tree.section("vg-1").unwrap();
        assert_eq!(vg.text("s"), Some("x \"y\" \\ #"));
        assert_eq!(vg.list("l").len(), 4);
        assert!(vg.has("l", "pv1") && !vg.has("l", "pv2") && vg.list("e").is_empty());
        assert_eq!(vg.section("in").unwrap().text("n"), Some("-1"));
    }

    #[test]
    fn what_is_no_such_text_is_refused() {
        let endless = "a{".repeat(100_000);
        let lists = format!("a={}", "[".repeat(100_000));
        for text in [
            "a",
            "a =",
            "a = \"b",
            "a {",
            "a = [1",
            "}",
            "a = [1 2]",
            &endless,
            &lists,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:.20}");
        }
    }
}
