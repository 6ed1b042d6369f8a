//! Module names, normalised in one place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A module's name as the kernel spells it: `-` in a file name becomes `_`
/// (the two are the same to modprobe), and there is no `.ko`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ModuleName(String);

impl ModuleName {
    /// The normalised form of `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.replace('-', "_"))
    }

    /// The name of the module at `path`: "kernel/drivers/ata/ahci.ko.xz" is
    /// `ahci`. `None` when the path names no module.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let file = path.rsplit('/').next()?;
        let (stem, rest) = file.split_once(".ko")?;
        let known = matches!(rest, "" | ".xz" | ".zst" | ".gz");
        (known && !stem.is_empty()).then(|| Self::new(stem))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for ModuleName {
    fn from(name: String) -> Self {
        Self::new(&name)
    }
}

impl From<ModuleName> for String {
    fn from(name: ModuleName) -> Self {
        name.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
