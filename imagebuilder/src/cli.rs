//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Builds the rescue medium: one ISO that boots as CD and as USB stick, on
/// BIOS, UEFI and UEFI with Secure Boot.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  imagebuilder iso --boot-parts \"$(scripts/boot-parts)\" --out rescue.iso
  imagebuilder iso --kernel /boot/vmlinuz-6.12 --modules /lib/modules/6.12
  imagebuilder inspect rescue.iso
  dd if=rescue.iso of=/dev/STICK bs=4M conv=fsync     # the same file, on a USB stick";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the ISO
    Iso(IsoArgs),
    /// List what an ISO holds and how large it is, by reading it
    Inspect(InspectArgs),
}

#[derive(Debug, Args)]
pub(crate) struct IsoArgs {
    /// The static binary that becomes PID 1 (scripts/build-static makes it)
    #[arg(long, value_name = "FILE", default_value = "target/rescue")]
    pub(crate) rescue: PathBuf,

    /// Kernel, modules, shim and GRUB, unpacked by scripts/boot-parts
    #[arg(long, value_name = "DIR", default_value = "target/boot-parts/latest")]
    pub(crate) boot_parts: PathBuf,

    /// Another kernel than that of the boot parts; for Secure Boot it must be
    /// signed by the distribution whose shim is used
    #[arg(long, value_name = "FILE", requires = "modules")]
    pub(crate) kernel: Option<PathBuf>,

    /// The modules of that kernel, as in /lib/modules/VERSION
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub(crate) modules: Option<PathBuf>,

    /// Another list of modules to take (default: all storage, wired network,
    /// USB, keyboards, filesystems a server meets)
    #[arg(long, value_name = "FILE")]
    pub(crate) module_list: Option<PathBuf>,

    /// A configuration to put on the medium as /rescue.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// More words for the kernel command line
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub(crate) cmdline: String,

    /// Compression, 1 to 19: the highest makes a medium 2 MiB smaller and
    /// takes a minute longer
    #[arg(long, value_name = "N", default_value_t = 9)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=19))]
    pub(crate) level: u8,

    /// Where to write the ISO
    #[arg(long, value_name = "FILE", default_value = "target/rescue.iso")]
    pub(crate) out: PathBuf,

    /// Time of every file on the medium, in seconds since 1970
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", default_value_t = EPOCH)]
    pub(crate) source_date_epoch: u32,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// 2025-01-01: a medium does not remember when it was built, so that the same
/// inputs give the same bytes.
pub(crate) const EPOCH: u32 = 1_735_689_600;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The ISO, or the USB stick it was written to
    #[arg(value_name = "ISO")]
    pub(crate) iso: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
