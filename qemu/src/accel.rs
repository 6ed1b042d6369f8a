//! Which accelerator really runs a guest here.
//!
//! `/dev/kvm` opens on some hosts where QEMU then aborts, or where every guest
//! instruction traps and Linux seems to hang before its first message. So the
//! question is put by booting a boot sector that computes a little, with a time
//! limit; the answer is kept for this process and, until the host reboots, for
//! this user.

use crate::boot_disk::{DEBUG_EXIT, boot_disk};
use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::firmware::Firmware;
use crate::machine::Machine;
use crate::vm::Exit;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// How guest instructions are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// By the processor.
    Kvm,
    /// By translation.
    Tcg,
}

/// A guest that runs at all says so long before this.
const PROBE_LIMIT: Duration = Duration::from_secs(8);

/// All that translation offers but for what it does slowly: kernels copy byte by byte by
/// `erms` (and `fsrm`), look through one table more by `la57`, and change how addresses are
/// translated at every access by `smap`. Processes start in three quarters of the time
/// without, and no program misses them. (Models of Intel's are slower than all: a kernel
/// keeps two sets of tables against Meltdown there.)
const LEAN: &str = "max,-erms,-fsrm,-la57,-smap,-pku,-umip";

impl Accel {
    /// The best accelerator that works; `RESCUE_QEMU_ACCEL` (`kvm` or `tcg`)
    /// overrides the probe.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Accel> = OnceLock::new();
        *BEST.get_or_init(|| named().or_else(remembered).unwrap_or_else(probe))
    }

    /// How many times longer things take than with KVM: time limits are
    /// multiplied by it.
    #[must_use]
    pub fn scale(self) -> u32 {
        match self {
            Self::Kvm => 1,
            Self::Tcg => 8,
        }
    }

    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi",
        }
    }

    pub(crate) fn cpu(self) -> &'static str {
        match self {
            Self::Kvm => "host",
            Self::Tcg => LEAN,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Kvm, Self::Tcg]
            .into_iter()
            .find(|accel| accel.name() == name.trim())
    }
}

fn named() -> Option<Accel> {
    Accel::from_name(&env::var("RESCUE_QEMU_ACCEL").ok()?)
}

/// Named for the boot of the host, so that a new kernel is asked again.
fn memory_file() -> Option<PathBuf> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("rescue").join(format!("accel-{}", boot.trim())))
}

fn remembered() -> Option<Accel> {
    Accel::from_name(&fs::read_to_string(memory_file()?).ok()?)
}

fn probe() -> Accel {
    let kvm = fs::File::options().read(true).write(true).open("/dev/kvm");
    if kvm.is_err() {
        return Accel::Tcg; // a cheap answer that need not be remembered
    }
    let best = match runs(Accel::Kvm) {
        Ok(true) => Accel::Kvm,
        Ok(false) | Err(_) => Accel::Tcg,
    };
    if let Some(file) = memory_file() {
        // Failing to remember only means asking again.
        if let Some(folder) = file.parent() {
            drop(fs::create_dir_all(folder));
        }
        drop(fs::write(file, best.name()));
    }
    best
}

/// Boots the smallest guest: true when it said its line and left.
pub(crate) fn runs(accel: Accel) -> Result<bool> {
    let dir = tempfile::tempdir().map_err(Error::file("creating a folder in", env::temp_dir()))?;
    let file = dir.path().join("probe.raw");
    fs::write(&file, boot_disk("alive\n", 0)).map_err(Error::file("writing", &file))?;
    let device = format!("isa-debug-exit,iobase={DEBUG_EXIT:#x},iosize=1");
    let mut vm = Machine::new(Firmware::Bios)
        .memory_mib(64)
        .cpus(1)
        .accel(accel)
        .disk(Disk::raw(&file))
        .arguments(&["-device", &device])
        .start()?;
    match vm.wait_exit(PROBE_LIMIT) {
        Ok(exit) => Ok(exit == Exit::Status(1) && vm.console().contains("alive")),
        Err(Error::TimedOut { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}
