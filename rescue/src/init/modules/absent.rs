//! Drivers that the medium's kernel has and the medium has not, so that one can be
//! named when a device wants it (docs/MEDIUM.md, `absent.json`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::glob;

/// Where the medium keeps the list.
const FILE: &str = "/etc/rescue/absent.json";

/// The only version of the file that is understood.
const VERSION: u32 = 1;

/// All such drivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Absent {
    version: u32,
    /// The kernel they are for.
    pub kernel: String,
    modules: BTreeMap<String, AbsentModule>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AbsentModule {
    /// Below `/lib/modules/<kernel>`.
    pub path: String,
    /// Others that it needs and the medium has not, by their paths.
    #[serde(default)]
    pub needs: Vec<String>,
    aliases: Vec<String>,
}

impl Absent {
    /// The medium's; `None` when it has no such list, or another version's: then
    /// there is less advice, and nothing else is wrong.
    #[must_use]
    pub fn of_medium() -> Option<Self> {
        Self::parse(&std::fs::read(Path::new(FILE)).ok()?)
    }

    pub(in crate::init) fn parse(bytes: &[u8]) -> Option<Self> {
        let list: Self = serde_json::from_slice(bytes).ok()?;
        (list.version == VERSION).then_some(list)
    }

    /// The drivers for the device called `alias`.
    #[must_use]
    pub fn lookup(&self, alias: &str) -> Vec<&AbsentModule> {
        let is_for = |module: &&AbsentModule| {
            let mut patterns = module.aliases.iter();
            patterns.any(|p| glob::matches(p.as_bytes(), alias.as_bytes()))
        };
        self.modules.values().filter(is_for).collect()
    }
}
