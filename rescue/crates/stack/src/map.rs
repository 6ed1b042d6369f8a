//! A device whose bytes are those of others, in runs: one after another,
//! in stripes, or in copies. LVM and md both come down to it.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::Arc;

use disk::ReadAt;

use crate::layer::sorted;
use crate::{Absent, Change, Layer, StackError};

/// Why a volume that can be read is not changed.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    Elsewhere(Absent),
    Snapshot { lv: String, snapshot: String },
}

impl Refusal {
    fn error(&self) -> StackError {
        match self {
            Self::Elsewhere(absent) => StackError::Elsewhere(absent.clone()),
            Self::Snapshot { lv, snapshot } => StackError::Snapshot {
                lv: lv.clone(),
                snapshot: snapshot.clone(),
            },
        }
    }
}

/// A place on one of the devices below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Which device.
    pub(crate) leg: usize,
    /// Where on it, in bytes.
    pub(crate) at: u64,
    /// It may differ from the other copies: written, never read.
    pub(crate) stale: bool,
}

/// How the bytes of a run lie on the devices below.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// The same bytes at each.
    Copies(Vec<Spot>),
    /// `chunk` bytes at the first, the next at the second, and round again.
    Stripes { chunk: u64, spots: Vec<Spot> },
}

#[derive(Debug)]
struct Run {
    at: u64,
    len: u64,
    place: Place,
}

/// The device.
pub(crate) struct Mapped {
    legs: Vec<Arc<dyn Layer>>,
    runs: Vec<Run>,
    size: u64,
    refusal: Option<Refusal>,
}

impl Mapped {
    pub(crate) fn new() -> Self {
        Self {
            legs: Vec::new(),
            runs: Vec::new(),
            size: 0,
            refusal: None,
        }
    }

    /// Changes are refused from here on.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The number of the device `leg` in spots.
    pub(crate) fn leg(&mut self, leg: &Arc<dyn Layer>) -> usize {
        let known = self.legs.iter().position(|known| Arc::ptr_eq(known, leg));
        known.unwrap_or_else(|| {
            self.legs.push(Arc::clone(leg));
            self.legs.len() - 1
        })
    }

    /// Adds a run of `len` bytes behind the last one; `None` when it is not
    /// inside of the devices below.
    pub(crate) fn push(&mut self, place: Place, len: u64) -> Option<()> {
        let (spots, each) = match &place {
            Place::Copies(spots) => (spots, len),
            Place::Stripes { chunk, spots } => {
                let row = chunk.checked_mul(u64::try_from(spots.len()).ok()?)?;
                if row == 0 || !len.is_multiple_of(row) {
                    return None;
                }
                (spots, len / row * chunk)
            }
        };
        if len == 0 || spots.iter().all(|spot| spot.stale) {
            return None;
        }
        for spot in spots {
            let size = self.legs.get(spot.leg)?.size();
            spot.at.checked_add(each).filter(|end| *end <= size)?;
        }
        let at = self.size;
        self.size = at.checked_add(len)?;
        self.runs.push(Run { at, len, place });
        Some(())
    }

    /// Where the byte at `offset` is, and how many that follow are beside it.
    fn spots(&self, offset: u64) -> Option<(Vec<Spot>, u64)> {
        let after = self.runs.partition_point(|run| run.at <= offset);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let inside = offset.checked_sub(run.at)?;
        let left = run.len.checked_sub(inside).filter(|left| *left > 0)?;
        let moved = |spot: &Spot, by: u64| {
            let at = spot.at.checked_add(by)?;
            Some(Spot { at, ..*spot })
        };
        match &run.place {
            Place::Copies(spots) => {
                let spots = spots.iter().map(|spot| moved(spot, inside));
                Some((spots.collect::<Option<_>>()?, left))
            }
            Place::Stripes { chunk, spots } => {
                let width = u64::try_from(spots.len()).ok()?;
                let number = inside.checked_div(*chunk)?;
                let spot = spots.get(usize::try_from(number % width).ok()?)?;
                let by = (number / width).checked_mul(*chunk)? + inside % chunk;
                Some((vec![moved(spot, by)?], left.min(chunk - inside % chunk)))
            }
        }
    }

    fn read_piece(&self, spots: &[Spot], buf: &mut [u8]) -> std::io::Result<()> {
        let mut failed = None;
        for spot in spots.iter().filter(|spot| !spot.stale) {
            let leg = self.legs.get(spot.leg).ok_or(ErrorKind::InvalidInput)?;
            match leg.read_exact_at(buf, spot.at) {
                Ok(()) => return Ok(()),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| ErrorKind::InvalidInput.into()))
    }

    /// Adds what `change` is on the devices below to `below`.
    fn split(
        &self,
        change: &Change,
        below: &mut BTreeMap<usize, Vec<Change>>,
    ) -> Result<(), StackError> {
        let mut done = 0;
        while done < change.after.len() {
            let outside = || StackError::Outside {
                at: change.at,
                len: change.after.len(),
                size: self.size,
            };
            let offset = change.at.checked_add(done as u64).ok_or_else(outside)?;
            let (spots, len) = self.spots(offset).ok_or_else(outside)?;
            let left = change.after.len() - done;
            let len = usize::try_from(len).unwrap_or(usize::MAX).min(left);
            let (before, after) = (&change.before[done..][..len], &change.after[done..][..len]);
            for (number, spot) in spots.iter().enumerate() {
                let mut before = before.to_vec();
                // What was never used may differ between copies: each says what it holds.
                if number > 0 {
                    let leg = self.legs.get(spot.leg).ok_or_else(outside)?;
                    leg.read_exact_at(&mut before, spot.at)?;
                }
                below.entry(spot.leg).or_default().push(Change {
                    at: spot.at,
                    before,
                    after: after.to_vec(),
                });
            }
            done += len;
        }
        Ok(())
    }
}

impl ReadAt for Mapped {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
        let mut offset = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let (spots, len) = self.spots(offset).ok_or_else(|| {
                let size = self.size;
                Error::new(
                    ErrorKind::UnexpectedEof,
                    format!("byte {offset} is not inside {size} bytes"),
                )
            })?;
            let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
            let (piece, behind) = rest.split_at_mut(len);
            self.read_piece(&spots, piece)?;
            offset = offset.saturating_add(len as u64);
            rest = behind;
        }
        Ok(())
    }
    fn size(&self) -> u64 {
        self.size
    }
}

impl Layer for Mapped {
    fn lower(&self, changes: &[Change]) -> Result<Vec<Change>, StackError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.error());
        }
        let mut below = BTreeMap::new();
        for change in sorted(changes, self.size)? {
            self.split(change, &mut below)?;
        }
        let mut lowered = Vec::new();
        for (leg, changes) in &below {
            if let Some(leg) = self.legs.get(*leg) {
                lowered.extend(leg.lower(changes)?);
            }
        }
        lowered.sort_by_key(|change| change.at);
        sorted(&lowered, u64::MAX)?;
        Ok(lowered)
    }
}
