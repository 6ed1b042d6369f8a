//! NTFS made with mkntfs and filled with ntfscp.

use disk::MemDisk;
use fsmap::{Consistency, FsKind, NtfsFiles};

use crate::partclone;
use crate::tools::{Image, content, run, write_file};

pub(crate) fn make(mib: u64, options: &[&str]) -> Image {
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
fn ntfs_files_are_what_was_put_there() {
    for size in ["512", "4096", "65536"] {
        let image = make(64, &["-c", size]);
        let bytes = MemDisk::new(std::fs::read(image.arg()).unwrap());
        let files = NtfsFiles::open(&bytes).unwrap();
        assert_eq!(files.is_dirty(), Ok(false));
        for i in 0..6_usize {
            let file = files.find(&format!("/FILE{i}")).unwrap().unwrap();
            let expected = content(i, 100 + i * 300_001);
            assert_eq!(files.size(file), Ok(expected.len() as u64));
            assert!(files.read(file, 1 << 24).unwrap() == expected, "file {i}");
            assert!(!file.is_folder);
        }
        let last = files.find("file5").unwrap().unwrap();
        let error = files.read(last, 1000).unwrap_err().to_string();
        assert!(error.contains("expected at most 1000"), "{error}");
        let root = files.find("/").unwrap().unwrap();
        let names = files.names(root, 100).unwrap().unwrap();
        for name in ["file0", "file5", "$MFT", "$Extend"] {
            assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
        }
        assert_eq!(files.names(root, 5), Ok(None));
        assert_eq!(files.find("/none"), Ok(None));
        assert_eq!(files.find("/file0/none"), Ok(None));
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

fn copy_in(image: &Image, name: &str, bytes: &[u8]) {
    let file = image.beside("copied");
    write_file(&file, bytes);
    let target = format!("/{name}");
    run(
        "ntfscp",
        &["-q", &image.arg(), file.to_str().unwrap(), &target],
    );
}

fn raw_because(image: &Image, words: &str) {
    let map = image.map();
    assert_eq!((map.consistency, map.free.len()), (Consistency::Raw, 0));
    assert!(map.notes[0].contains(words), "{:?}", map.notes);
}

#[test]
fn a_hibernated_windows_is_captured_whole() {
    for others in [0, 60] {
        // Few files fit in the index root; many need index blocks.
        let image = make(20, &[]);
        for i in 0..others {
            copy_in(&image, &format!("a file with a long name {i}"), b"x");
        }
        copy_in(
            &image,
            "HiberFil.sys",
            &[b"WAKE".as_slice(), &[0; 8000]].concat(),
        );
        assert_eq!(image.map().consistency, Consistency::Clean);
        copy_in(
            &image,
            "HiberFil.sys",
            &[b"hibr".as_slice(), &[0; 8000]].concat(),
        );
        raw_because(&image, "hibernated");
    }
}

#[test]
fn a_dirty_volume_is_captured_whole() {
    let image = make(20, &[]);
    let mut bytes = image.bytes();
    let cluster = 512 * usize::from(bytes[0x0D]);
    let mft = u64::from_le_bytes(bytes[0x30..0x38].try_into().unwrap()) as usize * cluster;
    let volume = mft + 3 * 1024;
    // $VOLUME_INFORMATION, resident, 12 bytes of value behind its header.
    let header = [0x70, 0, 0, 0, 0x28, 0, 0, 0];
    let record = &bytes[volume..volume + 1024];
    let at = record.windows(8).position(|w| w == header).unwrap();
    bytes[volume + at + 0x18 + 0x0A] |= 1;
    write_file(&image.path(), &bytes);
    raw_because(&image, "marked it dirty");
}

/// A restart page of the log, as Windows writes it.
fn restart_page(number: u64, client_in_use: u16) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..8].copy_from_slice(b"RSTR\x1E\0\x09\0");
    page[0x10..0x12].copy_from_slice(&4096_u16.to_le_bytes());
    page[0x18] = 0x30;
    page[0x30..0x38].copy_from_slice(&number.to_le_bytes());
    page[0x3C..0x3E].copy_from_slice(&client_in_use.to_le_bytes());
    page
}

#[test]
fn an_unclean_log_is_noticed_even_without_the_flag() {
    let image = make(20, &[]);
    let sound = image.bytes();
    // mkntfs fills the log with FF; nothing else has so many of them.
    let log = sound
        .chunks(4096)
        .position(|c| c.iter().all(|b| *b == 0xFF));
    let log = log.unwrap() * 4096;
    let (open, closed) = (0, 0xFFFF);
    for (first, second, clean) in [
        ((7, closed), (8, open), false),
        ((8, closed), (7, open), true),
        ((8, open), (7, closed), false),
    ] {
        let mut bytes = sound.clone();
        bytes[log..log + 4096].copy_from_slice(&restart_page(first.0, first.1));
        bytes[log + 4096..log + 8192].copy_from_slice(&restart_page(second.0, second.1));
        write_file(&image.path(), &bytes);
        if clean {
            assert_eq!(image.map().consistency, Consistency::Clean);
        } else {
            raw_because(&image, "log");
        }
    }
    // Neither page can be read: not known to be clean.
    let mut bytes = sound.clone();
    bytes[log..log + 8192].fill(0);
    write_file(&image.path(), &bytes);
    raw_because(&image, "log");
}

/// Byte offset of the first run of record 6's unnamed data.
fn bitmap_at(bytes: &[u8]) -> usize {
    let cluster = 512 * usize::from(bytes[0x0D]);
    let mft = u64::from_le_bytes(bytes[0x30..0x38].try_into().unwrap()) as usize * cluster;
    let record = &bytes[mft + 6 * 1024..mft + 7 * 1024];
    let header = |w: &[u8]| w[..4] == [0x80, 0, 0, 0] && w[8] == 1;
    let data = record.windows(9).position(header).unwrap();
    let runs = &record[data + usize::from(record[data + 0x20])..];
    let (len, lcn) = (usize::from(runs[0] & 0xF), usize::from(runs[0] >> 4));
    let mut number = [0; 8];
    number[..lcn].copy_from_slice(&runs[1 + len..1 + len + lcn]);
    u64::from_le_bytes(number) as usize * cluster
}

#[test]
fn a_bitmap_that_frees_its_own_volume_is_not_believed() {
    let image = make(20, &["-c", "4096"]);
    let mut bytes = image.bytes();
    let at = bitmap_at(&bytes);
    let used: u32 = bytes[at..at + 640].iter().map(|b| b.count_ones()).sum();
    let free: u64 = image.map().free.iter().map(|e| e.len / 4096).sum();
    assert_eq!(u64::from(used) + free, 640 * 8);
    bytes[at..at + 640].fill(0);
    write_file(&image.path(), &bytes);
    raw_because(&image, "own structures");
}
