//! The files of one GRUB.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// No file of GRUB has more bytes than this.
pub const FILE_MOST: u64 = 4 << 20;

/// Files of one GRUB, as they are in its folder `i386-pc`, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set(BTreeMap<String, Vec<u8>>);

impl Set {
    /// What is not a module and is needed.
    pub const BASE: [&'static str; 6] = [
        "boot.img",
        "command.lst",
        "diskboot.img",
        "kernel.img",
        "lzma_decompress.img",
        "moddep.lst",
    ];
    /// Adds a file.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.insert(name.to_owned(), bytes);
    }

    /// The bytes of the file `name`.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn get(&self, name: &str) -> Result<&[u8]> {
        let found = self.0.get(name).map(Vec::as_slice);
        found.ok_or_else(|| Error::Missing(name.to_owned()))
    }

    /// The file `name` as text.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn text(&self, name: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(self.get(name)?).into_owned())
    }

    /// All files, by their names.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (&**name, &**bytes))
    }
}
