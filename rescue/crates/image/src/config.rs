//! The `config` object: what a repository is, written once.

use serde::{Deserialize, Serialize};

use crate::seal::FORMAT;
use crate::{Error, RepoId, Result};

/// The name of the object.
pub(crate) const CONFIG: &str = "config";
/// The largest `config` that makes sense, in bytes.
pub(crate) const MAX_CONFIG: u64 = 64 << 10;

/// What a repository is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The format version it was made with.
    pub format: u32,
    /// The oldest version of a reader that understands its objects.
    pub min_reader: u32,
    /// Its own random name.
    pub repo_id: RepoId,
    /// How capture cuts chunks. Readers do not care.
    pub chunker: ChunkerConfig,
    /// Packs are closed when they reach this many bytes.
    pub pack_target: u32,
}

/// How chunks are cut: after a 4 KiB block whose XXH3-64, seeded with `seed`,
/// has `cut_bits` low zero bits; never before `min` blocks, always at `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkerConfig {
    /// In blocks of 4 KiB.
    pub min_blocks: u32,
    /// In blocks of 4 KiB.
    pub max_blocks: u32,
    /// log2 of the target length in blocks.
    pub cut_bits: u32,
    /// The repository's own, so that boundaries say nothing about content.
    #[serde(with = "hex_u64")]
    pub seed: u64,
}

/// JSON numbers above 2^53 are not safe in every tool: sixteen digits instead.
mod hex_u64 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&format!("{value:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        let text = String::deserialize(d)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

impl Config {
    /// The defaults, with `entropy` (from the system's random source) for id
    /// and seed.
    #[must_use]
    pub fn new(entropy: [u8; 32]) -> Self {
        let mut repo_id = [0; 16];
        repo_id.copy_from_slice(&entropy[..16]);
        let mut seed = [0; 8];
        seed.copy_from_slice(&entropy[16..24]);
        Self {
            format: FORMAT,
            min_reader: FORMAT,
            repo_id: RepoId::from_bytes(repo_id),
            chunker: ChunkerConfig {
                min_blocks: 8,
                max_blocks: 128,
                cut_bits: 5,
                seed: u64::from_le_bytes(seed),
            },
            pack_target: 64 << 20,
        }
    }

    /// Checks that chunks and packs of these sizes fit the format.
    pub(crate) fn check(&self) -> Result<()> {
        let c = &self.chunker;
        let fits = (1..=256).contains(&c.max_blocks)
            && (1..=c.max_blocks).contains(&c.min_blocks)
            && c.cut_bits <= 8
            && (1 << 20..=512 << 20).contains(&self.pack_target);
        if fits {
            return Ok(());
        }
        Err(Error::damaged(
            CONFIG,
            0,
            "1 to 256 blocks a chunk, 0 to 8 cut bits, packs of 1 to 512 MiB",
            format!("{c:?}, packs of {} bytes", self.pack_target),
        ))
    }
}
