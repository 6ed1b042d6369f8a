//! What a restored Linux needs to find its disk on other hardware.
//!
//! Pure: files are read through [`Files`], what comes out are files to write.

mod archive;
mod contents;
mod esp;
mod firmware;
mod index;
mod initramfs;
mod known;
mod loadable;
mod saved;
mod texts;

pub(crate) use known::Volumes;

use initramfs::Copied;
use loadable::Loadable;

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
    #[error("there is no room on its volume for the drivers that it needs here")]
    NoRoom,
    #[error("it is compressed with LZ4, to which nothing can be appended")]
    Lz4,
    #[error(
        "the kernel's modules are compressed, and those in it may not be: the kernel's lists would \
         hide them"
    )]
    Decompressed,
}

/// What the Linux among `files` needs; nothing comes to these initramfs, whose volume is
/// `full`.
pub(super) fn plan(
    files: &dyn Files,
    hardware: &Hardware,
    volumes: &Volumes,
    full: &[String],
) -> Result<Adaptation, Failed> {
    let mut told = Adaptation::default();
    let mut texts = texts::renamed(files, volumes, &mut told);
    texts.extend(texts::follow(files, &hardware.cards, &mut told));
    esp::follow(files, volumes, &mut told)?;
    let known = !hardware.way.is_empty() || !hardware.others.is_empty();
    if known {
        let loadable = Loadable::of(files)?;
        let kernels = kernels(files)?;
        for kernel in &kernels {
            // One kernel that starts is enough: the boot menu has them all.
            let done = match full.contains(&kernel.initramfs) {
                true => Err(Failed::NoRoom),
                false => kernel_for(files, kernel, hardware, &texts, &mut told),
            };
            match done {
                Ok(boots) => {
                    let boots = boots.filter(|_| loadable.has(&kernel.version));
                    told.boots.extend(boots);
                }
                Err(why) => told.warnings.push(format!(
                    "{}, the initramfs of kernel {}, stays as it was captured: {why}.",
                    kernel.initramfs, kernel.version
                )),
            }
        }
        // (What no initramfs was found of starts in some other way, or not.)
        let mut all = kernels.iter();
        if !kernels.is_empty() && !all.any(|kernel| loadable.has(&kernel.version)) {
            without_kernel(&loadable, volumes, &mut told);
        }
    }
    saved::originals(files, &mut told)?;
    Ok(told)
}

/// Tells that no boot loader finds a kernel of it; but for a /boot elsewhere, which may have them.
fn without_kernel(loadable: &Loadable, volumes: &Volumes, told: &mut Adaptation) {
    let gone = loadable.gone();
    if gone.is_certain && volumes.boot_is_elsewhere {
        return;
    }
    told.warnings.push(gone.why.clone());
    told.kernels_gone
        .extend(gone.is_certain.then_some(gone.why));
}

/// A kernel of the system.
struct Kernel {
    /// "6.1.0-1-amd64".
    version: String,
    /// Its initramfs.
    initramfs: String,
}

/// The numbers in a version, so that 6.1.0-10 comes after 6.1.0-9.
fn numbers(version: &str) -> (Vec<u64>, String) {
    let numbers = version.split(|c: char| !c.is_ascii_digit());
    let numbers = numbers.filter_map(|digits| digits.parse().ok());
    (numbers.collect(), version.to_owned())
}

/// The kernels that have an initramfs, the newest first.
fn kernels(files: &dyn Files) -> Result<Vec<Kernel>, FilesError> {
    let there = files.list("/boot")?;
    let mut versions = files.list(MODULES)?;
    versions.sort_by_cached_key(|version| numbers(version));
    let versions = versions.into_iter().rev();
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

/// What `kernel` gets; how it boots then, in words, where that is proven.
fn kernel_for(
    files: &dyn Files,
    kernel: &Kernel,
    hardware: &Hardware,
    texts: &[Copied],
    told: &mut Adaptation,
) -> Result<Option<String>, Failed> {
    let version = &kernel.version;
    let folder = format!("{MODULES}/{version}");
    let Some(bytes) = files.read(&kernel.initramfs, INITRAMFS)? else {
        return Ok(None);
    };
    let Some(found) = initramfs::supplement(files, &folder, &bytes, hardware, texts)? else {
        return Ok(None);
    };
    if !found.missing.is_empty() {
        told.warnings.push(format!(
            "Kernel {version} has no module for {}, which is on the way to the disk: it starts here \
             only if the driver is built into it.",
            found.missing.join(" and ")
        ));
    }
    let proven = found.missing.is_empty() && !hardware.way.is_empty();
    let in_words = |how: &str| format!("kernel {version} {how} what its disk needs here.");
    let Some((after, bytes)) = initramfs::appended(&bytes, &found.archive) else {
        return Ok(proven.then(|| in_words("has")));
    };
    let drivers = found.drivers.join(", ");
    let mut parts = Vec::new();
    if found.brings {
        told.lines.push(format!(
            "The initramfs of kernel {version} gets its own drivers for this machine: {drivers}."
        ));
        parts.push(format!(
            "drivers {drivers} and the kernel's lists of modules"
        ));
    }
    parts.extend(found.copies);
    told.edits.push(format!(
        "append {} bytes to {}: {}",
        bytes.len(),
        kernel.initramfs,
        parts.join(", ")
    ));
    told.files.push(NewFile {
        after,
        ..NewFile::changed(&kernel.initramfs, bytes)
    });
    Ok(proven.then(|| in_words("gets")))
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
        fs::write(root.join(format!("boot/initrd.img-{version}")), [0; 4]).unwrap();
        fs::write(root.join(format!("boot/vmlinuz-{version}")), "kernel").unwrap();
    }

    fn planned(root: &Path) -> Adaptation {
        let files = Folder::open(root).unwrap();
        let hardware = Hardware {
            way: vec![DISK.to_owned()],
            ..Hardware::default()
        };
        plan(&files, &hardware, &Volumes::default(), &[]).unwrap()
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
        assert_eq!(
            grown,
            ["/boot/initrd.img-6", "/var/lib/rescue/1/changes.txt"]
        );
    }

    /// With modules and an initramfs alone nothing starts.
    #[test]
    fn a_system_without_a_kernel_is_not_said_to_boot() {
        let root = tempfile::tempdir().unwrap();
        for version in ["5", "6"] {
            kernel(root.path(), version, true);
        }
        let file = |name: &str| root.path().join("boot").join(name);
        let (five, six) = (file("vmlinuz-5"), file("vmlinuz-6"));
        // The other one starts.
        fs::remove_file(&six).unwrap();
        let told = planned(root.path());
        assert_eq!(told.boots, ["kernel 5 gets what its disk needs here."]);
        assert_eq!((told.warnings.len(), told.kernels_gone.len()), (0, 0));
        fs::remove_file(five).unwrap();
        let told = planned(root.path());
        assert!(told.boots.is_empty(), "{told:?}");
        assert!(
            told.kernels_gone[0].contains("/boot has no kernel"),
            "{told:?}"
        );
        assert_eq!(told.warnings, told.kernels_gone);
        // Its initramfs is adapted all the same.
        assert!(
            told.files
                .iter()
                .any(|new| new.path == "/boot/initrd.img-6")
        );
        // Others may start it: nobody can tell from here.
        for (other, words) in [
            ("boot/bzImage", "bzImage"),
            ("boot/loader/entries/0123-6.conf", "/boot/loader/entries"),
            ("etc/kernel/uki.conf", "/etc/kernel/uki.conf"),
        ] {
            let other = root.path().join(other);
            fs::create_dir_all(other.parent().unwrap()).unwrap();
            fs::write(&other, "").unwrap();
            let told = planned(root.path());
            assert!(told.boots.is_empty() && told.kernels_gone.is_empty());
            assert!(told.warnings[0].contains(words), "{told:?}");
            fs::remove_file(other).unwrap();
        }
        fs::write(file("kernel-genkernel-x86_64-6"), "").unwrap();
        assert_eq!(planned(root.path()).boots.len(), 1);
    }
}
