//! Loading modules with what they need, several devices at a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use sys::module::Loaded;

use super::super::cmdline::Cmdline;
use super::Catalogue;

/// How loading one module went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is loaded, or was before, or the kernel has it built in, or it looked
    /// for hardware that this machine does not have.
    Ready,
    /// The medium does not have it.
    Unknown,
    /// The kernel refused it; why.
    Refused(String),
}

/// Loads modules of a [`Catalogue`], each at most once. Share it between
/// threads.
#[derive(Debug)]
pub struct Loader<'a> {
    catalogue: &'a Catalogue,
    cmdline: &'a Cmdline,
    finished: Mutex<HashMap<String, Outcome>>,
}

impl<'a> Loader<'a> {
    /// A loader that takes module parameters from `cmdline`.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, cmdline: &'a Cmdline) -> Self {
        Self {
            catalogue,
            cmdline,
            finished: Mutex::new(HashMap::new()),
        }
    }

    /// Loads everything that matches `alias`; how many modules did.
    pub fn load_alias(&self, alias: &str) -> usize {
        let modules = self.catalogue.lookup(alias);
        for module in &modules {
            self.load(module);
        }
        modules.len()
    }

    /// Loads `name` with what it needs before and wants around it.
    pub fn load(&self, name: &str) -> Outcome {
        self.load_within(name, &mut HashSet::new())
    }

    /// What the kernel refused, and why.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<String, String> {
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished
            .iter()
            .filter_map(|(name, outcome)| match outcome {
                Outcome::Refused(why) => Some((name.clone(), why.clone())),
                _ => None,
            })
            .collect()
    }

    /// `above` are the modules that wait for this one: soft dependencies may
    /// form circles, which end here.
    fn load_within(&self, name: &str, above: &mut HashSet<String>) -> Outcome {
        let name = name.replace('-', "_");
        if let Some(known) = self.known(&name) {
            return known;
        }
        if !above.insert(name.clone()) {
            return Outcome::Ready;
        }
        let outcome = self.load_tree(&name, above);
        above.remove(&name);
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.insert(name, outcome.clone());
        outcome
    }

    fn known(&self, name: &str) -> Option<Outcome> {
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.get(name).cloned()
    }

    fn load_tree(&self, name: &str, above: &mut HashSet<String>) -> Outcome {
        if self.catalogue.is_builtin(name) {
            return Outcome::Ready;
        }
        let Some(module) = self.catalogue.module(name) else {
            return Outcome::Unknown;
        };
        for wished in &module.pre {
            self.load_within(wished, above);
        }
        for needed in &module.deps {
            // A dependency that failed makes the load below fail with the
            // kernel's reason, which is the one to report.
            self.load_within(needed, above);
        }
        let parameters = self.cmdline.module_parameters(name);
        // Two threads may load the same module: the kernel lets the second
        // wait for the first and then says that it is there.
        let outcome = match sys::module::load(&module.path, &parameters) {
            Ok(Loaded::Now | Loaded::Before | Loaded::Unneeded) => Outcome::Ready,
            Err(error) => Outcome::Refused(error.to_string()),
        };
        for wished in &module.post {
            self.load_within(wished, above);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn circles_end_and_failures_are_kept() {
        let text = r#"{"version":1,"kernel":"x","modules":{
            "a":{"path":"/nowhere/a.ko","deps":["b"],"pre":["a","b"],"post":["b"]},
            "b":{"path":"/nowhere/b.ko","deps":[],"pre":["a"],"post":[]}},
            "aliases":[["pci:*","a"]],"builtin":["c"],"load":[]}"#;
        let catalogue = Catalogue::parse(Path::new("x"), text.as_bytes()).unwrap();
        let cmdline = Cmdline::default();
        let loader = Loader::new(&catalogue, &cmdline);
        assert_eq!(loader.load_alias("pci:v1"), 1);
        assert_eq!(loader.load_alias("usb:v1"), 0);
        assert_eq!(loader.load("c"), Outcome::Ready);
        assert_eq!(loader.load("d"), Outcome::Unknown);
        let refused = loader.refused();
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(refused["a"].contains("No such file"), "{refused:?}");
    }
}
