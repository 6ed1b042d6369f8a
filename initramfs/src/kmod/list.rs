//! The readable list of modules that a medium carries.
//!
//! ```text
//! [storage]              what follows belongs to this class
//! drivers/ata/           every module below this folder
//! nvme                   this module
//! load loop              this module, loaded when the medium starts
//! - drivers/net/wireless/   not these, however they were chosen above
//! ```
//!
//! A name that the kernel does not have is not an error, because kernels
//! differ; the build reports it.

use std::collections::{BTreeMap, BTreeSet};

use super::{ModuleName, ModuleTree};
use crate::{Error, Result};

/// The list used when no other is named.
pub const DEFAULT_LIST: &str = include_str!("../../data/modules.list");

/// A heading of the list: "storage", "network", ….
pub type Class = String;

/// What a list chooses from one kernel's modules, dependencies not included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Each chosen module and the class that chose it first.
    pub modules: BTreeMap<ModuleName, Class>,
    /// Modules to load when the medium starts, in order.
    pub load: Vec<ModuleName>,
    /// Names of the list that this kernel has neither as module nor built in.
    pub absent: Vec<String>,
}

impl Selection {
    /// Applies the list `text`, read from `file`, to `tree`.
    ///
    /// # Errors
    /// [`Error::BadLine`].
    pub fn from_list(file: &str, text: &str, tree: &ModuleTree) -> Result<Self> {
        let mut out = Self::default();
        let mut refused = BTreeSet::new();
        let mut class: Option<Class> = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                class = Some(name.to_owned());
                continue;
            }
            let bad = |expected| Error::BadLine {
                file: file.to_owned(),
                line: index + 1,
                expected,
                found: line.to_owned(),
            };
            let class = class.as_ref().ok_or_else(|| bad("a [class] first"))?;
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["-", what] => refused.extend(matches(tree, what)),
                ["load", name] => out.choose_to_load(tree, class, name),
                [what] => out.choose(tree, class, what),
                _ => return Err(bad("a module, a folder/, 'load MODULE' or '- WHAT'")),
            }
        }
        out.modules.retain(|name, _| !refused.contains(name));
        out.load.retain(|name| !refused.contains(name));
        Ok(out)
    }

    fn choose(&mut self, tree: &ModuleTree, class: &Class, what: &str) {
        let found = matches(tree, what);
        if found.is_empty() && !tree.is_builtin(&ModuleName::new(what)) {
            self.absent.push(what.to_owned());
        }
        for name in found {
            self.modules.entry(name).or_insert_with(|| class.clone());
        }
    }

    fn choose_to_load(&mut self, tree: &ModuleTree, class: &Class, name: &str) {
        self.choose(tree, class, name);
        let name = ModuleName::new(name);
        if tree.path(&name).is_some() && !self.load.contains(&name) {
            self.load.push(name);
        }
    }
}

/// The modules that one word of the list stands for.
fn matches(tree: &ModuleTree, what: &str) -> Vec<ModuleName> {
    if what.ends_with('/') {
        let folder = format!("kernel/{what}");
        let inside = |name: &&ModuleName| tree.path(name).is_some_and(|p| p.starts_with(&folder));
        return tree.modules.keys().filter(inside).cloned().collect();
    }
    let name = ModuleName::new(what);
    tree.path(&name).map(|_| name).into_iter().collect()
}
