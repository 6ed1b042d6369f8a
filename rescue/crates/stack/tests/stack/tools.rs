//! Running what makes and describes volumes, and disks whose every sector
//! says where it is.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use disk::MemDisk;
use stack::{Change, Part, Volume};

/// Whether `program` is installed; says on standard error why the test is skipped if not.
pub(crate) fn have(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: {program} is not installed (scripts/setup installs it)");
    }
    there
}

/// Runs it to its end, and wants it to succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&stdout).into_owned();
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {said}{errors}");
    said
}

/// Fills `bytes` so that each sector begins with `disk` and its own offset.
pub(crate) fn tag(bytes: &mut [u8], disk: u8) {
    for (number, sector) in bytes.chunks_exact_mut(512).enumerate() {
        sector.fill(disk);
        sector[..8].copy_from_slice(&(number as u64 * 512).to_le_bytes());
    }
}

/// The disk and offset that the sector at `offset` of the volume says.
pub(crate) fn tag_at(volume: &Volume, offset: u64) -> (u8, u64) {
    let mut sector = [0; 512];
    volume.device.read_exact_at(&mut sector, offset).unwrap();
    let at = u64::from_le_bytes(sector[..8].try_into().unwrap());
    (sector[511], at)
}

/// Partitions 1, 2, … that lie behind each other on a disk, from 1 MiB on.
pub(crate) fn parts(images: Vec<Vec<u8>>) -> Vec<Part> {
    let mut start = 1 << 20;
    let mut number = 0;
    let mut part = |image: Vec<u8>| {
        let part = Part {
            number: number + 1,
            start,
            device: Arc::new(MemDisk::new(image.clone())),
        };
        start += image.len() as u64;
        number += 1;
        part
    };
    images.into_iter().map(&mut part).collect()
}

/// The change of the volume's bytes at `at` to `after`.
pub(crate) fn change(volume: &Volume, at: u64, after: &[u8]) -> Change {
    let mut before = vec![0; after.len()];
    volume.device.read_exact_at(&mut before, at).unwrap();
    Change {
        at,
        before,
        after: after.to_vec(),
    }
}

/// The partitions with the changes of the disk made, each of which has to find what it says is there.
pub(crate) fn apply(parts: &[Part], changes: &[Change]) -> Vec<Part> {
    let mut images: Vec<Vec<u8>> = parts
        .iter()
        .map(|part| {
            let mut bytes = vec![0; part.device.size() as usize];
            part.device.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        })
        .collect();
    for change in changes {
        let holds =
            |part: &&Part| (part.start..part.start + part.device.size()).contains(&change.at);
        let part = parts.iter().find(holds).expect("a partition");
        let at = (change.at - part.start) as usize;
        let number = part.number as usize - 1;
        let bytes = &mut images[number][at..at + change.after.len()];
        assert_eq!(bytes, change.before, "what is there at {}", change.at);
        bytes.copy_from_slice(&change.after);
    }
    self::parts(images)
}

/// A file with these bytes.
pub(crate) fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
