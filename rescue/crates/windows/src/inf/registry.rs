//! `AddReg` and `DelReg`: what to write to the registry.
//!
//! `root, [subkey], [name], [flags], [value], …`. Flags, from `SetupAPI.h`: 1 the
//! value is binary, 2 keep what is there, 4 delete the value, 8 append to a
//! `REG_MULTI_SZ`, 0x10 only the key, 0x20 only overwrite, 0x4000 the 32-bit view;
//! the upper half with bit 0 is the type.

use hive::ValueType;

use super::error::{Error, Result, shown};
use super::file::{Inf, Line};
use super::number;

const BINARY: u32 = 0x1;
const NO_CLOBBER: u32 = 0x2;
const DELETE_VALUE: u32 = 0x4;
const APPEND: u32 = 0x8;
const KEY_ONLY: u32 = 0x10;
const OVERWRITE_ONLY: u32 = 0x20;
/// `FLG_DELREG_MULTI_SZ_DELSTRING`.
const DELETE_STRINGS: u32 = 0x1_8002;

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// `HKR`: the key of the service, or of the device, it is written for.
    Relative,
    /// `HKLM`.
    Machine,
    /// `HKCR`, `HKCU`, `HKU`: no driver that boots a machine needs them.
    Other,
}

/// What happens to a value or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Create the key.
    Key,
    /// Set the value.
    Set(ValueType, Vec<u8>),
    /// Add strings that are not there to a `REG_MULTI_SZ`.
    Append(Vec<String>),
    /// Delete the value.
    DeleteValue,
    /// Delete strings of a `REG_MULTI_SZ`.
    DeleteStrings(Vec<String>),
    /// Delete the key and what is in it.
    DeleteKey,
}

/// One line of such a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub root: Root,
    /// Below the root; may be empty.
    pub subkey: String,
    /// The value; empty for a key's default value.
    pub name: String,
    pub write: Write,
    /// Only when the value is not there.
    pub unless_there: bool,
    /// Only when the value is there.
    pub only_if_there: bool,
    /// Where it stands.
    pub line: u32,
}

impl Inf {
    /// A line of an `AddReg` section.
    pub(crate) fn add_reg(&self, line: &Line) -> Result<Entry> {
        let flags = self.flags(line)?;
        let values = line.values.get(4..).unwrap_or_default();
        let write = if flags & DELETE_VALUE != 0 {
            Write::DeleteValue
        } else if flags & KEY_ONLY != 0 || line.values.len() < 3 {
            Write::Key
        } else if flags & APPEND != 0 {
            Write::Append(values.to_vec())
        } else {
            let (kind, data) = self.data(line, flags, values)?;
            Write::Set(kind, data)
        };
        Ok(Entry {
            unless_there: flags & NO_CLOBBER != 0,
            only_if_there: flags & OVERWRITE_ONLY != 0,
            ..self.entry(line, write)?
        })
    }

    /// A line of a `DelReg` section.
    pub(crate) fn del_reg(&self, line: &Line) -> Result<Entry> {
        let flags = self.flags(line)?;
        let write = if flags & DELETE_STRINGS == DELETE_STRINGS {
            Write::DeleteStrings(line.values.get(4..).unwrap_or_default().to_vec())
        } else if line.values.len() < 3 {
            Write::DeleteKey
        } else {
            Write::DeleteValue
        };
        self.entry(line, write)
    }

    fn entry(&self, line: &Line, write: Write) -> Result<Entry> {
        let root = match line.value(0).to_ascii_uppercase().as_str() {
            "HKR" => Root::Relative,
            "HKLM" => Root::Machine,
            "HKCR" | "HKCU" | "HKU" => Root::Other,
            _ => {
                let expected = "HKR, HKLM, HKCR, HKCU or HKU";
                let found = line.key.as_deref().unwrap_or_else(|| line.value(0));
                return Err(self.error(line.number, "root key", expected, shown(found)));
            }
        };
        let subkey = line.value(1).trim_matches('\\').to_owned();
        if write == Write::DeleteKey && subkey.is_empty() {
            let expected = "the name of a key or a value to delete";
            return Err(self.error(line.number, "DelReg", expected, "neither"));
        }
        Ok(Entry {
            root,
            subkey,
            name: line.value(2).to_owned(),
            write,
            unless_there: false,
            only_if_there: false,
            line: line.number,
        })
    }

    fn flags(&self, line: &Line) -> Result<u32> {
        match line.value(3) {
            "" => Ok(0),
            text => number::parse(text).ok_or_else(|| {
                let found = shown(text);
                self.error(line.number, "flags of a registry entry", "a number", found)
            }),
        }
    }

    fn data(&self, line: &Line, flags: u32, values: &[String]) -> Result<(ValueType, Vec<u8>)> {
        let first = values.first().map_or("", String::as_str);
        let upper = flags >> 16;
        Ok(match (flags & BINARY != 0, upper) {
            (false, 0) => (ValueType::SZ, hive::sz(first)),
            (false, 1) => {
                let strings: Vec<_> = values.iter().filter(|text| !text.is_empty()).collect();
                (ValueType::MULTI_SZ, hive::multi_sz(&strings))
            }
            (false, 2) => (ValueType::EXPAND_SZ, hive::sz(first)),
            (true, 0) => (ValueType::BINARY, self.bytes(line, values)?),
            (true, 1) => (ValueType::DWORD, self.dword(line, values)?),
            (true, 2) => (ValueType::NONE, self.bytes(line, values)?),
            // Types by their number, such as 0xB0001 for REG_QWORD, come as bytes.
            (true, kind) => (ValueType(kind), self.bytes(line, values)?),
            (false, _) => {
                let expected = "the type of a text, of binary data or of a number";
                let found = format!("{flags:#x}");
                return Err(self.error(line.number, "flags of a registry entry", expected, found));
            }
        })
    }

    /// A number; also as four bytes, low byte first.
    fn dword(&self, line: &Line, values: &[String]) -> Result<Vec<u8>> {
        match values {
            [] => Ok(hive::dword(0)),
            [one] if one.is_empty() => Ok(hive::dword(0)),
            [one] => match number::parse(one) {
                Some(number) => Ok(hive::dword(number)),
                None => Err(self.bad_data(line, "a number of 32 bits", one)),
            },
            _ => match self.bytes(line, values)? {
                bytes if bytes.len() == 4 => Ok(bytes),
                bytes => Err(self.bad_data(line, "four bytes", &bytes.len().to_string())),
            },
        }
    }

    /// Bytes in hexadecimal digits, a field each or several in one (`00,1f`, `0x1f`).
    fn bytes(&self, line: &Line, values: &[String]) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for text in values.iter().filter(|text| !text.is_empty()) {
            let digits = text.strip_prefix("0x").unwrap_or(text);
            let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            match u8::from_str_radix(digits, 16) {
                Ok(byte) if all => bytes.push(byte),
                _ => return Err(self.bad_data(line, "bytes in hexadecimal digits", text)),
            }
        }
        Ok(bytes)
    }

    fn bad_data(&self, line: &Line, expected: &str, found: &str) -> Error {
        self.error(
            line.number,
            "data of a registry entry",
            expected,
            shown(found),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, del: bool) -> Result<Entry> {
        let inf = Inf::parse("a.inf", format!("[s]\n{line}").as_bytes(), Inf::ENGLISH)?;
        let line = &inf.section("s").unwrap().lines[0];
        if del {
            inf.del_reg(line)
        } else {
            inf.add_reg(line)
        }
    }

    fn set(line: &str) -> (ValueType, Vec<u8>) {
        match read(line, false).unwrap().write {
            Write::Set(kind, data) => (kind, data),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_type_is_read() {
        assert_eq!(set("HKR,,a,,text"), (ValueType::SZ, hive::sz("text")));
        assert_eq!(
            set("HKR,\"Interrupt Management\",0x10"),
            (ValueType::SZ, hive::sz(""))
        );
        assert_eq!(
            set("HKR,,a,0x20000,%1%"),
            (ValueType::EXPAND_SZ, hive::sz("%1%"))
        );
        let multi = (ValueType::MULTI_SZ, hive::multi_sz(&["a", "b"]));
        assert_eq!(set("HKR,,a,0x00010000,a,b"), multi);
        assert_eq!(
            set("HKR,,a,1,00,1F, 0xff"),
            (ValueType::BINARY, vec![0, 0x1F, 0xFF])
        );
        assert_eq!(
            set("HKR,,a,0x10001,0x0000000A"),
            (ValueType::DWORD, hive::dword(10))
        );
        assert_eq!(
            set("HKR,,a,65537,01,02,00,00"),
            (ValueType::DWORD, hive::dword(0x201))
        );
        assert_eq!(set("HKR,,a,0x20001"), (ValueType::NONE, vec![]));
        let qword = vec![1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            set("HKR,,a,0xb0001,1,0,0,0,0,0,0,0"),
            (ValueType::QWORD, qword)
        );
    }

    #[test]
    fn what_is_not_setting_is_read() {
        let entry = |line: &str| read(line, false).unwrap();
        assert_eq!(entry("HKR,Parameters\\A\\,,0x10").write, Write::Key);
        assert_eq!(entry("HKR,Parameters").write, Write::Key);
        assert_eq!(entry("HKLM,S,v,4").write, Write::DeleteValue);
        let append = entry("HKLM,S,v,0x00010008,x,y");
        assert_eq!(append.write, Write::Append(vec!["x".into(), "y".into()]));
        assert_eq!((append.root, append.subkey.as_str()), (Root::Machine, "S"));
        let kept = entry("HKR,,v,0x00010003,1");
        assert!(kept.unless_there && !kept.only_if_there);
        assert!(entry("HKR,,v,0x20,1").only_if_there);
        let entry = |line: &str| read(line, true).unwrap().write;
        assert_eq!(entry("HKR,Old"), Write::DeleteKey);
        assert_eq!(entry("HKR,,v"), Write::DeleteValue);
        assert_eq!(
            entry("HKR,,v,0x18002,x"),
            Write::DeleteStrings(vec!["x".into()])
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let said = |line: &str, del| read(line, del).unwrap_err().to_string();
        assert!(said("HKX,,a", false).contains("a.inf, line 2: root key: expected HKR"));
        assert!(said("HKR,,a,zero", false).contains("flags"));
        assert!(said("HKR,,a,0x50000,x", false).contains("flags"));
        assert!(said("HKR,,a,0x10001,x", false).contains("a number of 32 bits, found \"x\""));
        assert!(said("HKR,,a,0x10001,1,2", false).contains("four bytes"));
        assert!(said("HKR,,a,1,1ff", false).contains("hexadecimal"));
        assert!(said("HKR", true).contains("neither"));
    }
}
