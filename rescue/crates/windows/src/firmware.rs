//! Whether the firmware of a machine can start a Windows at all.
//!
//! Firmware starts programs for the processor as it runs it: a UEFI of 64 bits
//! starts no boot loader of 32 (UEFI 2.10, 2.3.2 and 2.3.4), and a 32-bit Windows
//! has no other. A BIOS starts what the first sector of an MBR disk holds, and Windows
//! on a GPT disk with an EFI system partition has nothing there (Microsoft, "Windows
//! and GPT FAQ"). What a BIOS started, for UEFI, is a conversion, and not judged here.

use hive::{Hive, Result};

use crate::control_sets;

/// What a machine was started by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS, or UEFI's compatibility with one (CSM).
    Bios,
    /// UEFI of 64 bits.
    Uefi,
    /// UEFI of 32 bits, as some tablets have it.
    Uefi32,
}

/// What a Windows is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// 32 bits.
    X86,
    /// 64 bits.
    Amd64,
    /// ARM, 64 bits.
    Arm64,
}

/// What of a Windows matters to firmware, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct System {
    /// What it is for.
    pub processor: Option<Processor>,
    /// Whether its disk is a GPT disk with an EFI system partition.
    pub by_uefi: Option<bool>,
}

/// Why a machine does not start it, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// 32 bits, and UEFI of 64.
    #[error(
        "this Windows is one of 32 bits, and UEFI, by which this machine was started, starts none: let the machine \
         start by BIOS (CSM, \"legacy boot\") in its firmware's set-up, if it has that, start the \
         rescue medium that way, and restore again"
    )]
    ThirtyTwoBits,
    /// UEFI, and a BIOS.
    #[error(
        "this Windows is started by UEFI (its disk has a GPT and an EFI system partition), and \
         this machine was started by a BIOS, which does not start it: choose UEFI in the \
         firmware's set-up or boot menu, start the rescue medium that way, and restore again"
    )]
    NeedsUefi,
}

/// Whether a machine that was started by `machine` starts `system`. What is not known
/// is no reason against it.
///
/// # Errors
/// With the reason why not.
pub fn firmware_fits(system: &System, machine: Firmware) -> std::result::Result<(), Misfit> {
    match (machine, system) {
        (Firmware::Uefi, System { processor, .. }) if *processor == Some(Processor::X86) => {
            Err(Misfit::ThirtyTwoBits)
        }
        (Firmware::Bios, System { by_uefi, .. }) if *by_uefi == Some(true) => {
            Err(Misfit::NeedsUefi)
        }
        _ => Ok(()),
    }
}

/// What the Windows of this `SYSTEM` is for: `PROCESSOR_ARCHITECTURE` of the
/// environment, which set-up writes.
///
/// # Errors
/// When the hive is damaged or has no control set that counts.
pub fn processor(system: &Hive) -> Result<Option<Processor>> {
    let text = architecture(system)?.unwrap_or_default();
    let known = [
        ("x86", Processor::X86),
        ("AMD64", Processor::Amd64),
        ("ARM64", Processor::Arm64),
    ];
    let found = known
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    Ok(found.map(|(_, processor)| *processor))
}

/// The same, as it says it.
///
/// # Errors
/// As [`processor`].
pub fn architecture(system: &Hive) -> Result<Option<String>> {
    let set = control_sets::current(system)?;
    let key = format!("{set}\\Control\\Session Manager\\Environment");
    let key = system.find(&key)?;
    let text = key.map(|key| key.text("PROCESSOR_ARCHITECTURE"));
    Ok(text.transpose()?.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_not_to_start_is_refused() {
        let system = |processor, by_uefi| System { processor, by_uefi };
        let (small, large) = (Some(Processor::X86), Some(Processor::Amd64));
        for (system, machine, fits) in [
            (system(small, Some(false)), Firmware::Uefi, false),
            (system(small, None), Firmware::Uefi, false),
            (system(small, Some(true)), Firmware::Uefi32, true),
            (system(small, Some(false)), Firmware::Bios, true),
            (system(large, Some(true)), Firmware::Bios, false),
            (system(None, Some(true)), Firmware::Bios, false),
            (system(large, Some(true)), Firmware::Uefi, true),
            // A conversion makes it start.
            (system(large, Some(false)), Firmware::Uefi, true),
            (system(None, None), Firmware::Uefi, true),
            (system(None, None), Firmware::Bios, true),
        ] {
            let found = firmware_fits(&system, machine);
            assert_eq!(found.is_ok(), fits, "{system:?} {machine:?}");
        }
    }
}
