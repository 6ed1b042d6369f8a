//! The NTFS boot sector.
//!
//! Facts for this directory: the Linux-NTFS project's documentation ("NTFS
//! Documentation", Russon and Fledel) and the structure comments in ntfs-3g's
//! `layout.h` and `logfile.h`. Little-endian throughout.

use crate::bytes::{byte, has, le16, le64, times};
use crate::error::{Stop, raw};

/// Geometry, checked against the size of the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boot {
    /// Bytes.
    pub(crate) cluster: u64,
    pub(crate) clusters: u64,
    /// First cluster of the MFT, and of the copy of its first records.
    pub(crate) mft: u64,
    pub(crate) mirror: u64,
    /// Bytes in one MFT record.
    pub(crate) record: u64,
}

impl Boot {
    /// Parses sector 0 of a partition of `size` bytes.
    pub(crate) fn parse(b: &[u8], size: u64) -> Result<Self, Stop> {
        let sector = u64::from(le16(b, 0x0B)?);
        let sane = has(b, 3, b"NTFS    ")
            && has(b, 0x1FE, &[0x55, 0xAA])
            && sector.is_power_of_two()
            && (256..=4096).contains(&sector);
        if !sane {
            return raw("its boot sector is damaged");
        }
        let per_cluster = match byte(b, 0x0D)? {
            n if n.is_power_of_two() => u64::from(n),
            // Above 128 sectors: the negated exponent.
            n @ 0xF4..=0xFF => 1 << (256 - u64::from(n)),
            n => {
                return raw(format!(
                    "{n:#x} sectors per cluster: expected a power of two"
                ));
            }
        };
        let cluster = sector * per_cluster;
        let clusters = le64(b, 0x28)? / per_cluster;
        let end = times(clusters, cluster)?;
        if cluster > 2 << 20 || clusters == 0 || end > size {
            return raw(format!(
                "its boot sector says {clusters} clusters of {cluster} bytes, \
                 the partition has {size} bytes"
            ));
        }
        let record = match byte(b, 0x40)?.cast_signed() {
            n @ 1..=64 => u64::from(n.unsigned_abs()) * cluster,
            n @ -16..=-9 => 1 << n.unsigned_abs(),
            n => return raw(format!("MFT records of size code {n}")),
        };
        let (mft, mirror) = (le64(b, 0x30)?, le64(b, 0x38)?);
        if !(512..=65536).contains(&record) || mft >= clusters || mirror >= clusters {
            return raw(format!(
                "MFT at clusters {mft} and {mirror} of {clusters}, records of {record} bytes"
            ));
        }
        Ok(Self {
            cluster,
            clusters,
            mft,
            mirror,
            record,
        })
    }
}
