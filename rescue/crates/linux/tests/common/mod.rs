//! Files in memory.

use std::collections::BTreeMap;

use linux::{Edits, Files, Unread};

#[derive(Default)]
pub(crate) struct Tree(pub(crate) BTreeMap<String, Vec<u8>>);

impl Tree {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter();
        Self(
            files
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect(),
        )
    }
}

impl Files for Tree {
    fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, Unread> {
        match self.0.get(path) {
            Some(bytes) if bytes.len() as u64 > cap => Err(Unread {
                path: path.to_owned(),
                what: "it is too large".to_owned(),
            }),
            bytes => Ok(bytes.cloned()),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>, Unread> {
        let below = format!("{path}/");
        let names = self.0.keys().filter_map(|file| file.strip_prefix(&below));
        let mut names: Vec<String> = names
            .map(|name| name.split('/').next().unwrap_or(name).to_owned())
            .collect();
        names.dedup();
        Ok(names)
    }
}

/// The new contents of `path`.
#[allow(dead_code)]
pub(crate) fn after<'e>(edits: &'e Edits, path: &str) -> Option<&'e str> {
    let file = edits.files.iter().find(|file| file.path == path)?;
    Some(&file.text)
}
