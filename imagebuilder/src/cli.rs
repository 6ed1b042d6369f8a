//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Builds the rescue medium: an ISO that boots as CD and as USB stick, an image
/// for a USB stick that can also hold backups, or a tree for network boot; on
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
  imagebuilder usb --data-size 8GiB --out rescue-usb.img
  imagebuilder pxe --out /srv/rescue
  imagebuilder inspect rescue.iso
  dd if=rescue.iso of=/dev/STICK bs=4M conv=fsync     # the same file, on a USB stick";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the ISO
    Iso(IsoArgs),
    /// Build an image for a USB stick, with a partition that can hold backups
    Usb(UsbArgs),
    /// Build a folder for network boot: TFTP, HTTP, iPXE, UEFI HTTP boot
    Pxe(PxeArgs),
    /// List what a medium holds and how large it is, by reading it
    Inspect(InspectArgs),
}

/// What every medium is built from.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
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

    /// Time of every file on the medium, in seconds since 1970
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", default_value_t = EPOCH)]
    pub(crate) source_date_epoch: u32,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IsoArgs {
    #[command(flatten)]
    pub(crate) build: BuildArgs,

    /// Where to write the ISO
    #[arg(long, value_name = "FILE", default_value = "target/rescue.iso")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct UsbArgs {
    #[command(flatten)]
    pub(crate) build: BuildArgs,

    /// Size of the data partition, like 64MiB or 8GiB; it grows to the stick's
    /// size when the stick is started the first time
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub(crate) data_size: u64,

    /// Where to write the image
    #[arg(long, value_name = "FILE", default_value = "target/rescue-usb.img")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PxeArgs {
    #[command(flatten)]
    pub(crate) build: BuildArgs,

    /// An ISO to hand out too, as rescue.iso: UEFI HTTP boot starts from it
    #[arg(long, value_name = "FILE")]
    pub(crate) iso: Option<PathBuf>,

    /// The folder to make; it must not exist, or have been made by this command
    #[arg(long, value_name = "DIR", default_value = "target/rescue-pxe")]
    pub(crate) out: PathBuf,
}

/// A size of at least 16 MiB, in bytes.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor: u64 = match unit.trim() {
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("write a whole number of MiB, GiB or TiB, like 8GiB".to_owned()),
    };
    let bytes = number.parse().ok().and_then(|n: u64| n.checked_mul(factor));
    match bytes {
        Some(bytes) if bytes >= 16 << 20 => Ok(bytes),
        _ => Err("at least 16MiB are needed, and at most what fits in 64 bits".to_owned()),
    }
}

/// 2025-01-01: a medium does not remember when it was built, so that the same
/// inputs give the same bytes.
pub(crate) const EPOCH: u32 = 1_735_689_600;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// An ISO, an image for a stick, a stick, or a folder for network boot
    #[arg(value_name = "MEDIUM")]
    pub(crate) medium: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
