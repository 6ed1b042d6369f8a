//! What is captured is what is read, and is stored once.

#![allow(clippy::unwrap_used)]

mod common;

use common::{capture, names, noise, repository};
use disk::{Extent, ReadAt};
use image::{BLOCK, EntryKind, Error, ImageState, Repository};
use proptest::prelude::*;

const B: usize = BLOCK as usize;

/// Mixed content: noise, text, zeros, a free run, an odd tail.
fn disk_bytes() -> (Vec<u8>, Vec<Extent>) {
    let mut bytes = noise(700 * B, 1);
    bytes[100 * B..200 * B].fill(b'a');
    bytes[300 * B..340 * B].fill(0);
    bytes.extend_from_slice(&[9; 1000]);
    let free = vec![Extent {
        start: 400 * BLOCK,
        len: 50 * BLOCK,
    }];
    (bytes, free)
}

fn read_back(repository: &Repository, image: &image::Image) -> Vec<u8> {
    let disk = &image.manifest.disks[0];
    let reader = repository.read_at(disk).unwrap();
    let mut out = vec![0xff; disk.size as usize];
    reader.read_exact_at(&mut out, 0).unwrap();
    out
}

#[test]
fn a_disk_round_trips_through_a_reopened_repository() {
    let (store, repository) = repository();
    let (bytes, free) = disk_bytes();
    let table = noise(5 * B + 512, 2);
    let (image, _) = capture(&repository, "a", 1, &[(&table, &[]), (&bytes, &free)]);
    assert!(names(&store, "packs/").len() >= 2, "several packs");

    let repository = Repository::open(store).unwrap();
    let found = repository.image("latest").unwrap();
    assert_eq!(found.manifest, image.manifest);
    let mut expected = table;
    expected.extend(&bytes);
    let free_at = 5 * B + 512 + 400 * B;
    expected[free_at..free_at + 50 * B].fill(0);
    assert!(read_back(&repository, &found) == expected);

    let region = &found.manifest.disks[0].regions[1];
    assert_eq!(region.free_bytes, 50 * BLOCK);
    assert_eq!(region.zero_bytes, 40 * BLOCK);
    let entries: Vec<_> = repository
        .map(region)
        .unwrap()
        .entries()
        .collect::<Result<_, _>>()
        .unwrap();
    let free_runs: Vec<_> = entries
        .iter()
        .filter(|e| e.kind == EntryKind::Free)
        .map(|e| (e.start, e.len))
        .collect();
    assert_eq!(free_runs, [(400 * BLOCK, 50 * BLOCK)]);
    let tiled = entries.iter().fold(0, |at, e| {
        assert_eq!(e.start, at);
        e.end()
    });
    assert_eq!(tiled, region.len);
}

#[test]
fn a_second_capture_stores_nothing_and_is_equal() {
    let (store, repository) = repository();
    let (bytes, free) = disk_bytes();
    let (first, stats) = capture(&repository, "a", 1, &[(&bytes, &free)]);
    assert!(stats.new_bytes > 2 << 20);
    let before = names(&store, "").len();
    let (second, stats) = capture(&repository, "a", 2, &[(&bytes, &free)]);
    assert_eq!(
        (stats.new_chunks, stats.packs, stats.stored_bytes),
        (0, 0, 0)
    );
    assert_eq!(names(&store, "").len(), before + 1, "one manifest");
    let root = |image: &image::Image| image.manifest.disks[0].regions[0].root;
    assert_eq!(root(&first), root(&second));
}

#[test]
fn the_same_disk_gives_the_same_objects_in_another_repository() {
    let (bytes, free) = disk_bytes();
    let objects = |seed| {
        let (store, repository) = repository();
        capture(&repository, "a", seed, &[(&bytes, &free)]);
        let mut all = names(&store, "packs/");
        all.extend(names(&store, "meta/"));
        all
    };
    assert_eq!(objects(1), objects(2));
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt_from_the_packs() {
    let (bytes, free) = disk_bytes();
    for damage in ["lose", "flip"] {
        let (store, repository) = repository();
        capture(&repository, "a", 1, &[(&bytes, &free)]);
        let index = names(&store, "index/");
        assert_eq!(index.len(), 1);
        match damage {
            "lose" => store::Store::delete(&*store, &index[0]).unwrap(),
            _ => store.tamper(&index[0], |b| b[40] ^= 1),
        }
        let (_, stats) = capture(&repository, "a", 2, &[(&bytes, &free)]);
        assert_eq!(stats.new_chunks, 0, "{damage}");
    }
}

#[test]
fn chunks_of_a_lost_pack_are_stored_again() {
    let (bytes, free) = disk_bytes();
    let (store, repository) = repository();
    capture(&repository, "a", 1, &[(&bytes, &free)]);
    let pack = names(&store, "packs/").remove(0);
    store::Store::delete(&*store, &pack).unwrap();
    let (image, stats) = capture(&repository, "a", 2, &[(&bytes, &free)]);
    assert!(stats.new_chunks > 0);
    let mut expected = bytes.clone();
    expected[400 * B..450 * B].fill(0);
    assert!(read_back(&repository, &image) == expected);
}

#[test]
fn images_are_found_by_id_prefix_name_and_latest() {
    let (store, repository) = repository();
    let a = noise(3 * B, 1);
    let (first, _) = capture(&repository, "web", 1, &[(&a, &[])]);
    let (second, _) = capture(&repository, "web", 2, &[(&a, &[])]);
    let (third, _) = capture(&repository, "db", 3, &[(&a, &[])]);
    let found = |wanted: &str| repository.image(wanted).map(|i| i.id);
    assert_eq!(found("latest").unwrap(), third.id);
    assert_eq!(found("web").unwrap(), second.id);
    assert_eq!(found(first.id.as_str()).unwrap(), first.id);
    assert_eq!(found(&first.id.as_str()[..16]).unwrap(), first.id);
    assert!(matches!(found("2025"), Err(Error::AmbiguousImage { .. })));
    match found("nosuch") {
        Err(Error::NoSuchImage { available, .. }) => assert_eq!(available.len(), 3),
        other => panic!("{other:?}"),
    }

    store.tamper(&third.id.object_name(), |b| b[9] ^= 1);
    assert!(matches!(found("latest"), Err(Error::Damaged { .. })));
    let web = repository.image("web").unwrap();
    assert_eq!((web.id, web.passed_over), (second.id, vec![third.id]));
    let images = repository.images().unwrap();
    assert_eq!(images.len(), 3);
    assert!(matches!(images[2].state, ImageState::Unreadable { .. }));
}

#[test]
fn a_region_of_several_gib_has_several_pages() {
    let (_, repository) = repository();
    let len = 2 * image::PAGE_SPAN + 7 * BLOCK;
    let mut session = image::Session::begin(&repository).unwrap();
    session.begin_region(len).unwrap();
    for run in [image::PAGE_SPAN, image::PAGE_SPAN, 7 * BLOCK] {
        session.push(image::Prepared::Free(run)).unwrap();
    }
    let stored = session.finish().unwrap();
    let region = image::Region {
        kind: image::RegionKind::Gap,
        start: 0,
        len,
        fs: None,
        data_bytes: 0,
        zero_bytes: 0,
        free_bytes: len,
        root: stored.regions[0].root,
    };
    let map = repository.map(&region).unwrap();
    assert_eq!(map.page_count(), 3);
    let ends: Vec<_> = map.entries().map(|e| e.unwrap().end()).collect();
    assert_eq!(ends, [image::PAGE_SPAN, 2 * image::PAGE_SPAN, len]);
}

#[test]
fn a_session_refuses_what_does_not_tile() {
    let (_, repository) = repository();
    let begin = |len| {
        let mut session = image::Session::begin(&repository).unwrap();
        session.begin_region(len).unwrap();
        session
    };
    assert!(begin(BLOCK).push(image::Prepared::Zero(BLOCK + 1)).is_err());
    assert!(begin(2 * BLOCK).push(image::Prepared::Zero(100)).is_err());
    assert!(begin(BLOCK).push(image::Prepared::Free(0)).is_err());
    assert!(begin(BLOCK).finish().is_err());
    let over = image::Prepared::Free(image::PAGE_SPAN + BLOCK);
    assert!(begin(4 * image::PAGE_SPAN).push(over).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_disk_round_trips(
        runs in prop::collection::vec((0u8..4, 1usize..40), 1..20),
        tail in 0usize..B,
    ) {
        let mut bytes = Vec::new();
        let mut free = Vec::new();
        for (index, (kind, blocks)) in runs.iter().enumerate() {
            let start = bytes.len();
            match kind {
                0 => bytes.resize(start + blocks * B, 0),
                1 => bytes.extend(noise(blocks * B, index as u64)),
                2 => bytes.resize(start + blocks * B, 0x55),
                _ => {
                    bytes.resize(start + blocks * B, 0xdd);
                    free.push(Extent { start: start as u64, len: (blocks * B) as u64 });
                }
            }
        }
        bytes.extend(noise(tail, 99));
        prop_assume!(!bytes.is_empty());
        let (_, repository) = repository();
        let (image, _) = capture(&repository, "p", 1, &[(&bytes, &free)]);
        for f in &free {
            bytes[f.start as usize..f.end() as usize].fill(0);
        }
        prop_assert!(read_back(&repository, &image) == bytes);
    }
}

/// The bytes of version 0, by their hashes: this fails when the format changes
/// without anyone meaning it. (Noise only, so that zstd has no say.)
#[test]
fn the_stored_bytes_of_version_0_do_not_change() {
    let (store, repository) = repository();
    let mut bytes = noise(9 * B + 5, 1);
    bytes[4 * B..5 * B].fill(0);
    let free = [Extent {
        start: 6 * BLOCK,
        len: BLOCK,
    }];
    let (image, _) = capture(&repository, "golden", 1, &[(&bytes, &free)]);
    let mut found = names(&store, "packs/");
    found.extend(names(&store, "meta/"));
    found.extend(names(&store, "index/"));
    let manifest = store::Store::get(&*store, &image.id.object_name(), 1 << 20).unwrap();
    found.push(blake3::hash(&manifest).to_string());
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 5] = [
    "packs/c4/c4e8fdc5aadb4fe5536c442549e75855197610adfa765c05cf36bf8d3f942503.pack",
    "meta/81/811bb9a3b8b77c0c1cd0e6f449b68fa25d20e6950c29b35fff2cb07d0a0d81c3.pack",
    "meta/98/984f02e78c02626c4d3aa476dbec0d2e412b325bd78763e7469abf72a4a3ee7d.pack",
    "index/5f2ce3d8fdf0d7c0d3ca7aed7143228d5d0825d19cb9c8ffa71192d4028c8bc6.idx",
    "26177cfbd80746fac5b0c10d2abf38a6ca2c772ab3ca8942dc9ee3f759151d45",
];
