//! depmod's files: modules.dep, modules.alias, modules.softdep,
//! modules.builtin. Formats: modules.dep(5), modprobe.d(5).

use std::collections::{BTreeMap, BTreeSet};

use super::ModuleName;
use crate::{Error, Result};

/// One line of modules.dep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DepLine {
    /// Relative to the module folder.
    pub(super) path: String,
    /// In the order in which they must be loaded.
    pub(super) deps: Vec<ModuleName>,
}

/// What a module would like to have loaded around it. Names here may be
/// module names or aliases ("crypto-crc32c").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoftDep {
    /// Before it.
    pub pre: Vec<String>,
    /// After it.
    pub post: Vec<String>,
}

impl SoftDep {
    /// Adds what the words "pre: a b post: c" say.
    pub(super) fn add<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        let mut after = false;
        for word in words {
            match word {
                "pre:" => after = false,
                "post:" => after = true,
                // Words before any "pre:" are what cifs writes for algorithms
                // that it asks for later: having them loaded does no harm.
                name if after => self.post.push(name.to_owned()),
                name => self.pre.push(name.to_owned()),
            }
        }
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn bad(file: &str, line: usize, expected: &'static str, found: &str) -> Error {
    Error::BadLine {
        file: file.to_owned(),
        line,
        expected,
        found: found.to_owned(),
    }
}

pub(super) fn parse_dep(text: &str) -> Result<BTreeMap<ModuleName, DepLine>> {
    const FILE: &str = "modules.dep";
    let mut out = BTreeMap::new();
    for (number, line) in lines(text) {
        let (path, deps) = line
            .split_once(':')
            .ok_or_else(|| bad(FILE, number, "'PATH: DEPENDENCIES'", line))?;
        let module = |path: &str| {
            ModuleName::of_path(path)
                .ok_or_else(|| bad(FILE, number, "a path that ends in .ko, .ko.xz, …", path))
        };
        // depmod writes the nearest dependency first; loading starts at the
        // far end.
        let deps: Vec<_> = deps
            .split_whitespace()
            .rev()
            .map(module)
            .collect::<Result<_>>()?;
        let path = path.to_owned();
        out.insert(module(&path)?, DepLine { path, deps });
    }
    Ok(out)
}

/// `(pattern, module)` pairs in the file's order.
pub(super) fn parse_alias(text: &str) -> Result<Vec<(String, ModuleName)>> {
    lines(text)
        .map(|(number, line)| {
            let rest = line.strip_prefix("alias ");
            // Patterns may hold spaces (DMI strings); module names never do.
            rest.and_then(|rest| rest.rsplit_once(' '))
                .map(|(pattern, module)| (pattern.to_owned(), ModuleName::new(module)))
                .ok_or_else(|| bad("modules.alias", number, "'alias PATTERN MODULE'", line))
        })
        .collect()
}

pub(super) fn parse_softdep(text: &str) -> Result<BTreeMap<ModuleName, SoftDep>> {
    let mut out: BTreeMap<ModuleName, SoftDep> = BTreeMap::new();
    for (number, line) in lines(text) {
        let mut words = line.split_whitespace();
        let (Some("softdep"), Some(module)) = (words.next(), words.next()) else {
            let expected = "'softdep MODULE pre: … post: …'";
            return Err(bad("modules.softdep", number, expected, line));
        };
        out.entry(ModuleName::new(module)).or_default().add(words);
    }
    Ok(out)
}

pub(super) fn parse_builtin(text: &str) -> BTreeSet<ModuleName> {
    lines(text)
        .filter_map(|(_, line)| ModuleName::of_path(line))
        .collect()
}
