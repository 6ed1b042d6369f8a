//! Running xorriso (and its neighbours) reproducibly.
//!
//! docs/adr/0001-iso-writer.md says why the ISO itself is left to xorriso.

use std::borrow::BorrowMut;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::images::{FOLDER, Images};
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
    /// A repository that becomes the folder [`FOLDER`].
    pub(crate) images: Option<&'a Images>,
    /// A folder for files on the way.
    pub(crate) work: &'a Path,
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

/// The repository's files are not staged, so their modes are their owner's; and
/// their names are longer than the 64 characters that Joliet is meant to have.
const IMAGES: &str = "-joliet-long -dir-mode 0755 -file-mode 0444";

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
    if let Some(images) = sources.images {
        let list = sources.work.join("images.list");
        fs::write(&list, path_list(images)?).context("listing the images")?;
        // GRUB reads kernel and layers through the BIOS: they come first.
        let weight = format!("/{FOLDER}");
        command.args(["--sort-weight", "-1", &weight]);
        command.args(IMAGES.split_whitespace());
        command.args(["--set_all_file_dates", &time.digits()]);
        command.arg("-graft-points").arg("-path-list").arg(&list);
    }
    command.arg("-o").arg(out);
    match sources.images {
        Some(_) => command.arg(graft("/", sources.tree)?),
        None => command.arg(sources.tree),
    };
    command.env("SOURCE_DATE_EPOCH", options.time.to_string());
    run(command, "xorriso")
}

/// "TARGET=SOURCE": where on the ISO a file or folder goes.
fn graft(target: &str, source: &Path) -> Result<String> {
    let text = source.to_str().filter(|text| !text.contains('\n'));
    let text =
        text.with_context(|| format!("{}: xorriso cannot be given such a name", source.display()))?;
    Ok(format!("{target}={text}"))
}

/// The images, a line each.
fn path_list(images: &Images) -> Result<String> {
    let mut out = String::new();
    for object in &images.objects {
        let target = format!("/{FOLDER}/{}", object.name);
        out.push_str(&graft(&target, &images.path(object))?);
        out.push('\n');
    }
    Ok(out)
}

/// A command that does not depend on the user's language or time zone.
pub(crate) fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C").env("TZ", "UTC");
    command
}

/// Runs `command`; an error ends with what it printed last, or names the
/// Debian package that has it.
pub(crate) fn run(mut command: impl BorrowMut<Command>, package: &str) -> Result<()> {
    let command = command.borrow_mut();
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
