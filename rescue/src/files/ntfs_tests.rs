use super::*;
use disk::MemDisk;
use std::fs;

use crate::ntfs_volume;

/// A volume with a folder of many files, and others.
fn volume() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (root, disk) = (folder.path().join("root"), folder.path().join("disk.raw"));
    fs::create_dir_all(root.join("Windows/Many")).unwrap();
    for number in 0..300 {
        let name = format!("Windows/Many/a rather long name {number:04}.txt");
        fs::write(root.join(name), number.to_string()).unwrap();
    }
    fs::write(root.join("Windows/Größe"), vec![7; 300_000]).unwrap();
    fs::write(root.join("Windows/small"), "small").unwrap();
    std::os::unix::fs::symlink("small", root.join("Windows/link")).unwrap();
    ntfs_volume::volume(&root, &disk, 16);
    fs::read(disk).unwrap()
}

fn open(bytes: &[u8]) -> Ntfs {
    Ntfs::open(Arc::new(MemDisk::new(bytes.to_vec()))).unwrap()
}

#[test]
fn files_are_read_whatever_the_case_of_their_names() {
    let files = open(&volume());
    assert!(!files.dirty());
    let read = |path: &str| files.read(path, 1 << 20).unwrap();
    assert_eq!(read("/windows/SMALL").unwrap(), b"small");
    assert_eq!(read("/WINDOWS/Größe").unwrap(), vec![7; 300_000]);
    let one = "/WINDOWS/many/A RATHER long name 0299.TXT";
    assert_eq!(read(one).unwrap(), b"299");
    for none in [
        "/none",
        "/Windows/none",
        "/Windows/small/x",
        "/Windows",
        "/",
    ] {
        assert_eq!(read(none), None, "{none}");
    }
    let names = files.list("/windows").unwrap();
    assert_eq!(names, ["Größe", "Many", "link", "small"]);
    let names = files.list("/Windows/Many").unwrap();
    assert_eq!(names.len(), 300);
    assert_eq!(names[7], "a rather long name 0007.txt");
    assert_eq!(files.list("/none").unwrap(), [] as [&str; 0]);
    let error = files.read("/Windows/Größe", 299_999).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("has 300000 bytes, expected at most 299999"),
        "{error}"
    );
    let error = files.read("/Windows/link", 100).unwrap_err().to_string();
    assert!(error.contains("reparse point"), "{error}");
}

/// 600 pieces do not fit into a file's record: a list says which records have them.
#[test]
fn files_in_hundreds_of_pieces_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (root, disk) = (folder.path().join("root"), folder.path().join("disk.raw"));
    fs::create_dir(&root).unwrap();
    let mut noise = vec![0; 10_000_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    fs::write(root.join("large"), &noise).unwrap();
    ntfs_volume::in_pieces(&root, &disk, 64);
    let bytes = fs::read(disk).unwrap();
    let is_listed = |number| {
        // $ATTRIBUTE_LIST
        attribute(&bytes, number, 0x20).is_some()
    };
    assert!((24..200).any(is_listed), "the file is not in pieces");
    let read = open(&bytes).read("/LARGE", 1 << 24).unwrap().unwrap();
    assert!(read == noise);
}

/// Where the attribute `kind` of the file record `number` is. The table
/// begins where the boot sector says (offset 48), its records of 1024 bytes
/// have their first attribute at offset 20, attributes their length at 4.
fn attribute(bytes: &[u8], number: usize, kind: u32) -> Option<usize> {
    let le = |at: usize, len: usize| {
        let field = bytes[at..at + len].iter().rev();
        field.fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte))
    };
    let record = le(48, 8) * le(11, 2) * le(13, 1) + number * 1024;
    let mut at = record + le(record + 20, 2);
    while le(at, 4) != 0xffff_ffff && at < record + 1000 {
        if le(at, 4) == kind as usize {
            return Some(at);
        }
        at += le(at + 4, 4).max(8);
    }
    None
}

#[test]
fn a_volume_marked_dirty_is_told() {
    let mut bytes = volume();
    // $Volume is record 3; $VOLUME_INFORMATION has its flags at offset 10.
    let at = attribute(&bytes, 3, 0x70).unwrap();
    let value = usize::from(bytes[at + 20]);
    bytes[at + value + 10] |= 1;
    assert!(open(&bytes).dirty());
}

/// A restart page of the log: its area at 0x30, client in use there at 12, flags at 14.
fn restart_page(client: u16, flags: u16) -> Vec<u8> {
    let mut page = vec![0; 4096];
    let mut put = |at: usize, field: &[u8]| page[at..at + field.len()].copy_from_slice(field);
    put(0, b"RSTR\x1E\0\x09\0");
    put(0x10, &4096_u32.to_le_bytes());
    put(0x18, &[0x30]);
    put(0x30, &[7]);
    put(0x3C, &client.to_le_bytes());
    put(0x3E, &flags.to_le_bytes());
    page
}

#[test]
fn a_volume_whose_log_was_not_closed_is_told() {
    let bytes = volume();
    // mkntfs fills the log with 0xFF.
    let log = bytes.chunks(4096).position(|page| page == [0xFF; 4096]);
    let log = log.unwrap() * 4096;
    for (client, flags, dirty) in [(0, 0, true), (0, 2, false), (0xFFFF, 0, false)] {
        let mut bytes = bytes.clone();
        for at in [log, log + 4096] {
            bytes[at..at + 4096].copy_from_slice(&restart_page(client, flags));
        }
        assert_eq!(open(&bytes).dirty(), dirty, "{client} {flags}");
    }
}

#[test]
fn what_is_compressed_or_encrypted_is_not_taken_for_its_contents() {
    let bytes = volume();
    let name: Vec<u8> = "Größe".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let number = (24..600).find(|number| {
        // $FILE_NAME: resident, the name is 66 bytes into the value at 24.
        let at = attribute(&bytes, *number, 0x30);
        at.is_some_and(|at| bytes[at + 24 + 66..].starts_with(&name))
    });
    let at = attribute(&bytes, number.unwrap(), 0x80).unwrap();
    for (flag, word) in [(0x0001u16, "compressed"), (0x4000, "encrypted")] {
        let mut bytes = bytes.clone();
        bytes[at + 12..at + 14].copy_from_slice(&flag.to_le_bytes());
        let error = open(&bytes).read("/Windows/Größe", 1 << 20).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("compressed or encrypted"), "{word}: {error}");
    }
}

#[test]
fn what_is_no_ntfs_is_refused() {
    let bytes: Arc<dyn ReadAt> = Arc::new(MemDisk::new(vec![0; 4096]));
    assert!(Ntfs::open(bytes).is_err());
    let mut cut = volume();
    cut.truncate(100 << 10);
    let opened = Ntfs::open(Arc::new(MemDisk::new(cut)));
    assert!(opened.is_err());
}
