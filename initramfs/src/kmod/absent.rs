//! Drivers of this kernel that a medium leaves out: so that a machine which
//! wants one can name it, and say what to do.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Closure, ModuleName, ModuleTree};

/// Where the kernel's sources have drivers that a disk or a network may be
/// behind.
const FOLDERS: [&str; 13] = [
    "kernel/drivers/ata/",
    "kernel/drivers/block/",
    "kernel/drivers/hv/",
    "kernel/drivers/infiniband/",
    "kernel/drivers/memstick/",
    "kernel/drivers/message/",
    "kernel/drivers/mmc/",
    "kernel/drivers/net/",
    "kernel/drivers/nvme/",
    "kernel/drivers/pci/",
    "kernel/drivers/scsi/",
    "kernel/drivers/virtio/",
    "kernel/drivers/xen/",
];

/// Buses whose devices the first screen names when no driver took them.
const BUSES: [&str; 4] = ["pci:", "virtio:", "vmbus:", "xen:"];

/// `/etc/rescue/absent.json`: what this kernel could drive with more modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentIndex {
    /// Version of this schema: [`AbsentIndex::VERSION`].
    pub version: u32,
    /// The kernel, as `uname -r`.
    pub kernel: String,
    /// By name.
    pub modules: BTreeMap<ModuleName, AbsentModule>,
}

/// A module that is not on the medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentModule {
    /// Where it is below `/lib/modules/<kernel>`.
    pub path: String,
    /// What it needs besides that is not on the medium, either: their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The devices it is for.
    pub aliases: Vec<String>,
}

impl AbsentIndex {
    /// The schema's version.
    pub const VERSION: u32 = 1;

    /// The storage and network drivers of `tree` that `closure` leaves out.
    #[must_use]
    pub fn new(kernel: &str, closure: &Closure, tree: &ModuleTree) -> Self {
        let mut modules: BTreeMap<ModuleName, AbsentModule> = BTreeMap::new();
        let is_there = |name: &ModuleName| closure.modules.contains_key(name);
        for (pattern, name) in &tree.aliases {
            let Some(path) = tree.path(name).filter(|_| !is_there(name)) else {
                continue;
            };
            let wanted = BUSES.iter().any(|bus| pattern.starts_with(bus))
                && FOLDERS.iter().any(|folder| path.starts_with(folder));
            if !wanted {
                continue;
            }
            let module = modules.entry(name.clone()).or_insert_with(|| AbsentModule {
                path: path.to_owned(),
                needs: needs(name, tree, is_there),
                aliases: Vec::new(),
            });
            module.aliases.push(pattern.clone());
        }
        for module in modules.values_mut() {
            module.aliases.sort();
            module.aliases.dedup();
        }
        Self {
            version: Self::VERSION,
            kernel: kernel.to_owned(),
            modules,
        }
    }
}

/// modules.dep names all of a module's dependencies, those of dependencies too.
fn needs(
    name: &ModuleName,
    tree: &ModuleTree,
    is_there: impl Fn(&ModuleName) -> bool,
) -> Vec<String> {
    let line = tree.modules.get(name);
    let deps: BTreeSet<&ModuleName> = line.iter().flat_map(|line| &line.deps).collect();
    let missing = deps.into_iter().filter(|dep| !is_there(dep));
    let paths = missing.filter_map(|dep| tree.path(dep));
    paths.map(str::to_owned).collect()
}
