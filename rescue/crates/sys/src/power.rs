//! The end of the machine's day.

use std::io::Result;

use nix::sys::reboot::{RebootMode, reboot};

/// How the machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Start again.
    Reboot,
    /// Switch off.
    PowerOff,
}

/// Writes back what is cached, then stops the machine. Returns only when the
/// kernel refuses.
///
/// # Errors
/// The kernel's: `EPERM` without the right to.
pub fn stop(how: Stop) -> Result<()> {
    nix::unistd::sync();
    let mode = match how {
        Stop::Reboot => RebootMode::RB_AUTOBOOT,
        Stop::PowerOff => RebootMode::RB_POWER_OFF,
    };
    match reboot(mode) {
        Ok(never) => match never {},
        Err(errno) => Err(errno.into()),
    }
}

/// Lets Ctrl-Alt-Del send process 1 a SIGINT instead of resetting at once.
///
/// # Errors
/// The kernel's: `EPERM` without the right to.
pub fn ask_before_ctrl_alt_del() -> Result<()> {
    nix::sys::reboot::set_cad_enabled(false)?;
    Ok(())
}
