//! What the tests of the format share: making small images.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;

use disk::{Extent, SectorSize};
use image::{
    BLOCK, ChunkEncoder, Chunker, Config, DiskImage, Image, ImageId, Machine, Manifest, Piece,
    Prepared, Region, RegionKind, Repository, Session, Stats, Stored, TableKind, Timestamp,
};
use store::{MemoryStore, Store};

/// A repository with small packs, so that small images have several.
pub fn repository() -> (Arc<MemoryStore>, Repository) {
    let store = Arc::new(MemoryStore::default());
    let mut config = Config::new([7; 32]);
    config.pack_target = 1 << 20;
    let repository = Repository::create(store.clone(), config).unwrap();
    (store, repository)
}

/// A region: its bytes and which runs of them are free.
pub type Part<'a> = (&'a [u8], &'a [Extent]);

/// Cuts a region as the capture engine does.
pub fn pieces(config: &Config, (bytes, free): Part<'_>) -> Vec<Piece> {
    let mut chunker = Chunker::new(&config.chunker);
    let mut out = Vec::new();
    for (index, block) in bytes.chunks(BLOCK as usize).enumerate() {
        let (start, len) = (index as u64 * BLOCK, block.len() as u64);
        let is_free = free
            .iter()
            .any(|f| f.start <= start && start + len <= f.end());
        if is_free {
            chunker.free(len, &mut out);
        } else {
            chunker.used(block, &mut out);
        }
    }
    chunker.finish(&mut out);
    out
}

/// Captures one disk made of `parts`, which become its regions.
pub fn capture(
    repository: &Repository,
    name: &str,
    number: u32,
    parts: &[Part<'_>],
) -> (Image, Stats) {
    let (stored, manifest) = prepare(repository, name, number, parts);
    let stats = stored.stats;
    (stored.commit(manifest).unwrap(), stats)
}

/// As [`capture`], up to the last step.
pub fn prepare(
    repository: &Repository,
    name: &str,
    number: u32,
    parts: &[Part<'_>],
) -> (Stored, Manifest) {
    let mut session = Session::begin(repository).unwrap();
    let known = session.known();
    let mut encoder = ChunkEncoder::new().unwrap();
    for part in parts {
        session.begin_region(part.0.len() as u64).unwrap();
        for piece in pieces(repository.config(), *part) {
            let prepared = Prepared::new(piece, &known, &mut encoder).unwrap();
            session.push(prepared).unwrap();
        }
    }
    let stored = session.finish().unwrap();
    let mut start = 0;
    let mut regions = Vec::new();
    for region in &stored.regions {
        regions.push(Region {
            kind: RegionKind::Gap,
            start,
            len: region.len,
            fs: None,
            data_bytes: region.data_bytes,
            zero_bytes: region.zero_bytes,
            free_bytes: region.free_bytes,
            root: region.root,
        });
        start += region.len;
    }
    let created = Timestamp::from_unix(1_763_785_680 + u64::from(number));
    let manifest = Manifest {
        format: 0,
        min_reader: 0,
        id: ImageId::new(created, number),
        name: name.to_owned(),
        created,
        machine: Machine::default(),
        tool: "test".to_owned(),
        systems: Vec::new(),
        identity_key: None,
        disks: vec![DiskImage {
            index: 0,
            source: "memory".to_owned(),
            model: None,
            serial: None,
            wwn: None,
            size: start,
            sector_size: SectorSize::B512,
            physical_sector: 512,
            table: TableKind::None,
            disk_id: None,
            notes: Vec::new(),
            regions,
        }],
    };
    (stored, manifest)
}

/// Bytes that zstd cannot shrink and that differ by `seed`.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = vec![0; len];
    for byte in &mut out {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = (state >> 32) as u8;
    }
    out
}

/// Names of all objects that begin like this.
pub fn names(store: &MemoryStore, prefix: &str) -> Vec<String> {
    store.list(prefix).unwrap()
}
