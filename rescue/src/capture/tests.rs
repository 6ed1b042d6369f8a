//! The capture engine on disks in memory and in files.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use disk::{Extent, MemDisk, ReadAt};
use image::{BLOCK, Config, Repository, SecretKey, Signed, Timestamp, TrustedKeys};
use proptest::prelude::*;
use store::{DirStore, MemoryStore, Store};

use super::reader::{Part, read_region};
use super::{Label, Report, Source, run};
use crate::event::{Event, Silent, Sink};
use crate::inventory::{Bus, Disk, DiskKind, Use};
use crate::volumes::Passphrases;

const B: u64 = BLOCK;

fn disk_of(size: u64) -> Disk {
    Disk {
        path: PathBuf::from("/dev/test"),
        name: "test".to_owned(),
        kind: DiskKind::RawFile,
        size,
        sector_size: 512,
        physical_sector: 4096,
        model: None,
        serial: Some("S1".to_owned()),
        wwn: None,
        bus: Bus::File,
        removable: false,
        read_only: false,
        rotational: false,
        uses: Vec::new(),
    }
}

fn source(device: impl ReadAt + 'static) -> Source {
    let disk = disk_of(device.size());
    super::source::plan_device(Arc::new(device), disk, &Silent).unwrap()
}

fn repository(store: Arc<dyn Store>) -> Repository {
    Repository::create(store, Config::new([3; 32])).unwrap()
}

fn label(number: u32) -> Label {
    Label {
        name: Some("test".to_owned()),
        created: Timestamp::from_unix(1_763_785_680 + u64::from(number)),
        random: number,
        sign_key: None,
    }
}

fn capture(repository: &Repository, sources: &[Source], number: u32) -> anyhow::Result<Report> {
    let none = Passphrases::default();
    run(repository, sources, label(number), &none, &Silent)
}

fn noise(len: u64, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(next).collect()
}

/// A disk of two primary MBR partitions, one at an odd sector, and noise.
fn mbr_disk() -> Vec<u8> {
    let mut bytes = noise(12 << 20, 5);
    bytes[..512].fill(0);
    for (index, (first, sectors)) in [(63u32, 5000u32), (8192, 8192)].iter().enumerate() {
        let entry = &mut bytes[446 + 16 * index..462 + 16 * index];
        entry[4] = 0x83;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    }
    bytes[440..444].copy_from_slice(&[1, 2, 3, 4]);
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes[5 << 20..6 << 20].fill(0);
    bytes
}

/// An ext2 without a used block but its own, over a whole disk of 8 MiB.
fn empty_ext2() -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(8 << 20).unwrap();
    let made = std::process::Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext2"])
        .arg(file.path())
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "mke2fs is missing: install e2fsprogs"
    );
    std::fs::read(file.path()).unwrap()
}

/// The disk was one filesystem once; its partitions overlap, so they are not
/// known. What that filesystem calls free is where they keep their data.
#[test]
fn a_stale_filesystem_under_an_unusable_table_skips_nothing() {
    let mut bytes = empty_ext2();
    let mapped = source(MemDisk::new(bytes.clone()));
    assert!(!mapped.regions[0].free.is_empty(), "it has a map by itself");
    for (index, (first, sectors)) in [(2048u32, 8000u32), (8192, 8000)].iter().enumerate() {
        let entry = &mut bytes[446 + 16 * index..462 + 16 * index];
        entry[4] = 0x83;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..16].copy_from_slice(&sectors.to_le_bytes());
    }
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    let whole = source(MemDisk::new(bytes));
    assert_eq!(whole.regions.len(), 1);
    assert_eq!(whole.regions[0].free, []);
    assert!(whole.notes[0].contains("overlap"), "{:?}", whole.notes);
}

#[test]
fn a_partitioned_disk_is_read_back_byte_for_byte() {
    let repository = repository(Arc::new(MemoryStore::default()));
    let bytes = mbr_disk();
    let second = noise(3 * B + 512, 9);
    let sources = [
        source(MemDisk::new(bytes.clone())),
        source(MemDisk::new(second.clone())),
    ];
    let report = capture(&repository, &sources, 1).unwrap();
    assert_eq!(report.disks, 2);
    let image = repository.image("test").unwrap();
    assert_eq!(image.id.to_string(), report.image);
    for (disk, expected) in image.manifest.disks.iter().zip([&bytes, &second]) {
        let mut found = vec![1; expected.len()];
        let reader = repository.read_at(disk).unwrap();
        reader.read_exact_at(&mut found, 0).unwrap();
        assert!(&found == expected, "disk {}", disk.index);
    }
    let disk = &image.manifest.disks[0];
    let titles: Vec<String> = disk.regions.iter().map(image::Region::title).collect();
    assert_eq!(titles[1], "partition 1");
    assert_eq!((disk.regions[1].start, titles.len()), (63 * 512, 5));
    assert_eq!(disk.serial.as_deref(), Some("S1"));
    let whole = repository
        .check(&[image], image::Scope::Repository, 2, &|_, _| {})
        .unwrap();
    assert!(whole.faults.is_empty(), "{:?}", whole.faults);
}

#[test]
fn a_second_capture_of_an_unchanged_disk_stores_a_manifest_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(DirStore::create(folder.path().join("repo")).unwrap());
    let repository = repository(store.clone());
    let sources = [source(MemDisk::new(mbr_disk()))];
    let first = capture(&repository, &sources, 1).unwrap();
    assert!(first.stored.new_bytes > 10 << 20);
    let objects = store.list("").unwrap();
    let second = capture(&repository, &sources, 2).unwrap();
    assert_eq!(second.stored.stored_bytes, 0);
    assert_eq!(second.stored.known_bytes, second.data_bytes);
    assert_eq!(store.list("").unwrap().len(), objects.len() + 1);
    let ids = repository.ids().unwrap();
    let regions = |at: usize| repository.load(&ids[at]).unwrap().manifest.disks;
    assert_eq!(regions(0), regions(1));
}

#[test]
fn an_empty_file_is_refused() {
    let device = Arc::new(MemDisk::new(Vec::new()));
    let error = super::source::plan_device(device, disk_of(0), &Silent).unwrap_err();
    assert!(error.to_string().contains("nothing to capture"), "{error}");
}

/// A disk with a bad sector.
#[derive(Debug)]
struct Failing(MemDisk, u64);

impl ReadAt for Failing {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if (offset..offset + buf.len() as u64).contains(&self.1) {
            return Err(io::Error::other("medium error"));
        }
        self.0.read_exact_at(buf, offset)
    }
    fn size(&self) -> u64 {
        self.0.size()
    }
}

#[test]
fn a_read_error_names_disk_and_place_and_leaves_no_image() {
    let repository = repository(Arc::new(MemoryStore::default()));
    let sources = [source(Failing(MemDisk::new(mbr_disk()), 7 << 20))];
    let error = format!("{:#}", capture(&repository, &sources, 1).unwrap_err());
    assert!(error.contains("/dev/test at byte"), "{error}");
    assert!(error.contains("medium error"), "{error}");
    assert!(repository.ids().unwrap().is_empty());
}

/// A store that is full after so many objects.
struct Filling(MemoryStore, Mutex<usize>);

impl Store for Filling {
    fn location(&self) -> String {
        "test".to_owned()
    }
    fn get(&self, name: &str, cap: u64) -> store::Result<Vec<u8>> {
        self.0.get(name, cap)
    }
    fn read_range(&self, name: &str, offset: u64, buf: &mut [u8]) -> store::Result<()> {
        self.0.read_range(name, offset, buf)
    }
    fn size(&self, name: &str) -> store::Result<u64> {
        self.0.size(name)
    }
    fn put(&self, name: &str, bytes: &[u8]) -> store::Result<()> {
        let mut left = self.1.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| store::Error::Full {
            location: self.location(),
            name: name.to_owned(),
        })?;
        self.0.put(name, bytes)
    }
    fn list(&self, prefix: &str) -> store::Result<Vec<String>> {
        self.0.list(prefix)
    }
    fn delete(&self, name: &str) -> store::Result<()> {
        self.0.delete(name)
    }
}

#[test]
fn a_full_repository_is_an_error_at_any_object_and_the_next_capture_goes_on() {
    let mut config = Config::new([3; 32]);
    config.pack_target = 1 << 20;
    let sources = [source(MemDisk::new(mbr_disk()))];
    let mut complete = 0;
    for objects in 2..40 {
        let store = Arc::new(Filling(MemoryStore::default(), Mutex::new(objects)));
        let repository = Repository::create(store.clone(), config.clone()).unwrap();
        match capture(&repository, &sources, 1) {
            Ok(_) => complete += 1,
            Err(error) => {
                assert!(format!("{error:#}").contains("is full"), "{error:#}");
                // The manifest may be there while only the listing failed.
                *store.1.lock().unwrap() = 1000;
                let report = capture(&repository, &sources, 2).unwrap();
                let packs = objects.saturating_sub(2).min(9) as u64;
                let known = report.stored.known_bytes;
                assert!(known >= packs.saturating_sub(1) << 20, "{objects}: {known}");
            }
        }
    }
    assert!(complete > 10, "{complete}");
}

#[test]
fn a_disk_in_use_needs_a_word_and_gets_a_warning() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<Event>>);
    impl Sink for Heard {
        fn emit(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }
    let heard = Heard::default();
    let mut disk = disk_of(1 << 20);
    super::check_uses(&disk, None, false, &heard).unwrap();
    disk.uses.push(Use::Mounted {
        device: "test1".to_owned(),
        at: PathBuf::from("/srv"),
    });
    let error = super::check_uses(&disk, None, false, &heard).unwrap_err();
    assert!(error.to_string().contains("--allow-mounted"));
    assert!(error.to_string().contains("/srv"));
    assert!(heard.0.lock().unwrap().is_empty());
    super::check_uses(&disk, None, true, &heard).unwrap();
    let heard = heard.0.lock().unwrap();
    assert!(matches!(heard.as_slice(), [Event::Warning { text }] if text.contains("/srv")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Batches tile the region, and used runs carry the disk's bytes.
    #[test]
    fn batches_tile_the_region(
        holes in prop::collection::vec((0u64..1500, 1u64..200), 0..30),
        len in 1u64..(1500 * B),
    ) {
        let free: Vec<Extent> = holes
            .iter()
            .map(|(start, len)| Extent { start: start * B, len: len * B })
            .collect();
        let mut free = disk::normalize(free);
        free.retain(|e| e.start < len);
        for e in &mut free {
            e.len = e.len.min(len - e.start);
        }
        let bytes = noise(len, 1);
        let device = MemDisk::new(bytes.clone());
        let (mut at, mut freed) = (0u64, Vec::new());
        let failed = |_, e: io::Error| e.to_string();
        read_region(&device, len, &free, failed, |batch| {
            assert!(batch.bytes.len() <= 4 << 20);
            for part in &batch.parts {
                match *part {
                    Part::Free(len) => {
                        freed.push(Extent { start: at, len });
                        at += len;
                    }
                    Part::Used { at: from, len } => {
                        let expected = &bytes[at as usize..at as usize + len];
                        assert!(&batch.bytes[from..from + len] == expected);
                        at += len as u64;
                    }
                }
            }
            Ok(())
        }).unwrap();
        prop_assert_eq!(at, len);
        prop_assert_eq!(freed, free);
    }
}

#[test]
fn a_file_is_not_taken_for_the_machine_it_lies_on() {
    let repository = repository(Arc::new(MemoryStore::default()));
    let unnamed = Label {
        name: None,
        ..label(1)
    };
    let sources = [source(MemDisk::new(mbr_disk()))];
    run(
        &repository,
        &sources,
        unnamed,
        &Passphrases::default(),
        &Silent,
    )
    .unwrap();
    let manifest = repository.image("latest").unwrap().manifest;
    assert_eq!(manifest.machine, image::Machine::default());
    assert_eq!(manifest.name, "test", "the file's name");
}

#[test]
fn an_image_is_signed_when_a_key_is_given() {
    let repository = repository(Arc::new(MemoryStore::default()));
    let key = SecretKey::generate(&[5; 40]).unwrap();
    let id = key.public().id();
    let trusted = TrustedKeys::new(vec![key.public().clone()]).unwrap();
    let signed = Label {
        sign_key: Some(key),
        ..label(1)
    };
    let sources = [source(MemDisk::new(noise(8 * B, 1)))];
    let report = run(
        &repository,
        &sources,
        signed,
        &Passphrases::default(),
        &Silent,
    )
    .unwrap();
    assert_eq!(report.signed_by, Some(id));
    let strict = repository.clone().trusting(trusted);
    assert_eq!(strict.image("latest").unwrap().signed, Signed::Trusted(id));
    let report = capture(&repository, &sources, 2).unwrap();
    assert_eq!(report.signed_by, None);
    assert!(strict.image("latest").is_err());
}
