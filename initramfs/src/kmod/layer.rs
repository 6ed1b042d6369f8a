//! The drivers layer: module files and their index.

use super::{Closure, ModuleIndex, ModuleName, ModuleTree, modinfo};
use crate::{Error, Result, Tree};

/// A layer holding the modules of `closure` below `/lib/modules/<kernel>` and
/// the index at `/etc/rescue/modules.json`. Also returns, sorted, the
/// firmware files that the modules may ask for, each with the module.
///
/// # Errors
/// Whatever reading a module gives; [`Error::Json`].
pub fn driver_layer(
    kernel: &str,
    closure: &Closure,
    tree: &ModuleTree,
) -> Result<(Tree, Vec<(ModuleName, String)>)> {
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
    let index = serde_json::to_vec(&ModuleIndex::new(kernel, closure, tree));
    let index = index.map_err(|source| Error::Json {
        name: "modules.json",
        source,
    })?;
    layer.file("etc/rescue/modules.json", 0o644, index)?;
    firmware.sort();
    firmware.dedup();
    Ok((layer, firmware))
}
