//! File systems found in the machine: what they are, and reading them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use disk::ReadAt;
use fsmap::FsKind;
use sys::mount::{Access, Trust};

use super::cmdline::Cmdline;
use super::modules::{CATALOGUE, Catalogue, Loader, Outcome};

/// Everything mounted for looking is below this.
pub const MOUNTS: &str = "/run/rescue/mnt";

/// Reads NTFS where the kernel cannot.
const NTFS_PROGRAM: &str = "/usr/bin/ntfs-3g";

/// The label that marks a file system as meant for us.
pub const LABEL: &str = "RESCUE";

/// One partition, disc or whole disk that holds something known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The kernel's name: "sda1", "sr0".
    pub name: String,
    /// The device.
    pub path: PathBuf,
    /// What is on it.
    pub kind: FsKind,
    /// Its label.
    pub label: Option<String>,
    /// Its UUID or serial number, as `blkid` shows it.
    pub uuid: Option<String>,
}

impl Volume {
    /// "sdb1 (ext4, labelled RESCUE)".
    #[must_use]
    pub fn describe(&self) -> String {
        let kind = match self.kind {
            FsKind::Ntfs => "ntfs",
            kind => kernel_name(kind).unwrap_or("unknown"),
        };
        match &self.label {
            Some(label) => format!("{} ({kind}, labelled {label})", self.name),
            None => format!("{} ({kind})", self.name),
        }
    }
}

/// Every volume with a file system that can be read here.
#[must_use]
pub fn list() -> Vec<Volume> {
    let mut names: Vec<String> = fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|n| {
            !["loop", "ram", "zram", "fd"]
                .iter()
                .any(|p| n.starts_with(p))
        })
        .collect();
    names.sort_unstable();
    names.into_iter().filter_map(|n| look(&n)).collect()
}

fn look(name: &str) -> Option<Volume> {
    let path = Path::new("/dev").join(name.replace('!', "/"));
    let device = Device::open(&path)?;
    let identity = fsmap::identify(&device).ok()?;
    kernel_name(identity.kind)?;
    let label = match identity.kind {
        FsKind::Iso9660 => iso_label(&device),
        _ => identity.label,
    };
    Some(Volume {
        name: name.to_owned(),
        path,
        kind: identity.kind,
        label: label.filter(|l| !l.is_empty()),
        uuid: identity.uuid,
    })
}

/// A device and its size, which its metadata do not tell.
pub(super) struct Device {
    file: File,
    size: u64,
}

impl Device {
    fn open(path: &Path) -> Option<Self> {
        Self::of(File::open(path).ok()?)
    }

    /// `None` when it is empty or no block device.
    pub(super) fn of(file: File) -> Option<Self> {
        let size = sys::block::size(&file).ok().filter(|s| *s > 0)?;
        Some(Self { file, size })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl ReadAt for Device {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buf, offset)
    }
    fn size(&self) -> u64 {
        self.size
    }
}

/// The volume identifier (ECMA-119 §8.4.7).
fn iso_label(device: &dyn ReadAt) -> Option<String> {
    let mut bytes = [0; 32];
    device.read_exact_at(&mut bytes, 16 * 2048 + 40).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// What the kernel calls a file system that holds files; `None` for what is
/// none (LVM, LUKS, …).
fn kernel_name(kind: FsKind) -> Option<&'static str> {
    Some(match kind {
        FsKind::Ext2 | FsKind::Ext3 | FsKind::Ext4 => "ext4",
        FsKind::Ntfs => "ntfs3",
        FsKind::Fat12 | FsKind::Fat16 | FsKind::Fat32 => "vfat",
        FsKind::Xfs => "xfs",
        FsKind::Btrfs => "btrfs",
        FsKind::Exfat => "exfat",
        FsKind::Iso9660 => "iso9660",
        FsKind::Squashfs => "squashfs",
        FsKind::F2fs => "f2fs",
        _ => return None,
    })
}

/// Options that keep a read-only mount from writing: no journal replay.
fn options(kind: &str) -> Option<&'static str> {
    match kind {
        "ext4" => Some("noload"),
        "xfs" | "f2fs" => Some("norecovery"),
        "btrfs" => Some("rescue=nologreplay"),
        _ => None,
    }
}

/// Makes the kernel know a file system, loading its module when it is one.
pub(crate) fn ensure_known(kind: &str) -> anyhow::Result<()> {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if known
        .lines()
        .any(|l| l.split_whitespace().last() == Some(kind))
    {
        return Ok(());
    }
    let catalogue = Catalogue::read(Path::new(CATALOGUE))?;
    let cmdline = Cmdline::current();
    let loader = Loader::new(&catalogue, &cmdline);
    if kind == "vfat" {
        // The tables a mount asks for by name; not every kernel has them all.
        for table in ["nls_cp437", "nls_iso8859_1", "nls_ascii", "nls_utf8"] {
            loader.load(table);
        }
    }
    match loader.load(kind) {
        Outcome::Ready => Ok(()),
        Outcome::Unknown => bail!("this medium has no driver for {kind} file systems"),
        Outcome::Refused(why) => bail!("the kernel refuses the {kind} driver: {why}"),
    }
}

/// Mounts a volume read-only and returns where. One that is mounted there
/// already stays as it is.
///
/// # Errors
/// When its file system is not known to the kernel or is damaged.
pub fn mount(volume: &Volume) -> anyhow::Result<PathBuf> {
    let target = Path::new(MOUNTS).join(&volume.name);
    if is_mounted(&target) {
        if fs::read_dir(&target).is_ok() {
            return Ok(target);
        }
        // The program that served it has ended.
        let _ = sys::mount::detach(&target);
    }
    let kind = kernel_name(volume.kind).context("it holds no file system")?;
    let known = ensure_known(kind);
    let _turn = wait_for_turn(&target)?;
    if is_mounted(&target) {
        return Ok(target);
    }
    if known.is_err() && volume.kind == FsKind::Ntfs && Path::new(NTFS_PROGRAM).exists() {
        mount_ntfs(&volume.path, &target)
            .with_context(|| format!("mounting {} read-only", volume.describe()))?;
        return Ok(target);
    }
    known.with_context(|| format!("reading {}", volume.describe()))?;
    let (access, trust) = (Access::ReadOnly, Trust::Foreign);
    sys::mount::mount(&volume.path, &target, kind, access, trust, options(kind))
        .with_context(|| format!("mounting {} read-only", volume.describe()))?;
    Ok(target)
}

/// Makes the folder `target` and waits while another process mounts something there:
/// each console has its own, and all of them look for plans when the machine starts.
fn wait_for_turn(target: &Path) -> anyhow::Result<File> {
    let turn = || {
        fs::create_dir_all(target)?;
        let folder = File::open(target)?;
        folder.lock()?;
        Ok::<_, std::io::Error>(folder)
    };
    turn().with_context(|| format!("creating {}", target.display()))
}

/// NTFS for kernels without a driver of their own: a program of the tools layer
/// that serves the file system through FUSE until it is unmounted.
fn mount_ntfs(device: &Path, target: &Path) -> anyhow::Result<()> {
    ensure_known("fuseblk").or_else(|_| ensure_known("fuse"))?;
    let output = Command::new(NTFS_PROGRAM)
        // A suspended or unclean Windows is no reason not to read.
        .args(["-o", "ro,nodev,nosuid,noexec,windows_names"])
        .args([device, target])
        .output()
        .with_context(|| format!("starting {NTFS_PROGRAM}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        let why: Vec<&str> = why
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .collect();
        bail!("{NTFS_PROGRAM} says: {}", why.join(" "));
    }
    Ok(())
}

/// Lets a volume go that [`mount`] mounted.
///
/// # Errors
/// When something in it is still open.
pub fn release(volume: &Volume) -> anyhow::Result<()> {
    let target = Path::new(MOUNTS).join(&volume.name);
    sys::mount::unmount(&target).with_context(|| format!("unmounting {}", target.display()))
}

/// Lets every volume go that `kept`, a path, is not in: they were only looked at,
/// and may be what is restored onto. One that is still used stays, and shows.
pub fn release_others(kept: &Path) {
    for target in mounted_below(Path::new(MOUNTS)) {
        if !kept.starts_with(&target) {
            let _ = sys::mount::unmount(&target);
        }
    }
}

/// Takes whatever is mounted of a disk out of sight: it does not answer any more.
pub(super) fn give_up(disk: &str) {
    for target in mounted_below(Path::new(MOUNTS)) {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        if name == disk || super::places::is_partition(&name, disk) {
            let _ = sys::mount::detach(&target);
        }
    }
}

fn mounted_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|e| e.path())
        .filter(|t| is_mounted(t))
        .collect()
}

/// Lets every volume go, used or not: the machine is about to stop.
pub fn release_all() {
    for target in mounted_below(Path::new(MOUNTS)) {
        // A server that is gone must not keep the machine from stopping.
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let on_a_server = name.starts_with("nfs-") || name.starts_with("smb-");
        if on_a_server || sys::mount::unmount(&target).is_err() {
            let _ = sys::mount::detach(&target);
        }
    }
}

pub(crate) fn is_mounted(target: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let target = target.to_string_lossy();
    mounts.lines().any(|l| l.split(' ').nth(1) == Some(&target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn one_console_mounts_a_volume_while_the_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("sr0");
        let first = wait_for_turn(&place).unwrap();
        // (Another volume is nobody's business.)
        drop(wait_for_turn(&folder.path().join("sda1")).unwrap());
        let (tell, told) = mpsc::channel();
        let waits = std::thread::spawn(move || {
            let turn = wait_for_turn(&place).unwrap();
            tell.send(()).unwrap();
            drop(turn);
        });
        assert!(told.recv_timeout(Duration::from_millis(100)).is_err());
        drop(first);
        told.recv_timeout(Duration::from_secs(60)).unwrap();
        waits.join().unwrap();
    }
}
