//! NTFS made with mkntfs and filled with ntfscp.

use fsmap::{Consistency, FsKind};

use crate::partclone;
use crate::tools::{Image, content, run, write_file};

fn make(mib: u64, options: &[&str]) -> Image {
    // Not a whole number of clusters, and a tail behind the filesystem.
    let image = Image::sparse((mib << 20) + 5 * 512);
    let arg = image.arg();
    let mut args = vec!["-q", "-F", "-f", "-L", "Patient Ü", "-s", "512", "-p", "0"];
    args.extend(options);
    args.push(&arg);
    run("mkntfs", &args);
    for i in 0..6_usize {
        let file = image.beside(&format!("file{i}"));
        write_file(&file, &content(i, 100 + i * 300_001));
        let name = format!("/file{i}");
        run("ntfscp", &["-q", &arg, file.to_str().unwrap(), &name]);
    }
    image
}

fn check(mib: u64, options: &[&str]) {
    let image = make(mib, options);
    let map = image.map();
    assert_eq!(map.notes, [""; 0], "{options:?}");
    assert_eq!(
        (map.kind, map.consistency),
        (FsKind::Ntfs, Consistency::Clean)
    );
    assert_eq!(map.label.as_deref(), Some("Patient Ü"));
    let serial = map.uuid.clone().unwrap();
    assert_eq!(serial.len(), 16, "{serial}");
    let oracle = partclone::bitmap("ntfs", &image);
    assert_eq!(oracle.block_size, map.block_size);
    assert_eq!(partclone::differences(&map, &oracle), [], "{options:?}");
    // The backup boot sector, which partclone's image does not have.
    let clusters = oracle.blocks * oracle.block_size;
    assert!(map.free.iter().all(|e| e.end() <= clusters));
}

#[test]
fn ntfs_default() {
    check(100, &[]);
}

#[test]
fn ntfs_cluster_sizes() {
    for size in ["512", "1024", "16384", "65536", "1048576"] {
        check(100, &["-c", size]);
    }
}

#[test]
fn ntfs_agrees_with_ntfsclone() {
    let image = make(64, &[]);
    let map = image.map();
    let out = image.beside("ntfsclone.img");
    run(
        "ntfsclone",
        &["-q", "-s", "-O", out.to_str().unwrap(), &image.arg()],
    );
    // Header (ntfsclone.c): cluster size at 18, number of clusters at 30,
    // clusters in use at 38.
    let header = std::fs::read(out).unwrap();
    let field = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
    let free: u64 = map.free.iter().map(|e| e.len / map.block_size).sum();
    assert_eq!(field(38), field(30) - free);
}
