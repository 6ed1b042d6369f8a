//! hivex, a C library (LGPL) with its own reader, as the oracle: every key,
//! value, type and byte. Needs packages libhivex-bin and libwin-hivex-perl.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use hive::{Hive, Key, Value, ValueType};

/// What hivexregedit exports of a hive file.
pub(crate) fn export(file: &Path) -> String {
    let output = Command::new("hivexregedit")
        .args(["--export".as_ref(), file.as_os_str(), "\\".as_ref()])
        .env("PERL_UNICODE", "O") // It writes Latin-1 where that is enough.
        .output()
        .expect("hivexregedit runs (packages libhivex-bin, libwin-hivex-perl)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "hivexregedit: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same of bytes.
pub(crate) fn export_bytes(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    export(file.path())
}

/// A hive with a `.reg` file merged into it by hivexregedit.
pub(crate) fn merge(hive: &[u8], reg: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (file, text) = (folder.path().join("hive"), folder.path().join("text.reg"));
    std::fs::write(&file, hive).unwrap();
    // Its parser ends a key at the first comment.
    let is_comment = |line: &&str| line.starts_with(';');
    let lines: Vec<&str> = reg.lines().filter(|line| !is_comment(line)).collect();
    std::fs::write(&text, lines.join("\n")).unwrap();
    let output = Command::new("hivexregedit")
        .args(["--merge", "--prefix", "\\"])
        .args([&file, &text])
        .output();
    let output = output.expect("hivexregedit runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "hivexregedit --merge: {said}");
    std::fs::read(&file).unwrap()
}

/// What we read, in the form that hivexregedit exports.
pub(crate) fn ours(hive: &Hive) -> String {
    let mut out = "Windows Registry Editor Version 5.00\n".to_owned();
    tree_text(&mut out, "\\", &hive.root().unwrap());
    out.push('\n');
    out
}

/// hivexregedit sorts by the bytes of names.
fn tree_text(out: &mut String, path: &str, key: &Key<'_>) {
    key_text(out, path, key);
    let mut subkeys = key.subkeys().unwrap();
    let text = |key: &Key<'_>| String::from_utf16_lossy(key.name().units());
    subkeys.sort_by_key(text);
    for subkey in subkeys {
        let path = format!("{}\\{}", path.trim_end_matches('\\'), text(&subkey));
        tree_text(out, &path, &subkey);
    }
}

fn key_text(out: &mut String, path: &str, key: &Key<'_>) {
    writeln!(out, "\n[{path}]").unwrap();
    let mut values = key.values().unwrap();
    let text = |value: &Value<'_>| String::from_utf16_lossy(value.name().units());
    values.sort_by_key(text);
    for value in values {
        match text(&value) {
            name if name.is_empty() => out.push_str("@="),
            name => {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(out, "\"{name}\"=").unwrap();
            }
        }
        let data = value.data().unwrap();
        match (value.value_type(), <[u8; 4]>::try_from(&*data)) {
            (ValueType::DWORD, Ok(bytes)) => {
                write!(out, "dword:{:08x}", u32::from_le_bytes(bytes)).unwrap();
            }
            (ValueType(kind), _) => {
                let bytes: Vec<String> = data.iter().map(|b| format!("{b:02x}")).collect();
                write!(out, "hex({kind:x}):{}", bytes.join(",")).unwrap();
            }
        }
        out.push('\n');
    }
}

/// Compares texts line by line: a difference shows as one line, not as two files.
pub(crate) fn assert_same(name: &str, oracle: &str, ours: &str) {
    let lines = oracle.lines().zip(ours.lines()).enumerate();
    for (number, (oracle, ours)) in lines {
        assert!(
            oracle == ours,
            "{name}, line {}:\noracle {oracle:.400}\nours   {ours:.400}",
            number + 1
        );
    }
    assert_eq!(
        oracle.lines().count(),
        ours.lines().count(),
        "{name}: lines"
    );
}
