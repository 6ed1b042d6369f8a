//! The drivers: module files, their index, and those needed before all others.

use std::collections::BTreeSet;

use super::{AbsentIndex, Closure, ModuleIndex, ModuleName, ModuleTree, modinfo};
use crate::{Error, Result, Tree};

/// What the running system needs before it can look into a packed layer: the
/// loop device, and the file system that layers are packed as.
const EARLY: [&str; 2] = ["loop", "squashfs"];

/// All drivers of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drivers {
    /// The modules below `/lib/modules/<kernel>`.
    pub tree: Tree,
    /// The index, as JSON.
    pub index: Vec<u8>,
    /// Of the drivers that were left out, as JSON ([`super::AbsentIndex`]).
    pub absent: Vec<u8>,
    /// Name and bytes of what must be loaded, in this order, before a packed
    /// layer can be mounted. Empty when the kernel has all of it built in.
    pub early: Vec<(String, Vec<u8>)>,
    /// Firmware files that the modules may ask for, each with the module.
    pub firmware: Vec<(ModuleName, String)>,
}

/// The modules of `closure`.
///
/// # Errors
/// Whatever reading a module gives; [`Error::NoSquashfs`]; [`Error::Json`].
pub fn driver_layer(kernel: &str, closure: &Closure, tree: &ModuleTree) -> Result<Drivers> {
    let mut layer = Tree::new();
    let mut firmware = Vec::new();
    for (name, module) in &closure.modules {
        let bytes = tree.read(name)?;
        for file in modinfo::parse(&module.path, &bytes)?.firmware {
            firmware.push((name.clone(), file));
        }
        layer.file(
            &format!("lib/modules/{kernel}/{}", module.path),
            0o644,
            bytes,
        )?;
    }
    let json = |name, result: serde_json::Result<Vec<u8>>| {
        result.map_err(|source| Error::Json { name, source })
    };
    let index = serde_json::to_vec(&ModuleIndex::new(kernel, closure, tree));
    let index = json("modules.json", index)?;
    let absent = serde_json::to_vec(&AbsentIndex::new(kernel, closure, tree));
    let absent = json("absent.json", absent)?;
    firmware.sort();
    firmware.dedup();
    Ok(Drivers {
        tree: layer,
        index,
        absent,
        early: early(closure, tree)?,
        firmware,
    })
}

fn early(closure: &Closure, tree: &ModuleTree) -> Result<Vec<(String, Vec<u8>)>> {
    let mut order: Vec<ModuleName> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in EARLY.map(ModuleName::new) {
        match closure.modules.get(&name) {
            None if tree.is_builtin(&name) => {}
            None => {
                let module = name.to_string();
                return Err(Error::NoSquashfs { module });
            }
            Some(module) => {
                let needed = module.deps.iter().chain([&name]);
                order.extend(needed.filter(|n| seen.insert((*n).clone())).cloned());
            }
        }
    }
    let read = |name: ModuleName| Ok((name.to_string(), tree.read(&name)?));
    order.into_iter().map(read).collect()
}
