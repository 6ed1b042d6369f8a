//! What an area holds.

use std::collections::BTreeMap;

use crate::config::{Config, ConfigError};
use crate::plan::{self, Plan, PlanError};
use crate::{Kind, Name};

/// No area has more files.
const MOST_FILES: usize = 4096;

/// The files of an area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    files: BTreeMap<Name, Vec<u8>>,
}

/// Files that cannot be in an area, or not together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A file has more bytes than make sense.
    #[error("{name} has {size} bytes, at most {most} make sense")]
    TooLarge {
        /// Its name.
        name: Name,
        /// Its size.
        size: u64,
        /// The most there can be.
        most: u64,
    },
    /// Too many files.
    #[error("it has {found} files, at most {MOST_FILES} can be")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A name is both a file and a folder.
    #[error("{0} is a file and a folder")]
    FileAndFolder(Name),
}

impl Contents {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// All files, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &[u8])> {
        self.files
            .iter()
            .map(|(name, data)| (name, data.as_slice()))
    }

    /// A file's bytes.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let name = Name::new(name).ok()?;
        self.files.get(&name).map(Vec::as_slice)
    }

    /// Adds a file, or replaces it.
    pub fn set(&mut self, name: Name, data: Vec<u8>) {
        self.files.insert(name, data);
    }

    /// Takes all files of a kind out.
    pub fn clear(&mut self, kind: Kind) {
        self.files.retain(|name, _| name.kind() != kind);
    }

    /// The configuration; the default where there is no `site.toml`.
    ///
    /// # Errors
    /// [`ConfigError`], with the line it is about.
    pub fn config(&self) -> Result<Config, ConfigError> {
        match self.get("site.toml") {
            Some(bytes) => Config::parse("site.toml", &String::from_utf8_lossy(bytes)),
            None => Ok(Config::default()),
        }
    }

    /// The unattended plan, if there is one.
    ///
    /// # Errors
    /// [`PlanError`], with the line it is about.
    pub fn plan(&self) -> Result<Option<Plan>, PlanError> {
        let text = self.get("plan.toml").map(String::from_utf8_lossy);
        text.map(|text| plan::parse("plan.toml", &text)).transpose()
    }

    /// Whether sizes and names can be so; says nothing about what is in the files.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn check(&self) -> Result<(), Problem> {
        if self.files.len() > MOST_FILES {
            return Err(Problem::TooMany {
                found: self.files.len(),
            });
        }
        for (name, data) in &self.files {
            let most = name.kind().largest();
            let size = data.len() as u64;
            if size > most {
                return Err(Problem::TooLarge {
                    name: name.clone(),
                    size,
                    most,
                });
            }
            for (at, _) in name.as_str().match_indices('/') {
                let folder = name.as_str().get(..at).and_then(|p| Name::new(p).ok());
                if let Some(folder) = folder.filter(|folder| self.files.contains_key(folder)) {
                    return Err(Problem::FileAndFolder(folder));
                }
            }
        }
        Ok(())
    }
}
