//! Records: one chunk inside a pack, with enough around it to check it, and
//! to find it again by scanning forward when the pack's trailer is lost.
//!
//! ```text
//! 0   4  magic "R1CH"        16  24  first bytes of the chunk's id
//! 4   4  plain length        40   4  CRC32C of the stored bytes
//! 8   4  stored length       44   4  CRC32C of bytes 0..44
//! 12  1  encoding (0 plain, 1 zstd)
//! 13  3  zero                48      stored bytes
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes::Fields;
use crate::{ChunkId, Error, PackId, Result};

/// Length in bytes of what precedes a chunk in its pack.
pub const RECORD_HEADER_LEN: usize = 48;
/// Unit of chunking and of maps, in bytes.
pub const BLOCK: u64 = 4096;
/// The longest chunk of data, in plain bytes: 256 blocks.
pub const MAX_CHUNK: usize = 1 << 20;
/// The longest plain map page or map root, in bytes.
pub(crate) const MAX_META: usize = 16 << 20;

const MAGIC: &[u8] = b"R1CH";
const PREFIX: usize = 24;
const LEVEL: i32 = 3;

/// Where a chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Locator {
    /// Which chunk: the BLAKE3 of its plain bytes.
    pub chunk: ChunkId,
    /// The pack that holds it.
    pub pack: PackId,
    /// Where its record (header first) begins in the pack, in bytes.
    pub offset: u32,
    /// Stored bytes after the record header.
    pub stored_len: u32,
    /// Plain bytes.
    pub raw_len: u32,
}

impl Locator {
    /// Length of the whole record, header included: what to read at
    /// [`Locator::offset`].
    #[must_use]
    pub const fn record_len(&self) -> usize {
        self.stored_len as usize + RECORD_HEADER_LEN
    }

    /// First byte of the pack after the record.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset as u64 + self.record_len() as u64
    }

    /// Whether the numbers can be true, before anything is allocated.
    pub(crate) fn check(&self, max_raw: usize) -> std::result::Result<(), String> {
        let raw = self.raw_len as usize;
        if raw == 0 || raw > max_raw {
            return Err(format!(
                "a plain length of {raw} (1 to {max_raw} are possible)"
            ));
        }
        if self.stored_len == 0 || self.stored_len > self.raw_len {
            return Err(format!(
                "{} stored bytes for {raw} plain ones",
                self.stored_len
            ));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Zstd,
}

/// The fixed part of a record, checked.
#[derive(Clone, Copy)]
pub(crate) struct RecordHeader {
    pub(crate) raw_len: u32,
    pub(crate) stored_len: u32,
    pub(crate) id_prefix: [u8; PREFIX],
    encoding: Encoding,
    payload_crc: u32,
}

impl RecordHeader {
    /// Parses and checks the header that stands at `position` of `object`.
    pub(crate) fn parse(object: &str, position: u64, bytes: &[u8]) -> Result<Self> {
        let mut fields = Fields::new(object, position, bytes);
        fields.magic(MAGIC, "a record")?;
        let (raw_len, stored_len) = (fields.u32()?, fields.u32()?);
        let encoding = fields.array::<4>()?;
        let id_prefix = fields.array()?;
        let payload_crc = fields.u32()?;
        let crc_at = fields.position();
        let crc = fields.u32()?;
        let computed = crc32c::crc32c(bytes.get(..RECORD_HEADER_LEN - 4).unwrap_or_default());
        if crc != computed {
            return Err(Error::damaged(
                object,
                crc_at,
                format!("the record header's CRC32C {computed:08x}"),
                format!("{crc:08x}"),
            ));
        }
        let encoding = match encoding {
            [0, 0, 0, 0] => Encoding::Plain,
            [1, 0, 0, 0] => Encoding::Zstd,
            other => {
                return Err(Error::damaged(
                    object,
                    position + 12,
                    "a known encoding (0 or 1)",
                    format!("{other:02x?}"),
                ));
            }
        };
        Ok(Self {
            raw_len,
            stored_len,
            id_prefix,
            encoding,
            payload_crc,
        })
    }

    /// The id of the plain bytes of `record`; `None` when it is damaged.
    pub(crate) fn plain_id(&self, record: &[u8], decoder: &mut Decoder) -> Option<ChunkId> {
        let mut plain = vec![0; self.raw_len as usize];
        let stored = record.get(RECORD_HEADER_LEN..)?;
        decode_stored("", 0, self, stored, decoder, &mut plain).ok()?;
        let id = ChunkId::of(&plain);
        id.as_bytes().starts_with(&self.id_prefix).then_some(id)
    }

    fn to_bytes(self) -> [u8; RECORD_HEADER_LEN] {
        let mut out = [0; RECORD_HEADER_LEN];
        out[..4].copy_from_slice(MAGIC);
        out[4..8].copy_from_slice(&self.raw_len.to_le_bytes());
        out[8..12].copy_from_slice(&self.stored_len.to_le_bytes());
        out[12] = u8::from(self.encoding == Encoding::Zstd);
        out[16..40].copy_from_slice(&self.id_prefix);
        out[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[..44]);
        out[44..].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

/// A chunk ready to be appended to a pack: record header and stored bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedChunk {
    /// The chunk's id.
    pub id: ChunkId,
    /// Its plain length in bytes.
    pub raw_len: u32,
    pub(crate) record: Vec<u8>,
}

impl EncodedChunk {
    pub(crate) fn stored_len(&self) -> u32 {
        // At most MAX_META, so it fits.
        (self.record.len() - RECORD_HEADER_LEN) as u32
    }
}

/// Compresses chunks into records; one per thread.
pub struct ChunkEncoder(zstd::bulk::Compressor<'static>);

impl fmt::Debug for ChunkEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkEncoder")
    }
}

impl ChunkEncoder {
    /// An encoder with its own zstd context.
    ///
    /// # Errors
    /// [`Error::Zstd`] when there is no memory for one.
    pub fn new() -> Result<Self> {
        zstd::bulk::Compressor::new(LEVEL)
            .map(Self)
            .map_err(|source| Error::Zstd {
                action: "making a compressor",
                source,
            })
    }

    /// The record of the chunk `plain`, whose id is `id`. Stored as it is
    /// when zstd does not make it smaller.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than 16 MiB, [`Error::Zstd`].
    pub fn encode(&mut self, id: ChunkId, plain: &[u8]) -> Result<EncodedChunk> {
        if plain.is_empty() || plain.len() > MAX_META {
            return Err(Error::TooLarge {
                what: "a chunk's length in bytes",
                value: plain.len() as u64,
                cap: MAX_META as u64,
            });
        }
        let packed = self.0.compress(plain).map_err(|source| Error::Zstd {
            action: "compressing",
            source,
        })?;
        let (encoding, stored) = if packed.len() < plain.len() {
            (Encoding::Zstd, packed.as_slice())
        } else {
            (Encoding::Plain, plain)
        };
        let mut id_prefix = [0; PREFIX];
        id_prefix.copy_from_slice(&id.as_bytes()[..PREFIX]);
        let header = RecordHeader {
            raw_len: plain.len() as u32,
            stored_len: stored.len() as u32,
            id_prefix,
            encoding,
            payload_crc: crc32c::crc32c(stored),
        };
        let mut record = Vec::with_capacity(RECORD_HEADER_LEN + stored.len());
        record.extend_from_slice(&header.to_bytes());
        record.extend_from_slice(stored);
        Ok(EncodedChunk {
            id,
            raw_len: header.raw_len,
            record,
        })
    }
}

/// Decompresses records; one per thread.
pub struct Decoder(zstd::bulk::Decompressor<'static>);

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

impl Decoder {
    /// A decoder with its own zstd context.
    ///
    /// # Errors
    /// [`Error::Zstd`] when there is no memory for one.
    pub fn new() -> Result<Self> {
        zstd::bulk::Decompressor::new()
            .map(Self)
            .map_err(|source| Error::Zstd {
                action: "making a decompressor",
                source,
            })
    }
}

/// Checks a record and puts its plain bytes into `out`.
///
/// `record` is what the pack holds at `locator.offset`, exactly
/// [`Locator::record_len`] bytes; `out` is exactly `locator.raw_len` bytes.
/// Checked: the header, its CRC32C, its agreement with the locator, the
/// stored bytes' CRC32C, the plain length, the BLAKE3 of the plain bytes.
///
/// # Errors
/// [`Error::Damaged`], naming the pack and the position in it; then `out`
/// holds rubbish. [`Error::Invalid`] when `out` has the wrong length.
pub fn decode_record(
    locator: &Locator,
    record: &[u8],
    decoder: &mut Decoder,
    out: &mut [u8],
) -> Result<()> {
    // Meta packs have another folder; the id is what identifies the object.
    let object = format!("pack {}", locator.pack);
    if out.len() != locator.raw_len as usize {
        return Err(Error::Invalid {
            reason: format!("{} bytes of room for {}", out.len(), locator.raw_len),
        });
    }
    let at = u64::from(locator.offset);
    let header = RecordHeader::parse(&object, at, record)?;
    let agrees = header.raw_len == locator.raw_len
        && header.stored_len == locator.stored_len
        && locator.chunk.as_bytes().starts_with(&header.id_prefix)
        && record.len() == locator.record_len();
    if !agrees {
        return Err(Error::damaged(
            &object,
            at,
            format!(
                "the record of chunk {}, {} of {} bytes",
                locator.chunk, locator.stored_len, locator.raw_len
            ),
            format!(
                "{} of {} bytes of another",
                header.stored_len, header.raw_len
            ),
        ));
    }
    let stored = record.get(RECORD_HEADER_LEN..).unwrap_or_default();
    decode_stored(&object, at, &header, stored, decoder, out)?;
    let found = ChunkId::of(out);
    if found == locator.chunk {
        return Ok(());
    }
    Err(Error::damaged(
        &object,
        at,
        format!("chunk {}", locator.chunk),
        format!("chunk {found}"),
    ))
}

fn decode_stored(
    object: &str,
    at: u64,
    header: &RecordHeader,
    stored: &[u8],
    decoder: &mut Decoder,
    out: &mut [u8],
) -> Result<()> {
    let payload_at = at + RECORD_HEADER_LEN as u64;
    let crc = crc32c::crc32c(stored);
    if crc != header.payload_crc {
        return Err(Error::damaged(
            object,
            payload_at,
            format!("stored bytes with CRC32C {:08x}", header.payload_crc),
            format!("{crc:08x}"),
        ));
    }
    let decoded = match header.encoding {
        Encoding::Plain if stored.len() == out.len() => {
            out.copy_from_slice(stored);
            Ok(stored.len())
        }
        Encoding::Plain => Ok(stored.len()),
        Encoding::Zstd => decoder
            .0
            .decompress_to_buffer(stored, &mut *out)
            .map_err(|e| e.to_string()),
    };
    match decoded {
        Ok(len) if len == out.len() => Ok(()),
        Ok(len) => Err(Error::damaged(
            object,
            payload_at,
            format!("{} plain bytes", out.len()),
            format!("{len}"),
        )),
        Err(reason) => Err(Error::damaged(object, payload_at, "a zstd frame", reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn locator_of(chunk: &EncodedChunk) -> Locator {
        Locator {
            chunk: chunk.id,
            pack: PackId::of(b""),
            offset: 64,
            stored_len: chunk.stored_len(),
            raw_len: chunk.raw_len,
        }
    }

    fn round_trip(plain: &[u8]) -> EncodedChunk {
        let chunk = ChunkEncoder::new()
            .unwrap()
            .encode(ChunkId::of(plain), plain)
            .unwrap();
        let mut out = vec![0; plain.len()];
        let mut decoder = Decoder::new().unwrap();
        decode_record(&locator_of(&chunk), &chunk.record, &mut decoder, &mut out).unwrap();
        assert_eq!(out, plain);
        chunk
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_seen() {
        let texts: [&[u8]; 2] = [&[b'a'; 5000], b"too short to compress"];
        for plain in texts {
            let chunk = round_trip(plain);
            let locator = locator_of(&chunk);
            let mut decoder = Decoder::new().unwrap();
            let mut out = vec![0; plain.len()];
            for bit in 0..chunk.record.len() * 8 {
                let mut record = chunk.record.clone();
                record[bit / 8] ^= 1 << (bit % 8);
                let result = decode_record(&locator, &record, &mut decoder, &mut out);
                assert!(matches!(result, Err(Error::Damaged { .. })), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_record_of_another_chunk_is_refused() {
        let (a, b) = (round_trip(b"one chunk"), round_trip(b"other one"));
        let mut out = vec![0; 9];
        let mut decoder = Decoder::new().unwrap();
        let result = decode_record(&locator_of(&a), &b.record, &mut decoder, &mut out);
        assert!(matches!(result, Err(Error::Damaged { .. })));
    }

    proptest! {
        #[test]
        fn chunks_round_trip(plain in prop::collection::vec(0u8..4, 1..9000)) {
            round_trip(&plain);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let locator = Locator {
                chunk: ChunkId::of(b""),
                pack: PackId::of(b""),
                offset: u32::MAX,
                stored_len: 12,
                raw_len: 40,
            };
            let mut decoder = Decoder::new().unwrap();
            prop_assert!(decode_record(&locator, &bytes, &mut decoder, &mut [0; 40]).is_err());
        }
    }
}
