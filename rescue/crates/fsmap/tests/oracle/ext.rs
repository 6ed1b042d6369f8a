//! ext2/3/4 made with many different options.

use std::collections::BTreeSet;

use fsmap::{Consistency, FsKind, FsMap};

use crate::partclone::{self, free_blocks};
use crate::tools::{Image, run, write_file};

/// A filled filesystem of `mib` MiB, with holes where files were deleted.
pub(crate) fn make(mib: u64, options: &[&str]) -> Image {
    let image = Image::sparse(mib << 20);
    let tree = image.tree(300, if mib < 40 { 0 } else { 3 });
    let arg = image.arg();
    let mut args = vec!["-q", "-F", "-L", "patient", "-d", tree.to_str().unwrap()];
    args.extend(options);
    if !options.contains(&"-b") {
        // What mke2fs takes for small filesystems differs between releases.
        args.extend(["-b", "4096"]);
    }
    args.push(&arg);
    run("mke2fs", &args);
    let commands: Vec<String> = (0..300)
        .step_by(3)
        .map(|i| format!("rm /d{}/f{i}", i % 7))
        .collect();
    debugfs(&image, &commands.join("\n"));
    image
}

pub(crate) fn debugfs(image: &Image, commands: &str) -> String {
    let script = image.beside("commands");
    write_file(&script, commands.as_bytes());
    run(
        "debugfs",
        &["-w", "-f", script.to_str().unwrap(), &image.arg()],
    )
}

/// Free blocks by dumpe2fs, which works out uninitialised groups for itself.
/// With bigalloc it names the first block of each cluster.
pub(crate) fn dumpe2fs_free(image: &Image) -> BTreeSet<u64> {
    let text = run("dumpe2fs", &[&image.arg()]);
    let number = |key: &str| -> Option<u64> {
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(value.trim().parse().unwrap())
    };
    let ratio = number("Cluster size:").map_or(1, |size| size / number("Block size:").unwrap());
    let blocks = number("Block count:").unwrap();
    let mut free = BTreeSet::new();
    for line in text.lines() {
        let Some(list) = line.strip_prefix("  Free blocks: ") else {
            continue;
        };
        for range in list.split(", ").filter(|r| !r.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let end = last.parse::<u64>().unwrap() + ratio;
            free.extend(first.parse::<u64>().unwrap()..end.min(blocks));
        }
    }
    free
}

pub(crate) fn map_free(map: &FsMap, blocks: u64) -> BTreeSet<u64> {
    let free = free_blocks(map, map.block_size, blocks);
    (0..blocks).filter(|b| free[*b as usize]).collect()
}

fn agrees_with_dumpe2fs(image: &Image, map: &FsMap) {
    let blocks = image.bytes().len() as u64 / map.block_size;
    let (ours, theirs) = (map_free(map, blocks), dumpe2fs_free(image));
    let too_free: Vec<_> = ours.difference(&theirs).take(20).collect();
    assert!(
        too_free.is_empty(),
        "used but free in our map: {too_free:?}"
    );
    let too_used: Vec<_> = theirs.difference(&ours).take(20).collect();
    assert!(
        too_used.is_empty(),
        "free but used in our map: {too_used:?}"
    );
    assert!(theirs.len() > 100, "the oracle found nothing free");
}

fn check(kind: FsKind, mib: u64, options: &[&str]) {
    let (image, map) = check_without_partclone(kind, mib, options);
    let oracle = partclone::bitmap("extfs", &image);
    assert_eq!(partclone::differences(&map, &oracle), [], "{options:?}");
}

fn check_without_partclone(kind: FsKind, mib: u64, options: &[&str]) -> (Image, FsMap) {
    let image = make(mib, options);
    let map = image.map();
    assert_eq!(map.notes, [""; 0], "{options:?}");
    assert_eq!(
        (map.kind, map.consistency, map.label.as_deref()),
        (kind, Consistency::Clean, Some("patient")),
        "{options:?}"
    );
    let uuid = map.uuid.clone().unwrap();
    let dump = run("dumpe2fs", &["-h", &image.arg()]);
    assert!(dump.contains(&uuid), "{uuid} is not in {dump}");
    agrees_with_dumpe2fs(&image, &map);
    (image, map)
}

#[test]
fn ext4_default() {
    check(FsKind::Ext4, 300, &["-t", "ext4"]);
}

#[test]
fn ext4_uninitialised_groups() {
    let lazy = "lazy_itable_init=1,lazy_journal_init=1";
    check(FsKind::Ext4, 700, &["-t", "ext4", "-E", lazy]);
    // The older form: CRC-16 over descriptors, bitmaps without checksums.
    let features = "uninit_bg,^metadata_csum,^64bit";
    check(
        FsKind::Ext4,
        700,
        &["-t", "ext4", "-O", features, "-E", lazy],
    );
    let features = "uninit_bg,^metadata_csum,64bit";
    check(
        FsKind::Ext4,
        300,
        &["-t", "ext4", "-O", features, "-b", "1024"],
    );
}

#[test]
fn ext4_32bit_descriptors_with_checksums() {
    check(FsKind::Ext4, 300, &["-t", "ext4", "-O", "^64bit"]);
}

#[test]
fn ext4_small_blocks() {
    check(FsKind::Ext4, 100, &["-t", "ext4", "-b", "1024"]);
    check(FsKind::Ext4, 100, &["-t", "ext4", "-b", "2048"]);
    check(
        FsKind::Ext4,
        60,
        &["-t", "ext4", "-b", "1024", "-g", "1024"],
    );
}

#[test]
fn ext4_large_blocks() {
    check(FsKind::Ext4, 300, &["-t", "ext4", "-b", "16384"]);
    check(FsKind::Ext4, 400, &["-t", "ext4", "-b", "65536"]);
}

#[test]
fn ext4_meta_bg() {
    for size in ["1024", "4096"] {
        let features = "meta_bg,^resize_inode";
        check(
            FsKind::Ext4,
            400,
            &["-t", "ext4", "-b", size, "-O", features],
        );
    }
    // Many meta-groups, their tables and bitmaps in their own groups.
    let features = "meta_bg,^resize_inode,^flex_bg";
    let options = ["-t", "ext4", "-b", "1024", "-g", "512", "-O", features];
    check(FsKind::Ext4, 60, &options);
    let features = "meta_bg,^resize_inode,^64bit,^metadata_csum,uninit_bg";
    let options = ["-t", "ext4", "-b", "1024", "-g", "512", "-O", features];
    check(FsKind::Ext4, 60, &options);
}

#[test]
fn ext4_without_flex_bg() {
    check(FsKind::Ext4, 500, &["-t", "ext4", "-O", "^flex_bg"]);
    check(FsKind::Ext4, 500, &["-t", "ext4", "-G", "2"]);
}

#[test]
fn ext4_sparse_super2() {
    check(FsKind::Ext4, 700, &["-t", "ext4", "-O", "sparse_super2"]);
    let options = ["-t", "ext4", "-O", "sparse_super2", "-E", "num_backup_sb=1"];
    check(FsKind::Ext4, 300, &options);
}

#[test]
fn ext4_without_sparse_super() {
    let options = [
        "-t",
        "ext4",
        "-O",
        "^sparse_super,^resize_inode",
        "-b",
        "1024",
    ];
    check(FsKind::Ext4, 100, &options);
}

#[test]
fn ext4_bigalloc() {
    let options = ["-t", "ext4", "-O", "bigalloc", "-b", "4096", "-C", "4096"];
    check(FsKind::Ext4, 300, &options);
    // partclone 0.3.23 gives up on clusters ("bitmap error at 0 group").
    for (block, cluster) in [("1024", "16384"), ("4096", "65536"), ("4096", "1048576")] {
        let options = ["-t", "ext4", "-O", "bigalloc", "-b", block, "-C", cluster];
        check_without_partclone(FsKind::Ext4, 700, &options);
    }
}

#[test]
fn ext4_other_features() {
    let features = "inline_data,quota,project,encrypt,casefold,large_dir,ea_inode";
    check(FsKind::Ext4, 300, &["-t", "ext4", "-O", features]);
    let features = "metadata_csum_seed,orphan_file,fast_commit,stable_inodes,verity";
    check(FsKind::Ext4, 300, &["-t", "ext4", "-O", features]);
    check(FsKind::Ext4, 100, &["-t", "ext4", "-O", "^has_journal"]);
    check(
        FsKind::Ext4,
        100,
        &["-t", "ext4", "-I", "1024", "-i", "2048"],
    );
}

/// On its own: every writer waits before it opens such a filesystem.
#[test]
fn ext4_multi_mount_protection() {
    let image = Image::sparse(100 << 20);
    run(
        "mke2fs",
        &["-q", "-F", "-t", "ext4", "-O", "mmp", &image.arg()],
    );
    let map = image.map();
    assert_eq!((map.consistency, map.notes.len()), (Consistency::Clean, 0));
    agrees_with_dumpe2fs(&image, &map);
}

#[test]
fn ext2_and_ext3() {
    check(FsKind::Ext2, 300, &["-t", "ext2"]);
    check(FsKind::Ext2, 50, &["-t", "ext2", "-b", "1024"]);
    check(FsKind::Ext2, 50, &["-t", "ext2", "-r", "0", "-O", "none"]);
    check(FsKind::Ext3, 300, &["-t", "ext3"]);
    check(
        FsKind::Ext3,
        100,
        &["-t", "ext3", "-b", "1024", "-J", "size=4"],
    );
}

/// A filesystem that does not fill its partition, nor its last group.
#[test]
fn what_lies_behind_the_filesystem_is_kept() {
    let image = Image::sparse(200 << 20);
    let arg = image.arg();
    let args = ["-q", "-F", "-t", "ext4", "-b", "4096", &arg, "150001k"];
    run("mke2fs", &args);
    let map = image.map();
    assert_eq!(map.consistency, Consistency::Clean);
    agrees_with_dumpe2fs(&image, &map);
    assert!(map.free.iter().all(|e| e.end() <= 150_000 << 10));
}

#[test]
fn resized_filesystems() {
    for (features, from, to) in [
        ("^meta_bg", "100M", "290M"),
        ("^resize_inode", "50M", "290M"),
    ] {
        let image = Image::sparse(300 << 20);
        let arg = image.arg();
        run(
            "mke2fs",
            &["-q", "-F", "-t", "ext4", "-O", features, &arg, from],
        );
        run("resize2fs", &[&arg, to]);
        let map = image.map();
        assert_eq!((map.consistency, map.notes.len()), (Consistency::Clean, 0));
        agrees_with_dumpe2fs(&image, &map);
    }
}

/// A map must not believe what was not unmounted, or is known to be wrong.
#[test]
fn an_unclean_or_failed_filesystem_is_captured_whole() {
    for (kind, state, words) in [("ext2", "0", "not unmounted"), ("ext4", "3", "errors")] {
        let image = make(100, &["-t", kind]);
        debugfs(&image, &format!("ssv state {state}"));
        let map = image.map();
        assert_eq!((map.consistency, map.free.len()), (Consistency::Raw, 0));
        assert!(map.notes[0].contains(words), "{:?}", map.notes);
    }
}

/// One flipped byte in a bitmap makes its group fully used, and no other.
#[test]
fn a_damaged_bitmap_costs_one_group() {
    for options in [
        &["-t", "ext4", "-b", "1024"][..],
        &["-t", "ext2", "-b", "1024"],
    ] {
        let image = make(60, options);
        let before = image.map();
        let text = run("dumpe2fs", &[&image.arg()]);
        let group = text.split("Group 2:").nth(1).unwrap();
        let bitmap = group.split("Block bitmap at ").nth(1).unwrap();
        let digits: String = bitmap.chars().take_while(char::is_ascii_digit).collect();
        let at = digits.parse::<usize>().unwrap() * 1024;
        let mut bytes = image.bytes();
        // Without checksums, what shows is the metadata it calls free.
        bytes[at..at + 1024].fill(0);
        write_file(&image.path(), &bytes);
        let map = image.map();
        assert!(
            map.notes[0].starts_with("1 of 8 block groups"),
            "{:?}",
            map.notes
        );
        let (start, end) = ((2 * 8192 + 1) << 10, (3 * 8192 + 1) << 10);
        let outside = |map: &FsMap| {
            let all = free_blocks(map, 1024, 60 << 10);
            [&all[..start >> 10], &all[end >> 10..]].concat()
        };
        assert!(
            map.free
                .iter()
                .all(|e| e.end() <= start as u64 || e.start >= end as u64)
        );
        assert_eq!(outside(&map), outside(&before));
    }
}
