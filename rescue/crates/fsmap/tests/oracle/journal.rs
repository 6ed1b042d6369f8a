//! ext4 with a journal that was not replayed, written by debugfs, replayed by
//! e2fsck.

use std::collections::BTreeSet;

use fsmap::{Consistency, FsMap};

use crate::ext::{debugfs, dumpe2fs_free, make, map_free};
use crate::tools::{Image, content, exit_code, run, write_file};

fn copy_of(image: &Image) -> Image {
    let copy = Image::sparse(0);
    std::fs::copy(image.path(), copy.path()).unwrap();
    copy
}

/// The filesystem some changes later: files gone, others new, one of them
/// large enough to reach groups that had no bitmap yet.
fn changed(image: &Image, round: usize) -> Image {
    let after = copy_of(image);
    let mut commands = String::new();
    for (i, len) in [60_000, 7, 25_000_000 * (1 - round)]
        .into_iter()
        .enumerate()
    {
        let file = after.beside(&format!("new{i}"));
        write_file(&file, &content(i, len));
        commands += &format!("write {} round{round}new{i}\n", file.display());
    }
    // Every third was deleted before; of the others, half now, half then.
    for i in (round + 1..300).step_by(6) {
        commands += &format!("rm /d{}/f{i}\n", i % 7);
    }
    debugfs(&after, &commands);
    after
}

/// Writes into `image` what changed in blocks that were free, as a filesystem
/// does ahead of its journal.
fn write_data(image: &Image, before: &Image, after: &Image, block_size: usize) {
    let free = dumpe2fs_free(before);
    let mut bytes = image.bytes();
    let new = after.bytes();
    for block in free {
        let range = block as usize * block_size..(block as usize + 1) * block_size;
        bytes[range.clone()].copy_from_slice(&new[range]);
    }
    write_file(&image.path(), &bytes);
}

/// Blocks that differ, and what they hold afterwards.
fn changes(before: &Image, after: &Image, block_size: usize) -> (Vec<usize>, Vec<u8>) {
    let (before, after) = (before.bytes(), after.bytes());
    let mut numbers = Vec::new();
    let mut contents = Vec::new();
    let pairs = before.chunks(block_size).zip(after.chunks(block_size));
    for (number, (old, new)) in pairs.enumerate() {
        if old != new {
            numbers.push(number);
            contents.extend_from_slice(new);
        }
    }
    (numbers, contents)
}

/// debugfs commands that append a transaction to the journal.
fn transaction(
    image: &Image,
    name: &str,
    numbers: &[usize],
    contents: &[u8],
    flags: &str,
) -> String {
    let file = image.beside(name);
    write_file(&file, contents);
    let list: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("jw {flags} -b {} {}\n", list.join(","), file.display())
}

/// After e2fsck replayed the journal; it must find nothing else to correct.
fn replayed(image: &Image) -> Image {
    let copy = copy_of(image);
    let code = exit_code("e2fsck", &["-fy", &copy.arg()]);
    assert!(matches!(code, Some(0 | 1)), "e2fsck: {code:?}");
    copy
}

fn free_in(map: &FsMap, image: &Image) -> BTreeSet<u64> {
    map_free(map, image.bytes().len() as u64 / map.block_size)
}

/// Two committed transactions, and a third without a commit, as a power cut
/// leaves it: that one would free everything.
fn make_dirty(options: &[&str], block_size: usize, open: &str) -> (Image, Image) {
    let before = make(120, options);
    let middle = changed(&before, 0);
    let after = changed(&middle, 1);
    let dirty = copy_of(&before);
    write_data(&dirty, &before, &after, block_size);
    let (first, first_contents) = changes(&dirty, &middle, block_size);
    let (second, second_contents) = changes(&middle, &after, block_size);
    let nonsense = vec![0; block_size * first.len()];
    let commands = format!(
        "jo {open}\n{}{}{}jc\n",
        transaction(&dirty, "first", &first, &first_contents, ""),
        transaction(&dirty, "second", &second, &second_contents, ""),
        transaction(&dirty, "third", &first, &nonsense, "-c"),
    );
    debugfs(&dirty, &commands);
    (before, dirty)
}

/// The map must call free what is free both before and after the replay.
fn check(options: &[&str], block_size: usize, open: &str) {
    let (before, dirty) = make_dirty(options, block_size, open);
    let map = dirty.map();
    assert_eq!(
        map.consistency,
        Consistency::JournalOverlay,
        "{:?}",
        map.notes
    );
    assert_eq!(map.notes.len(), 1, "{:?}", map.notes);
    let (free_before, free_after) = (dumpe2fs_free(&before), dumpe2fs_free(&replayed(&dirty)));
    let gone: Vec<_> = free_before.difference(&free_after).collect();
    let freed: Vec<_> = free_after.difference(&free_before).collect();
    assert!(
        gone.len() > 5000 && freed.len() > 10,
        "{options:?}: too little was replayed: {} gone, {} freed",
        gone.len(),
        freed.len()
    );
    let both: BTreeSet<u64> = free_before.intersection(&free_after).copied().collect();
    let ours = free_in(&map, &dirty);
    let too_free: Vec<_> = ours.difference(&both).take(20).collect();
    assert!(
        too_free.is_empty(),
        "{options:?}: used but free in our map: {too_free:?}"
    );
    let too_used: Vec<_> = both.difference(&ours).take(20).collect();
    assert!(
        too_used.is_empty(),
        "{options:?}: free but used in our map: {too_used:?}"
    );
}

#[test]
fn a_dirty_journal_with_checksums() {
    check(&["-t", "ext4"], 4096, "-c -v 3");
    check(&["-t", "ext4", "-b", "1024", "-g", "2048"], 1024, "-c -v 3");
    check(&["-t", "ext4", "-b", "1024"], 1024, "-c -v 2");
    check(&["-t", "ext4", "-O", "^64bit"], 4096, "-c -v 3");
}

#[test]
fn a_dirty_journal_without_checksums() {
    let plain = "^metadata_csum,^uninit_bg";
    check(&["-t", "ext4", "-O", plain], 4096, "");
    check(
        &["-t", "ext4", "-O", "^metadata_csum,uninit_bg,^64bit"],
        4096,
        "",
    );
    check(&["-t", "ext3", "-b", "1024"], 1024, "");
    let features = "^metadata_csum,^resize_inode,meta_bg,bigalloc";
    check(&["-t", "ext4", "-O", features, "-C", "16384"], 4096, "");
}

/// A block that was revoked later is not replayed.
#[test]
fn revoked_blocks_are_left_alone() {
    let options = ["-t", "ext4", "-b", "1024"];
    let before = make(60, &options);
    let after = changed(&before, 1);
    let dirty = copy_of(&before);
    let (numbers, contents) = changes(&before, &after, 1024);
    let list: Vec<String> = numbers.iter().map(usize::to_string).collect();
    let commands = format!(
        "jo -c -v 3\n{}jw -r {}\njc\n",
        transaction(&dirty, "first", &numbers, &contents, ""),
        list.join(",")
    );
    debugfs(&dirty, &commands);
    let map = dirty.map();
    assert_eq!(
        map.consistency,
        Consistency::JournalOverlay,
        "{:?}",
        map.notes
    );
    let free = dumpe2fs_free(&before);
    assert_eq!(dumpe2fs_free(&replayed(&dirty)), free);
    assert_eq!(free_in(&map, &dirty), free);
}

/// A block that starts with the journal's own magic is kept without it.
#[test]
fn escaped_blocks_get_their_start_back() {
    let features = "^metadata_csum,^uninit_bg,^has_journal";
    let options = [
        "-t",
        "ext4",
        "-b",
        "1024",
        "-O",
        features,
        "-E",
        "packed_meta_blocks=1",
    ];
    let image = make(60, &options);
    run("tune2fs", &["-j", &image.arg()]);
    let free_before = dumpe2fs_free(&image);
    // Group 6 has no copy of the superblock and holds nothing.
    let start = 6 * 8192 + 1;
    assert!((start..start + 8192).all(|b| free_before.contains(&b)));
    let text = run("dumpe2fs", &[&image.arg()]);
    let group = text.split("Group 6:").nth(1).unwrap();
    let bitmap = group.split("Block bitmap at ").nth(1).unwrap();
    let digits: String = bitmap.chars().take_while(char::is_ascii_digit).collect();
    let mut contents = vec![0xFF; 1024];
    contents[..4].copy_from_slice(&[0xC0, 0x3B, 0x39, 0x98]);
    let block = digits.parse().unwrap();
    let write = transaction(&image, "bitmap", &[block], &contents, "");
    debugfs(&image, &format!("jo\n{write}jc\n"));
    let free: Vec<u64> = free_in(&image.map(), &image)
        .range(start..start + 8192)
        .map(|b| b - start)
        .collect();
    let clear = |bit: &u64| contents[(*bit / 8) as usize] >> (*bit % 8) & 1 == 0;
    let expected: Vec<u64> = (0..8192).filter(clear).collect();
    assert_eq!(free, expected);
}

#[test]
fn a_damaged_journal_means_everything() {
    let dirty = make(60, &["-t", "ext4", "-b", "1024"]);
    let (numbers, contents) = changes(&dirty, &changed(&dirty, 1), 1024);
    assert_eq!(numbers[0], 1, "the superblock");
    let write = transaction(&dirty, "first", &numbers, &contents, "");
    debugfs(&dirty, &format!("jo -c -v 3\n{write}jc\n"));
    assert_eq!(dirty.map().consistency, Consistency::JournalOverlay);
    let log = run("debugfs", &["-R", "bmap <8> 1", &dirty.arg()]);
    let first = log.trim().parse::<usize>().unwrap() * 1024;
    let sound = dirty.bytes();
    assert_eq!(
        sound[first..first + 8],
        [0xC0, 0x3B, 0x39, 0x98, 0, 0, 0, 1]
    );
    // In the first descriptor's tags; and in the first block behind it, which
    // is the superblock's.
    for (at, words) in [
        (first + 20, "checksums do not match"),
        (first + 1024 + 900, "damaged"),
    ] {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        write_file(&dirty.path(), &bytes);
        let map = dirty.map();
        assert_eq!(
            (map.consistency, map.free.len()),
            (Consistency::Raw, 0),
            "{:?}",
            map.notes
        );
        assert!(map.notes[0].contains(words), "{:?}", map.notes);
    }
}

#[test]
fn a_dirty_journal_elsewhere_means_everything() {
    let image = make(60, &["-t", "ext4", "-b", "1024"]);
    debugfs(&image, "feature needs_recovery\nssv journal_inum 0");
    let map = image.map();
    assert_eq!((map.consistency, map.free.len()), (Consistency::Raw, 0));
    assert!(
        map.notes[0].contains("on another device"),
        "{:?}",
        map.notes
    );
}

/// One that says it is longer than its filesystem would be followed for hours.
#[test]
fn a_journal_longer_than_its_filesystem_means_everything() {
    let dirty = make(60, &["-t", "ext4", "-b", "1024"]);
    debugfs(&dirty, "feature needs_recovery");
    let log = run("debugfs", &["-R", "bmap <8> 0", &dirty.arg()]);
    let head = log.trim().parse::<usize>().unwrap() * 1024;
    assert_eq!(dirty.map().consistency, Consistency::JournalOverlay);
    let mut bytes = dirty.bytes();
    bytes[head + 0x10..head + 0x14].copy_from_slice(&u32::MAX.to_be_bytes());
    write_file(&dirty.path(), &bytes);
    let map = dirty.map();
    assert_eq!((map.consistency, map.free.len()), (Consistency::Raw, 0));
    assert!(map.notes[0].contains("longer"), "{:?}", map.notes);
}
