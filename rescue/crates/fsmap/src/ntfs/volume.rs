//! An open NTFS volume: records through the MFT's runs, values of attributes.

use super::boot::Boot;
use super::record::{self, ATTRIBUTE_LIST, Attribute, DATA, Run, Value};
use crate::bytes::{Source, byte, le16, le32, le64, plus, slice, times};
use crate::error::{Stop, raw};

/// The longest attribute list Windows writes, in bytes.
const LIST_CAP: u64 = 256 << 10;
/// Pieces of one attribute; a list has room for fewer.
const PIECE_CAP: usize = 16384;
/// Runs of one attribute in all its pieces: 32 MiB of memory.
const RUN_CAP: usize = 1 << 20;

/// Bytes of a file that are read at once.
pub(crate) const PART: u64 = 1 << 20;

pub(crate) struct Volume<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) boot: Boot,
    /// Runs of the MFT itself.
    pub(crate) mft: Vec<Run>,
}

impl<'a> Volume<'a> {
    pub(crate) fn open(source: Source<'a>) -> Result<Self, Stop> {
        let sector = source.read("NTFS boot sector", 0, 512.min(source.size()))?;
        let boot = Boot::parse(&sector, source.size())?;
        // The first 16 records lie where the boot sector says, in one piece.
        let first = times(boot.record, 16)?.div_ceil(boot.cluster);
        let mut volume = Self {
            source,
            boot,
            mft: vec![Run {
                vcn: 0,
                lcn: Some(boot.mft),
                len: first,
            }],
        };
        match volume.value(0, DATA, "")? {
            Some(Value::Runs { runs, .. }) => volume.mft = runs,
            _ => return raw("the MFT has no data"),
        }
        Ok(volume)
    }

    /// MFT record `number`, its fix-ups undone.
    pub(crate) fn record(&self, number: u64) -> Result<Vec<u8>, Stop> {
        let at = times(number, self.boot.record)?;
        let mut bytes = self.read_runs("MFT record", &self.mft, at, self.boot.record)?;
        record::fix_up(&mut bytes, b"FILE")?;
        Ok(bytes)
    }

    /// The value of an attribute of record `number`; `None` when it has none
    /// of that kind and name.
    pub(crate) fn value(&self, number: u64, kind: u32, name: &str) -> Result<Option<Value>, Stop> {
        let base = self.record(number)?;
        let all = record::attributes(&base)?;
        let clusters = self.boot.clusters;
        if let Some(list) = all.iter().find(|a| a.kind == ATTRIBUTE_LIST) {
            let list = self.list(list)?;
            return self.pieced(number, kind, name, &list);
        }
        all.iter()
            .find(|a| a.kind == kind && a.is_named(name))
            .map(|a| a.value(clusters))
            .transpose()
    }

    fn list(&self, list: &Attribute<'_>) -> Result<Vec<u8>, Stop> {
        match list.value(self.boot.clusters)? {
            Value::Resident(bytes) => Ok(bytes),
            Value::Packed(_) => raw("an attribute list is compressed, which it never is"),
            Value::Runs {
                runs, initialized, ..
            } if initialized <= LIST_CAP => self.read_runs("attribute list", &runs, 0, initialized),
            Value::Runs { initialized, .. } => raw(format!(
                "an attribute list of {initialized} bytes: expected at most {LIST_CAP}"
            )),
        }
    }

    /// Puts together an attribute whose parts lie in several records.
    fn pieced(
        &self,
        number: u64,
        kind: u32,
        name: &str,
        list: &[u8],
    ) -> Result<Option<Value>, Stop> {
        let mut whole: Option<(Vec<Run>, u64, u64)> = None;
        for (vcn, holder) in pieces(list, kind, name)? {
            let bytes = self.record(holder)?;
            let all = record::attributes(&bytes)?;
            let mut found = None;
            for a in all.iter().filter(|a| a.kind == kind && a.is_named(name)) {
                if a.start_vcn()? == vcn {
                    found = Some(a.value(self.boot.clusters)?);
                }
            }
            match (found, &mut whole) {
                (
                    Some(Value::Runs {
                        runs,
                        initialized,
                        size,
                    }),
                    None,
                ) if vcn == 0 => {
                    whole = Some((runs, initialized, size));
                }
                (Some(Value::Runs { runs, .. }), Some((all, _, _)))
                    if all.len() + runs.len() <= RUN_CAP =>
                {
                    all.extend(runs);
                }
                // (One in several pieces is not put together.)
                (Some(Value::Packed(_)), _) => {
                    return raw("what has to be read is compressed, and in several pieces");
                }
                (Some(resident), None) => return Ok(Some(resident)),
                _ => {
                    return raw(format!(
                        "record {number} lacks a part of an attribute, or has too many runs"
                    ));
                }
            }
        }
        let whole = whole.map(|(runs, initialized, size)| Value::Runs {
            runs,
            initialized,
            size,
        });
        Ok(whole)
    }

    /// `len` bytes at byte `at` of a value.
    pub(crate) fn read(
        &self,
        what: &'static str,
        value: &Value,
        at: u64,
        len: u64,
    ) -> Result<Vec<u8>, Stop> {
        match value {
            Value::Resident(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                slice(bytes, at, len).map(<[u8]>::to_vec)
            }
            Value::Runs { runs, .. } => self.read_runs(what, runs, at, len),
            Value::Packed(_) => raw(format!("{what}: it is compressed, which it never is")),
        }
    }

    /// The first `len` bytes of a file that may have holes, which read as zeros.
    pub(crate) fn read_sparse(&self, runs: &[Run], len: u64) -> Result<Vec<u8>, Stop> {
        let cluster = self.boot.cluster;
        let stored: u64 = runs.iter().fold(0, |sum, run| run.len.saturating_add(sum));
        let room = len.min(times(stored, cluster)?);
        let mut out = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
        for run in runs {
            let here = out.len() as u64;
            if here >= len {
                break;
            }
            if times(run.vcn, cluster)? != here {
                return raw(format!("nothing is said of where byte {here} is"));
            }
            let end = plus(here, times(run.len, cluster)?)?.min(len);
            let Some(lcn) = run.lcn else {
                out.resize(usize::try_from(end).unwrap_or(usize::MAX), 0);
                continue;
            };
            // Inside the volume, so none of this can overflow.
            let start = lcn * cluster;
            let mut at = here;
            while at < end {
                let take = PART.min(end - at);
                out.extend(self.source.read("file", start + (at - here), take)?);
                at += take;
            }
        }
        match out.len() as u64 == len {
            true => Ok(out),
            false => raw(format!(
                "what is said of where it lies ends at byte {}, expected {len}",
                out.len()
            )),
        }
    }

    fn read_runs(
        &self,
        what: &'static str,
        runs: &[Run],
        mut at: u64,
        len: u64,
    ) -> Result<Vec<u8>, Stop> {
        let cluster = self.boot.cluster;
        let mut out = Vec::new();
        while (out.len() as u64) < len {
            let vcn = at / cluster;
            let holder = runs
                .iter()
                .find(|r| r.vcn <= vcn && vcn - r.vcn < r.len)
                .and_then(|r| Some((r, r.lcn?)));
            let Some((run, lcn)) = holder else {
                return raw(format!("{what}: nothing is stored at its byte {at}"));
            };
            // Inside the volume, so none of this can overflow.
            let skip = at - run.vcn * cluster;
            let take = (run.len * cluster - skip).min(len - out.len() as u64);
            out.extend(self.source.read(what, lcn * cluster + skip, take)?);
            at = plus(at, take)?;
        }
        Ok(out)
    }
}

/// The parts of one attribute: where each starts (VCN) and the record that
/// holds it, in order.
fn pieces(mut list: &[u8], kind: u32, name: &str) -> Result<Vec<(u64, u64)>, Stop> {
    let mut out = Vec::new();
    while !list.is_empty() {
        let len = usize::from(le16(list, 4)?);
        let entry = slice(list, 0, len)?;
        if len < 0x1A || out.len() >= PIECE_CAP {
            return raw("an attribute list is damaged");
        }
        let text_at = usize::from(byte(entry, 7)?);
        let text = slice(entry, text_at, usize::from(byte(entry, 6)?) * 2)?;
        if le32(entry, 0)? == kind && record::is_utf16(text, name) {
            // The upper 16 bits of a reference count how often it was reused.
            out.push((le64(entry, 8)?, le64(entry, 0x10)? & 0xFFFF_FFFF_FFFF));
        }
        list = list.get(len..).unwrap_or_default();
    }
    out.sort_unstable();
    // Named over and over, one piece would take all memory.
    if out.windows(2).any(|w| matches!(w, [a, b] if a.0 == b.0)) {
        return raw("an attribute list names one part of an attribute twice");
    }
    Ok(out)
}
