//! Everything that a selection needs.

use std::collections::BTreeMap;

use super::{Class, ModuleName, ModuleTree, Selection};
use crate::{Error, Result};

/// One module of a closure, its soft dependencies resolved to modules that
/// are in the closure too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedModule {
    /// Path in the module tree, without compression suffix.
    pub path: String,
    /// The class it was chosen by, or that of the module that needs it.
    pub class: Class,
    /// Hard dependencies, in the order in which they must be loaded.
    pub deps: Vec<ModuleName>,
    /// To be tried before it.
    pub pre: Vec<ModuleName>,
    /// To be tried after it.
    pub post: Vec<ModuleName>,
}

/// A set of modules closed under dependencies, hard and soft.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// By name.
    pub modules: BTreeMap<ModuleName, LoadedModule>,
    /// Modules to load when the medium starts, in order.
    pub load: Vec<ModuleName>,
    /// Soft dependencies that name nothing this kernel has, as
    /// "module: dependency".
    pub unresolved: Vec<String>,
}

impl Closure {
    /// Follows dependencies from `selection` until nothing new turns up.
    ///
    /// # Errors
    /// [`Error::MissingModule`] when modules.dep contradicts itself.
    pub fn of(selection: &Selection, tree: &ModuleTree) -> Result<Self> {
        let mut out = Self {
            load: selection.load.clone(),
            ..Self::default()
        };
        let chosen = selection.modules.iter();
        let mut work: Vec<_> = chosen.map(|(n, c)| (n.clone(), c.clone())).rev().collect();
        while let Some((name, class)) = work.pop() {
            if out.modules.contains_key(&name) {
                continue;
            }
            let module = out.describe(&name, class, selection, tree)?;
            let needed = module.deps.iter().chain(&module.pre).chain(&module.post);
            for other in needed {
                // A module chosen by a class of its own stays in that class.
                let class = selection.modules.get(other).unwrap_or(&module.class);
                work.push((other.clone(), class.clone()));
            }
            out.modules.insert(name, module);
        }
        Ok(out)
    }

    fn describe(
        &mut self,
        name: &ModuleName,
        class: Class,
        selection: &Selection,
        tree: &ModuleTree,
    ) -> Result<LoadedModule> {
        let missing = |missing: &ModuleName| Error::MissingModule {
            module: name.to_string(),
            missing: missing.to_string(),
        };
        let line = tree.modules.get(name).ok_or_else(|| missing(name))?;
        let absent = line.deps.iter().find(|dep| tree.path(dep).is_none());
        if let Some(dep) = absent {
            return Err(missing(dep));
        }
        let soft = tree.softdep(name).cloned().unwrap_or_default();
        Ok(LoadedModule {
            path: tree.path(name).unwrap_or_default().to_owned(),
            class: selection.modules.get(name).cloned().unwrap_or(class),
            deps: line.deps.clone(),
            pre: self.resolve(name, &soft.pre, tree),
            post: self.resolve(name, &soft.post, tree),
        })
    }

    fn resolve(
        &mut self,
        name: &ModuleName,
        wanted: &[String],
        tree: &ModuleTree,
    ) -> Vec<ModuleName> {
        let mut out: Vec<ModuleName> = Vec::new();
        for want in wanted {
            let found = tree.resolve(want);
            if found.is_empty() && !tree.is_builtin(&ModuleName::new(want)) {
                self.unresolved.push(format!("{name}: {want}"));
            }
            for module in found {
                if module != *name && !out.contains(&module) {
                    out.push(module);
                }
            }
        }
        out
    }
}
