//! A hive as text, in the form of `.reg` files.
//!
//! What regedit would write, with what a rescue also wants to know as comments:
//! times, classes, and what hexadecimal text says.

use std::fmt::{self, Write};

use crate::data::{Data, ValueType};
use crate::name::Name;
use crate::{Hive, Key, Value};

/// The first line of a `.reg` file.
const HEADER: &str = "Windows Registry Editor Version 5.00";
/// Lines of hexadecimal digits end here, as regedit's do.
const WIDTH: usize = 78;

impl Hive {
    /// Writes all keys and values as a `.reg` file; paths begin with `\`.
    /// Damage comes as a comment where it is met.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn dump(&self, out: &mut impl Write) -> fmt::Result {
        writeln!(out, "{HEADER}")?;
        match self.root() {
            Ok(root) => dump_key(&root, "", out),
            Err(error) => writeln!(out, "\n; {error}"),
        }
    }
}

fn dump_key(key: &Key<'_>, path: &str, out: &mut impl Write) -> fmt::Result {
    for item in key.walk(path) {
        match item {
            Ok((path, key)) => one_key(&key, &path, out)?,
            Err(error) => writeln!(out, "\n; {error}")?,
        }
    }
    Ok(())
}

fn one_key(key: &Key<'_>, path: &str, out: &mut impl Write) -> fmt::Result {
    writeln!(out, "\n[\\{path}]\n; written {}", key.last_written())?;
    match key.class() {
        Ok(Some(class)) => writeln!(out, "; class {}", quoted(&class))?,
        Ok(None) => {}
        Err(error) => writeln!(out, "; {error}")?,
    }
    match key.values() {
        Ok(values) => values.iter().try_for_each(|value| one_value(value, out)),
        Err(error) => writeln!(out, "; {error}"),
    }
}

fn one_value(value: &Value<'_>, out: &mut impl Write) -> fmt::Result {
    let data = match value.data() {
        Ok(data) => data,
        Err(error) => return writeln!(out, "; value {}: {error}", quoted(&value.name())),
    };
    let (kind, name) = (value.value_type(), value.name());
    let line = match name.is_empty() {
        true => "@=".to_owned(),
        false => format!("{}=", quoted(&name)),
    };
    writeln!(out, "{line}{}", data_text(kind, &data, line.len()))?;
    match meaning(kind, &data) {
        Some(text) => writeln!(out, "; {text}"),
        None => Ok(()),
    }
}

/// Data as a `.reg` file has them: nothing is lost, whatever the type.
/// `column` is where they begin.
pub(crate) fn data_text(kind: ValueType, data: &[u8], column: usize) -> String {
    if kind == ValueType::SZ
        && let Some(text) = plain_text(data)
    {
        return format!("\"{}\"", escaped(&text));
    }
    if kind == ValueType::DWORD
        && let Data::Dword(number) = Data::decode(kind, data)
    {
        return format!("dword:{number:08x}");
    }
    let mut text = match kind {
        ValueType::BINARY => "hex:".to_owned(),
        ValueType(number) => format!("hex({number:x}):"),
    };
    let mut at = column + text.len();
    for (index, byte) in data.iter().enumerate() {
        let more = index + 1 < data.len();
        text.push_str(&format!("{byte:02x}{}", if more { "," } else { "" }));
        at += 3;
        if more && at + 3 > WIDTH {
            text.push_str("\\\n  ");
            at = 2;
        }
    }
    text
}

/// The text of a string that is nothing but text and its NUL.
fn plain_text(data: &[u8]) -> Option<String> {
    let units = crate::bytes::units(data);
    let (end, text) = units.split_last()?;
    let text = String::from_utf16(text).ok()?;
    let plain = data.len().is_multiple_of(2) && *end == 0 && !text.chars().any(char::is_control);
    plain.then_some(text)
}

/// What hexadecimal text says, when it says something.
fn meaning(kind: ValueType, data: &[u8]) -> Option<String> {
    match Data::decode(kind, data) {
        Data::Text(text) if kind != ValueType::SZ => Some(format!("\"{}\"", visible(&text))),
        Data::Lines(lines) => {
            let lines: Vec<_> = lines
                .iter()
                .map(|l| format!("\"{}\"", visible(l)))
                .collect();
            Some(lines.join(", "))
        }
        Data::Qword(number) => Some(number.to_string()),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

/// Text with what could move a cursor written `\u{…}`.
fn visible(text: &str) -> String {
    Name::from(text).to_string()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// A name in quotes.
pub(crate) fn quoted(name: &Name) -> String {
    format!("\"{}\"", escaped(&name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{multi_sz, sz};

    #[test]
    fn text_is_text_only_when_nothing_is_lost() {
        let text = |data: &[u8]| data_text(ValueType::SZ, data, 0);
        assert_eq!(text(&sz(r#"C:\a "b""#)), r#""C:\\a \"b\"""#);
        assert_eq!(text(&sz("a\nb")), "hex(1):61,00,0a,00,62,00,00,00");
        assert_eq!(text(b"a\0"), "hex(1):61,00");
        assert_eq!(text(b"a\0\0\0b"), "hex(1):61,00,00,00,62");
        assert_eq!(text(b""), "hex(1):");
    }

    #[test]
    fn numbers_and_other_types() {
        assert_eq!(
            data_text(ValueType::DWORD, &[1, 0, 0, 0], 0),
            "dword:00000001"
        );
        assert_eq!(data_text(ValueType::DWORD, &[1], 0), "hex(4):01");
        assert_eq!(data_text(ValueType(0x221), &[], 0), "hex(221):");
        assert_eq!(
            meaning(ValueType::MULTI_SZ, &multi_sz(&["a", "b"])).unwrap(),
            "\"a\", \"b\""
        );
    }

    #[test]
    fn long_data_are_wrapped() {
        let text = data_text(ValueType::BINARY, &[0xAB; 60], 4);
        assert!(text.lines().count() == 3 && text.lines().all(|l| l.len() <= 79));
        let joined = text.replace("\\\n  ", "");
        assert_eq!(joined.len(), 4 + 60 * 3 - 1);
    }
}
