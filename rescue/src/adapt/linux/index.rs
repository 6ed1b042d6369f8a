//! Which module of the restored system's kernel drives which device, from the
//! files that `depmod` made there (modules.dep(5)).

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{Files, FilesError};
use crate::init::modules::glob;

/// No list is larger than this many bytes.
const LIST: u64 = 32 << 20;
/// The files that modprobe and udev look things up in; what is not there is not
/// needed by that kernel.
const LOOKED_UP: [&str; 8] = [
    "modules.alias",
    "modules.alias.bin",
    "modules.builtin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
    "modules.dep",
    "modules.dep.bin",
    "modules.softdep",
];

/// The modules of one kernel.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Path of the file from the kernel's folder, and names of what it needs.
    modules: BTreeMap<String, (String, Vec<String>)>,
    builtin: BTreeSet<String>,
    /// Patterns and the module they are for.
    aliases: Vec<(String, String)>,
    /// Aliases of what is built in, as far as the kernel tells.
    builtin_aliases: Vec<String>,
    softdeps: BTreeMap<String, Vec<String>>,
}

/// "nvme-core" and "nvme_core" are one module.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// "kernel/drivers/nvme/host/nvme-core.ko.xz" is "nvme_core".
pub(super) fn name_of(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (name, _) = file.split_once(".ko")?;
    Some(normal(name))
}

impl Index {
    /// That of the kernel `version`, whose modules are in `folder`.
    pub(super) fn read(files: &dyn Files, folder: &str) -> Result<Option<Self>, FilesError> {
        let text = |name: &str| -> Result<Option<String>, FilesError> {
            let bytes = files.read(&format!("{folder}/{name}"), LIST)?;
            Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
        };
        let Some(dep) = text("modules.dep")? else {
            return Ok(None);
        };
        let mut index = Self::default();
        index.take_dependencies(&dep);
        index.take_aliases(&text("modules.alias")?.unwrap_or_default());
        index.take_softdeps(&text("modules.softdep")?.unwrap_or_default());
        let builtin = text("modules.builtin")?.unwrap_or_default();
        index.builtin = builtin.lines().filter_map(name_of).collect();
        // "nvme.alias=pci:…", each ended by a zero byte. Before Linux 6.18 no driver that is
        // built in has one there.
        let alias = |fact: &str| Some(fact.split_once(".alias=")?.1.to_owned());
        let facts = text("modules.builtin.modinfo")?.unwrap_or_default();
        index.builtin_aliases = facts.split('\0').filter_map(alias).collect();
        Ok(Some(index))
    }

    fn take_dependencies(&mut self, text: &str) {
        for line in text.lines() {
            let Some((path, needs)) = line.split_once(':') else {
                continue;
            };
            let Some(name) = name_of(path) else { continue };
            let needs = needs.split_whitespace().filter_map(name_of).collect();
            self.modules.insert(name, (path.to_owned(), needs));
        }
    }

    fn take_aliases(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(module)) =
                (words.next(), words.next(), words.next())
            {
                self.aliases.push((pattern.to_owned(), normal(module)));
            }
        }
    }

    fn take_softdeps(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("softdep"), Some(module)) = (words.next(), words.next()) else {
                continue;
            };
            let names = words.filter(|word| !word.ends_with(':')).map(normal);
            self.softdeps
                .entry(normal(module))
                .or_default()
                .extend(names);
        }
    }

    /// The modules that say they drive the device `alias`; and whether the kernel
    /// says that it does itself.
    pub(super) fn drivers(&self, alias: &str) -> (Vec<&str>, bool) {
        let is = |pattern: &str| glob::matches(pattern.as_bytes(), alias.as_bytes());
        let modules = self.aliases.iter().filter(|(pattern, _)| is(pattern));
        let modules: Vec<&str> = modules.map(|(_, module)| module.as_str()).collect();
        (modules, self.builtin_aliases.iter().any(|p| is(p)))
    }

    /// Whether the kernel has a module, as a file or built in.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = normal(name);
        self.modules.contains_key(&name) || self.builtin.contains(&name)
    }

    /// The files of `names` and of all that these need, as far as they are files.
    pub(super) fn closure<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> BTreeSet<&str> {
        let mut open: Vec<String> = names.into_iter().map(normal).collect();
        let mut seen = BTreeSet::new();
        let mut paths = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            if let Some((path, needs)) = self.modules.get(&name) {
                paths.insert(path.as_str());
                open.extend(needs.iter().cloned());
            }
            open.extend(self.softdeps.get(&name).into_iter().flatten().cloned());
        }
        paths
    }
}

/// The files that make a kernel's modules found, by name.
pub(super) fn lists(files: &dyn Files, folder: &str) -> Result<Vec<(String, Vec<u8>)>, FilesError> {
    let mut found = Vec::new();
    for name in LOOKED_UP {
        if let Some(bytes) = files.read(&format!("{folder}/{name}"), LIST)? {
            found.push((name.to_owned(), bytes));
        }
    }
    Ok(found)
}
