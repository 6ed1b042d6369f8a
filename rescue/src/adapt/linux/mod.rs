//! What a restored Linux needs to find its disk on other hardware.
//!
//! Pure: files are read through [`Files`], what comes out are files to write.

mod archive;
mod contents;
mod fstab;
mod index;
mod initramfs;

use image::DiskImage;
use serde::{Deserialize, Serialize};

use super::Adaptation;
use super::volume::NewFile;
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
    #[error("it is compressed with LZ4, to which nothing can be appended")]
    Lz4,
    #[error(
        "the kernel's modules are compressed, and those in it are not, or are not known: the kernel's \
         lists would hide them"
    )]
    Decompressed,
}

/// The partitions of a disk, by what they are called whatever controller it hangs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partitions {
    /// The number of the one that the system is on.
    own: u32,
    /// Numbers and names.
    names: Vec<(u32, String)>,
}

/// Those of `disk`, of which the system is on number `own`.
pub(super) fn partitions(disk: &DiskImage, own: u32) -> Partitions {
    let named = disk.regions.iter().filter_map(|region| {
        let uuid = region.fs.as_ref()?.uuid.as_ref()?;
        Some((region.partition()?.number, format!("UUID={uuid}")))
    });
    Partitions {
        own,
        names: named.collect(),
    }
}

/// What the Linux among `files` needs.
pub(super) fn plan(
    files: &dyn Files,
    hardware: &Hardware,
    partitions: &Partitions,
) -> Result<Adaptation, Failed> {
    let mut told = Adaptation::default();
    let known = !hardware.way.is_empty() || !hardware.others.is_empty();
    if known {
        for kernel in kernels(files)? {
            // One kernel that starts is enough: the boot menu has them all.
            if let Err(why) = kernel_for(files, &kernel, hardware, &mut told) {
                told.warnings.push(format!(
                    "{}, the initramfs of kernel {}, stays as it was captured: {why}.",
                    kernel.initramfs, kernel.version
                ));
            }
        }
    }
    rename(files, partitions, &mut told)?;
    Ok(told)
}

/// A kernel of the system.
struct Kernel {
    /// "6.1.0-1-amd64".
    version: String,
    /// Its initramfs.
    initramfs: String,
}

/// The kernels that have an initramfs.
fn kernels(files: &dyn Files) -> Result<Vec<Kernel>, FilesError> {
    let there = files.list("/boot")?;
    let versions = files.list(MODULES)?.into_iter().rev();
    let kernel = |version: String| {
        let names = [
            format!("initrd.img-{version}"),
            format!("initramfs-{version}.img"),
            format!("initrd-{version}"),
        ];
        let name = names.into_iter().find(|name| there.contains(name))?;
        Some(Kernel {
            version,
            initramfs: format!("/boot/{name}"),
        })
    };
    Ok(versions.filter_map(kernel).take(KERNELS).collect())
}

/// What `kernel` gets.
fn kernel_for(
    files: &dyn Files,
    kernel: &Kernel,
    hardware: &Hardware,
    told: &mut Adaptation,
) -> Result<(), Failed> {
    let version = &kernel.version;
    let folder = format!("{MODULES}/{version}");
    let Some(bytes) = files.read(&kernel.initramfs, INITRAMFS)? else {
        return Ok(());
    };
    let Some(found) = initramfs::supplement(files, &folder, &bytes, hardware)? else {
        return Ok(());
    };
    if !found.missing.is_empty() {
        told.warnings.push(format!(
            "Kernel {version} has no module for {}, which is on the way to the disk: it starts here \
             only if the driver is built into it.",
            found.missing.join(" and ")
        ));
    }
    let proven = found.missing.is_empty() && !hardware.way.is_empty();
    let boots = |how: &str| format!("kernel {version} {how} what its disk needs here.");
    let Some((after, bytes)) = initramfs::appended(&bytes, &found.archive) else {
        told.boots.extend(proven.then(|| boots("has")));
        return Ok(());
    };
    told.boots.extend(proven.then(|| boots("gets")));
    let drivers = found.drivers.join(", ");
    told.lines.push(format!(
        "The initramfs of kernel {version} gets its own drivers for this machine: {drivers}."
    ));
    told.edits.push(format!(
        "append {} bytes to {}: drivers {drivers} and the kernel's lists of modules",
        bytes.len(),
        kernel.initramfs
    ));
    told.files.push(NewFile {
        after,
        ..NewFile::changed(&kernel.initramfs, bytes)
    });
    Ok(())
}

/// Names in fstab that this hardware does not have.
fn rename(
    files: &dyn Files,
    partitions: &Partitions,
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
        let mut names = partitions.names.iter();
        let name = names.find(|(n, _)| *n == number);
        name.map(|(_, name)| name.clone())
    };
    let changed = fstab::renamed(&text, partitions.own, &stable);
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
    let bytes = changed.text.into_bytes();
    told.files.push(NewFile::changed(FSTAB, bytes));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::files::Folder;

    const DISK: &str = "virtio:d00000002v00001AF4";

    /// A kernel with an initramfs, and the driver of virtio disks when it `knows` it.
    fn kernel(root: &Path, version: &str, knows: bool) {
        let modules = root.join("lib/modules").join(version);
        fs::create_dir_all(&modules).unwrap();
        fs::create_dir_all(root.join("boot")).unwrap();
        let alias = "alias virtio:d00000002v* virtio_blk\n";
        let alias = if knows { alias } else { "" };
        for (name, text) in [
            ("modules.dep", "virtio_blk.ko:\n"),
            ("modules.alias", alias),
            ("modules.builtin.modinfo", ""),
            ("virtio_blk.ko", "module"),
        ] {
            fs::write(modules.join(name), text).unwrap();
        }
        fs::write(root.join(format!("boot/initrd.img-{version}")), "").unwrap();
    }

    fn planned(root: &Path) -> Adaptation {
        let files = Folder::open(root).unwrap();
        let hardware = Hardware {
            way: vec![DISK.to_owned()],
            ..Hardware::default()
        };
        let partitions = Partitions {
            own: 1,
            names: Vec::new(),
        };
        plan(&files, &hardware, &partitions).unwrap()
    }

    #[test]
    fn every_kernel_is_treated_and_what_is_not_known_is_told() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(planned(root.path()), Adaptation::default());
        kernel(root.path(), "5", false);
        let told = planned(root.path());
        assert!(told.warnings[0].contains(DISK), "{told:?}");
        assert!(
            told.refusals.is_empty() && told.boots.is_empty(),
            "{told:?}"
        );
        kernel(root.path(), "6", true);
        // What cannot be done for one is done for the others.
        kernel(root.path(), "7", true);
        fs::remove_file(root.path().join("lib/modules/7/virtio_blk.ko")).unwrap();
        let told = planned(root.path());
        assert!(told.warnings[0].contains("kernel 7, stays"), "{told:?}");
        assert!(told.warnings[1].contains("Kernel 5"), "{told:?}");
        assert_eq!(told.boots, ["kernel 6 gets what its disk needs here."]);
        let grown: Vec<&str> = told.files.iter().map(|file| &*file.path).collect();
        assert_eq!(grown, ["/boot/initrd.img-6"]);
    }
}
