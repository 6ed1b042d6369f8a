//! A folder of kernel modules, as depmod describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::depmod::{self, DepLine, SoftDep};
use super::{ModuleName, modinfo, unpack};
use crate::{Error, Result};

/// A folder like `/lib/modules/6.1.0-56-amd64`: files and what depmod says of
/// them.
#[derive(Debug, Clone)]
pub struct ModuleTree {
    dir: PathBuf,
    pub(super) modules: BTreeMap<ModuleName, DepLine>,
    pub(super) aliases: Vec<(String, ModuleName)>,
    softdeps: BTreeMap<ModuleName, SoftDep>,
    pub(super) builtin: BTreeSet<ModuleName>,
}

impl ModuleTree {
    /// Reads depmod's files in `dir`.
    ///
    /// # Errors
    /// [`Error::Read`] (without `modules.dep`: run `depmod`), [`Error::BadLine`].
    pub fn open(dir: &Path) -> Result<Self> {
        let text = |name: &str| read_text(&dir.join(name));
        Ok(Self {
            dir: dir.to_owned(),
            modules: depmod::parse_dep(&text("modules.dep")?)?,
            aliases: depmod::parse_alias(&text("modules.alias")?)?,
            softdeps: depmod::parse_softdep(&text("modules.softdep")?)?,
            builtin: depmod::parse_builtin(&text("modules.builtin")?),
        })
    }

    /// Is `name` compiled into the kernel?
    #[must_use]
    pub fn is_builtin(&self, name: &ModuleName) -> bool {
        self.builtin.contains(name)
    }

    /// The module's path in the tree, without a compression suffix:
    /// "kernel/drivers/ata/ahci.ko".
    #[must_use]
    pub fn path(&self, name: &ModuleName) -> Option<&str> {
        let path = self.modules.get(name)?.path.as_str();
        let end = path.rfind(".ko")?.checked_add(3)?;
        path.get(..end)
    }

    /// The module's bytes, unpacked; its signature, if any, is kept, because
    /// the kernel wants it under Secure Boot.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Codec`].
    pub fn read(&self, name: &ModuleName) -> Result<Vec<u8>> {
        let line = self.modules.get(name).ok_or_else(|| Error::MissingModule {
            module: "(asked for)".to_owned(),
            missing: name.to_string(),
        })?;
        unpack::read(&self.dir.join(&line.path))
    }

    /// Refuses modules that were built for another kernel than `version`.
    ///
    /// # Errors
    /// [`Error::WrongKernel`]; whatever reading a module gives.
    pub fn check_kernel(&self, version: &str) -> Result<()> {
        let Some((name, line)) = self.modules.iter().next() else {
            return Ok(());
        };
        let info = modinfo::parse(line.path.as_str(), &self.read(name)?)?;
        let found = info.vermagic.split(' ').next().unwrap_or_default();
        if found == version {
            return Ok(());
        }
        Err(Error::WrongKernel {
            path: self.dir.join(&line.path),
            expected: version.to_owned(),
            found: found.to_owned(),
        })
    }

    /// The modules that `name`, a module or an alias, stands for; empty when
    /// it is built in or unknown.
    pub(super) fn resolve(&self, name: &str) -> Vec<ModuleName> {
        let module = ModuleName::new(name);
        if self.modules.contains_key(&module) {
            return vec![module];
        }
        if self.builtin.contains(&module) {
            return Vec::new();
        }
        // Names in softdeps are plain, so an exact comparison is enough.
        let wanted = module.as_str();
        let mut found: Vec<_> = self
            .aliases
            .iter()
            .filter(|(pattern, _)| ModuleName::new(pattern).as_str() == wanted)
            .map(|(_, module)| module.clone())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    pub(super) fn softdep(&self, name: &ModuleName) -> Option<&SoftDep> {
        self.softdeps.get(name)
    }

    #[cfg(test)]
    pub(super) fn from_texts(dep: &str, alias: &str, softdep: &str, builtin: &str) -> Result<Self> {
        Ok(Self {
            dir: PathBuf::new(),
            modules: depmod::parse_dep(dep)?,
            aliases: depmod::parse_alias(alias)?,
            softdeps: depmod::parse_softdep(softdep)?,
            builtin: depmod::parse_builtin(builtin),
        })
    }
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}
