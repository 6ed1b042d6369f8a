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
  imagebuilder iso --repository /mnt/backup --config plan.toml --out web1.iso
  imagebuilder usb --data-size 8GiB --out rescue-usb.img
  imagebuilder pxe --out /srv/rescue
  imagebuilder uki --key db.key --certificate db.pem --out rescue.efi
  imagebuilder customize rescue.iso --ssh-key ~/.ssh/id_ed25519.pub --plan rescue.toml
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
    /// Build one signed program for UEFI: kernel, initramfs and command line
    Uki(UkiArgs),
    /// Put configuration, keys, a plan, drivers into a finished medium
    Customize(CustomizeArgs),
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

    /// Folders laid out as /lib/firmware: of the files in them the medium takes
    /// those that its modules ask for (scripts/firmware fetches packages)
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub(crate) firmware: Vec<PathBuf>,

    /// A configuration to put on the medium as /rescue.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Room for what `imagebuilder customize` writes, like 512KiB or 8MiB; drivers
    /// and firmware need more than keys and configuration
    #[arg(long, value_name = "SIZE", default_value = "512KiB", value_parser = area)]
    pub(crate) site_area: u64,

    /// More words for the kernel command line
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub(crate) cmdline: String,

    /// Compression, 1 to 19: from 10 on drivers are packed with xz, which makes
    /// a medium some MiB smaller and takes half a minute longer
    #[arg(long, value_name = "N", default_value_t = 19)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=19))]
    pub(crate) level: u8,

    /// Time of every file on the medium, in seconds since 1970
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", default_value_t = EPOCH)]
    pub(crate) source_date_epoch: u32,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a medium with room for it can carry along.
#[derive(Debug, Args)]
pub(crate) struct ImagesArgs {
    /// A repository to put onto the medium, as the folder images: with a plan
    /// (--config) that reads from medium:/images, a restore CD for one machine
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct IsoArgs {
    #[command(flatten)]
    pub(crate) build: BuildArgs,

    #[command(flatten)]
    pub(crate) images: ImagesArgs,

    /// Where to write the ISO
    #[arg(long, value_name = "FILE", default_value = "target/rescue.iso")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct UsbArgs {
    #[command(flatten)]
    pub(crate) build: BuildArgs,

    #[command(flatten)]
    pub(crate) images: ImagesArgs,

    /// Size of the data partition, like 64MiB or 8GiB, what --repository needs
    /// is added to it; it grows to the stick's size when the stick is started
    /// the first time
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

/// A size that a site area can have, in bytes.
fn area(text: &str) -> Result<u64, String> {
    let bytes = text
        .parse()
        .map_err(|e: site::plan::size::NoSize| e.to_string())?;
    let site::plan::Size(bytes) = bytes;
    if (4 << 10..=site::area::LARGEST).contains(&bytes) && bytes.is_multiple_of(512) {
        Ok(bytes)
    } else {
        Err("4KiB to 64MiB are possible, in whole sectors of 512 bytes".to_owned())
    }
}

/// A size of at least 24 MiB, in bytes: less does not hold the journal.
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
        Some(bytes) if bytes >= 24 << 20 => Ok(bytes),
        _ => Err("at least 24MiB are needed, and at most what fits in 64 bits".to_owned()),
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

#[derive(Debug, Args)]
#[command(after_help = CUSTOMIZE)]
pub(crate) struct CustomizeArgs {
    /// An ISO, an image for a stick, a stick, or a folder for network boot
    #[arg(value_name = "MEDIUM")]
    pub(crate) medium: PathBuf,

    /// The medium's configuration, site.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// An unattended plan, as rescue.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,

    /// Public keys that may come in by SSH (files as authorized_keys); without
    /// any there is no SSH server
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) ssh_key: Vec<PathBuf>,

    /// The key by which the machine is known over SSH (ssh-keygen -t ed25519);
    /// if not given, a new one at every start
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_host_key: Option<PathBuf>,

    /// Certificates of the authorities that servers are trusted by (PEM)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) ca: Vec<PathBuf>,

    /// The certificate that the machine shows to servers (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,

    /// Its private key (PEM, without a passphrase)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,

    /// Public keys (minisign) of which one must have signed an image: the medium
    /// restores no other
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) trust_key: Vec<PathBuf>,

    /// More words for the kernel command line, in every entry of every menu
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub(crate) kernel_args: Option<String>,

    /// Firmware files; the folder is laid out as /lib/firmware
    #[arg(long, value_name = "DIR")]
    pub(crate) firmware: Option<PathBuf>,

    /// Kernel modules for the medium's kernel
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) driver: Vec<PathBuf>,

    /// Take everything out first
    #[arg(long)]
    pub(crate) reset: bool,

    /// Write a copy, and leave MEDIUM as it is
    #[arg(long, value_name = "FILE", conflicts_with_all = ["show", "extract"])]
    pub(crate) out: Option<PathBuf>,

    /// Only show what the medium has been given
    #[arg(long, conflicts_with_all = CHANGES)]
    pub(crate) show: bool,

    /// Only write the files that the medium has been given, secrets too, to a new folder
    #[arg(long, value_name = "DIR", conflicts_with_all = CHANGES)]
    pub(crate) extract: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const CHANGES: [&str; 12] = [
    "config",
    "plan",
    "ssh_key",
    "ssh_host_key",
    "ca",
    "client_cert",
    "client_key",
    "trust_key",
    "kernel_args",
    "firmware",
    "driver",
    "reset",
];

const CUSTOMIZE: &str = "\
Each option replaces what the medium has of its kind; the rest stays. Everything is checked \
before the first byte is written.

Examples:
  imagebuilder customize rescue.iso --config site.toml --ca acme-root.pem --out acme.iso
  imagebuilder customize /dev/sdX --reset --ssh-key ~/.ssh/id_ed25519.pub
  imagebuilder customize /srv/rescue --kernel-args \"rescue.config=http://server/plans/\"
  imagebuilder customize rescue.iso --show";

/// `imagebuilder uki`
#[derive(Debug, Args)]
pub(crate) struct UkiArgs {
    #[command(flatten)]
    pub(crate) build: BuildArgs,

    /// What to write; the certificate comes beside it, as .cer and .esl
    #[arg(long, value_name = "FILE", default_value = "target/rescue.efi")]
    pub(crate) out: PathBuf,

    /// The key to sign with, in PEM form; without one the image is not signed
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,

    /// The certificate of that key, in PEM form
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,

    /// systemd's stub (default: that of the boot parts)
    #[arg(long, value_name = "FILE")]
    pub(crate) stub: Option<PathBuf>,
}
