//! ext2/3/4 made with many different options.

use std::collections::BTreeSet;

use fsmap::{Consistency, FsKind, FsMap};

use crate::partclone::{self, free_blocks};
use crate::tools::{Image, run};

/// A filled filesystem of `mib` MiB, with holes where files were deleted.
fn make(mib: u64, options: &[&str]) -> Image {
    let image = Image::sparse(mib << 20);
    let tree = image.tree(300, 3);
    let arg = image.arg();
    let mut args = vec!["-q", "-F", "-L", "patient", "-d", tree.to_str().unwrap()];
    args.extend(options);
    args.push(&arg);
    run("mke2fs", &args);
    for i in (0..300).step_by(3) {
        let rm = format!("rm /d{}/f{i}", i % 7);
        run("debugfs", &["-w", "-R", &rm, &arg]);
    }
    image
}

/// Free blocks by dumpe2fs, which works out uninitialised groups for itself.
fn dumpe2fs_free(image: &Image) -> BTreeSet<u64> {
    let text = run("dumpe2fs", &[&image.arg()]);
    let mut free = BTreeSet::new();
    for line in text.lines() {
        let Some(list) = line.strip_prefix("  Free blocks: ") else {
            continue;
        };
        for range in list.split(", ").filter(|r| !r.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            free.extend(first.parse::<u64>().unwrap()..=last.parse::<u64>().unwrap());
        }
    }
    free
}

fn map_free(map: &FsMap, blocks: u64) -> BTreeSet<u64> {
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
    let oracle = partclone::bitmap("extfs", &image);
    assert_eq!(partclone::differences(&map, &oracle), [], "{options:?}");
}

#[test]
fn ext4_default() {
    check(FsKind::Ext4, 300, &["-t", "ext4"]);
}
