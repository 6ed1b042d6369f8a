//! What is different between two hives.

use std::cmp::Ordering;
use std::fmt;

use crate::data::ValueType;
use crate::dump::{data_text, quoted};
use crate::error::damaged;
use crate::hive::DEPTH_LIMIT;
use crate::name::Name;
use crate::walk::join;
use crate::{FileTime, Hive, Key, Result};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path of the key.
    pub key: String,
    /// What is different.
    pub what: What,
}

/// A value's type and data.
pub type Content = (ValueType, Vec<u8>);

/// What can be different of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Only the new hive has the key; its values and subkeys follow.
    KeyAdded,
    /// Only the old hive has the key; its values and subkeys follow.
    KeyRemoved,
    /// When the key was last written.
    Time(FileTime, FileTime),
    /// Its class.
    Class(Option<Name>, Option<Name>),
    /// Its security descriptor.
    Security(Vec<u8>, Vec<u8>),
    /// Its flags, or the case of its name.
    Form(String, String),
    /// A value; `None` on the side that does not have it.
    Value(Name, Option<Content>, Option<Content>),
}

/// Compares two hives, in the order of their keys; space and order of values
/// do not count.
///
/// # Errors
/// When something that is compared is damaged: check with [`Hive::validate`].
pub fn diff(old: &Hive, new: &Hive) -> Result<Vec<Change>> {
    let mut diff = Diff(Vec::new());
    diff.keys("", 0, &old.root()?, &new.root()?)?;
    Ok(diff.0)
}

struct Diff(Vec<Change>);

impl Diff {
    fn add(&mut self, key: &str, what: What) {
        let key = key.to_owned();
        self.0.push(Change { key, what });
    }

    /// Two keys of the same path. Recursion ends at the depth that hives end at.
    fn keys(&mut self, path: &str, depth: usize, old: &Key<'_>, new: &Key<'_>) -> Result<()> {
        if depth > DEPTH_LIMIT {
            let position = old.node.offset.position();
            let expected = format!("at most {DEPTH_LIMIT} keys within each other");
            return damaged("key", position, expected, "more");
        }
        self.key(path, old, new)?;
        let (olds, news) = (old.subkeys()?, new.subkeys()?);
        for pair in paired(&olds, &news, Key::name) {
            match pair {
                (Some(old), Some(new)) => {
                    let path = join(path, &new.name().to_string());
                    self.keys(&path, depth + 1, old, new)?;
                }
                (Some(gone), None) => self.tree(path, gone, false)?,
                (None, Some(come)) => self.tree(path, come, true)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn key(&mut self, path: &str, old: &Key<'_>, new: &Key<'_>) -> Result<()> {
        let form = |key: &Key<'_>| format!("{} with flags {:#x}", key.name(), key.flags());
        if form(old) != form(new) {
            self.add(path, What::Form(form(old), form(new)));
        }
        let times = (old.last_written(), new.last_written());
        if times.0 != times.1 {
            self.add(path, What::Time(times.0, times.1));
        }
        let classes = (old.class()?, new.class()?);
        if classes.0 != classes.1 {
            self.add(path, What::Class(classes.0, classes.1));
        }
        let security = (old.security()?, new.security()?);
        if security.0 != security.1 {
            let (old, new) = (security.0.to_vec(), security.1.to_vec());
            self.add(path, What::Security(old, new));
        }
        self.values(path, old, new)
    }

    fn values(&mut self, path: &str, old: &Key<'_>, new: &Key<'_>) -> Result<()> {
        let (olds, news) = (contents(old)?, contents(new)?);
        for (old, new) in paired(&olds, &news, |value| value.0.clone()) {
            let Some((name, _)) = new.or(old) else {
                continue;
            };
            let (old, new) = (old.map(|v| &v.1), new.map(|v| &v.1));
            if old != new {
                let what = What::Value(name.clone(), old.cloned(), new.cloned());
                self.add(path, what);
            }
        }
        Ok(())
    }

    /// A whole tree that is on one side only.
    fn tree(&mut self, path: &str, key: &Key<'_>, added: bool) -> Result<()> {
        let path = join(path, &key.name().to_string());
        for item in key.walk(&path) {
            let (path, key) = item?;
            let what = if added {
                What::KeyAdded
            } else {
                What::KeyRemoved
            };
            self.add(&path, what);
            for (name, content) in contents(&key)? {
                let (old, new) = match added {
                    true => (None, Some(content)),
                    false => (Some(content), None),
                };
                self.add(&path, What::Value(name, old, new));
            }
        }
        Ok(())
    }
}

/// The values of a key in the order of their names.
fn contents(key: &Key<'_>) -> Result<Vec<(Name, Content)>> {
    let mut contents = Vec::new();
    for value in key.values()? {
        let content = (value.value_type(), value.data()?.into_owned());
        contents.push((value.name(), content));
    }
    contents.sort_by(|a, b| a.0.order(&b.0));
    Ok(contents)
}

/// Two sorted lists side by side.
fn paired<'a, T>(
    olds: &'a [T],
    news: &'a [T],
    name: impl Fn(&T) -> Name,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let (mut olds, mut news) = (olds.iter().peekable(), news.iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => name(old).order(&name(new)),
        };
        let old = if order.is_le() { olds.next() } else { None };
        let new = if order.is_ge() { news.next() } else { None };
        pairs.push((old, new));
    }
}

/// One line, or a few for long data: `-` what was, `+` what is.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = format!("[\\{}]", self.key);
        let both = |f: &mut fmt::Formatter<'_>,
                    what: &str,
                    old: &dyn fmt::Display,
                    new: &dyn fmt::Display| {
            write!(f, "  {key}\n-   {what} {old}\n+   {what} {new}")
        };
        match &self.what {
            What::KeyAdded => write!(f, "+ {key}"),
            What::KeyRemoved => write!(f, "- {key}"),
            What::Time(old, new) => both(f, "written", old, new),
            What::Form(old, new) => both(f, "key", old, new),
            What::Class(old, new) => {
                let text = |class: &Option<Name>| class.as_ref().map_or("none".to_owned(), quoted);
                both(f, "class", &text(old), &text(new))
            }
            What::Security(old, new) => {
                let text = |bytes: &[u8]| data_text(ValueType::BINARY, bytes, 14);
                both(f, "security", &text(old), &text(new))
            }
            What::Value(name, old, new) => {
                write!(f, "  {key}")?;
                for (sign, content) in [('-', old), ('+', new)] {
                    if let Some((kind, data)) = content {
                        let name = if name.is_empty() {
                            "@".to_owned()
                        } else {
                            quoted(name)
                        };
                        let text = data_text(*kind, data, name.len() + 5);
                        write!(f, "\n{sign}   {name}={text}")?;
                    }
                }
                Ok(())
            }
        }
    }
}
