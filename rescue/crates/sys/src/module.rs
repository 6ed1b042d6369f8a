//! Kernel modules.

use std::ffi::CString;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

/// What loading a module did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It was not there before.
    Now,
    /// The kernel had it already.
    Before,
    /// It went away again: the hardware or firmware it is for is not there.
    Unneeded,
}

/// Loads the uncompressed module in the file `path` with `params`
/// ("debug=1 irq=5", may be empty). Returns when its drivers have looked at
/// the devices present, which can take seconds.
///
/// # Errors
/// The file's, or the kernel's: `ENOEXEC` for another kernel's module,
/// `EKEYREJECTED` when Secure Boot wants a signature it trusts.
pub fn load(path: &Path, params: &str) -> Result<Loaded> {
    let params = CString::new(params)
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "a NUL in module parameters"))?;
    let file = File::open(path)?;
    match finit_module(&file, &params, ModuleInitFlags::empty()) {
        Ok(()) => Ok(Loaded::Now),
        Err(Errno::EEXIST) => Ok(Loaded::Before),
        Err(Errno::ENODEV) => Ok(Loaded::Unneeded),
        Err(errno) => Err(errno.into()),
    }
}
