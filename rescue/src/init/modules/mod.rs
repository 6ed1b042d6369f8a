//! Which kernel module drives which device, from data made with the medium.
//!
//! `imagebuilder` resolves dependencies and collects aliases when it builds
//! the medium (docs/MEDIUM.md); here they are only looked up and loaded.

mod absent;
pub(crate) mod glob;
mod loader;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use absent::{Absent, AbsentModule};
pub use loader::{Loader, Outcome};

use super::site;

/// The only version of the file that is understood.
const VERSION: u32 = 1;

/// Where the medium keeps it.
pub const CATALOGUE: &str = "/etc/rescue/modules.json";

/// Why the catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is not there or cannot be read.
    #[error("reading {path}: build the medium again with imagebuilder")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what imagebuilder writes.
    #[error("{path} is no list of modules: build the medium again with imagebuilder")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Another version of imagebuilder wrote it.
    #[error(
        "the list of modules has version {found}, this rescue reads version {VERSION}: \
         build the medium with the imagebuilder of this rescue"
    )]
    Version {
        /// What the file says.
        found: u32,
    },
    /// The kernel that runs is not the one the modules are for.
    #[error(
        "the modules on the medium are for kernel {expected}, but kernel {found} is running: \
         boot the kernel that came with this initramfs"
    )]
    Kernel {
        /// What the modules are for.
        expected: String,
        /// What runs.
        found: String,
    },
}

/// One module on the medium.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Module {
    /// The uncompressed file.
    pub path: PathBuf,
    /// What must be loaded before, in this order.
    #[serde(default)]
    pub deps: Vec<String>,
    /// What should be loaded before, if it can be.
    #[serde(default)]
    pub pre: Vec<String>,
    /// What should be loaded after, if it can be.
    #[serde(default)]
    pub post: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    version: u32,
    kernel: String,
    modules: HashMap<String, Module>,
    aliases: Vec<(String, String)>,
    #[serde(default)]
    builtin: Vec<String>,
    #[serde(default)]
    load: Vec<String>,
}

/// All modules of the medium and what they are for.
#[derive(Debug)]
pub struct Catalogue {
    kernel: String,
    modules: HashMap<String, Module>,
    /// Patterns by what stands before their first colon; those whose beginning
    /// is itself a pattern are under "".
    aliases: HashMap<String, Vec<(String, String)>>,
    builtin: Vec<String>,
    load: Vec<String>,
}

impl Catalogue {
    /// The medium's, and the drivers that the site added.
    ///
    /// # Errors
    /// [`CatalogueError`], of either.
    pub fn of_medium() -> Result<Self, CatalogueError> {
        let mut catalogue = Self::read(Path::new(CATALOGUE))?;
        let extra = Path::new(site::MODULES);
        if extra.exists() {
            catalogue.add(Self::read(extra)?)?;
        }
        Ok(catalogue)
    }

    /// Adds other drivers for the same kernel; one of a name that is there
    /// already takes its place.
    fn add(&mut self, extra: Self) -> Result<(), CatalogueError> {
        self.check_kernel(&extra.kernel)?;
        for (name, mut module) in extra.modules {
            // Wherever the index says they are: they are where the area was
            // unpacked.
            let file = module.path.file_name().unwrap_or_default();
            module.path = Path::new(site::FOLDER).join("modules").join(file);
            self.modules.insert(name, module);
        }
        for (key, aliases) in extra.aliases {
            self.aliases.entry(key).or_default().extend(aliases);
        }
        Ok(())
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`CatalogueError`]: unreadable, malformed, of another version.
    pub fn read(path: &Path) -> Result<Self, CatalogueError> {
        let bytes = std::fs::read(path).map_err(|source| CatalogueError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &bytes)
    }

    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, CatalogueError> {
        let file: File =
            serde_json::from_slice(bytes).map_err(|source| CatalogueError::Malformed {
                path: path.to_owned(),
                source,
            })?;
        if file.version != VERSION {
            return Err(CatalogueError::Version {
                found: file.version,
            });
        }
        let mut aliases: HashMap<String, Vec<(String, String)>> = HashMap::new();
        for (pattern, module) in file.aliases {
            let key = bucket(&pattern).to_owned();
            aliases.entry(key).or_default().push((pattern, module));
        }
        Ok(Self {
            kernel: file.kernel,
            modules: file.modules,
            aliases,
            builtin: file.builtin,
            load: file.load,
        })
    }

    /// Refuses a kernel these modules are not for.
    ///
    /// # Errors
    /// [`CatalogueError::Kernel`].
    pub fn check_kernel(&self, running: &str) -> Result<(), CatalogueError> {
        if self.kernel == running {
            return Ok(());
        }
        Err(CatalogueError::Kernel {
            expected: self.kernel.clone(),
            found: running.to_owned(),
        })
    }

    /// The modules for the device (or "fs-ext4", …) called `alias`.
    #[must_use]
    pub fn lookup(&self, alias: &str) -> Vec<&str> {
        let mut found: Vec<&str> = [bucket(alias), ""]
            .iter()
            .filter_map(|key| self.aliases.get(*key))
            .flatten()
            .filter(|(pattern, _)| glob::matches(pattern.as_bytes(), alias.as_bytes()))
            .map(|(_, module)| module.as_str())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The module of that name; `-` and `_` are the same.
    #[must_use]
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules
            .get(name)
            .or_else(|| self.modules.get(&name.replace('-', "_")))
    }

    /// Whether the kernel has `name` without a module.
    #[must_use]
    pub fn is_builtin(&self, name: &str) -> bool {
        let name = name.replace('-', "_");
        self.builtin.iter().any(|b| b.replace('-', "_") == name)
    }

    /// What is loaded on every machine, in order.
    #[must_use]
    pub fn always(&self) -> &[String] {
        &self.load
    }
}

/// What stands before the first colon, "" when a pattern begins before it.
fn bucket(alias: &str) -> &str {
    match alias.find([':', '*', '?', '[', '\\']) {
        Some(at) if alias.as_bytes().get(at) == Some(&b':') => alias.get(..at).unwrap_or(""),
        // No colon at all ("fs-ext4") or a pattern first: looked up under "".
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"version":1,"kernel":"6.1.0-40-amd64","modules":{
        "e1000":{"path":"/lib/modules/e1000.ko","deps":[],"pre":[],"post":[]},
        "ext4":{"path":"/lib/modules/ext4.ko","deps":["jbd2"],"pre":["crc32c"],"post":[]}},
        "aliases":[["pci:v00008086d0000100Esv*sd*bc*sc*i*","e1000"],["fs-ext4","ext4"],
                   ["acpi*:PNP0C09:*","ec"]],
        "builtin":["unix","8250-pci"],"load":["loop"]}"#;

    fn sample() -> Catalogue {
        Catalogue::parse(Path::new("x"), SAMPLE.as_bytes()).unwrap()
    }

    #[test]
    fn devices_find_their_modules() {
        let c = sample();
        assert_eq!(
            c.lookup("pci:v00008086d0000100Esv0sd0bc02sc00i00"),
            ["e1000"]
        );
        assert_eq!(c.lookup("fs-ext4"), ["ext4"]);
        assert_eq!(c.lookup("acpi:PNP0C09:"), ["ec"]);
        assert!(
            c.lookup("pci:v00001000d0000005Dsv0sd0bc01sc04i00")
                .is_empty()
        );
        assert!(c.is_builtin("8250_pci") && !c.is_builtin("ext4"));
        assert_eq!(c.module("ext4").unwrap().deps, ["jbd2"]);
    }

    #[test]
    fn the_drivers_of_the_site_are_added_and_take_the_place_of_others() {
        let mut all = sample();
        let extra = SAMPLE.replace("/lib/modules/e1000.ko", "/bin/../e1000.ko");
        let extra = extra.replace("pci:v00008086d0000100E", "pci:v00008086d0000FFFF");
        all.add(Catalogue::parse(Path::new("x"), extra.as_bytes()).unwrap())
            .unwrap();
        let path = &all.module("e1000").unwrap().path;
        assert_eq!(path, Path::new("/run/rescue/site/modules/e1000.ko"));
        for device in ["100E", "FFFF"] {
            let alias = format!("pci:v00008086d0000{device}sv0sd0bc02sc00i00");
            assert_eq!(all.lookup(&alias), ["e1000"]);
        }
        let other = SAMPLE.replace("6.1.0-40-amd64", "6.12.1");
        let other = Catalogue::parse(Path::new("x"), other.as_bytes()).unwrap();
        assert!(all.add(other).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_sides_named() {
        assert!(sample().check_kernel("6.1.0-40-amd64").is_ok());
        let text = sample().check_kernel("6.12.1").unwrap_err().to_string();
        assert!(
            text.contains("6.1.0-40-amd64") && text.contains("6.12.1"),
            "{text}"
        );
        let newer = SAMPLE.replace("\"version\":1", "\"version\":2");
        let error = Catalogue::parse(Path::new("x"), newer.as_bytes()).unwrap_err();
        assert!(matches!(error, CatalogueError::Version { found: 2 }));
        assert!(Catalogue::parse(Path::new("x"), b"{}").is_err());
    }
}
