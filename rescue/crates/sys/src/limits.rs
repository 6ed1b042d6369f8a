//! What a process may use at most.

use std::io::Result;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// From now on this process gets no address space beyond `memory` bytes and no
/// more than `seconds` of a processor, and leaves no core file. Where it may
/// have less already, that stays.
///
/// # Errors
/// The kernel's own surprises.
pub fn confine(memory: u64, seconds: u64) -> Result<()> {
    for (resource, most) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_AS, memory),
        (Resource::RLIMIT_CPU, seconds),
    ] {
        let (_, hard) = getrlimit(resource)?;
        let most = most.min(hard);
        setrlimit(resource, most, most)?;
    }
    Ok(())
}
