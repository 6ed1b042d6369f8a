//! The container of fixed size that a medium reserves for its site.
//!
//! All numbers are little-endian. The header has 128 bytes:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 16 | `RESCUE SITE AREA` |
//! | 16 | 4 | version of the layout: 1 |
//! | 20 | 4 | 0 |
//! | 24 | 8 | size of the whole area, header included |
//! | 32 | 8 | length of the payload, which follows the header; 0: there is none |
//! | 40 | 8 | length of the payload unpacked |
//! | 48 | 32 | SHA-256 of the payload as it is stored |
//! | 80 | 16 | 0 |
//! | 96 | 32 | SHA-256 of the 96 bytes before |
//!
//! The payload is one zstd frame of [`entries`](crate::entries). Behind it there
//! are zeros. The header can be written last: without it, or with one that does
//! not fit the payload, the area is damaged and nothing of it counts.
//!
//! The first 24 bytes are the same in every version. Layouts are never changed:
//! a new one gets a new version, and a reader for each stays here.

use std::io::Read;

use sha2::{Digest, Sha256};

use crate::entries::{self, EntriesError};
use crate::{Contents, Problem};

const MAGIC: &[u8; 16] = b"RESCUE SITE AREA";
/// The layout that is written.
pub const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER: usize = 128;
/// Where the header's own hash is.
const HEADER_HASH: usize = 96;
/// No area is larger, packed or unpacked: PID 1 holds both in memory.
pub const LARGEST: u64 = 64 << 20;
/// The decoder never keeps more than this many bytes (as a power of two).
const WINDOW_LOG: u32 = 23;
/// Small and deterministic; an area is packed once and read at every start.
const LEVEL: i32 = 19;

/// Why an area does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AreaError {
    /// It ends too early.
    #[error("it is cut short: {found} bytes, expected {expected}")]
    Short {
        /// Bytes there are.
        found: u64,
        /// Bytes there should be.
        expected: u64,
    },
    /// Something else is there.
    #[error("it does not begin with {:?}", String::from_utf8_lossy(MAGIC))]
    NoArea,
    /// The header was changed or only half written.
    #[error("its header does not fit its checksum")]
    HeaderHash,
    /// A later program wrote it.
    #[error("it has layout {found}, this program knows up to {VERSION}")]
    Version {
        /// The layout's version.
        found: u32,
    },
    /// A length in the header cannot be.
    #[error("its header says {what} {found}, at most {most} can be")]
    Length {
        /// Which length.
        what: &'static str,
        /// What the header says.
        found: u64,
        /// The most there can be.
        most: u64,
    },
    /// The payload was changed or only half written.
    #[error("its contents do not fit their checksum")]
    PayloadHash,
    /// The payload cannot be unpacked.
    #[error("its contents cannot be unpacked: {0}")]
    Packing(String),
    /// What was unpacked is no list of entries.
    #[error("its list of files is wrong")]
    Entries(#[from] EntriesError),
    /// The entries together make no sense.
    #[error("it holds what it cannot hold")]
    Contents(#[from] Problem),
    /// More was to be written than fits.
    #[error("{needed} bytes are needed, the area has room for {room}")]
    Full {
        /// Bytes after packing.
        needed: u64,
        /// Bytes there are.
        room: u64,
    },
}

/// Reads an area; `None` when it is in order and empty.
///
/// # Errors
/// [`AreaError`]: nothing of it is to be used then.
pub fn read(area: &[u8]) -> Result<Option<Contents>, AreaError> {
    let cut = |expected: usize| AreaError::Short {
        found: area.len() as u64,
        expected: expected as u64,
    };
    let start = area.get(..24).ok_or_else(|| cut(HEADER))?;
    if !start.starts_with(MAGIC) {
        return Err(AreaError::NoArea);
    }
    match number(start, 16, 4) {
        1 => read_version_1(area.get(..HEADER).ok_or_else(|| cut(HEADER))?, area),
        found => Err(AreaError::Version {
            found: u32::try_from(found).unwrap_or(u32::MAX),
        }),
    }
}

/// How many bytes of the area are in use, header included; `None` when its
/// header is not in order.
#[must_use]
pub fn used(area: &[u8]) -> Option<u64> {
    let header = area.get(..HEADER)?;
    check_header(header).ok()?;
    number(header, 32, 8).checked_add(HEADER as u64)
}

fn check_header(header: &[u8]) -> Result<(), AreaError> {
    let (covered, hash) = header
        .split_at_checked(HEADER_HASH)
        .unwrap_or((header, &[]));
    if !covered.starts_with(MAGIC) {
        return Err(AreaError::NoArea);
    }
    if Sha256::digest(covered).as_slice() != hash {
        return Err(AreaError::HeaderHash);
    }
    Ok(())
}

fn read_version_1(header: &[u8], area: &[u8]) -> Result<Option<Contents>, AreaError> {
    check_header(header)?;
    let capacity = number(header, 24, 8);
    let found = area.len() as u64;
    if capacity != found {
        return Err(AreaError::Short {
            found,
            expected: capacity,
        });
    }
    let body = area.get(HEADER..).unwrap_or_default();
    let packed = length("packed", number(header, 32, 8), body.len() as u64)?;
    let unpacked = length("unpacked", number(header, 40, 8), LARGEST)?;
    let payload = body.get(..packed).unwrap_or_default();
    if Sha256::digest(payload).as_slice() != header.get(48..80).unwrap_or_default() {
        return Err(AreaError::PayloadHash);
    }
    if payload.is_empty() {
        return Ok(None);
    }
    let plain = unpack(payload, unpacked)?;
    let contents = entries::read(&plain)?;
    contents.check()?;
    Ok(Some(contents))
}

fn length(what: &'static str, found: u64, most: u64) -> Result<usize, AreaError> {
    usize::try_from(found)
        .ok()
        .filter(|_| found <= most)
        .ok_or(AreaError::Length { what, found, most })
}

fn unpack(payload: &[u8], length: usize) -> Result<Vec<u8>, AreaError> {
    let failed = |error: std::io::Error| AreaError::Packing(error.to_string());
    let mut decoder = zstd::Decoder::with_buffer(payload).map_err(failed)?;
    decoder.window_log_max(WINDOW_LOG).map_err(failed)?;
    let mut plain = Vec::new();
    // One more than promised, so that too much is noticed.
    let most = (length as u64).saturating_add(1);
    decoder.take(most).read_to_end(&mut plain).map_err(failed)?;
    if plain.len() != length {
        let text = format!("{} bytes came out, {length} were promised", plain.len());
        return Err(AreaError::Packing(text));
    }
    Ok(plain)
}

/// The area of `capacity` bytes that holds `contents`: the same contents give
/// the same bytes.
///
/// # Errors
/// [`AreaError::Full`] when they do not fit, [`AreaError::Contents`] when they
/// make no sense.
pub fn write(capacity: u64, contents: &Contents) -> Result<Vec<u8>, AreaError> {
    let most = LARGEST;
    let size = length("area", capacity, most)?;
    contents.check()?;
    let (payload, plain) = if contents.is_empty() {
        (Vec::new(), 0)
    } else {
        let plain = entries::write(contents);
        length("unpacked", plain.len() as u64, most)?;
        (pack(&plain)?, plain.len())
    };
    let room = size.saturating_sub(HEADER);
    if payload.len() > room {
        return Err(AreaError::Full {
            needed: payload.len() as u64,
            room: room as u64,
        });
    }
    let mut area = header(capacity, &payload, plain as u64);
    area.extend_from_slice(&payload);
    area.resize(size.max(HEADER), 0);
    Ok(area)
}

/// An area around `plain`, which says that it is `claimed` bytes long.
pub(crate) fn seal(plain: &[u8], claimed: u64) -> Result<Vec<u8>, AreaError> {
    let payload = pack(plain)?;
    let capacity = HEADER.saturating_add(payload.len()) as u64;
    let mut area = header(capacity, &payload, claimed);
    area.extend(payload);
    Ok(area)
}

fn pack(plain: &[u8]) -> Result<Vec<u8>, AreaError> {
    use std::io::Write;
    use zstd::zstd_safe::CParameter;
    let failed = |error: std::io::Error| AreaError::Packing(error.to_string());
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(failed)?;
    encoder
        .set_parameter(CParameter::WindowLog(WINDOW_LOG))
        .map_err(failed)?;
    encoder
        .set_pledged_src_size(Some(plain.len() as u64))
        .map_err(failed)?;
    encoder.write_all(plain).map_err(failed)?;
    encoder.finish().map_err(failed)
}

fn header(capacity: u64, payload: &[u8], unpacked: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend(capacity.to_le_bytes());
    out.extend((payload.len() as u64).to_le_bytes());
    out.extend(unpacked.to_le_bytes());
    out.extend(Sha256::digest(payload));
    out.resize(HEADER_HASH, 0);
    let hash = Sha256::digest(&out);
    out.extend(hash);
    out
}

/// The little-endian number of `len` (at most 8) bytes at `at`.
fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let field = bytes.get(at..at.saturating_add(len)).unwrap_or_default();
    let mut wide = [0; 8];
    for (to, from) in wide.iter_mut().zip(field) {
        *to = *from;
    }
    u64::from_le_bytes(wide)
}

#[cfg(test)]
#[path = "area_tests.rs"]
mod tests;
