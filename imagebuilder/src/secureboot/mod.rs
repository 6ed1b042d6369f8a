//! Preflight for Secure Boot: who signed what the firmware and shim start, which
//! generations it has, and what follows for machines (docs/SECURE_BOOT.md).

mod program;
mod sbat;
mod verdict;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::medium::Medium;
use program::Program;

/// The preflight of one medium.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Preflight {
    /// Every program of the boot chain.
    programs: Vec<Program>,
    /// What that means, a sentence each.
    verdicts: Vec<String>,
}

impl Preflight {
    /// Reads the boot chain of `medium`.
    ///
    /// # Errors
    /// When a file cannot be read. What is no signed program is told, not an error.
    pub(crate) fn of(medium: &Medium) -> Result<Self> {
        let is_program =
            |path: &&String| path.to_lowercase().ends_with(".efi") || *path == "boot/vmlinuz";
        let mut programs = Vec::new();
        for path in medium.esp.keys().filter(is_program) {
            let bytes = medium.read_esp(path);
            let bytes = bytes.with_context(|| format!("reading {path} of the EFI partition"))?;
            programs.push(Program::read(path, &bytes.unwrap_or_default()));
        }
        for path in medium.files.keys().filter(is_program) {
            if programs.iter().any(|known| known.path == *path) {
                continue;
            }
            let bytes = medium
                .read(path)
                .with_context(|| format!("reading {path}"))?;
            programs.push(Program::read(path, &bytes.unwrap_or_default()));
        }
        let verdicts = verdict::all(&programs);
        Ok(Self { programs, verdicts })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = "Secure Boot\n".to_owned();
        for program in &self.programs {
            out.push_str(&format!("  {}\n", program.describe()));
        }
        for verdict in &self.verdicts {
            out.push_str(&format!("  * {verdict}\n"));
        }
        out
    }
}
