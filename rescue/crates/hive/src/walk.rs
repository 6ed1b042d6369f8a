//! All keys of a hive, parents before their children.

use crate::bitset::BitSet;
use crate::error::damaged;
use crate::hive::DEPTH_LIMIT;
use crate::{Error, Hive, Key, Result};

/// The keys below one key, and the key itself; see [`Key::walk`].
#[derive(Debug)]
pub struct Walk<'h> {
    waiting: Vec<Waiting<'h>>,
    /// A damaged hive may lead in circles.
    seen: BitSet,
}

#[derive(Debug)]
enum Waiting<'h> {
    Key {
        path: String,
        depth: usize,
        key: Key<'h>,
    },
    Failed(Error),
}

impl Hive {
    /// All keys with their paths, in the order of the hive.
    ///
    /// # Errors
    /// When the root is damaged. Other damage comes as an item, and the walk goes on.
    pub fn walk(&self) -> Result<Walk<'_>> {
        Ok(self.root()?.walk(""))
    }
}

impl<'h> Key<'h> {
    /// This key and all below it; `path` is what their paths begin with.
    #[must_use]
    pub fn walk(&self, path: &str) -> Walk<'h> {
        let first = Waiting::Key {
            path: path.to_owned(),
            depth: 0,
            key: *self,
        };
        Walk {
            waiting: vec![first],
            seen: BitSet::default(),
        }
    }
}

impl<'h> Walk<'h> {
    fn children(&self, path: &str, depth: usize, key: &Key<'h>) -> Result<Vec<Waiting<'h>>> {
        let position = key.node.offset.position();
        if depth > DEPTH_LIMIT {
            let expected = format!("at most {DEPTH_LIMIT} keys within each other");
            return damaged("key", position, expected, "more");
        }
        let keys = key.subkeys()?.into_iter().map(|key| Waiting::Key {
            path: join(path, &key.name().to_string()),
            depth: depth + 1,
            key,
        });
        Ok(keys.collect())
    }
}

impl<'h> Iterator for Walk<'h> {
    type Item = Result<(String, Key<'h>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (path, depth, key) = match self.waiting.pop()? {
            Waiting::Key { path, depth, key } => (path, depth, key),
            Waiting::Failed(error) => return Some(Err(error)),
        };
        if !self.seen.insert(key.node.offset) {
            let position = key.node.offset.position();
            return Some(damaged("key", position, "one way to each key", "a second"));
        }
        match self.children(&path, depth, &key) {
            Ok(children) => self.waiting.extend(children.into_iter().rev()),
            Err(error) => self.waiting.push(Waiting::Failed(error)),
        }
        Some(Ok((path, key)))
    }
}

/// A path one key longer.
pub(crate) fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}\\{name}"),
    }
}
