//! One layer in the making.

use std::collections::BTreeMap;

use crate::{Error, Result, cpio};

/// What an entry of a layer is. Modes are permission bits only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Dir {
        /// Permissions, such as `0o755`.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permissions, such as `0o644`.
        mode: u32,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as stored.
        target: String,
    },
    /// A character device.
    CharDevice {
        /// Permissions.
        mode: u32,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// A layer: paths and what is there. Parent folders come into being by
/// themselves; adding a path twice replaces the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    // Sorted, so that an archive does not depend on the order of insertion
    // and a folder always precedes what is in it.
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// A layer with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `node` at `path` ("etc/rescue/medium.json", no leading slash).
    ///
    /// # Errors
    /// [`Error::BadPath`] for a path that is empty, absolute, has empty, `.`
    /// or `..` parts, a NUL, or passes through something that is no folder.
    pub fn add(&mut self, path: &str, node: Node) -> Result<()> {
        check(path)?;
        for (at, _) in path.match_indices('/') {
            let parent = path.get(..at).unwrap_or_default();
            match self.nodes.get(parent) {
                None => {
                    let dir = Node::Dir { mode: 0o755 };
                    self.nodes.insert(parent.to_owned(), dir);
                }
                Some(Node::Dir { .. }) => {}
                Some(_) => return Err(bad(path, "a parent of it is not a folder")),
            }
        }
        if !matches!(node, Node::Dir { .. }) && self.has_children(path) {
            return Err(bad(path, "it is a folder with entries already"));
        }
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// A folder.
    ///
    /// # Errors
    /// See [`Tree::add`].
    pub fn dir(&mut self, path: &str, mode: u32) -> Result<()> {
        self.add(path, Node::Dir { mode })
    }

    /// A regular file.
    ///
    /// # Errors
    /// See [`Tree::add`].
    pub fn file(&mut self, path: &str, mode: u32, data: Vec<u8>) -> Result<()> {
        self.add(path, Node::File { mode, data })
    }

    /// A symbolic link.
    ///
    /// # Errors
    /// See [`Tree::add`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        let target = target.to_owned();
        self.add(path, Node::Symlink { target })
    }

    /// What is at `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// All entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// The cpio archive, uncompressed. `mtime` is the time of every entry, in
    /// seconds since 1970.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a file of 4 GiB or more.
    pub fn to_cpio(&self, mtime: u32) -> Result<Vec<u8>> {
        cpio::write(self.iter(), mtime)
    }

    fn has_children(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        let next = self.nodes.range(prefix.clone()..).next();
        next.is_some_and(|(key, _)| key.starts_with(&prefix))
    }
}

fn bad(path: &str, reason: &'static str) -> Error {
    Error::BadPath {
        path: path.to_owned(),
        reason,
    }
}

fn check(path: &str) -> Result<()> {
    if path.starts_with('/') {
        return Err(bad(path, "it must be relative"));
    }
    if path.contains('\0') {
        return Err(bad(path, "it has a NUL"));
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(bad(path, "a part of it is empty, '.' or '..'"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_appear_and_precede_their_children() {
        let mut tree = Tree::new();
        tree.file("a/b/c", 0o644, vec![1]).unwrap();
        tree.file("a-b", 0o644, vec![]).unwrap();
        let paths: Vec<_> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["a", "a-b", "a/b", "a/b/c"]);
    }

    #[test]
    fn bad_paths_are_refused() {
        let mut tree = Tree::new();
        for path in ["", "/etc", "a//b", "a/../b", "./a", "a/", "a\0b"] {
            assert!(tree.file(path, 0o644, vec![]).is_err(), "{path:?}");
        }
        tree.file("a", 0o644, vec![]).unwrap();
        assert!(tree.file("a/b", 0o644, vec![]).is_err());
        tree.file("d/e", 0o644, vec![]).unwrap();
        assert!(tree.symlink("d", "elsewhere").is_err());
        assert_eq!(tree.iter().count(), 3);
    }
}
