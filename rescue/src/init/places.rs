//! From "label:RESCUE/backup" to a folder that can be read: finding and
//! mounting what holds repositories and plans.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use fsmap::FsKind;
use serde::Deserialize;
use sys::mount::Access;

use super::clock;
use super::iscsi;
use super::network::{self, Network};
use super::shares;
use super::state::Board;
use super::volumes::{self, LABEL, Volume};
use crate::inventory::{self, Use};
use crate::unattended::Place;

/// How long a disk that is asked for by name may take to appear.
const DISK_PATIENCE: Duration = Duration::from_secs(30);

/// How long a DHCP server may take, or a link that is set.
const NETWORK_PATIENCE: Duration = Duration::from_secs(60);

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The volume and folder it is on, in words.
    pub on: String,
    /// The folder, as [`store::open`] takes it.
    pub location: String,
}

#[derive(Deserialize)]
struct MediumFile {
    volume: String,
}

/// The volume identifier of the medium this was booted from; `None` when it
/// was no medium (a network boot without one).
#[must_use]
pub fn medium_label() -> Option<String> {
    let bytes = fs::read("/etc/rescue/medium.json").ok()?;
    let medium: MediumFile = serde_json::from_slice(&bytes).ok()?;
    Some(medium.volume.trim_end().to_owned()).filter(|v| !v.is_empty())
}

/// Where `medium:/` leads, among `volumes`: the ISO this was booted from, or
/// the data partition of the stick.
#[must_use]
pub fn medium(volumes: &[Volume]) -> Option<&Volume> {
    let parts = medium_volumes(volumes);
    let data = |v: &&Volume| v.kind == FsKind::Iso9660 || v.label.as_deref() == Some(LABEL);
    parts.into_iter().find(data)
}

/// Every volume of the medium this was booted from that may hold a plan: the
/// ISO, or all partitions of the stick.
#[must_use]
pub fn medium_volumes(volumes: &[Volume]) -> Vec<&Volume> {
    let Some(label) = medium_label() else {
        return Vec::new();
    };
    let is_it =
        |v: &&Volume| v.kind == FsKind::Iso9660 && v.label.as_deref() == Some(label.as_str());
    if let Some(iso) = volumes.iter().find(is_it) {
        return vec![iso];
    }
    let disks = inventory::disks().unwrap_or_default();
    let sticks: Vec<&str> = disks
        .iter()
        .filter(|d| d.uses.contains(&Use::Medium))
        .map(|d| d.name.as_str())
        .collect();
    let on_stick = |v: &&Volume| sticks.iter().any(|disk| is_partition(&v.name, disk));
    volumes.iter().filter(on_stick).collect()
}

/// Whether `name` ("sdb3", "mmcblk0p3") is a partition of `disk`.
pub(super) fn is_partition(name: &str, disk: &str) -> bool {
    let Some(rest) = name.strip_prefix(disk) else {
        return false;
    };
    let number = match disk.ends_with(|c: char| c.is_ascii_digit()) {
        true => rest.strip_prefix('p').unwrap_or_default(),
        false => rest,
    };
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// Those labelled [`LABEL`].
#[must_use]
pub fn labelled<'a>(volumes: &'a [Volume], label: &str) -> Vec<&'a Volume> {
    let has = |v: &&Volume| v.label.as_deref() == Some(label);
    volumes.iter().filter(has).collect()
}

/// Makes a place readable: waits for its disk or the network, mounts it. The
/// answer is what [`store::open`] takes.
///
/// # Errors
/// When it does not appear, or several could be meant.
pub fn resolve(place: &Place) -> anyhow::Result<String> {
    match place {
        Place::Nfs(nfs) => {
            wait_for_network()?;
            Ok(shares::nfs(nfs, Access::ReadOnly)?.display().to_string())
        }
        Place::Smb(smb) => {
            wait_for_network()?;
            Ok(shares::smb(smb, Access::ReadOnly)?.display().to_string())
        }
        Place::Iscsi(lun) => {
            wait_for_network()?;
            iscsi::folder(lun)
        }
        Place::Uuid { uuid, folder } => on_uuid(uuid, folder),
        Place::Http(address) => {
            wait_for_network()?;
            if address.starts_with("https:") {
                clock::wait();
            }
            Ok(address.clone())
        }
        Place::Path(path) => Ok(path.display().to_string()),
        Place::Medium(folder) => {
            let found = wait_for(|volumes| medium(volumes).cloned().into_iter().collect())?;
            let Some(volume) = found.first() else {
                bail!("the medium this was booted from is not there: put it back, and try again");
            };
            Ok(volumes::mount(volume)?.join(folder).display().to_string())
        }
        Place::Label { label, folder } => on_label(label, folder),
    }
}

fn on_uuid(uuid: &str, folder: &Path) -> anyhow::Result<String> {
    let has = |v: &&Volume| {
        v.uuid
            .as_deref()
            .is_some_and(|u| u.eq_ignore_ascii_case(uuid))
    };
    let found = wait_for(|volumes| volumes.iter().filter(has).cloned().collect())?;
    match found.as_slice() {
        [] => bail!("no file system with the UUID {uuid} was found: attach the disk that has it"),
        [one] => Ok(volumes::mount(one)?.join(folder).display().to_string()),
        _ => bail!(
            "{} all have the UUID {uuid}: detach those that are not meant",
            names(&found)
        ),
    }
}

fn on_label(label: &str, folder: &Path) -> anyhow::Result<String> {
    let found = wait_for(|volumes| labelled(volumes, label).into_iter().cloned().collect())?;
    if found.is_empty() {
        bail!("no file system labelled {label} was found: attach the disk that has it");
    }
    match folders_in(&found, folder)?.as_slice() {
        [one] => Ok(one.display().to_string()),
        [] => bail!(
            "there is no folder /{} on {}",
            folder.display(),
            names(&found)
        ),
        _ => bail!(
            "{} all have a folder /{}: detach those that are not meant",
            names(&found),
            folder.display()
        ),
    }
}

/// Mounts `volumes`; where `folder` is in them.
pub(super) fn folders_in(volumes: &[Volume], folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for volume in volumes {
        let path = volumes::mount(volume)?.join(folder);
        if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}

pub(super) fn names(volumes: &[Volume]) -> String {
    let names: Vec<String> = volumes.iter().map(Volume::describe).collect();
    names.join(" and ")
}

/// Volumes that `pick` finds, as soon as it finds any.
fn wait_for(pick: impl Fn(&[Volume]) -> Vec<Volume>) -> anyhow::Result<Vec<Volume>> {
    let found = Board::system()
        .wait_for(DISK_PATIENCE, |_| {
            Some(pick(&volumes::list())).filter(|v| !v.is_empty())
        })
        .context("waiting for disks")?;
    Ok(found.unwrap_or_default())
}

fn wait_for_network() -> anyhow::Result<()> {
    let board = Board::system();
    // Those who just said how the network is reached want to reach it so.
    let serial = network::settings::Given::read(&board).serial;
    let network = |board: &Board| board.read::<Network>(network::STATE);
    let ready = |board: &Board| {
        let network = network(board)?;
        (network.is_up() && !network.waiting && network.serial >= serial).then_some(())
    };
    let found = board
        .wait_for(NETWORK_PATIENCE, ready)
        .context("waiting for the network")?;
    // What is set and does not come up need not be what is needed.
    if found.is_some() || network(&board).is_some_and(|n| n.is_up()) {
        return Ok(());
    }
    let state: Network = board.read(network::STATE).unwrap_or_default();
    let lines = state.lines();
    if lines.is_empty() {
        bail!("this machine has no wired network link with a driver");
    }
    bail!(
        "no network address within {} s; the links are:\n{}",
        NETWORK_PATIENCE.as_secs(),
        lines.join("\n")
    )
}

/// "/backup on sdb1 (ext4, labelled RESCUE)": a folder below `root`, where
/// `volume` is mounted, as the operator knows it.
pub(super) fn spoken(volume: &Volume, root: &Path, folder: &Path) -> String {
    let below = folder.strip_prefix(root).unwrap_or(folder);
    format!("/{} on {}", below.display(), volume.describe())
}

/// `text` with the mount path `location` in the operator's words, when it is one
/// of ours; and the disk it is on.
#[must_use]
pub fn in_words(text: &str, location: &str) -> String {
    let folder = Path::new(location);
    let below = folder.strip_prefix(volumes::MOUNTS).ok();
    let name = below.and_then(|path| path.iter().next());
    let volumes = volumes::list();
    let Some(volume) = volumes.iter().find(|v| name == Some(v.name.as_ref())) else {
        return text.to_owned();
    };
    let root = Path::new(volumes::MOUNTS).join(&volume.name);
    let mut words = spoken(volume, &root, folder);
    let disks = inventory::disks().unwrap_or_default();
    let of = disks.iter().filter(|d| volume.name.starts_with(&d.name));
    if let Some(disk) = of.max_by_key(|d| d.name.len()) {
        words.push_str(&format!(", {}", disk.describe()));
    }
    text.replace(location, &words)
}

/// Every repository on a local file system. Volumes without one are let go,
/// because they may be what is restored onto.
#[must_use]
pub fn repositories() -> Vec<Found> {
    let volumes = volumes::list();
    let booted_from = medium(&volumes).cloned();
    let mut found: Vec<Found> = Vec::new();
    for volume in without_copies(&volumes) {
        let Ok(root) = volumes::mount(volume) else {
            continue;
        };
        let folders = repositories_below(&root);
        let keep = volume.label.as_deref() == Some(LABEL) || booted_from.as_ref() == Some(volume);
        if folders.is_empty() && !keep {
            // Still in use only if something else looks at it, too.
            let _ = volumes::release(volume);
        }
        found.extend(folders.into_iter().map(|folder| Found {
            on: spoken(volume, &root, &folder),
            location: folder.display().to_string(),
        }));
    }
    found
}

/// All but the first partition of a stick that an ISO was written to: it is the
/// same file system as the whole stick.
pub(super) fn without_copies(volumes: &[Volume]) -> impl Iterator<Item = &Volume> {
    let same = |a: &Volume, b: &Volume| {
        a.kind == FsKind::Iso9660 && b.kind == a.kind && a.label == b.label && a.uuid == b.uuid
    };
    let is_copy = move |v: &&Volume| {
        volumes
            .iter()
            .any(|w| same(v, w) && is_partition(&v.name, &w.name))
    };
    volumes.iter().filter(move |v| !is_copy(v))
}

/// Folders that look like repositories: `root` itself and two levels below.
fn repositories_below(root: &Path) -> Vec<PathBuf> {
    /// No folder with more entries than this is searched.
    const MANY: usize = 1000;
    let mut found = Vec::new();
    let mut level = vec![root.to_owned()];
    for _ in 0..3 {
        let mut next = Vec::new();
        for folder in level {
            if looks_like_repository(&folder) {
                found.push(folder);
                continue;
            }
            let entries = fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .take(MANY);
            let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
            next.extend(folders.map(|e| e.path()));
        }
        level = next;
    }
    found.sort_unstable();
    found
}

fn looks_like_repository(folder: &Path) -> bool {
    folder.join("config").is_file() && folder.join("snap").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_as_the_operator_knows_it() {
        let volume = Volume {
            name: "sdb1".into(),
            path: "/dev/sdb1".into(),
            kind: fsmap::FsKind::Ext4,
            label: Some("RESCUE".into()),
            uuid: None,
        };
        let root = Path::new("/run/rescue/mnt/sdb1");
        let told = spoken(&volume, root, &root.join("backup"));
        assert_eq!(told, "/backup on sdb1 (ext4, labelled RESCUE)");
        let told = spoken(&volume, root, root);
        assert_eq!(told, "/ on sdb1 (ext4, labelled RESCUE)");
        assert_eq!(in_words("from /srv/b", "/srv/b"), "from /srv/b");
    }

    #[test]
    fn a_partition_is_known_by_its_name() {
        assert!(is_partition("sdb3", "sdb") && is_partition("mmcblk0p3", "mmcblk0"));
        assert!(!is_partition("sdba", "sdb") && !is_partition("sdb", "sdb"));
        assert!(!is_partition("nvme0n12", "nvme0n1"));
    }

    #[test]
    fn an_iso_on_a_stick_counts_once() {
        let volume = |name: &str, kind| Volume {
            name: name.into(),
            path: format!("/dev/{name}").into(),
            kind,
            label: Some("RESCUE_1".into()),
            uuid: None,
        };
        let volumes = [
            volume("sda", FsKind::Iso9660),
            volume("sda1", FsKind::Iso9660),
            volume("sda2", FsKind::Fat16),
            volume("sr0", FsKind::Iso9660),
        ];
        let names: Vec<_> = without_copies(&volumes).map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["sda", "sda2", "sr0"]);
    }

    #[test]
    fn repositories_are_found_two_levels_deep() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["a/repo", "b", "c/d/e"] {
            let folder = root.path().join(folder);
            fs::create_dir_all(folder.join("snap")).unwrap();
            fs::write(folder.join("config"), "x").unwrap();
        }
        fs::create_dir_all(root.path().join("etc/config")).unwrap();
        let found = repositories_below(root.path());
        assert_eq!(found, [root.path().join("a/repo"), root.path().join("b")]);
    }
}
