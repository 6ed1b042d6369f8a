//! Judging a restored disk against the disk that was captured.

use anyhow::{Context, Result, bail, ensure};
use image::{EntryKind, Repository};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

const STEP: usize = 1 << 20;

/// What a comparison looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// Bytes the map calls data that are equal.
    pub data: u64,
    /// Bytes the map calls zero that are equal, and zero.
    pub zero: u64,
    /// Bytes the map calls free: not looked at.
    pub free: u64,
}

/// Checks that every byte that the maps of `wanted` call data or zero is the same in
/// `source` and `target`, that what they call zero is zero, and that the regions
/// cover the whole source. `except` lists byte ranges that the restore had to change.
///
/// # Errors
/// With the first difference: where it is, and what the map says there.
pub fn same_blocks(
    repository: &Repository,
    wanted: &str,
    source: &Path,
    target: &Path,
    except: &[Range<u64>],
) -> Result<Compared> {
    let image = repository.image(wanted).context("opening the image")?;
    let [disk] = image.manifest.disks.as_slice() else {
        bail!("expected an image of one disk");
    };
    let files = Pair::open(source, target, except)?;
    let size = files
        .source
        .metadata()
        .context("measuring the source")?
        .len();
    ensure!(
        disk.size == size,
        "the image has {} bytes, the source {size}",
        disk.size
    );
    let mut seen = Compared::default();
    for region in &disk.regions {
        let map = repository.map(region)?;
        for entry in map.entries() {
            let entry = entry.context("reading a map")?;
            let start = region.start + entry.start;
            let range = start..start + entry.len;
            match entry.kind {
                EntryKind::Data(_) => {
                    files.equal(range, false)?;
                    seen.data += entry.len;
                }
                EntryKind::Zero => {
                    files.equal(range, true)?;
                    seen.zero += entry.len;
                }
                EntryKind::Free => seen.free += entry.len,
            }
        }
    }
    let all = seen.data + seen.zero + seen.free;
    ensure!(all == size, "the maps cover {all} bytes of {size}");
    ensure!(seen.data > 0, "the image has no data at all");
    Ok(seen)
}

struct Pair<'a> {
    source: File,
    target: File,
    except: &'a [Range<u64>],
}

impl<'a> Pair<'a> {
    fn open(source: &Path, target: &Path, except: &'a [Range<u64>]) -> Result<Self> {
        let open =
            |path: &Path| File::open(path).with_context(|| format!("opening {}", path.display()));
        Ok(Self {
            source: open(source)?,
            target: open(target)?,
            except,
        })
    }

    fn equal(&self, range: Range<u64>, zero: bool) -> Result<()> {
        let (mut source, mut target) = (vec![0; STEP], vec![0; STEP]);
        let mut at = range.start;
        while at < range.end {
            let len = usize::try_from(range.end - at).map_or(STEP, |left| left.min(STEP));
            let (was, is) = (&mut source[..len], &mut target[..len]);
            self.source
                .read_exact_at(was, at)
                .context("reading the source")?;
            self.target
                .read_exact_at(is, at)
                .context("reading the target")?;
            if was != is || (zero && was.iter().any(|b| *b != 0)) {
                self.judge(at, was, is, zero)?;
            }
            at += len as u64;
        }
        Ok(())
    }

    /// Finds the first byte that may not differ.
    fn judge(&self, start: u64, was: &[u8], is: &[u8], zero: bool) -> Result<()> {
        for ((was, is), at) in was.iter().zip(is).zip(start..) {
            let excepted = self.except.iter().any(|range| range.contains(&at));
            ensure!(
                !zero || *was == 0,
                "the map calls byte {at} zero, the source has {was:#04x}"
            );
            ensure!(
                excepted || was == is,
                "byte {at} ({}): the source has {was:#04x}, the target {is:#04x}",
                if zero { "zero" } else { "data" }
            );
        }
        Ok(())
    }
}
