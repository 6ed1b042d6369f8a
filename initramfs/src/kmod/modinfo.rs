//! The `.modinfo` section of a module: NUL-separated `key=value`.

use super::SoftDep;
use crate::elf::Elf;
use crate::{Error, Result};

/// What we ask of a module file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ModInfo {
    /// "6.1.0-56-amd64 SMP preempt mod_unload modversions".
    pub(super) vermagic: String,
    /// Files below /lib/firmware that it may ask for.
    pub(super) firmware: Vec<String>,
    /// Modules that must be there first.
    pub(super) depends: Vec<String>,
    /// Devices and other things it is for.
    pub(super) aliases: Vec<String>,
    /// Modules that should be there.
    pub(super) softdep: SoftDep,
}

/// Reads `module`, the bytes of the file `name`.
pub(super) fn parse(name: &str, module: &[u8]) -> Result<ModInfo> {
    let elf = Elf::parse(name, module)?;
    let section = elf.section(b".modinfo").ok_or_else(|| Error::BadElf {
        name: name.to_owned(),
        reason: "it has no .modinfo section",
    })?;
    let mut info = ModInfo::default();
    for field in section.split(|byte| *byte == 0) {
        let field = String::from_utf8_lossy(field);
        match field.split_once('=') {
            Some(("vermagic", value)) => value.clone_into(&mut info.vermagic),
            Some(("firmware", value)) => info.firmware.push(value.to_owned()),
            Some(("depends", value)) => {
                let names = value.split(',').filter(|name| !name.is_empty());
                info.depends.extend(names.map(str::to_owned));
            }
            Some(("alias", value)) => info.aliases.push(value.to_owned()),
            Some(("softdep", value)) => info.softdep.add(value.split_whitespace()),
            _ => {}
        }
    }
    Ok(info)
}
