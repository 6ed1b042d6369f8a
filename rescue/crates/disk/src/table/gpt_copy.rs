//! One copy of a GPT: its header and its entries, checked and decoded.
//!
//! Layout and rules: UEFI 2.10 §5.3. Trust is established here, on bounded
//! buffers; only then does the `gpt` crate decode fields, because on hostile
//! input it asserts and allocates what the header asks for (see ADR 0002).

use std::collections::BTreeMap;
use std::io::{self, Cursor};

use gpt::disk::LogicalBlockSize;
use gpt::header::Header;

use super::error::chain;
use crate::bytes::{le_u32, le_u64, put};
use crate::{Extent, ReadAt, SectorSize};

/// "EFI PART".
pub(crate) const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Fields of the header that are defined, in bytes.
const HEADER_FIELDS: u32 = 92;
/// The only entry size that Linux and the `gpt` crate accept.
const ENTRY_SIZE: u32 = 128;
/// Linux reads at most this much of an entry array; nobody makes more.
const MAX_ENTRIES_BYTES: u64 = 4 << 20;

/// Offsets of header fields.
pub(crate) mod field {
    pub(crate) const HEADER_SIZE: usize = 12;
    pub(crate) const HEADER_CRC: usize = 16;
    pub(crate) const MY_LBA: usize = 24;
    pub(crate) const ALTERNATE_LBA: usize = 32;
    pub(crate) const FIRST_USABLE: usize = 40;
    pub(crate) const LAST_USABLE: usize = 48;
    pub(crate) const DISK_GUID: usize = 56;
    pub(crate) const ENTRIES_LBA: usize = 72;
    pub(crate) const ENTRY_COUNT: usize = 80;
    pub(crate) const ENTRY_SIZE: usize = 84;
    pub(crate) const ENTRIES_CRC: usize = 88;
}

/// Why a copy of a GPT cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GptFault {
    #[error("reading {what} at byte {offset}")]
    Read {
        what: &'static str,
        offset: u64,
        source: io::Error,
    },
    #[error("no GPT signature at byte {0}")]
    NoSignature(u64),
    #[error("header at byte {offset} says it is {found} bytes long, expected 92 to {max}")]
    HeaderSize { offset: u64, found: u32, max: u64 },
    #[error("header at byte {offset} has checksum {found:#010x}, expected {expected:#010x}")]
    HeaderCrc {
        offset: u64,
        expected: u32,
        found: u32,
    },
    #[error("header in sector {expected} says it is in sector {found}")]
    Misplaced { expected: u64, found: u64 },
    #[error("entries of {0} bytes, expected 128")]
    EntrySize(u32),
    #[error("{0} entries, more than any disk has")]
    TooManyEntries(u32),
    #[error("entries begin at sector {lba} and are {len} bytes, not inside the disk")]
    EntriesOutside { lba: u64, len: u64 },
    #[error("entries at byte {offset} have checksum {found:#010x}, expected {expected:#010x}")]
    EntriesCrc {
        offset: u64,
        expected: u32,
        found: u32,
    },
    #[error("its other copy is said to be in sector {0}, which cannot be")]
    Alternate(u64),
    #[error("decoding: {0}")]
    Decode(String),
}

impl GptFault {
    /// The fault and its sources on one line.
    pub(crate) fn text(&self) -> String {
        chain(self)
    }
}

/// A copy whose header and entries match their checksums.
#[derive(Debug, Clone)]
pub(crate) struct GptCopy {
    /// Where the header is, in sectors.
    pub(crate) lba: u64,
    /// The header's whole sector, as on the disk.
    pub(crate) header_bytes: Vec<u8>,
    /// Entry array, as on the disk, without padding to whole sectors.
    pub(crate) entry_bytes: Vec<u8>,
    /// Header fields.
    pub(crate) header: Header,
    /// Used and unused entries that are not all zero, by partition number.
    pub(crate) entries: BTreeMap<u32, gpt::partition::Partition>,
    sector: SectorSize,
}

impl GptCopy {
    /// Reads and checks the copy whose header is in sector `lba`.
    pub(crate) fn read(dev: &dyn ReadAt, sector: SectorSize, lba: u64) -> Result<Self, GptFault> {
        let offset = lba
            .checked_mul(sector.bytes())
            .ok_or(GptFault::Alternate(lba))?;
        let header_bytes = read(dev, "the GPT header", offset, sector.bytes())?;
        if !header_bytes.starts_with(SIGNATURE) {
            return Err(GptFault::NoSignature(offset));
        }
        let crc_92 = check_header(&header_bytes, sector, offset, lba)?;
        let entry_bytes = read_entries(dev, sector, &header_bytes)?;
        let header = decode_header(&header_bytes, sector, crc_92)?;
        let entries = decode_entries(&header, &entry_bytes, sector)?;
        Ok(Self {
            lba,
            header_bytes,
            entry_bytes,
            header,
            entries,
            sector,
        })
    }

    /// Where the header is, in bytes. Cannot overflow: it was read there.
    pub(crate) fn header_extent(&self) -> Extent {
        Extent {
            start: self.lba.saturating_mul(self.sector.bytes()),
            len: self.sector.bytes(),
        }
    }

    /// Where the entries are, in bytes, padded to whole sectors.
    pub(crate) fn entries_extent(&self) -> Extent {
        Extent {
            start: self.header.part_start.saturating_mul(self.sector.bytes()),
            len: self.entry_sectors().saturating_mul(self.sector.bytes()),
        }
    }

    /// Length of the entry array in sectors.
    pub(crate) fn entry_sectors(&self) -> u64 {
        (self.entry_bytes.len() as u64).div_ceil(self.sector.bytes())
    }

    /// The entry array padded with zeros to whole sectors.
    pub(crate) fn padded_entries(&self) -> Vec<u8> {
        let mut bytes = self.entry_bytes.clone();
        let sector = usize::try_from(self.sector.bytes()).unwrap_or(1);
        bytes.resize(bytes.len().next_multiple_of(sector), 0);
        bytes
    }
}

fn read(dev: &dyn ReadAt, what: &'static str, offset: u64, len: u64) -> Result<Vec<u8>, GptFault> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    match dev.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes),
        Err(source) => Err(GptFault::Read {
            what,
            offset,
            source,
        }),
    }
}

/// A header too short for its own fields: cannot be, the buffer is a sector.
fn short() -> GptFault {
    GptFault::Decode("the header is shorter than its fields".to_owned())
}

/// Checks size, checksum and place. Returns the checksum of the first 92 bytes
/// alone: what the `gpt` crate compares with, whatever the header's length.
fn check_header(bytes: &[u8], sector: SectorSize, offset: u64, lba: u64) -> Result<u32, GptFault> {
    let size = le_u32(bytes, field::HEADER_SIZE).ok_or_else(short)?;
    if size < HEADER_FIELDS || u64::from(size) > sector.bytes() {
        let (found, max) = (size, sector.bytes());
        return Err(GptFault::HeaderSize { offset, found, max });
    }
    let expected = header_crc(bytes, size).ok_or_else(short)?;
    let found = le_u32(bytes, field::HEADER_CRC).ok_or_else(short)?;
    if expected != found {
        return Err(GptFault::HeaderCrc {
            offset,
            expected,
            found,
        });
    }
    let my_lba = le_u64(bytes, field::MY_LBA).ok_or_else(short)?;
    if my_lba != lba {
        return Err(GptFault::Misplaced {
            expected: lba,
            found: my_lba,
        });
    }
    header_crc(bytes, HEADER_FIELDS).ok_or_else(short)
}

/// CRC32 of the first `size` bytes with the checksum field taken as zero.
pub(crate) fn header_crc(bytes: &[u8], size: u32) -> Option<u32> {
    let mut copy = bytes.get(..usize::try_from(size).ok()?)?.to_vec();
    put(&mut copy, field::HEADER_CRC, &[0; 4])?;
    Some(crc32fast::hash(&copy))
}

fn read_entries(dev: &dyn ReadAt, sector: SectorSize, header: &[u8]) -> Result<Vec<u8>, GptFault> {
    let size = le_u32(header, field::ENTRY_SIZE).ok_or_else(short)?;
    let count = le_u32(header, field::ENTRY_COUNT).ok_or_else(short)?;
    let lba = le_u64(header, field::ENTRIES_LBA).ok_or_else(short)?;
    if size != ENTRY_SIZE {
        return Err(GptFault::EntrySize(size));
    }
    let len = u64::from(count).saturating_mul(u64::from(size));
    if len > MAX_ENTRIES_BYTES {
        return Err(GptFault::TooManyEntries(count));
    }
    let start = lba.checked_mul(sector.bytes());
    let inside = |start: &u64| start.checked_add(len).is_some_and(|end| end <= dev.size());
    let offset = start
        .filter(inside)
        .ok_or(GptFault::EntriesOutside { lba, len })?;
    let bytes = read(dev, "the GPT entries", offset, len)?;
    let found = crc32fast::hash(&bytes);
    let expected = le_u32(header, field::ENTRIES_CRC).ok_or_else(short)?;
    if expected != found {
        return Err(GptFault::EntriesCrc {
            offset,
            expected,
            found,
        });
    }
    Ok(bytes)
}

const fn block_size(sector: SectorSize) -> LogicalBlockSize {
    match sector {
        SectorSize::B512 => LogicalBlockSize::Lb512,
        SectorSize::B4096 => LogicalBlockSize::Lb4096,
    }
}

/// Lets the crate decode the fields, from a buffer in which the header is
/// where it looks for it: one sector in.
fn decode_header(bytes: &[u8], sector: SectorSize, crc_92: u32) -> Result<Header, GptFault> {
    let mut sectors = vec![0; bytes.len()];
    sectors.extend_from_slice(bytes);
    let at = bytes.len().saturating_add(field::HEADER_CRC);
    put(&mut sectors, at, &crc_92.to_le_bytes()).ok_or_else(short)?;
    let mut cursor = Cursor::new(sectors);
    gpt::header::read_header_from_arbitrary_device(&mut cursor, block_size(sector))
        .map_err(|e| GptFault::Decode(e.to_string()))
}

/// Lets the crate decode the entries, from a buffer that holds nothing else.
/// Its two dangers, an entry size other than 128 and an unbounded count, were
/// excluded when the bytes were read.
fn decode_entries(
    header: &Header,
    bytes: &[u8],
    sector: SectorSize,
) -> Result<BTreeMap<u32, gpt::partition::Partition>, GptFault> {
    let mut here = header.clone();
    here.part_start = 0;
    gpt::partition::file_read_partitions(&mut Cursor::new(bytes), &here, block_size(sector))
        .map_err(|e| GptFault::Decode(e.to_string()))
}
