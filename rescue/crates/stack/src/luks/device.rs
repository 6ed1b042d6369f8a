//! The decrypted device.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use disk::ReadAt;

use super::cipher::Cipher;
use super::{SECTOR, Segment, damaged};
use crate::layer::sorted;
use crate::{Change, Layer, LuksProblem, StackError};

/// Read and decrypted at once, at most.
const PIECE: u64 = 64 << 10;

pub(super) struct Crypt {
    below: Arc<dyn Layer>,
    cipher: Cipher,
    offset: u64,
    size: u64,
    sector: u64,
    tweak: u64,
    uuid: String,
}

impl Crypt {
    pub(super) fn new(
        below: Arc<dyn Layer>,
        segment: &Segment,
        key: &[u8],
        uuid: &str,
    ) -> Result<Self, LuksProblem> {
        let cipher = Cipher::new(&segment.cipher, key);
        let cipher = cipher.map_err(|what| LuksProblem::Unsupported { what })?;
        let sector = u64::from(segment.sector);
        let room = below.size().checked_sub(segment.offset);
        let size = room.map(|room| segment.size.unwrap_or(room / sector.max(1) * sector));
        match (room, size) {
            (Some(room), Some(size)) if size <= room && size > 0 && size.is_multiple_of(sector) => {
                Ok(Self {
                    below,
                    cipher,
                    offset: segment.offset,
                    size,
                    sector,
                    tweak: segment.tweak,
                    uuid: uuid.to_owned(),
                })
            }
            _ => Err(damaged("its data is not inside of the device")),
        }
    }

    fn number(&self, at: u64) -> u64 {
        (at / SECTOR).wrapping_add(self.tweak)
    }

    /// For each whole sector of `bytes`, which are at `at`.
    fn sectors(&self, bytes: &mut [u8], at: u64, each: impl Fn(&Cipher, &mut [u8], u64)) {
        let len = usize::try_from(self.sector).unwrap_or(usize::MAX);
        let mut at = at;
        for sector in bytes.chunks_exact_mut(len) {
            each(&self.cipher, sector, self.number(at));
            at = at.saturating_add(self.sector);
        }
    }

    /// The encrypted bytes of whole sectors.
    fn raw(&self, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
        let len = to
            .checked_sub(from)
            .and_then(|len| usize::try_from(len).ok());
        let (Some(len), Some(at)) = (len, self.offset.checked_add(from)) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let mut raw = vec![0; len];
        self.below.read_exact_at(&mut raw, at)?;
        Ok(raw)
    }

    fn floor(&self, at: u64) -> u64 {
        at / self.sector * self.sector
    }

    /// The changes that lie in the sectors `from..to`, as one of the device below.
    fn encrypted(&self, from: u64, to: u64, changes: &[&Change]) -> Result<Change, StackError> {
        let before = self.raw(from, to)?;
        let mut after = before.clone();
        self.sectors(&mut after, from, Cipher::decrypt);
        for change in changes {
            let at = usize::try_from(change.at - from).unwrap_or(usize::MAX);
            let end = at.saturating_add(change.after.len());
            match after.get_mut(at..end) {
                Some(bytes) if *bytes == change.before[..] => bytes.copy_from_slice(&change.after),
                _ => {
                    let what = format!("the LUKS volume {}", self.uuid);
                    let at = change.at;
                    return Err(StackError::Stale { what, at });
                }
            }
        }
        self.sectors(&mut after, from, Cipher::encrypt);
        let at = self.offset.saturating_add(from);
        Ok(Change { at, before, after })
    }
}

impl ReadAt for Crypt {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        let Some(end) = end.filter(|end| *end <= self.size) else {
            let (len, size) = (buf.len(), self.size);
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                format!("{len} bytes at {offset} are not inside {size} bytes"),
            ));
        };
        let (mut at, mut rest) = (offset, buf);
        while at < end {
            let from = self.floor(at);
            let to = from.saturating_add(PIECE).min(self.size);
            let mut piece = self.raw(from, to.min(self.floor(end - 1) + self.sector))?;
            self.sectors(&mut piece, from, Cipher::decrypt);
            let skip = usize::try_from(at - from).unwrap_or(usize::MAX);
            let piece = piece.get(skip..).unwrap_or_default();
            let len = piece.len().min(rest.len());
            let (here, behind) = rest.split_at_mut(len);
            here.copy_from_slice(&piece[..len]);
            at += len as u64;
            rest = behind;
        }
        Ok(())
    }
    fn size(&self) -> u64 {
        self.size
    }
}

impl Layer for Crypt {
    fn lower(&self, changes: &[Change]) -> Result<Vec<Change>, StackError> {
        let mut groups: Vec<(u64, u64, Vec<&Change>)> = Vec::new();
        for change in sorted(changes, self.size)? {
            let from = self.floor(change.at);
            let last = change.at + (change.after.len() as u64 - 1);
            let to = self.floor(last) + self.sector;
            match groups.last_mut() {
                Some((_, end, group)) if from < *end => {
                    *end = to.max(*end);
                    group.push(change);
                }
                _ => groups.push((from, to, vec![change])),
            }
        }
        let below = groups
            .iter()
            .map(|(from, to, group)| self.encrypted(*from, *to, group));
        self.below.lower(&below.collect::<Result<Vec<_>, _>>()?)
    }
}
