//! `/sbin/modprobe -q -- NAME`: what the kernel runs when it wants a module by
//! name or alias itself (a network card's PHY, `fs-…`, an algorithm).
//!
//! Source: `call_modprobe` in Linux's `kernel/module/kmod.c`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use super::cmdline::Cmdline;
use super::modules::{Catalogue, Loader, Outcome};

/// Whether this program was started under the name `modprobe`.
#[must_use]
pub fn is_meant(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("modprobe"))
}

/// Loads the module or alias that is the last word of `arguments`. Silent: the
/// kernel goes by the exit code, and tells its caller what is missing.
#[must_use]
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some(name) = arguments.last() else {
        return ExitCode::FAILURE;
    };
    let Ok(catalogue) = Catalogue::of_medium() else {
        return ExitCode::FAILURE;
    };
    let cmdline = Cmdline::current();
    let loader = Loader::new(&catalogue, &cmdline);
    // As modprobe does: an alias may stand for several modules; a name for one.
    if loader.load_alias(&name) > 0 || loader.load(&name) == Outcome::Ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_link_counts() {
        assert!(is_meant(OsStr::new("/sbin/modprobe")));
        assert!(!is_meant(OsStr::new("/bin/rescue")));
        assert!(!is_meant(OsStr::new("/modprobe/rescue")));
    }
}
