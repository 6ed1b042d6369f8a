//! The initramfs of a restored system, made to know the controller that its disk
//! hangs on now: an archive with the kernel's own modules is appended to it. The
//! kernel unpacks archives that follow each other
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`), and what
//! comes later replaces what came before, so neither the system's own tools nor
//! its compression are needed.
//!
//! udev in the initramfs loads modules by the lists that `depmod` makes. A
//! host-only initramfs has them for its own few modules; the archive brings
//! those of the whole kernel.

use std::collections::BTreeSet;

use super::archive::Archive;
use super::index::{self, Index, name_of};
use super::{ALWAYS, Failed};
use super::{contents, firmware};
use crate::files::Files;
use crate::inventory::Hardware;

/// No module's file is larger than this many bytes.
const MODULE: u64 = 64 << 20;
/// Bytes of everything that is appended at most.
const MOST: usize = 192 << 20;

/// Devices without which there is no disk, beside [`STORAGE`]: virtio, Hyper-V and Xen
/// disks, SD cards. (Others may have been bound by a driver that names no alias.)
const DISKS: [&str; 4] = ["virtio:", "vmbus:", "xen:", "mmc:"];
/// PCI's class of storage controllers in an alias.
const STORAGE: &str = "bc01sc";

/// What a kernel needs for a machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Supplement {
    /// Names of what drives the way to the disk, as the kernel calls them.
    pub(super) drivers: Vec<String>,
    /// Devices on the way to the disk of which it is not known that this kernel drives
    /// them: it has no module for them, and most kernels do not tell what is built in.
    pub(super) missing: Vec<String>,
    /// The archive; empty when all is built into the kernel or in the initramfs.
    pub(super) archive: Vec<u8>,
    /// Whether there are drivers in it.
    pub(super) brings: bool,
    /// Copies of the system's texts in it that become others.
    pub(super) copies: Vec<String>,
}

/// A text of the system, and where an initramfs may have a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) paths: Vec<String>,
    pub(super) text: Vec<u8>,
}

/// For the kernel whose modules are in `folder` ("/lib/modules/6.1.0-1-amd64") and
/// which has this `initramfs`.
pub(super) fn supplement(
    files: &dyn Files,
    folder: &str,
    initramfs: &[u8],
    hardware: &Hardware,
    texts: &[Copied],
) -> Result<Option<Supplement>, Failed> {
    let Some(index) = Index::read(files, folder)? else {
        return Ok(None);
    };
    let mut found = Supplement::default();
    let mut names: Vec<&str> = Vec::new();
    for device in &hardware.way {
        let (drivers, builtin) = index.drivers(device);
        let matters = DISKS.iter().any(|kind| device.starts_with(kind));
        if drivers.is_empty() && !builtin && (matters || device.contains(STORAGE)) {
            found.missing.push(device.clone());
        }
        names.extend(drivers);
    }
    let way = index.closure(names.iter().copied());
    for device in &hardware.others {
        names.extend(index.drivers(device).0);
    }
    names.extend(ALWAYS.into_iter().filter(|name| index.has(name)));
    names.sort_unstable();
    names.dedup();
    found.drivers = names.iter().map(|name| (*name).to_owned()).collect();
    let paths = index.closure(names.iter().copied());
    let there = contents::contents(initramfs);
    let is_there = |path: &&str| name_of(path).is_some_and(|name| there.modules.contains(&name));
    // What is not on the way to the disk is welcome, and no reason to change anything.
    let needed = if hardware.way.is_empty() {
        &paths
    } else {
        &way
    };
    let lacks = !needed.iter().all(is_there);
    let copies = copies(texts, &there);
    found.copies = copies.iter().map(|(path, _)| format!("/{path}")).collect();
    if (lacks || !copies.is_empty()) && there.lz4 {
        return Err(Failed::Lz4);
    }
    if lacks {
        // Lists that name compressed files would hide those that were decompressed for it: these
        // come as the lists have them, too.
        let hides = paths.iter().any(|path| !path.ends_with(".ko"));
        if hides && !there.whole {
            return Err(Failed::Decompressed);
        }
        let all = match hides && there.plain {
            true => {
                let known = there.modules.iter().map(String::as_str);
                index.closure(
                    names
                        .iter()
                        .copied()
                        .chain(known.filter(|name| index.has(name))),
                )
            }
            false => paths,
        };
        found.brings = true;
        found.archive = archive(files, folder, &all, &copies)?;
    } else if !copies.is_empty() {
        let mut archive = Archive::default();
        copies
            .iter()
            .for_each(|(path, text)| archive.file(path, 1, text));
        found.archive = archive.finish();
    }
    Ok(Some(found))
}

/// Those of `texts` that the initramfs has, or may have where it cannot be looked into.
fn copies<'t>(texts: &'t [Copied], there: &contents::Contents) -> Vec<(&'t str, &'t [u8])> {
    let all = texts.iter().flat_map(|copied| {
        let paths = copied.paths.iter();
        paths.map(|path| (path.trim_start_matches('/'), &*copied.text))
    });
    all.filter(|(path, _)| !there.whole || there.files.contains(*path))
        .collect()
}

fn archive<'p>(
    files: &dyn Files,
    folder: &str,
    paths: impl IntoIterator<Item = &'p &'p str>,
    copies: &[(&str, &[u8])],
) -> Result<Vec<u8>, Failed> {
    let mut archive = Archive::default();
    let mut firmware = BTreeSet::new();
    let mut total = 0usize;
    let below = folder.trim_start_matches('/');
    let below = below.strip_prefix("usr/").unwrap_or(below);
    let mut add = |name: &str, bytes: &[u8]| {
        total = total.saturating_add(bytes.len());
        if total > MOST {
            return Err(Failed::TooMuch(MOST));
        }
        // "lib" is a folder in some initramfs, and a link in others.
        archive.file(&format!("{below}/{name}"), 1, bytes);
        Ok(())
    };
    for path in paths {
        let whole = format!("{folder}/{path}");
        let bytes = files.read(&whole, MODULE)?;
        let bytes = bytes.ok_or(Failed::NoModule(whole))?;
        add(path, &bytes)?;
        firmware.extend(firmware::of(path, &bytes));
    }
    for (name, bytes) in index::lists(files, folder)? {
        add(&name, &bytes)?;
    }
    for (path, bytes) in firmware::files(files, &firmware, MOST.saturating_sub(total))? {
        archive.file(&path, 1, &bytes);
    }
    for (path, text) in copies {
        archive.file(path, 1, text);
    }
    Ok(archive.finish())
}

/// What is to stand after how many bytes of `initramfs`, so that `archive` is found
/// there; `None` when it is empty or there already.
pub(super) fn appended(initramfs: &[u8], archive: &[u8]) -> Option<(u64, Vec<u8>)> {
    // (Of an initramfs that cannot be looked into, this much is known.)
    if archive.is_empty() || initramfs.ends_with(archive) {
        return None;
    }
    // An archive that is not compressed begins at a multiple of four bytes.
    let gap = initramfs.len().next_multiple_of(4) - initramfs.len();
    let mut bytes = vec![0; gap];
    bytes.extend(archive);
    Some((initramfs.len() as u64, bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::files::Folder;

    const FOLDER: &str = "/lib/modules/6.1";

    /// A kernel with NVMe and virtio disks as modules, AHCI built in.
    fn system(root: &Path) -> Folder {
        let modules = root.join("usr/lib/modules/6.1");
        fs::create_dir_all(modules.join("kernel/drivers")).unwrap();
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
        for name in ["nvme.ko", "nvme-core.ko", "virtio_blk.ko"] {
            fs::write(modules.join("kernel/drivers").join(name), name).unwrap();
        }
        let dep = "kernel/drivers/nvme.ko: kernel/drivers/nvme-core.ko\n\
                   kernel/drivers/nvme-core.ko:\nkernel/drivers/virtio_blk.ko:\n\
                   kernel/drivers/gone.ko:\n";
        let alias = "# Aliases\nalias pci:v*d*sv*sd*bc01sc08i02* nvme\n\
                     alias virtio:d00000002v* virtio_blk\nalias pci:v00009999d* gone\n";
        for (name, text) in [
            ("modules.dep", dep),
            ("modules.alias", alias),
            ("modules.dep.bin", "binary"),
            ("modules.softdep", "softdep nvme pre: virtio-blk\n"),
            (
                "modules.builtin.modinfo",
                "ahci.alias=pci:v*d*sv*sd*bc01sc06i01*\0ahci.license=GPL\0",
            ),
        ] {
            fs::write(modules.join(name), text).unwrap();
        }
        Folder::open(root).unwrap()
    }

    fn hardware(way: &[&str]) -> Hardware {
        Hardware {
            way: way.iter().map(|alias| (*alias).to_owned()).collect(),
            ..Hardware::default()
        }
    }

    const LOST: &str = "pci:v00000001d00000002sv0sd0bc01sc04i00";
    const NVME: &str = "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02";
    const AHCI: &str = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";

    #[test]
    fn a_driver_comes_with_what_it_needs_and_the_lists() {
        let root = tempfile::tempdir().unwrap();
        let files = system(root.path());
        let found = supplement(&files, FOLDER, b"?", &hardware(&[NVME]), &[])
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.drivers, found.missing),
            (vec!["nvme".to_owned()], vec![])
        );
        let text = String::from_utf8(found.archive).unwrap();
        for name in [
            "kernel/drivers/nvme.ko",
            "kernel/drivers/nvme-core.ko",
            // (It should be loaded first.)
            "kernel/drivers/virtio_blk.ko",
            "modules.dep.bin",
            "modules.alias",
        ] {
            assert!(
                text.contains(&format!("lib/modules/6.1/{name}\0")),
                "{name}"
            );
        }
        // Another controller is no reason.
        let beside = Hardware {
            others: vec![NVME.to_owned()],
            ..hardware(&[AHCI])
        };
        let found = supplement(&files, FOLDER, b"?", &beside, &[])
            .unwrap()
            .unwrap();
        assert!(found.archive.is_empty() && found.drivers == ["nvme"]);
        // Once it is there, it need not come again.
        let again = supplement(&files, FOLDER, text.as_bytes(), &hardware(&[NVME]), &[]);
        assert!(again.unwrap().unwrap().archive.is_empty());
        assert!(!text.contains("usr/lib") && !text.contains("modules.builtin.bin"));
    }

    #[test]
    fn what_is_built_in_needs_nothing_and_what_nobody_drives_is_named() {
        let root = tempfile::tempdir().unwrap();
        let files = system(root.path());
        let found = supplement(&files, FOLDER, b"?", &hardware(&[AHCI]), &[])
            .unwrap()
            .unwrap();
        assert_eq!(found, Supplement::default());
        let found = supplement(&files, FOLDER, b"?", &hardware(&[LOST]), &[])
            .unwrap()
            .unwrap();
        assert_eq!(found.missing, [LOST]);
        let error =
            supplement(&files, FOLDER, b"?", &hardware(&["pci:v00009999d0"]), &[]).unwrap_err();
        assert!(error.to_string().contains("gone.ko"), "{error}");
        assert!(
            supplement(&files, "/lib/modules/5", b"", &hardware(&[]), &[])
                .unwrap()
                .is_none()
        );
    }

    /// Debian's mkinitramfs decompresses modules: lists that name compressed ones would hide
    /// them.
    #[test]
    fn compressed_modules_do_not_hide_those_that_were_decompressed() {
        let root = tempfile::tempdir().unwrap();
        let files = system(root.path());
        let modules = root.path().join("usr/lib/modules/6.1");
        let dep = fs::read_to_string(modules.join("modules.dep")).unwrap();
        fs::write(modules.join("modules.dep"), dep.replace(".ko", ".ko.xz")).unwrap();
        for name in ["nvme.ko", "nvme-core.ko", "virtio_blk.ko"] {
            let file = modules.join("kernel/drivers").join(name);
            fs::rename(&file, file.with_extension("ko.xz")).unwrap();
        }
        let with = |path: &str| {
            let mut archive = Archive::default();
            archive.file(path, 1, b"");
            archive.finish()
        };
        let supplement = |bytes: &[u8]| supplement(&files, FOLDER, bytes, &hardware(&[NVME]), &[]);
        assert!(matches!(supplement(b"\xfd7zX"), Err(Failed::Decompressed)));
        // What was decompressed comes again, as the lists call it.
        let plain = with("lib/modules/6.1/kernel/drivers/virtio_blk.ko");
        let found = supplement(&plain).unwrap().unwrap().archive;
        let text = String::from_utf8_lossy(&found);
        for name in ["nvme.ko.xz", "virtio_blk.ko.xz"] {
            assert!(text.contains(&format!("kernel/drivers/{name}\0")), "{text}");
        }
        let same = with("lib/modules/6.1/kernel/ext4.ko.xz");
        assert!(!supplement(&same).unwrap().unwrap().archive.is_empty());
        let early = [&with("kernel/x86/microcode")[..], &[2, 0x21, 0x4c, 0x18]].concat();
        assert!(matches!(supplement(&early), Err(Failed::Lz4)));
    }

    #[test]
    fn an_archive_is_appended_once() {
        let (after, bytes) = appended(b"12345", b"070701").unwrap();
        assert_eq!(
            (after, &bytes[..]),
            (5, &b"\0\0\0\x30\x37\x30\x37\x30\x31"[..])
        );
        assert_eq!(appended(b"12345\0\0\x30\x37", b"\x30\x37"), None);
        assert_eq!(appended(b"12345", b""), None);
    }
}
