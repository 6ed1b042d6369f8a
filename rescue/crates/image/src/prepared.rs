//! The part of writing that runs on many threads: hashing, compressing.

use crate::chunker::Piece;
use crate::known::KnownChunks;
use crate::{ChunkEncoder, ChunkId, EncodedChunk, Result};

/// A piece of a region, made ready by a worker thread.
#[derive(Debug)]
pub enum Prepared {
    /// A chunk.
    Data(PreparedChunk),
    /// So many zero bytes.
    Zero(u64),
    /// So many free bytes.
    Free(u64),
}

/// A chunk of data, made ready by a worker thread.
#[derive(Debug)]
pub enum PreparedChunk {
    /// Compressed.
    New(EncodedChunk),
    /// Probably stored already, so it was not compressed.
    Known {
        /// Its id.
        id: ChunkId,
        /// Its plain bytes, in case it is not.
        plain: Vec<u8>,
    },
}

impl PreparedChunk {
    pub(crate) fn id(&self) -> ChunkId {
        match self {
            Self::New(chunk) => chunk.id,
            Self::Known { id, .. } => *id,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::New(chunk) => u64::from(chunk.raw_len),
            Self::Known { plain, .. } => plain.len() as u64,
        }
    }
}

impl Prepared {
    /// Hashes a piece, and compresses it unless it is probably stored. This
    /// is the expensive part of writing; run it on several threads and keep
    /// the order.
    ///
    /// # Errors
    /// [`crate::Error::Zstd`].
    pub fn new(piece: Piece, known: &KnownChunks, encoder: &mut ChunkEncoder) -> Result<Self> {
        Ok(match piece {
            Piece::Zero(len) => Self::Zero(len),
            Piece::Free(len) => Self::Free(len),
            Piece::Data(plain) => {
                let id = ChunkId::of(&plain);
                Self::Data(if known.probably_has(&id) {
                    PreparedChunk::Known { id, plain }
                } else {
                    PreparedChunk::New(encoder.encode(id, &plain)?)
                })
            }
        })
    }

    /// Length in plain bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Data(chunk) => chunk.len(),
            Self::Zero(len) | Self::Free(len) => *len,
        }
    }

    /// Whether it has no bytes; a session refuses such a piece.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
