//! Drivers that are added to a finished medium.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::modinfo::{self, ModInfo};
use super::{ModuleIndex, ModuleName, ModuleRecord, unpack};
use crate::{Error, Result};

/// Drivers for a medium that has others already.
#[derive(Debug, Clone)]
pub struct ExtraModules {
    /// What the running system needs to know of them.
    pub index: ModuleIndex,
    /// File name ("mpt3sas.ko") and bytes, unpacked.
    pub files: BTreeMap<String, Vec<u8>>,
}

struct Read {
    path: PathBuf,
    info: ModInfo,
    bytes: Vec<u8>,
}

impl ExtraModules {
    /// Reads the modules `paths` for a medium with the modules of `known`; they
    /// will lie in `folder` of the running system.
    ///
    /// # Errors
    /// [`Error::WrongKernel`] for a module of another kernel,
    /// [`Error::NeedsModule`] when one needs another that is nowhere; whatever
    /// reading a module gives.
    pub fn read(paths: &[PathBuf], known: &ModuleIndex, folder: &str) -> Result<Self> {
        let mut new = BTreeMap::new();
        for path in paths {
            let (name, module) = read(path, &known.kernel)?;
            new.insert(name, module);
        }
        let mut index = ModuleIndex {
            version: ModuleIndex::VERSION,
            kernel: known.kernel.clone(),
            modules: BTreeMap::new(),
            aliases: Vec::new(),
            builtin: Vec::new(),
            load: Vec::new(),
        };
        let mut files = BTreeMap::new();
        for (name, module) in &new {
            let mut deps = Vec::new();
            require(name, &new, known, &mut deps, &mut Vec::new())?;
            let there = |wanted: &String| {
                let name = ModuleName::new(wanted);
                (new.contains_key(&name) || known.modules.contains_key(&name)).then_some(name)
            };
            let record = ModuleRecord {
                path: format!("{folder}/{name}.ko"),
                deps,
                pre: module.info.softdep.pre.iter().filter_map(there).collect(),
                post: module.info.softdep.post.iter().filter_map(there).collect(),
            };
            index.modules.insert(name.clone(), record);
            let aliases = module.info.aliases.iter();
            index
                .aliases
                .extend(aliases.map(|a| (a.clone(), name.clone())));
            files.insert(format!("{name}.ko"), module.bytes.clone());
        }
        Ok(Self { index, files })
    }
}

fn read(path: &Path, kernel: &str) -> Result<(ModuleName, Read)> {
    let text = path.display().to_string();
    let name = ModuleName::of_path(&text).ok_or_else(|| Error::BadElf {
        name: text.clone(),
        reason: "the name of a module ends with .ko (or .ko.xz, .ko.zst, .ko.gz)",
    })?;
    let bytes = unpack::read(path)?;
    let info = modinfo::parse(&text, &bytes)?;
    let found = info.vermagic.split(' ').next().unwrap_or_default();
    if found != kernel {
        return Err(Error::WrongKernel {
            path: path.to_owned(),
            expected: kernel.to_owned(),
            found: found.to_owned(),
        });
    }
    let path = path.to_owned();
    Ok((name, Read { path, info, bytes }))
}

/// Adds everything that `name` needs to `deps`, what is needed first first.
/// `above` are the modules that wait for this one: circles end there.
fn require(
    name: &ModuleName,
    new: &BTreeMap<ModuleName, Read>,
    known: &ModuleIndex,
    deps: &mut Vec<ModuleName>,
    above: &mut Vec<ModuleName>,
) -> Result<()> {
    let Some(module) = new.get(name) else {
        return Ok(());
    };
    if above.contains(name) {
        return Ok(());
    }
    above.push(name.clone());
    for needed in &module.info.depends {
        let needed = ModuleName::new(needed);
        if new.contains_key(&needed) {
            require(&needed, new, known, deps, above)?;
        } else if let Some(record) = known.modules.get(&needed) {
            add(deps, &record.deps);
        } else if known.builtin.contains(&needed) {
            continue;
        } else {
            return Err(Error::NeedsModule {
                module: module.path.display().to_string(),
                missing: needed.to_string(),
            });
        }
        add(deps, std::slice::from_ref(&needed));
    }
    above.pop();
    Ok(())
}

fn add(deps: &mut Vec<ModuleName>, more: &[ModuleName]) {
    for name in more {
        if !deps.contains(name) {
            deps.push(name.clone());
        }
    }
}
