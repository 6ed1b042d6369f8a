//! Damage is seen, named, and attributed; it never becomes wrong data.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{capture, names, noise, repository};
use disk::{Extent, ReadAt};
use image::{BLOCK, CheckReport, Error, Image, Repository, Scope};
use store::{MemoryStore, Store};

const B: usize = BLOCK as usize;

/// A small image with one data pack, two meta packs.
fn small() -> (Arc<MemoryStore>, Repository, Image) {
    let (store, repository) = repository();
    let mut bytes = noise(5 * B, 1);
    bytes.extend([b'x'; 5 * B]);
    bytes.extend([0; 3 * B]);
    bytes.extend(noise(20 * B + 77, 2));
    let free = [Extent {
        start: 13 * BLOCK,
        len: 4 * BLOCK,
    }];
    let (image, _) = capture(
        &repository,
        "small",
        1,
        &[(&bytes[..3 * B], &[]), (&bytes, &free)],
    );
    (store, repository, image)
}

fn check(repository: &Repository, images: &[Image]) -> CheckReport {
    repository
        .check(images, Scope::Repository, 2, &|_, _| {})
        .unwrap()
}

/// Reads the whole image; `Ok` only with the right bytes.
fn read(repository: &Repository, image: &Image) -> Result<Vec<u8>, String> {
    let disk = &image.manifest.disks[0];
    let reader = repository.read_at(disk).map_err(|e| e.to_string())?;
    let mut out = vec![0; disk.size as usize];
    reader
        .read_exact_at(&mut out, 0)
        .map_err(|e| e.to_string())?;
    Ok(out)
}

#[test]
fn a_whole_repository_has_no_fault() {
    let (_, repository, image) = small();
    let report = check(&repository, &[image]);
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!(report.packs, 3);
    assert!(report.bytes > 20 * BLOCK);
}

#[test]
fn every_flipped_byte_of_every_pack_is_found() {
    let (store, repository, image) = small();
    let intact = read(&repository, &image).unwrap();
    let images = [image];
    let mut packs = names(&store, "packs/");
    packs.extend(names(&store, "meta/"));
    for name in packs {
        let size = store.size(&name).unwrap() as usize;
        // Every byte of headers, records' headers and trailers; of the long
        // runs of noise every 61st.
        let near_end = size.saturating_sub(1500);
        let places = (0..size).filter(|at| *at < 600 || *at > near_end || at % 61 == 0);
        for at in places {
            store.tamper(&name, |bytes| bytes[at] ^= 0x10);
            let report = check(&repository, &images);
            assert!(!report.faults.is_empty(), "{name} byte {at}");
            assert!(
                report.faults.iter().any(|f| f.object == name),
                "{name} byte {at}"
            );
            if let Ok(bytes) = read(&repository, &images[0]) {
                assert!(bytes == intact, "{name} byte {at} gave wrong data");
            }
            store.tamper(&name, |bytes| bytes[at] ^= 0x10);
        }
    }
    assert!(check(&repository, &images).faults.is_empty());
}

#[test]
fn every_flipped_byte_of_manifest_and_config_is_refused() {
    let (store, repository, image) = small();
    let manifest = image.id.object_name();
    for at in 0..store.size(&manifest).unwrap() as usize {
        store.tamper(&manifest, |bytes| bytes[at] ^= 4);
        let result = repository.image("latest");
        assert!(
            matches!(result, Err(Error::Damaged { .. })),
            "byte {at}: {result:?}"
        );
        store.tamper(&manifest, |bytes| bytes[at] ^= 4);
    }
    for at in 0..store.size("config").unwrap() as usize {
        store.tamper("config", |bytes| bytes[at] ^= 4);
        let result = Repository::open(store.clone());
        assert!(
            matches!(result, Err(Error::Damaged { .. })),
            "byte {at}: {result:?}"
        );
        store.tamper("config", |bytes| bytes[at] ^= 4);
    }
    repository.image("latest").unwrap();
}

#[test]
fn a_cut_off_pack_and_a_missing_one_are_named_with_what_they_take() {
    let (store, repository, image) = small();
    let pack = names(&store, "packs/").remove(0);
    let images = [image];
    store.tamper(&pack, |bytes| bytes.truncate(bytes.len() / 2));
    let report = check(&repository, &images);
    let text = format!("{:?}", report.faults);
    assert!(report.faults.iter().all(|f| f.object == pack), "{text}");
    assert!(matches!(report.faults[0].error, Error::Damaged { .. }));
    assert!(
        read(&repository, &images[0])
            .unwrap_err()
            .contains("damaged")
    );

    store.delete(&pack).unwrap();
    let report = check(&repository, &images);
    assert_eq!(report.faults.len(), 1);
    assert!(matches!(report.faults[0].error, Error::Missing { .. }));
    assert_eq!(report.faults[0].touches.len(), 2, "{:?}", report.faults[0]);
    assert!(report.faults[0].touches[0].contains("disk 0, the gap at byte 0"));
    assert!(
        read(&repository, &images[0])
            .unwrap_err()
            .contains("missing")
    );
}

#[test]
fn damage_in_one_region_is_not_blamed_on_the_other() {
    let (store, repository) = repository();
    let (a, b) = (noise(40 * B, 3), noise(40 * B, 4));
    let (image, _) = capture(&repository, "two", 1, &[(&a, &[]), (&b, &[])]);
    let pack = names(&store, "packs/").remove(0);
    store.tamper(&pack, |bytes| bytes[45 * B] ^= 1);
    let report = check(&repository, &[image]);
    assert_eq!(report.faults.len(), 1);
    let touches = &report.faults[0].touches;
    assert_eq!(touches.len(), 1, "{touches:?}");
    assert!(
        touches[0].contains(&format!("the gap at byte {}", 40 * B)),
        "{touches:?}"
    );
}

#[test]
fn a_newer_repository_is_refused_with_both_versions() {
    let (store, _, image) = small();
    let renew = |name: &str| {
        let bytes = store.get(name, 1 << 20).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let body = text.lines().next().unwrap();
        let body = body.replace("\"min_reader\":0", "\"min_reader\":7") + "\n";
        let sealed = format!("{body}blake3 {}\n", blake3::hash(body.as_bytes()));
        store.delete(name).unwrap();
        store.put(name, sealed.as_bytes()).unwrap();
    };
    let is_newer = |error: &Error| {
        let both = matches!(
            error,
            Error::Newer {
                found: 7,
                supported: 0,
                ..
            }
        );
        both && error.to_string().contains('7')
    };
    let repository = Repository::open(store.clone()).unwrap();
    renew(&image.id.object_name());
    assert!(is_newer(&repository.image("latest").unwrap_err()));
    renew("config");
    assert!(is_newer(&Repository::open(store.clone()).unwrap_err()));
}

#[test]
fn a_place_without_repository_and_one_that_lost_its_config_are_told_apart() {
    let empty = Arc::new(MemoryStore::default());
    assert!(matches!(
        Repository::open(empty),
        Err(Error::NotARepository { .. })
    ));
    let (store, repository, _) = small();
    let config = repository.config().clone();
    assert!(matches!(
        Repository::create(store.clone(), config.clone()),
        Err(Error::AlreadyARepository { .. })
    ));
    store.delete("config").unwrap();
    assert!(matches!(
        Repository::create(store, config),
        Err(Error::Missing { .. })
    ));
}
