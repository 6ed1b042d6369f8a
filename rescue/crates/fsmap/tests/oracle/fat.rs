//! FAT12, FAT16 and FAT32, filled with mtools.

use std::collections::BTreeSet;

use fsmap::{Consistency, FsKind, FsMap};

use crate::partclone;
use crate::tools::{Image, content, run, write_file};

fn make(mib: u64, options: &[&str]) -> Image {
    let image = Image::sparse(mib << 20);
    let arg = image.arg();
    let mut args = vec!["-n", "PATIENT", "-i", "1234ABCD"];
    args.extend(options);
    args.push(&arg);
    run("mkfs.vfat", &args);
    for i in 0..20_usize {
        let file = image.beside(&format!("file{i}"));
        write_file(&file, &content(i, i * 3_001));
        run("mcopy", &["-i", &arg, file.to_str().unwrap(), "::"]);
    }
    for i in (0..20).step_by(3) {
        run("mdel", &["-i", &arg, &format!("::file{i}")]);
    }
    image
}

/// Clusters of all files that are left, from `::/file1 <2-6> <9>` lines.
fn mshowfat_clusters(image: &Image) -> BTreeSet<u64> {
    let mut clusters = BTreeSet::new();
    for i in (0..20).filter(|i| i % 3 != 0) {
        let line = run("mshowfat", &["-i", &image.arg(), &format!("::file{i}")]);
        for range in line.split(['<', '>']).skip(1).step_by(2) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            clusters.extend(first.parse::<u64>().unwrap()..=last.parse::<u64>().unwrap());
        }
    }
    assert!(clusters.len() > 10, "{clusters:?}");
    clusters
}

/// Every cluster of a file is used, every other is free, but for those that
/// FAT32's root directory takes: label and 20 files, 32 bytes each.
fn agrees_with_mshowfat(image: &Image, map: &FsMap) {
    let head = image.bytes();
    let field = |at: usize| u64::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let (sector, fat16_len) = (field(0x0B), field(0x16));
    let fat_len = if fat16_len == 0 {
        field(0x24)
    } else {
        fat16_len
    };
    let before = field(0x0E) + u64::from(head[0x10]) * fat_len + field(0x11) * 32 / sector;
    let total = match field(0x13) {
        0 => u64::from(u32::from_le_bytes(head[0x20..0x24].try_into().unwrap())),
        n => n,
    };
    let per_cluster = u64::from(head[0x0D]);
    let clusters = (total - before) / per_cluster;
    let root = match map.kind {
        FsKind::Fat32 => (21_u64 * 32).div_ceil(sector * per_cluster),
        _ => 0,
    };
    let used = mshowfat_clusters(image);
    let free: u64 = map.free.iter().map(|e| e.len / sector / per_cluster).sum();
    assert_eq!(free, clusters - root - used.len() as u64);
    for cluster in used {
        let at = (before + (cluster - 2) * per_cluster) * sector;
        let hit = map.free.iter().find(|e| e.start <= at && at < e.end());
        assert_eq!(hit, None, "cluster {cluster} of a file is free in the map");
    }
}

fn check(kind: FsKind, mib: u64, options: &[&str]) {
    let image = make(mib, options);
    let map = image.map();
    assert_eq!(map.notes, [""; 0]);
    assert_eq!((map.kind, map.consistency), (kind, Consistency::Clean));
    assert_eq!(map.label.as_deref(), Some("PATIENT"));
    assert_eq!(map.uuid.as_deref(), Some("1234-ABCD"));
    agrees_with_mshowfat(&image, &map);
    // partclone 0.3.23 reads FAT12's table as if entries had two bytes.
    if kind != FsKind::Fat12 {
        let oracle = partclone::bitmap("fat", &image);
        assert_eq!(partclone::differences(&map, &oracle), [], "{options:?}");
    }
}

#[test]
fn fat12() {
    check(FsKind::Fat12, 4, &["-F", "12"]);
    check(FsKind::Fat12, 7, &["-F", "12", "-s", "8"]);
}

#[test]
fn fat16() {
    check(FsKind::Fat16, 40, &["-F", "16"]);
    check(FsKind::Fat16, 64, &["-F", "16", "-s", "8", "-f", "1"]);
}

#[test]
fn fat32() {
    check(FsKind::Fat32, 64, &["-F", "32", "-s", "1"]);
    check(FsKind::Fat32, 300, &["-F", "32", "-s", "8", "-R", "40"]);
    check(FsKind::Fat32, 300, &["-F", "32", "-S", "4096", "-s", "1"]);
}

#[test]
fn an_unclean_fat_is_captured_whole() {
    // Linux's flag in the boot sector, and the clean bits of entry 1.
    let fat16_table = 512 * 4;
    let cases = [
        ("16", 0x25, 1),
        ("32", 0x41, 1),
        ("16", fat16_table + 3, 0x80),
    ];
    for (kind, at, flip) in cases {
        let image = Image::sparse(64 << 20);
        let per_cluster = if kind == "16" { "4" } else { "1" };
        let arg = image.arg();
        run(
            "mkfs.vfat",
            &[
                "-F",
                kind,
                "-s",
                per_cluster,
                "-R",
                if kind == "16" { "4" } else { "32" },
                &arg,
            ],
        );
        assert_eq!(image.map().consistency, Consistency::Clean);
        let mut bytes = image.bytes();
        bytes[at] ^= flip;
        write_file(&image.path(), &bytes);
        let map = image.map();
        assert_eq!((map.consistency, map.free.len()), (Consistency::Raw, 0));
        assert!(map.notes[0].contains("not unmounted"), "{:?}", map.notes);
    }
}

#[test]
fn bad_clusters_are_not_read_and_noted() {
    let image = Image::sparse(64 << 20);
    run(
        "mkfs.vfat",
        &["-F", "16", "-s", "4", "-R", "4", "-f", "1", &image.arg()],
    );
    let free = |map: &FsMap| map.free.iter().map(|e| e.len).sum::<u64>();
    let before = image.map();
    let mut bytes = image.bytes();
    // Entries 7 (bad) and 8 (end of a chain).
    bytes[2048 + 14..2048 + 18].copy_from_slice(&[0xF7, 0xFF, 0xFF, 0xFF]);
    write_file(&image.path(), &bytes);
    let map = image.map();
    assert_eq!(free(&map), free(&before) - 4 * 512);
    assert!(
        map.notes[0].contains("1 clusters are marked bad"),
        "{:?}",
        map.notes
    );
}

/// A boot sector that survived when the partition was put to another use.
#[test]
fn an_abandoned_fat_is_captured_whole() {
    for (kind, mib) in [("12", 1), ("16", 16), ("32", 64)] {
        let image = Image::sparse(mib << 20);
        run(
            "mkfs.vfat",
            &["-F", kind, "-s", "1", "-f", "2", "-R", "32", &image.arg()],
        );
        assert_eq!(image.map().consistency, Consistency::Clean);
        let mut bytes = image.bytes();
        bytes[32 * 512] = 0;
        write_file(&image.path(), &bytes);
        let map = image.map();
        assert_eq!((map.consistency, map.free.len()), (Consistency::Raw, 0));
        assert!(map.notes[0].contains("not in use"), "{:?}", map.notes);
    }
}
