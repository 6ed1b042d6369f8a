//! Valid images with a few bytes changed: a map or a note, never a panic, and
//! never a run outside the partition.

use std::collections::BTreeMap;
use std::io;

use disk::ReadAt;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::ext::{debugfs, make};
use crate::tools::{Image, content, run, write_file};

/// An image with some bytes replaced.
struct Mutated<'a> {
    base: &'a [u8],
    patches: BTreeMap<u64, u8>,
}

impl ReadAt for Mutated<'_> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = offset as usize;
        let source = self.base.get(start..start + buf.len());
        buf.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        for (at, byte) in self.patches.range(offset..offset + buf.len() as u64) {
            buf[(at - offset) as usize] = *byte;
        }
        Ok(())
    }
    fn size(&self) -> u64 {
        self.base.len() as u64
    }
}

fn survives(base: &[u8], cases: u32) {
    // Structures are where bytes are not zero; behind 8 MiB there is data.
    let head = &base[..base.len().min(8 << 20)];
    let places: Vec<u64> = (0..head.len())
        .filter(|i| head[*i] != 0)
        .map(|i| i as u64)
        .collect();
    // Half of the changes hit the first sectors, where most is decided.
    let early = places.iter().filter(|p| **p < 4096).count();
    let extreme = prop_oneof![Just(0_u8), Just(0xFF), Just(0x80), Just(1), any::<u8>()];
    let change = (any::<bool>(), any::<Index>(), extreme, 0_u64..4);
    let strategy = proptest::collection::vec(change, 1..6);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&strategy, |changes| {
        let mut patches = BTreeMap::new();
        for (first, place, byte, beside) in changes {
            let range = if first { early } else { places.len() };
            patches.insert(places[place.index(range)] + beside, byte);
        }
        let disk = Mutated { base, patches };
        let map = fsmap::map(&disk).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let normal = disk::normalize(map.free.clone());
        prop_assert_eq!(&map.free, &normal);
        prop_assert!(map.free.iter().all(|e| e.end() <= disk.size()));
        let raw = map.consistency == fsmap::Consistency::Raw;
        prop_assert!(!raw || map.free.is_empty() && !map.notes.is_empty());
        read_files(&disk)
    });
    result.unwrap();
}

/// What can be found on an NTFS volume is read, or refused.
fn read_files(disk: &Mutated<'_>) -> Result<(), TestCaseError> {
    let Ok(files) = fsmap::NtfsFiles::open(disk) else {
        return Ok(());
    };
    let _ = files.is_dirty();
    for path in ["/", "/file0", "/FILE5", "/$Extend/$Quota"] {
        let Ok(Some(file)) = files.find(path) else {
            continue;
        };
        let _ = files.names(file, 100);
        if let (Ok(size), Ok(bytes)) = (files.size(file), files.read(file, 4 << 20)) {
            prop_assert_eq!(bytes.len() as u64, size);
        }
    }
    Ok(())
}

/// A small filesystem whose journal waits to be replayed.
fn dirty_ext(options: &[&str]) -> Image {
    let image = Image::sparse(20 << 20);
    let arg = image.arg();
    let mut args = vec!["-q", "-F", "-b", "1024", "-g", "1024", "-J", "size=1"];
    args.extend(options);
    args.push(&arg);
    run("mke2fs", &args);
    let block = image.beside("block");
    let bitmap = run("debugfs", &["-R", "stats", &arg]);
    let bitmap = bitmap.split("block bitmap at ").nth(3).unwrap();
    let number: String = bitmap.chars().take_while(char::is_ascii_digit).collect();
    write_file(&block, &content(1, 1024));
    let write = format!("jw -b {number},1 {}", block.display());
    debugfs(
        &image,
        &format!("jo\n{write}\njw -r 40000,{number}\n{write}\njc"),
    );
    image
}

#[test]
fn ext_survives() {
    survives(
        &make(20, &["-t", "ext4", "-b", "1024", "-g", "1024"]).bytes(),
        1500,
    );
    survives(&make(20, &["-t", "ext2", "-b", "1024"]).bytes(), 1500);
}

#[test]
fn ext_journal_survives() {
    for options in [&["-t", "ext3"][..], &["-t", "ext4", "-O", "^metadata_csum"]] {
        let image = dirty_ext(options);
        assert_eq!(image.map().consistency, fsmap::Consistency::JournalOverlay);
        survives(&image.bytes(), 1500);
    }
}

#[test]
fn ntfs_survives() {
    survives(&crate::ntfs::make(8, &[]).bytes(), 1500);
}

#[test]
fn fat_survives() {
    for (kind, mib) in [("12", 2), ("16", 16), ("32", 40)] {
        let image = Image::sparse(mib << 20);
        run("mkfs.vfat", &["-F", kind, "-s", "1", &image.arg()]);
        survives(&image.bytes(), 200);
    }
}

#[test]
fn swap_survives() {
    let image = Image::sparse(1 << 20);
    run("mkswap", &[&image.arg()]);
    survives(&image.bytes(), 1000);
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    /// Anything at all, of any length.
    #[test]
    fn noise_survives(bytes in proptest::collection::vec(any::<u8>(), 0..70_000)) {
        let map = fsmap::map(&disk::MemDisk::new(bytes)).unwrap();
        prop_assert!(map.free.is_empty());
    }
}
