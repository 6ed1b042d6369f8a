//! Reading an ISO: its files, and the ways it says it can boot.
//!
//! Layouts: ECMA-119 (ISO 9660), IEEE P1282 (Rock Ridge, only its NM names),
//! "El Torito" Bootable CD-ROM Format Specification 1.0.

mod boot;
mod time;

use anyhow::{Context, Result, bail};
use disk::ReadAt;

pub(crate) use boot::{BootEntry, Hybrid, Platform};
pub(crate) use time::Timestamp;

/// Bytes of a sector of the ISO.
pub(crate) const SECTOR: u64 = 2048;
/// Volume descriptors start at sector 16 and end with one of type 255.
const DESCRIPTORS: u64 = 16;
const MAX_DESCRIPTORS: u64 = 16;
const MAX_FOLDER: u64 = 64 << 20;
const MAX_BOOT_IMAGE: u64 = 256 << 20;
const MAX_DEPTH: usize = 16;
const MAX_FILES: usize = 1_000_000;

/// An ISO that has been recognised as one.
#[derive(Debug)]
pub(crate) struct Iso<R> {
    source: R,
    /// The volume id.
    pub(crate) volume: String,
    /// Size by its own account, in bytes.
    pub(crate) size: u64,
    root: IsoFile,
    catalog: Option<u64>,
}

/// A file or folder of the ISO: one run of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IsoFile {
    /// Without a leading slash.
    pub(crate) path: String,
    /// Bytes from the start of the ISO.
    pub(crate) offset: u64,
    /// In bytes.
    pub(crate) size: u64,
}

impl<R: ReadAt> Iso<R> {
    /// Reads the volume descriptors.
    pub(crate) fn open(source: R) -> Result<Self> {
        let mut iso = None;
        let mut catalog = None;
        for index in 0..MAX_DESCRIPTORS {
            let sector = read(&source, (DESCRIPTORS + index) * SECTOR, SECTOR)?;
            if sector.get(1..6) != Some(b"CD001") {
                bail!("no ISO 9660: sector {} lacks 'CD001'", DESCRIPTORS + index);
            }
            match sector.first() {
                Some(0) if sector.get(7..).is_some_and(|s| s.starts_with(b"EL TORITO")) => {
                    catalog = u32_at(&sector, 71).map(u64::from);
                }
                Some(1) if iso.is_none() => iso = Some(primary(&sector)?),
                Some(255) => break,
                _ => {}
            }
        }
        let (volume, size, root) = iso.context("the ISO has no primary volume descriptor")?;
        Ok(Self {
            source,
            volume,
            size,
            root,
            catalog,
        })
    }

    /// All regular files, in the order of their folders.
    pub(crate) fn files(&self) -> Result<Vec<IsoFile>> {
        let mut out = Vec::new();
        let mut folders = vec![(self.root.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if depth > MAX_DEPTH || out.len() > MAX_FILES {
                bail!(
                    "{:?}: folders nest too deeply or hold too many files",
                    folder.path
                );
            }
            for (file, is_folder) in self.list(&folder)? {
                match is_folder {
                    true => folders.push((file, depth + 1)),
                    false => out.push(file),
                }
            }
        }
        out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(out)
    }

    /// What the El Torito catalogue offers to boot.
    pub(crate) fn boot_entries(&self) -> Result<Vec<BootEntry>> {
        let Some(sector) = self.catalog else {
            return Ok(Vec::new());
        };
        let at = sector.saturating_mul(SECTOR);
        boot::parse_catalog(&read(&self.source, at, SECTOR)?)
    }

    /// Where the FAT image is that `entry` points to (offset and length), as
    /// large as its own boot sector says (the catalogue's size field has too few bits).
    pub(crate) fn boot_image_at(&self, entry: &BootEntry) -> Result<(u64, u64)> {
        let offset = u64::from(entry.sector) * SECTOR;
        let size = boot::fat_size(&read(&self.source, offset, 512)?)
            .with_context(|| format!("no FAT filesystem in sector {}", entry.sector))?;
        if size > MAX_BOOT_IMAGE {
            bail!(
                "the boot image in sector {} claims {size} bytes",
                entry.sector
            );
        }
        Ok((offset, size))
    }

    fn list(&self, folder: &IsoFile) -> Result<Vec<(IsoFile, bool)>> {
        if folder.size > MAX_FOLDER {
            bail!("folder {:?} is {} bytes long", folder.path, folder.size);
        }
        let bytes = read(&self.source, folder.offset, folder.size)?;
        let mut out = Vec::new();
        for sector in bytes.chunks(2048) {
            let mut rest = sector;
            // A length of 0 means: on to the next sector.
            while let Some(len) = rest
                .first()
                .map(|len| usize::from(*len))
                .filter(|len| *len > 0)
            {
                let record = rest.get(..len).with_context(|| {
                    format!(
                        "folder {:?}: a record crosses its sector's end",
                        folder.path
                    )
                })?;
                out.extend(record_of(record, &folder.path)?);
                rest = rest.get(len..).unwrap_or_default();
            }
        }
        Ok(out)
    }
}

/// What the first sectors of a disk (or of an ISO that is written to one) offer.
pub(crate) fn hybrid(source: &impl ReadAt) -> Result<Hybrid> {
    Ok(boot::parse_hybrid(&read(source, 0, 1024)?))
}

/// Volume id, size and root folder of a primary volume descriptor.
fn primary(sector: &[u8]) -> Result<(String, u64, IsoFile)> {
    let volume = sector.get(40..72).unwrap_or_default();
    let volume = String::from_utf8_lossy(volume).trim_end().to_owned();
    let blocks = u32_at(sector, 80).unwrap_or(0);
    let record = sector.get(156..190).unwrap_or_default();
    let root = extent(record, String::new()).context("the root folder's record is cut short")?;
    Ok((volume, u64::from(blocks) * SECTOR, root))
}

/// A directory record, unless it is `.` or `..`.
fn record_of(record: &[u8], folder: &str) -> Result<Option<(IsoFile, bool)>> {
    let cut = || format!("folder {folder:?}: a record is cut short");
    let flags = *record.get(25).with_context(cut)?;
    let name_len = usize::from(*record.get(32).with_context(cut)?);
    let name_end = 33_usize.saturating_add(name_len);
    let name = record.get(33..name_end).with_context(cut)?;
    if matches!(name, [0] | [1]) {
        return Ok(None);
    }
    // The system use area starts at an even offset.
    let system = record.get(name_end + (name_end & 1)..).unwrap_or_default();
    let name = rock_ridge_name(system).unwrap_or_else(|| plain_name(name));
    let path = if folder.is_empty() {
        name
    } else {
        format!("{folder}/{name}")
    };
    let file = extent(record, path).with_context(cut)?;
    Ok(Some((file, flags & 2 != 0)))
}

fn extent(record: &[u8], path: String) -> Option<IsoFile> {
    Some(IsoFile {
        path,
        offset: u64::from(u32_at(record, 2)?) * SECTOR,
        size: u64::from(u32_at(record, 10)?),
    })
}

/// "GRUB.CFG;1" without its version and trailing dot.
fn plain_name(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let stem = text.split(';').next().unwrap_or_default();
    stem.trim_end_matches('.').to_lowercase()
}

/// The NM entries of a system use area, joined.
fn rock_ridge_name(mut area: &[u8]) -> Option<String> {
    let mut name = Vec::new();
    while let Some([a, b, len, _version, _flags @ ..]) = area.get(..5) {
        let entry = area
            .get(..usize::from(*len))
            .filter(|entry| entry.len() >= 4)?;
        if (*a, *b) == (b'N', b'M') {
            name.extend_from_slice(entry.get(5..)?);
        }
        area = area.get(entry.len()..)?;
    }
    (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
}

fn read(source: &impl ReadAt, offset: u64, len: u64) -> Result<Vec<u8>> {
    let fits = offset
        .checked_add(len)
        .is_some_and(|end| end <= source.size());
    let len = usize::try_from(len)
        .ok()
        .filter(|_| fits)
        .with_context(|| {
            format!(
                "{len} bytes at {offset} are wanted, the file ends at {}",
                source.size()
            )
        })?;
    let mut bytes = vec![0; len];
    source
        .read_exact_at(&mut bytes, offset)
        .with_context(|| format!("reading byte {offset}"))?;
    Ok(bytes)
}

/// The little-endian half of a field.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let end = at.checked_add(4)?;
    bytes.get(at..end)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests;
