//! The engine as a whole: disks are made, captured, restored, compared.

mod adapted;
mod carried;
mod converted;
mod disks;
mod faults;
mod flaky;
mod identity;
mod refusals;
mod to_bios;
mod whole;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Extent, SectorSize};
use image::{Config, DiskImage, EntryKind, Image, Repository};
use store::{MemoryStore, Store};
use tempfile::TempDir;

use super::*;
use crate::capture::{self, Label};
use crate::event::Silent;
use crate::inventory::{Disk, Machine};

/// A disk and its image in a repository in memory.
struct Sample {
    folder: TempDir,
    repository: Repository,
    image: Image,
    source: Vec<u8>,
    sector: SectorSize,
}

impl Sample {
    /// Captures a disk of these bytes.
    fn of(source: Vec<u8>, sector: SectorSize) -> Self {
        Self::stored_in(Arc::new(MemoryStore::default()), source, sector)
    }

    fn stored_in(store: Arc<dyn Store>, source: Vec<u8>, sector: SectorSize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source.raw");
        fs::write(&path, &source).unwrap();
        let repository = Repository::create(store, Config::new([7; 32])).unwrap();
        let disk = Machine::host().disk_at(&path, sector).unwrap();
        let planned = capture::plan(disk, &Silent).unwrap();
        let label = Label::now(Some("sample".to_owned())).unwrap();
        let none = Default::default();
        capture::run(&repository, &[planned], label, &none, &Silent).unwrap();
        let image = repository.image("latest").unwrap();
        Self {
            folder,
            repository,
            image,
            source,
            sector,
        }
    }

    fn disk(&self) -> &DiskImage {
        &self.image.manifest.disks[0]
    }

    fn size(&self) -> u64 {
        self.source.len() as u64
    }

    /// A target of `size` bytes, none of them zero: an old system.
    fn target(&self, size: u64) -> Disk {
        let path = self.folder.path().join("target.raw");
        fs::write(&path, vec![0xa5; usize::try_from(size).unwrap()]).unwrap();
        self.disk_at(&path)
    }

    fn disk_at(&self, path: &Path) -> Disk {
        Machine::host().disk_at(path, self.sector).unwrap()
    }

    fn plan(&self, target: &Disk, options: &Options) -> Result<Plan, PlanError> {
        plan(&self.repository, &self.image, self.disk(), target, options)
    }

    fn restore(&self, target: &Disk, options: &Options) -> Report {
        let plan = self.plan(target, options).unwrap();
        execute(plan, &Silent).unwrap()
    }

    /// Every byte the maps call data or zero is on the target, but `except`.
    fn assert_restored(&self, target: &Path, except: &[Extent]) {
        if let Some(wrong) = self.first_difference(target, except) {
            panic!("{} differs at byte {wrong}", target.display());
        }
    }

    fn first_difference(&self, target: &Path, except: &[Extent]) -> Option<u64> {
        let file = File::open(target).unwrap();
        for region in &self.disk().regions {
            for entry in self.repository.map(region).unwrap().entries() {
                let entry = entry.unwrap();
                let start = region.start + entry.start;
                let (from, to) = (start as usize, (start + entry.len) as usize);
                let mut wanted = self.source[from..to].to_vec();
                match entry.kind {
                    EntryKind::Free => continue,
                    EntryKind::Zero => wanted.fill(0),
                    EntryKind::Data(_) => {}
                }
                let mut found = vec![0; wanted.len()];
                file.read_exact_at(&mut found, start).unwrap();
                if found == wanted {
                    continue;
                }
                let spared = |at: u64| except.iter().any(|e| e.start <= at && at < e.end());
                let wrong = (0..wanted.len())
                    .filter(|i| wanted[*i] != found[*i])
                    .map(|i| start + i as u64)
                    .find(|at| !spared(*at));
                if wrong.is_some() {
                    return wrong;
                }
            }
        }
        None
    }

    /// How much of the maps is data, zero, free.
    fn kinds(&self) -> [u64; 3] {
        let sum = |f: fn(&image::Region) -> u64| self.disk().regions.iter().map(f).sum();
        [
            sum(|r| r.data_bytes),
            sum(|r| r.zero_bytes),
            sum(|r| r.free_bytes),
        ]
    }
}

fn verified() -> Options {
    Options {
        verify: Verify::ReadBack,
        ..Options::default()
    }
}

fn head(path: &Path) -> Vec<u8> {
    let mut head = vec![0; 1024];
    let file = File::open(path).unwrap();
    file.read_exact_at(&mut head, 0).unwrap();
    head
}

/// No firmware takes it for a disk with a system, no kernel for one with
/// partitions.
fn pretends_to_boot(path: &Path) -> bool {
    let head = head(path);
    head[510..512] == [0x55, 0xaa] || head[512..].starts_with(b"EFI PART")
}

fn path_of(disk: &Disk) -> PathBuf {
    disk.path.clone()
}
