//! Byte extents and sector sizes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Logical sector size of a disk: the unit its partition table counts in.
///
/// Only 512 and 4096 exist on disks we meet; anything else is refused rather
/// than half-supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum SectorSize {
    /// 512 bytes.
    B512,
    /// 4096 bytes ("4Kn").
    B4096,
}

/// A sector size that is neither 512 nor 4096.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sector size of {0} bytes: expected 512 or 4096")]
pub struct UnsupportedSectorSize(pub u32);

impl SectorSize {
    /// Size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }

    /// The size it is mistaken for when a disk moves between adapters.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::B512 => Self::B4096,
            Self::B4096 => Self::B512,
        }
    }
}

impl TryFrom<u32> for SectorSize {
    type Error = UnsupportedSectorSize;
    fn try_from(bytes: u32) -> Result<Self, UnsupportedSectorSize> {
        match bytes {
            512 => Ok(Self::B512),
            4096 => Ok(Self::B4096),
            other => Err(UnsupportedSectorSize(other)),
        }
    }
}

impl From<SectorSize> for u32 {
    fn from(size: SectorSize) -> Self {
        match size {
            SectorSize::B512 => 512,
            SectorSize::B4096 => 4096,
        }
    }
}

impl fmt::Display for SectorSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes())
    }
}

/// A run of bytes: `start..start + len`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Extent {
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
}

impl Extent {
    /// `start..start + len`; `None` when the end does not fit in 64 bits.
    #[must_use]
    pub fn new(start: u64, len: u64) -> Option<Self> {
        start.checked_add(len).map(|_| Self { start, len })
    }

    /// First byte after the extent. Saturates: extents made with
    /// [`Extent::new`] cannot overflow.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// Sorts, drops empty extents and merges those that touch or overlap.
#[must_use]
pub fn normalize(mut extents: Vec<Extent>) -> Vec<Extent> {
    extents.retain(|e| e.len > 0);
    extents.sort_unstable();
    let mut out: Vec<Extent> = Vec::with_capacity(extents.len());
    for e in extents {
        match out.last_mut() {
            Some(last) if e.start <= last.end() => {
                last.len = e.end().max(last.end()).saturating_sub(last.start);
            }
            _ => out.push(e),
        }
    }
    out
}

/// What `0..len` has outside the (normalised) `extents`.
#[must_use]
pub fn complement(extents: &[Extent], len: u64) -> Vec<Extent> {
    let mut out = Vec::with_capacity(extents.len().saturating_add(1));
    let mut at = 0;
    for e in extents {
        let start = e.start.min(len);
        if start > at {
            out.push(Extent {
                start: at,
                len: start - at,
            });
        }
        at = at.max(e.end().min(len));
    }
    if len > at {
        out.push(Extent {
            start: at,
            len: len - at,
        });
    }
    out
}

/// `bytes` for a person: binary units, one decimal from KiB up ("3.5 GiB").
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn e(start: u64, len: u64) -> Extent {
        Extent { start, len }
    }

    #[test]
    fn normalize_merges_touching_and_overlapping() {
        let merged = normalize(vec![e(10, 5), e(0, 4), e(15, 1), e(2, 6), e(30, 0)]);
        assert_eq!(merged, [e(0, 8), e(10, 6)]);
    }

    #[test]
    fn human_bytes_reads_well() {
        assert_eq!(human_bytes(512), "512 B");
        assert_eq!(human_bytes(1 << 20), "1.0 MiB");
        assert_eq!(human_bytes(3 << 29), "1.5 GiB");
    }

    proptest! {
        #[test]
        fn complement_and_extents_tile_the_range(
            raw in prop::collection::vec((0u64..1000, 0u64..100), 0..20), len in 0u64..1200
        ) {
            let used = normalize(raw.into_iter().map(|(s, l)| e(s, l)).collect());
            let free = complement(&used, len);
            for byte in 0..len {
                let u = used.iter().any(|x| x.start <= byte && byte < x.end());
                let f = free.iter().any(|x| x.start <= byte && byte < x.end());
                prop_assert!(u != f);
            }
            prop_assert!(free.iter().all(|x| x.end() <= len));
        }
    }
}
