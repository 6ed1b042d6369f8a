//! What a restored Linux needs to find its disk on other hardware.
//!
//! Pure: files are read through [`Files`], what comes out are files to write.

mod archive;
mod contents;
mod fstab;
mod index;
mod initramfs;

use image::DiskImage;

use super::{Adaptation, Grown};
use crate::files::{Files, FilesError};
use crate::inventory::Hardware;

/// Modules that are needed beside those of the devices on the way to the disk.
const ALWAYS: [&str; 1] = ["sd_mod"];
/// Where kernels have their modules.
const MODULES: &str = "/lib/modules";
/// No initramfs is larger than this many bytes.
const INITRAMFS: u64 = 512 << 20;
/// No text is.
const TEXT: u64 = 1 << 20;
/// More kernels than this are not looked at.
const KERNELS: usize = 32;

/// Why a system cannot be adapted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("{0} is in the kernel's list, but not there: its modules are incomplete")]
    NoModule(String),
    #[error("its drivers have more than {} MiB", .0 >> 20)]
    TooMuch(usize),
    #[error("its initramfs is compressed with LZ4, to which nothing can be appended")]
    Lz4,
}

/// What the partitions of a disk are called, whatever controller it hangs on.
pub(super) fn names(disk: &DiskImage) -> Vec<(u32, String)> {
    let named = disk.regions.iter().filter_map(|region| {
        let uuid = region.fs.as_ref()?.uuid.as_ref()?;
        Some((region.partition()?.number, format!("UUID={uuid}")))
    });
    named.collect()
}

/// What the Linux among `files` needs.
pub(super) fn plan(
    files: &dyn Files,
    hardware: &Hardware,
    names: &[(u32, String)],
) -> Result<Adaptation, Failed> {
    let mut told = Adaptation::default();
    let kernels = kernels(files)?;
    let known = !hardware.way.is_empty() || !hardware.others.is_empty();
    for kernel in kernels.iter().filter(|_| known) {
        kernel_for(files, kernel, hardware, &mut told)?;
    }
    rename(files, names, &mut told)?;
    Ok(told)
}

/// A kernel of the system.
struct Kernel {
    /// "6.1.0-1-amd64".
    version: String,
    /// Its initramfs.
    initramfs: String,
    bytes: Vec<u8>,
}

/// The kernels that have an initramfs.
fn kernels(files: &dyn Files) -> Result<Vec<Kernel>, FilesError> {
    let mut found = Vec::new();
    let versions = files.list(MODULES)?;
    for version in versions.into_iter().rev().take(KERNELS) {
        for name in [
            format!("/boot/initrd.img-{version}"),
            format!("/boot/initramfs-{version}.img"),
            format!("/boot/initrd-{version}"),
        ] {
            if let Some(bytes) = files.read(&name, INITRAMFS)? {
                found.push(Kernel {
                    version: version.clone(),
                    initramfs: name,
                    bytes,
                });
                break;
            }
        }
    }
    Ok(found)
}

fn kernel_for(
    files: &dyn Files,
    kernel: &Kernel,
    hardware: &Hardware,
    told: &mut Adaptation,
) -> Result<(), Failed> {
    let version = &kernel.version;
    let folder = format!("{MODULES}/{version}");
    let Some(found) = initramfs::supplement(files, &folder, &kernel.bytes, hardware)? else {
        return Ok(());
    };
    if found.missing.is_empty() && !hardware.way.is_empty() {
        told.boots.push(match found.archive.is_empty() {
            true => format!("kernel {version} has what its disk needs here."),
            false => format!("kernel {version} gets what its disk needs here."),
        });
    }
    for device in &found.missing {
        told.refusals.push(format!(
            "kernel {version} has no driver for {device}, which is on the way to the disk: install \
             a kernel that has one before capturing, or restore to other hardware"
        ));
    }
    let Some((after, bytes)) = initramfs::appended(&kernel.bytes, &found.archive)? else {
        return Ok(());
    };
    let drivers = found.drivers.join(", ");
    told.lines.push(format!(
        "The initramfs of kernel {version} gets its own drivers for this machine: {drivers}."
    ));
    told.edits.push(format!(
        "append {} bytes to {}: drivers {drivers} and the kernel's lists of modules",
        bytes.len(),
        kernel.initramfs
    ));
    told.grown.push(Grown {
        path: kernel.initramfs.clone(),
        after,
        bytes,
    });
    Ok(())
}

/// Names in fstab that this hardware does not have.
fn rename(
    files: &dyn Files,
    names: &[(u32, String)],
    told: &mut Adaptation,
) -> Result<(), FilesError> {
    const FSTAB: &str = "/etc/fstab";
    let Some(bytes) = files.read(FSTAB, TEXT)? else {
        return Ok(());
    };
    let Ok(text) = String::from_utf8(bytes) else {
        let text = format!("{FSTAB} is no text, and stays as it is.");
        told.warnings.push(text);
        return Ok(());
    };
    let stable = |number: u32| {
        let name = names.iter().find(|(n, _)| *n == number);
        name.map(|(_, name)| name.clone())
    };
    let changed = fstab::renamed(&text, &stable);
    for device in &changed.lost {
        told.warnings.push(format!(
            "{FSTAB} names {device}, which may be called otherwise on this hardware."
        ));
    }
    if changed.edits.is_empty() {
        return Ok(());
    }
    let edits = changed.edits.join("; ");
    told.lines.push(format!("{FSTAB}: {edits}."));
    told.edits.push(format!("change {FSTAB}: {edits}"));
    told.grown.push(Grown {
        path: FSTAB.to_owned(),
        after: 0,
        bytes: changed.text.into_bytes(),
    });
    Ok(())
}
