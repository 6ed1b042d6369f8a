//! The image format: chunks, packs, maps, manifests; reader and writer.
//!
//! docs/FORMAT.md is the normative description; this crate is the only code
//! that knows it. In short:
//!
//! * A disk is tiled by regions (partitions and the gaps between them), a
//!   region by [`MapEntry`]s: stored data, zeros, or free space.
//! * Data is cut into chunks named by their BLAKE3 ([`ChunkId`]), compressed,
//!   and appended as records to packs named by *their* BLAKE3 ([`PackId`]).
//! * The map of a region is cut into pages of 1 GiB, each a record of a meta
//!   pack, listed by a root that the [`Manifest`] names. So the manifest's
//!   own checksum covers, link by link, every byte of the image.
//! * Maps carry locators (pack, offset, length): reading an image needs no
//!   index. The index only serves deduplication and can always be rebuilt.
//! * A signature beside the manifest says who vouches for all of it
//!   ([`SecretKey`], [`TrustedKeys`]).
//!
//! Start at [`Repository`] to read, at [`Session`] to write.
//!
//! Nothing here opens a device, reads the environment or the clock, logs or
//! prints: time and randomness come from the caller.
#![forbid(unsafe_code)]

mod bytes;
mod check_pack;
mod chunker;
mod commit;
mod config;
mod disk_reader;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod index;
mod known;
mod manifest;
mod map;
mod objects;
mod pack;
mod prepared;
mod record;
mod repository;
mod seal;
mod session;
mod signature;
mod system;
mod tables;
mod time;
mod upload;
mod verify;

pub use chunker::{Chunker, Piece, SMALL_FREE_RUN};
pub use commit::Stored;
pub use config::{ChunkerConfig, Config};
pub use disk_reader::DiskReader;
pub use error::{Error, Result};
pub use id::{ChunkId, PackId, ParseIdError, RepoId};
pub use known::KnownChunks;
pub use manifest::{
    Consistency, DiskImage, Filesystem, ImageId, Machine, Manifest, ParseImageIdError,
    PartitionInfo, Region, RegionKind, TableKind,
};
pub use map::{Entries, EntryKind, MapEntry, PAGE_SPAN, RegionMap};
pub use objects::{PackKind, pack_name};
pub use prepared::{Prepared, PreparedChunk};
pub use record::{
    BLOCK, ChunkEncoder, Decoder, EncodedChunk, Locator, MAX_CHUNK, RECORD_HEADER_LEN,
    decode_record,
};
pub use repository::{Image, ImageState, ImageSummary, Repository};
pub use seal::FORMAT;
pub use session::{Session, Stats, StoredRegion};
pub use signature::{
    BadText, Distrust, Existing, KeyError, KeyId, PublicKey, SecretKey, Signed, TrustedKeys,
};
pub use system::{IdentityKey, NoKey, System};
pub use time::{ParseTimestampError, Timestamp};
pub use verify::{CheckReport, Fault, Scope};
