//! `/etc/rescue/modules.json`: what PID 1 knows about modules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Closure, ModuleName, ModuleTree};

/// The index, version 1. docs/MEDIUM.md describes it for its readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleIndex {
    /// Version of this schema: [`ModuleIndex::VERSION`].
    pub version: u32,
    /// The kernel that the modules are for, as `uname -r` prints it.
    pub kernel: String,
    /// Every module shipped.
    pub modules: BTreeMap<ModuleName, ModuleRecord>,
    /// fnmatch patterns, spelled as in modules.alias, and the module each
    /// stands for. Several patterns may match one device: all are tried.
    pub aliases: Vec<(String, ModuleName)>,
    /// Names that are compiled into the kernel: asking for them is no error.
    pub builtin: Vec<ModuleName>,
    /// To be loaded when the medium starts, in this order.
    pub load: Vec<ModuleName>,
}

/// One module of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRecord {
    /// Absolute path in the initramfs.
    pub path: String,
    /// Must be loaded first, in this order; transitive.
    pub deps: Vec<ModuleName>,
    /// Tried before; failure is no error.
    pub pre: Vec<ModuleName>,
    /// Tried after; failure is no error.
    pub post: Vec<ModuleName>,
}

impl ModuleIndex {
    /// The schema's version.
    pub const VERSION: u32 = 1;

    /// The index of `closure`, whose modules lie below
    /// `/lib/modules/<kernel>`.
    #[must_use]
    pub fn new(kernel: &str, closure: &Closure, tree: &ModuleTree) -> Self {
        let record = |(name, module): (&ModuleName, &super::LoadedModule)| {
            let record = ModuleRecord {
                path: format!("/lib/modules/{kernel}/{}", module.path),
                deps: module.deps.clone(),
                pre: module.pre.clone(),
                post: module.post.clone(),
            };
            (name.clone(), record)
        };
        let shipped = |(_, module): &&(String, ModuleName)| closure.modules.contains_key(module);
        Self {
            version: Self::VERSION,
            kernel: kernel.to_owned(),
            modules: closure.modules.iter().map(record).collect(),
            aliases: tree.aliases.iter().filter(shipped).cloned().collect(),
            builtin: tree.builtin.iter().cloned().collect(),
            load: closure.load.clone(),
        }
    }
}
