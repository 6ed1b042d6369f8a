//! Files that are compressed: by NTFS itself (LZNT1), or compacted by Windows (WOF:
//! CompactOS, `compact /exe`), where the contents are in a stream beside.
//!
//! Layouts: the Linux-NTFS documentation (compression units); MS-FSCC 2.1.2 (reparse
//! points); `FILE_PROVIDER_EXTERNAL_INFO_V1` and `WOF_EXTERNAL_INFO` in Microsoft's
//! reference; the table of chunks is that of a WIM's resources.

use super::record::{DATA, Packed, Run, Value};
use super::volume::{PART, Volume};
use super::{lznt1, xpress};
use crate::bytes::{le32, le64, slice, times};
use crate::error::{Stop, raw};

/// The stream that has what Windows compacted.
const STREAM: &str = "WofCompressedData";
/// The tag of a reparse point that says so.
const TAG: u32 = 0x8000_0017;
/// The provider whose contents are in the stream. (Another has them in a WIM.)
const IN_FILE: u32 = 2;

impl Volume<'_> {
    /// The first `len` bytes of a value that NTFS compressed, unit by unit.
    pub(super) fn read_packed(&self, packed: &Packed, len: u64) -> Result<Vec<u8>, Stop> {
        let cluster = self.boot.cluster;
        let size = usize::try_from(times(packed.unit, cluster)?).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        let mut runs = Runs::new(&packed.runs);
        while (out.len() as u64) < len {
            let (stored, clusters) = runs.unit(packed.unit)?;
            let mut bytes = Vec::new();
            for run in &stored {
                // Inside the volume, so none of this can overflow.
                let start = run.lcn.unwrap_or_default() * cluster;
                let (mut at, end) = (start, start + run.len * cluster);
                while at < end {
                    let take = PART.min(end - at);
                    bytes.extend(self.source.read("file", at, take)?);
                    at += take;
                }
            }
            match clusters {
                0 => out.resize(out.len().saturating_add(size), 0),
                all if all == packed.unit => out.append(&mut bytes),
                _ => out.append(&mut lznt1::unpack(&bytes, size)?),
            }
        }
        out.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(out)
    }

    /// The contents of file `number`, which the reparse point `point` says are compacted;
    /// it has `size` bytes.
    pub(super) fn read_compacted(
        &self,
        number: u64,
        point: &[u8],
        size: u64,
    ) -> Result<Vec<u8>, Stop> {
        let chunk = chunk_size(point)?;
        let stream = match self.value(number, DATA, STREAM)? {
            Some(Value::Resident(bytes)) => bytes,
            // It is compressed, and not larger than the file but for its table.
            Some(Value::Runs {
                runs,
                initialized,
                size: len,
            }) if initialized == len && len <= size.saturating_mul(2).saturating_add(4096) => {
                self.read_sparse(&runs, len)?
            }
            Some(_) => return raw("its compacted contents are larger than the file"),
            None => return raw("it is compacted, and its compacted contents are not there"),
        };
        chunks(&stream, size, chunk)
    }
}

/// Whether a reparse point says that the file is compacted.
pub(super) fn is_compacted(point: &[u8]) -> bool {
    le32(point, 0).is_ok_and(|tag| tag == TAG)
}

/// Bytes that each chunk stands for.
fn chunk_size(point: &[u8]) -> Result<u64, Stop> {
    let (version, provider) = (le32(point, 8)?, le32(point, 12)?);
    if (version, provider) != (1, IN_FILE) {
        return raw(format!(
            "it is compacted by provider {provider} in version {version}, expected 2 in version \
             1 (in a WIM it is not read here)"
        ));
    }
    match (le32(point, 16)?, le32(point, 20)?) {
        (1, 0) => Ok(4 << 10),
        (1, 2) => Ok(8 << 10),
        (1, 3) => Ok(16 << 10),
        (1, 1) => raw(
            "it is compacted with LZX, which is not read here: `compact /u /exe` on the machine \
             expands it",
        ),
        (version, algorithm) => raw(format!(
            "it is compacted with algorithm {algorithm} in version {version}, which is not known"
        )),
    }
}

/// What the chunks in `stream` stand for: a table of where each but the first begins,
/// counted from the end of the table, then the chunks. One that is as long as what it
/// stands for is not compressed.
fn chunks(stream: &[u8], size: u64, chunk: u64) -> Result<Vec<u8>, Stop> {
    let count = size.div_ceil(chunk);
    let wide = size > u64::from(u32::MAX);
    let width = if wide { 8 } else { 4 };
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let table = index(times(count.saturating_sub(1), width)?);
    let data = slice(stream, table, stream.len().saturating_sub(table))?;
    let begin = |n: u64| match n.checked_sub(1) {
        None => Ok(0),
        Some(_) if n == count => Ok(data.len()),
        Some(n) if wide => le64(stream, index(n * 8)).map(index),
        Some(n) => le32(stream, index(n * 4)).map(|at| index(at.into())),
    };
    let mut out = Vec::new();
    for n in 0..count {
        let (from, to) = (begin(n)?, begin(n + 1)?);
        let Some(packed) = data.get(from..to) else {
            return raw(format!(
                "its chunk {n} is said to be from byte {from} to {to} of {}",
                data.len()
            ));
        };
        let len = index(chunk.min(size - n * chunk));
        match packed.len() == len {
            true => out.extend(packed),
            false => out.append(&mut xpress::unpack(packed, len)?),
        }
    }
    Ok(out)
}

/// Runs, unit by unit.
struct Runs<'a> {
    runs: std::slice::Iter<'a, Run>,
    /// What is left of the run that was begun.
    rest: Option<Run>,
    vcn: u64,
}

impl<'a> Runs<'a> {
    fn new(runs: &'a [Run]) -> Self {
        Self {
            runs: runs.iter(),
            rest: None,
            vcn: 0,
        }
    }

    /// What is stored of the next unit of `len` clusters, and how many clusters that are.
    /// The rest of it is not stored.
    fn unit(&mut self, len: u64) -> Result<(Vec<Run>, u64), Stop> {
        let (mut stored, mut clusters, mut seen) = (Vec::new(), 0, 0);
        while seen < len {
            let next = self.rest.take().or_else(|| self.runs.next().copied());
            let Some(run) = next else {
                if seen == 0 {
                    return raw("nothing is said of where its last clusters are");
                }
                break;
            };
            if run.vcn != self.vcn || run.lcn.is_some() && clusters < seen {
                return raw(format!(
                    "a compressed file is stored in no order at its cluster {}",
                    run.vcn
                ));
            }
            let here = run.len.min(len - seen);
            if let Some(lcn) = run.lcn {
                clusters += here;
                stored.push(Run { len: here, ..run });
                self.rest = (here < run.len).then_some(Run {
                    vcn: run.vcn + here,
                    lcn: Some(lcn + here),
                    len: run.len - here,
                });
            } else {
                self.rest = (here < run.len).then_some(Run {
                    vcn: run.vcn + here,
                    lcn: None,
                    len: run.len - here,
                });
            }
            seen += here;
            self.vcn += here;
        }
        Ok((stored, clusters))
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
