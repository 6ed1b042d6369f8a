//! The EFI system partition that a disk has got, for the system on it.

use linux::esp::{MOUNT, mounted};

use super::known::Volumes;
use crate::adapt::Adaptation;
use crate::adapt::volume::NewFile;
use crate::files::{Files, FilesError};

const FSTAB: &str = "/etc/fstab";
/// No fstab is larger than this many bytes.
const MOST: u64 = 1 << 20;

/// It is mounted where systems have it.
pub(super) fn follow(
    files: &dyn Files,
    volumes: &Volumes,
    told: &mut Adaptation,
) -> Result<(), FilesError> {
    let Some(uuid) = &volumes.esp else {
        return Ok(());
    };
    let changed = told.files.iter_mut().find(|file| file.path == FSTAB);
    let bytes = match &changed {
        Some(file) => Some(file.bytes.clone()),
        None => files.read(FSTAB, MOST)?,
    };
    // (Without an fstab something else mounts its file systems.)
    let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(());
    };
    let Some(text) = mounted(&text, uuid) else {
        told.warnings.push(format!(
            "{FSTAB} mounts an EFI system partition already; the new one is UUID={uuid}"
        ));
        return Ok(());
    };
    match changed {
        Some(file) => file.bytes = text.into_bytes(),
        None => {
            let file = NewFile::changed(FSTAB, text.into_bytes());
            told.files.push(file);
        }
    }
    told.files.push(NewFile::folder(MOUNT));
    told.lines.push(format!(
        "{FSTAB}: the new EFI system partition, UUID={uuid}, is mounted at {MOUNT}."
    ));
    told.edits
        .push(format!("change {FSTAB}: a line for {MOUNT}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::Folder;

    #[test]
    fn the_line_comes_into_what_was_changed_already() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let files = Folder::open(root.path()).unwrap();
        let volumes = Volumes {
            esp: Some("AB12-CD34".to_owned()),
            ..Volumes::default()
        };
        let mut told = Adaptation::default();
        follow(&files, &volumes, &mut told).unwrap();
        assert_eq!(told, Adaptation::default(), "there is no fstab");
        fs::write(root.path().join("etc/fstab"), "/dev/sda1 / ext4\n").unwrap();
        let changed = NewFile::changed(FSTAB, b"UUID=1 / ext4\n".to_vec());
        for before in [vec![], vec![changed]] {
            let mut told = Adaptation {
                files: before,
                ..Adaptation::default()
            };
            let first = told.files.first().map(|file| file.bytes.clone());
            follow(&files, &volumes, &mut told).unwrap();
            let [tab, folder] = &*told.files else {
                panic!("{told:?}");
            };
            let first = first.unwrap_or_else(|| b"/dev/sda1 / ext4\n".to_vec());
            let line = "UUID=AB12-CD34 /boot/efi vfat umask=0077,nofail 0 1\n";
            assert_eq!(tab.bytes, [&first, line.as_bytes()].concat());
            assert_eq!((&*folder.path, folder.folder), ("/boot/efi", true));
        }
    }
}
