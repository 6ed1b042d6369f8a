//! Signatures: one, several, a container around a filesystem.

use fsmap::{Consistency, FsKind, identify};

use crate::ext::make;
use crate::tools::{Image, run, write_file};

/// Puts `magic` at `at` of a filesystem that could be mapped.
fn with(image: &Image, pieces: &[(usize, &[u8])]) -> (FsKind, Vec<FsKind>) {
    let mut bytes = image.bytes();
    for (at, magic) in pieces {
        bytes[*at..at + magic.len()].copy_from_slice(magic);
    }
    let copy = Image::sparse(0);
    write_file(&copy.path(), &bytes);
    let map = copy.map();
    assert_eq!((map.consistency, map.free.len()), (Consistency::Raw, 0));
    assert!(map.notes[0].contains("signature of"), "{:?}", map.notes);
    let found = identify(&disk::MemDisk::new(bytes)).unwrap();
    assert_eq!(found.kind, map.kind);
    (found.kind, found.others)
}

/// A filesystem seen through a container, or a stale signature beside it: its
/// bitmaps may describe another disk, so nothing is skipped.
#[test]
fn a_second_signature_means_everything() {
    let image = make(20, &["-t", "ext4", "-b", "1024"]);
    let size = image.bytes().len();
    let md = [0xFC, 0x4E, 0x2B, 0xA9];
    let containers: [(FsKind, usize, &[u8]); 6] = [
        (FsKind::Luks, 0, b"LUKS\xBA\xBE"),
        (FsKind::Lvm2, 512 + 24, b"LVM2 001"),
        (FsKind::MdRaid, 0, &md),
        (FsKind::MdRaid, size - 8192, &md),
        (FsKind::MdRaid, size - 65536, &md),
        (FsKind::MdRaid, size - 65536, &[0xA9, 0x2B, 0x4E, 0xFC]),
    ];
    for (kind, at, magic) in containers {
        assert_eq!(with(&image, &[(at, magic)]), (kind, vec![FsKind::Ext4]));
    }
    let others: [(FsKind, usize, &[u8]); 4] = [
        (FsKind::Xfs, 0, b"XFSB"),
        (FsKind::Btrfs, 65600, b"_BHRfS_M"),
        (FsKind::Iso9660, 32769, b"CD001"),
        (FsKind::Ntfs, 3, b"NTFS    "),
    ];
    for (kind, at, magic) in others {
        assert_eq!(with(&image, &[(at, magic)]), (kind, vec![FsKind::Ext4]));
    }
    let swap = (4086, &b"SWAPSPACE2"[..]);
    assert_eq!(with(&image, &[swap]), (FsKind::Ext4, vec![FsKind::Swap]));
    let uberblock = [0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0];
    let label = [0, 1, 2, 3].map(|i| (131_072 + i * 1024, &uberblock[..]));
    assert_eq!(with(&image, &label), (FsKind::Ext4, vec![FsKind::Zfs]));
}

/// The boot sector of a FAT that was there before.
#[test]
fn a_stale_fat_under_ext4_means_everything() {
    let fat = Image::sparse(20 << 20);
    run("mkfs.vfat", &["-F", "16", "-s", "2", &fat.arg()]);
    let image = make(20, &["-t", "ext4", "-b", "1024"]);
    let boot = &fat.bytes()[..512];
    assert_eq!(
        with(&image, &[(0, boot)]),
        (FsKind::Ext4, vec![FsKind::Fat16])
    );
}

#[test]
fn what_is_not_mapped_is_named() {
    let cases: [(FsKind, usize, &[u8], &str); 5] = [
        (FsKind::Xfs, 0, b"XFSB", "XFS is captured whole"),
        (FsKind::Bitlocker, 3, b"-FVE-FS-", "BitLocker"),
        (FsKind::Squashfs, 0, b"hsqs", "SquashFS"),
        (FsKind::F2fs, 1024, &[0x10, 0x20, 0xF5, 0xF2], "F2FS"),
        (FsKind::Unknown, 0, b"", "no known signature"),
    ];
    for (kind, at, magic, words) in cases {
        let mut bytes = vec![0; 200_000];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        let map = fsmap::map(&disk::MemDisk::new(bytes)).unwrap();
        assert_eq!((map.kind, map.consistency), (kind, Consistency::Raw));
        assert!(map.notes[0].contains(words), "{:?}", map.notes);
    }
}

/// A device that fails is the only error, and says where.
#[test]
fn a_failing_device_is_an_error() {
    #[derive(Debug)]
    struct Failing(u64);
    impl disk::ReadAt for Failing {
        fn read_exact_at(&self, _: &mut [u8], _: u64) -> std::io::Result<()> {
            Err(std::io::Error::other("no medium"))
        }
        fn size(&self) -> u64 {
            self.0
        }
    }
    let error = fsmap::map(&Failing(1 << 20)).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("reading signatures") && text.contains("at byte 0"),
        "{text}"
    );
    assert!(!text.contains("no medium"), "the chain prints the source");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "no medium"
    );
}
