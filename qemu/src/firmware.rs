//! The firmware a machine starts with.

use crate::error::{Error, Result};
use std::env;
use std::path::{Path, PathBuf};

/// The firmware of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Firmware {
    /// PC BIOS (SeaBIOS).
    Bios,
    /// UEFI without Secure Boot (OVMF).
    Uefi,
    /// UEFI that starts nothing but what Microsoft's keys sign (OVMF, SMM).
    SecureBoot,
}

/// Code and variable template of one OVMF build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ovmf {
    pub(crate) code: PathBuf,
    pub(crate) vars: PathBuf,
}

/// Where distributions put OVMF; `RESCUE_OVMF` names another folder.
const FOLDERS: [&str; 2] = ["/usr/share/OVMF", "/usr/share/edk2/ovmf"];

impl Firmware {
    /// The 4 MiB builds: Debian 12 and later and Ubuntu 22.04 and later have them.
    fn file_names(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Bios => None,
            Self::Uefi => Some(("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")),
            Self::SecureBoot => Some(("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd")),
        }
    }

    /// The host's files for this firmware; `None` for BIOS, which QEMU brings.
    pub(crate) fn ovmf(self) -> Result<Option<Ovmf>> {
        let Some((code, vars)) = self.file_names() else {
            return Ok(None);
        };
        let own = env::var_os("RESCUE_OVMF").map(PathBuf::from);
        let folders = own.into_iter().chain(FOLDERS.map(PathBuf::from));
        for folder in folders {
            let found = Ovmf {
                code: folder.join(code),
                vars: folder.join(vars),
            };
            if Path::is_file(&found.code) && Path::is_file(&found.vars) {
                return Ok(Some(found));
            }
        }
        Err(Error::Missing {
            what: format!("firmware {code} with {vars}"),
            package: "ovmf",
        })
    }
}
