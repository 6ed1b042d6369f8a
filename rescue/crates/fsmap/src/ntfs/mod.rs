//! NTFS.
//!
//! The map is `$Bitmap` (MFT record 6), one bit per cluster, believed only
//! when the volume was left in order. The backup boot sector lies behind the
//! last cluster; like everything outside the bitmap it counts as used.

mod boot;
mod files;
mod index;
mod lznt1;
mod packed;
mod record;
mod state;
#[cfg(test)]
mod tests;
mod volume;
mod xpress;

pub use files::{NtfsFile, NtfsFiles, Unreadable};

use disk::Extent;
use record::{DATA, Run, VOLUME_NAME, Value};
use volume::Volume;

use crate::bytes::{Source, times};
use crate::error::{Error, Stop, raw};
use crate::free::{FreeRuns, zero_runs};
use crate::{Consistency, Mapped};

const VOLUME: u64 = 3;
const BITMAP: u64 = 6;

/// Bytes of the bitmap looked at in one piece.
const PIECE: u64 = 1 << 20;

pub(crate) fn map(source: Source<'_>) -> Result<Mapped, Stop> {
    let volume = Volume::open(source)?;
    state::check(&volume)?;
    let Some(bitmap) = volume.value(BITMAP, DATA, "")? else {
        return raw("it has no $Bitmap");
    };
    let (clusters, cluster) = (volume.boot.clusters, volume.boot.cluster);
    check_length(&bitmap, clusters)?;
    let mut free = FreeRuns::new();
    let mut first = 0;
    while first < clusters {
        let bits = (clusters - first).min(PIECE * 8);
        let piece = volume.read("$Bitmap", &bitmap, first / 8, bits.div_ceil(8))?;
        for (bit, len) in zero_runs(&piece, bits) {
            free.push(times(first + bit, cluster)?, times(len, cluster)?);
        }
        first += bits;
    }
    let (free, thinned) = free.finish(&[]);
    check_own_clusters(&volume, &bitmap, &free)?;
    Ok(Mapped {
        block_size: cluster,
        free,
        consistency: Consistency::Clean,
        notes: thinned.into_iter().collect(),
    })
}

fn check_length(bitmap: &Value, clusters: u64) -> Result<(), Stop> {
    let len = match bitmap {
        Value::Resident(bytes) => bytes.len() as u64,
        Value::Runs { initialized, .. } => *initialized,
        Value::Packed(packed) => packed.initialized,
    };
    if len < clusters.div_ceil(8) {
        return raw(format!("$Bitmap has {len} bytes for {clusters} clusters"));
    }
    Ok(())
}

/// The bitmap must call used what was needed to read it.
fn check_own_clusters(volume: &Volume<'_>, bitmap: &Value, free: &[Extent]) -> Result<(), Stop> {
    let boot = volume.boot;
    let one = |lcn| Run {
        vcn: 0,
        lcn: Some(lcn),
        len: 1,
    };
    let mut own = vec![one(0), one(boot.mirror)];
    own.extend(&volume.mft);
    if let Value::Runs { runs, .. } = bitmap {
        own.extend(runs);
    }
    for run in own {
        let Some(lcn) = run.lcn else { continue };
        let (start, len) = (times(lcn, boot.cluster)?, times(run.len, boot.cluster)?);
        let next = free.partition_point(|e| e.end() <= start);
        if free.get(next).is_some_and(|e| e.start < start + len) {
            return raw(format!(
                "$Bitmap calls cluster {lcn} free, which holds the volume's own structures"
            ));
        }
    }
    Ok(())
}

/// The volume's label, if it can be read.
pub(crate) fn label(source: Source<'_>) -> Result<Option<String>, Error> {
    let value = Volume::open(source).and_then(|v| v.value(VOLUME, VOLUME_NAME, ""));
    match value {
        Ok(Some(Value::Resident(utf16))) => {
            let units: Vec<u16> = utf16
                .chunks_exact(2)
                .filter_map(|unit| unit.try_into().ok().map(u16::from_le_bytes))
                .collect();
            let label = String::from_utf16_lossy(&units);
            Ok((!label.is_empty()).then_some(label))
        }
        Err(Stop::Device(error)) => Err(error),
        _ => Ok(None),
    }
}
