//! Edits of a hive as data, and how they are done.

use hive::{Data, Edit, Hive, ValueType};

/// When a value is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    /// Only when it is not there.
    Absent,
    /// Only when it is there.
    Present,
}

/// What becomes of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is created.
    Create,
    /// A value is set; "" is the default value.
    Set(String, ValueType, Vec<u8>, When),
    /// Strings are added to a `REG_MULTI_SZ` that does not have them.
    AddStrings(String, Vec<String>),
    /// Strings are taken out of a `REG_MULTI_SZ`.
    RemoveStrings(String, Vec<String>),
    /// A folder is added to a list separated by `;`, whose type stays.
    AddFolder(String, String),
    /// A value is deleted.
    DeleteValue(String),
    /// The key is deleted with all below it.
    Delete,
}

/// One edit. Keys that values are set in are created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryEdit {
    /// From the root of the hive.
    pub key: String,
    pub change: Change,
}

impl RegistryEdit {
    pub(crate) fn set(key: &str, name: &str, kind: ValueType, data: Vec<u8>) -> Self {
        let change = Change::Set(name.to_owned(), kind, data, When::Always);
        Self {
            key: key.to_owned(),
            change,
        }
    }

    pub(crate) fn text(key: &str, name: &str, text: &str) -> Self {
        Self::set(key, name, ValueType::SZ, hive::sz(text))
    }

    pub(crate) fn dword(key: &str, name: &str, number: u32) -> Self {
        Self::set(key, name, ValueType::DWORD, hive::dword(number))
    }

    pub(crate) fn strings<S: AsRef<str>>(key: &str, name: &str, strings: &[S]) -> Self {
        Self::set(key, name, ValueType::MULTI_SZ, hive::multi_sz(strings))
    }
}

/// Does edits in their order; how many changed anything. All that fail leave
/// the hive as it was before that edit, see [`Edit`].
///
/// # Errors
/// When the hive is full or damaged, or a name is longer than Windows allows.
pub fn apply(edits: &[RegistryEdit], hive: &mut Edit) -> hive::Result<usize> {
    let mut changed = 0;
    for edit in edits {
        changed += usize::from(apply_one(edit, hive)?);
    }
    Ok(changed)
}

fn apply_one(edit: &RegistryEdit, hive: &mut Edit) -> hive::Result<bool> {
    let key = edit.key.as_str();
    match &edit.change {
        Change::Create => hive.create_key(key),
        Change::Set(name, kind, data, when) => {
            let is_there = value(hive.hive(), key, name)?.is_some();
            match when {
                When::Absent if is_there => Ok(false),
                When::Present if !is_there => Ok(false),
                _ => set(hive, key, name, *kind, data),
            }
        }
        Change::AddStrings(name, added) => {
            let mut lines = strings(hive.hive(), key, name)?;
            let known = |lines: &[String], new: &String| lines.iter().any(|l| same(l, new));
            let before = lines.len();
            for new in added {
                if !known(&lines, new) {
                    lines.push(new.clone());
                }
            }
            if lines.len() == before && before > 0 {
                return Ok(false);
            }
            let data = hive::multi_sz(&lines);
            set(hive, key, name, ValueType::MULTI_SZ, &data)
        }
        Change::RemoveStrings(name, removed) => {
            let mut lines = strings(hive.hive(), key, name)?;
            let before = lines.len();
            lines.retain(|line| !removed.iter().any(|gone| same(line, gone)));
            if lines.len() == before {
                return Ok(false);
            }
            let data = hive::multi_sz(&lines);
            set(hive, key, name, ValueType::MULTI_SZ, &data)
        }
        Change::AddFolder(name, folder) => add_folder(hive, key, name, folder),
        Change::DeleteValue(name) => hive.delete_value(key, name),
        Change::Delete => hive.delete_key(key),
    }
}

fn set(hive: &mut Edit, key: &str, name: &str, kind: ValueType, data: &[u8]) -> hive::Result<bool> {
    let created = hive.create_key(key)?;
    Ok(hive.set_value(key, name, kind, data)? || created)
}

/// What Windows looks in when the value is not there.
const DEFAULT_FOLDER: &str = r"%SystemRoot%\inf";

fn add_folder(hive: &mut Edit, key: &str, name: &str, folder: &str) -> hive::Result<bool> {
    let found = value(hive.hive(), key, name)?;
    let (kind, list) = match found {
        Some((kind, Data::Text(list))) => (kind, list),
        _ => (ValueType::EXPAND_SZ, DEFAULT_FOLDER.to_owned()),
    };
    if list.split(';').any(|part| same(part.trim(), folder)) {
        return Ok(false);
    }
    let list = format!("{};{folder}", list.trim_end_matches(';'));
    set(hive, key, name, kind, &hive::sz(&list))
}

fn strings(hive: &Hive, key: &str, name: &str) -> hive::Result<Vec<String>> {
    Ok(match value(hive, key, name)? {
        Some((_, Data::Lines(lines))) => lines,
        // A single string counts as a list of one.
        Some((_, Data::Text(text))) if !text.is_empty() => vec![text],
        _ => Vec::new(),
    })
}

fn value(hive: &Hive, key: &str, name: &str) -> hive::Result<Option<(ValueType, Data)>> {
    let Some(key) = hive.find(key)? else {
        return Ok(None);
    };
    let value = key.value(name)?;
    let read = value.map(|value| Ok((value.value_type(), value.decode()?)));
    read.transpose()
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}
