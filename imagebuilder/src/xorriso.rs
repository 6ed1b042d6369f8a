//! Running xorriso (and its neighbours) reproducibly.
//!
//! docs/adr/0001-iso-writer.md says why the ISO itself is left to xorriso.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::iso9660::Timestamp;

/// Path on the ISO of GRUB's BIOS image.
pub(crate) const BIOS_IMAGE: &str = "boot/grub/bios.img";

/// What the ISO's own structures say.
#[derive(Debug, Clone)]
pub(crate) struct IsoOptions<'a> {
    /// Upper case, digits and `_`, at most 32.
    pub(crate) volume: &'a str,
    /// Disk GUID of the GPT.
    pub(crate) guid: &'a str,
    /// Seconds since 1970.
    pub(crate) time: u32,
}

/// What the ISO is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The folder that becomes the ISO's root.
    pub(crate) tree: &'a Path,
    /// GRUB's boot_hybrid.img.
    pub(crate) mbr: &'a Path,
    /// The EFI system partition's image.
    pub(crate) esp: &'a Path,
}

/// Joliet for Windows, which shows no Rock Ridge names; all owned by root,
/// whoever builds it.
const FORM: &str = "-quiet -iso-level 3 -rock -uid 0 -gid 0 -joliet -appid RESCUE \
                    --set_all_file_dates set_to_mtime";

/// As disk: a GPT whose first partition is the ISO itself (an offset of 16
/// sectors keeps it clear of the table) and whose second is the ESP. Some
/// BIOSes boot only from a disk whose MBR marks a partition active.
const DISK: &str = "-partition_offset 16 --mbr-force-bootable -appended_part_as_gpt \
                    -iso_mbr_part_type EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";

/// Partition type "EFI system".
const ESP_TYPE: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

/// As CD on BIOS: GRUB, told where it lies.
const EL_TORITO_BIOS: &str = "-c boot/grub/boot.cat -b boot/grub/bios.img -no-emul-boot \
                              -boot-load-size 4 -boot-info-table --grub2-boot-info";

/// As CD on UEFI: the same ESP.
const EL_TORITO_UEFI: &str =
    "-eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot";

/// Makes `out`: bootable as CD and as disk, by BIOS and UEFI.
pub(crate) fn write_iso(sources: &Sources<'_>, options: &IsoOptions<'_>, out: &Path) -> Result<()> {
    let time = Timestamp::from_epoch(options.time).context("a time outside the calendar")?;
    let mut command = tool("xorriso");
    command.args(["-no_rc", "-as", "mkisofs", "-volid", options.volume]);
    command.arg(format!("--modification-date={}", time.digits()));
    command.args(["--gpt_disk_guid", options.guid]);
    command.args(FORM.split_whitespace());
    command.arg("--grub2-mbr").arg(sources.mbr);
    command.args(DISK.split_whitespace());
    command
        .args(["-append_partition", "2", ESP_TYPE])
        .arg(sources.esp);
    command.args(EL_TORITO_BIOS.split_whitespace());
    command.args(EL_TORITO_UEFI.split_whitespace());
    command.arg("-o").arg(out).arg(sources.tree);
    command.env("SOURCE_DATE_EPOCH", options.time.to_string());
    run(command, "xorriso")
}

/// A command that does not depend on the user's language or time zone.
pub(crate) fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C").env("TZ", "UTC");
    command
}

/// Runs `command`; an error ends with what it printed last, or names the
/// Debian package that has it.
pub(crate) fn run(mut command: Command, package: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("{name} is not installed: apt-get install {package}")
        }
        output => output.with_context(|| format!("running {name}"))?,
    };
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<_> = stderr.lines().rev().take(8).collect();
    let tail: Vec<_> = tail.into_iter().rev().collect();
    bail!("{name} failed ({}):\n{}", output.status, tail.join("\n"))
}
