//! Files of an NTFS volume, for those who want to know what is on it.
//!
//! `$LogFile` is not replayed: what was changed last may be old. Links (reparse
//! points) are not followed, encrypted contents not read, nor what Windows compacted
//! with LZX.

use disk::{Extent, ReadAt};

use super::index;
use super::packed;
use super::record::{DATA, Packed, REPARSE_POINT, VOLUME_INFORMATION, Value};
use super::state::{CHKDSK_UNDERWAY, DIRTY, VOLUME, log_is_clean};
use super::volume::{PART, Volume};
use crate::bytes::{Source, le16, plus, times};
use crate::error::{Stop, raw};

/// The root folder's record.
const ROOT: u64 = 5;
/// In a record's flags: it is a folder.
const FOLDER: u16 = 0x2;
/// In a reference: the record's number.
const NUMBER: u64 = 0xFFFF_FFFF_FFFF;

/// Why something on a volume cannot be read, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl From<Stop> for Unreadable {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Raw(why) => Self(why),
            Stop::Device(error) => Self(format!("{error}: {}", error.source)),
        }
    }
}

/// An NTFS volume whose files are read.
pub struct NtfsFiles<'a> {
    volume: Volume<'a>,
}

/// A file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NtfsFile {
    number: u64,
    /// Windows compacted it: its contents are in a stream beside.
    is_compacted: bool,
    /// Whether it is a folder.
    pub is_folder: bool,
}

impl std::fmt::Debug for NtfsFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("NtfsFiles");
        shown
            .field("boot", &self.volume.boot)
            .finish_non_exhaustive()
    }
}

impl<'a> NtfsFiles<'a> {
    /// Opens the volume on `device`.
    ///
    /// # Errors
    /// When it is none, or its boot sector or master file table is damaged.
    pub fn open(device: &'a dyn ReadAt) -> Result<Self, Unreadable> {
        let volume = Volume::open(Source::new(device))?;
        Ok(Self { volume })
    }

    /// Whether it was in use, or has to be checked: Windows marked it dirty, or did not
    /// close its log.
    ///
    /// # Errors
    /// When the volume's information or its log cannot be read.
    pub fn is_dirty(&self) -> Result<bool, Unreadable> {
        let marked = match self.volume.value(VOLUME, VOLUME_INFORMATION, "")? {
            Some(Value::Resident(info)) => le16(&info, 0x0A)? & (DIRTY | CHKDSK_UNDERWAY) != 0,
            _ => return Err(Unreadable("it has no volume information".to_owned())),
        };
        Ok(marked || !log_is_clean(&self.volume)?)
    }

    /// What is at `path` ("/Windows/System32"); ASCII letters count without
    /// case. `None` when there is no such thing.
    ///
    /// # Errors
    /// When something on the way is damaged, or a link.
    pub fn find(&self, path: &str) -> Result<Option<NtfsFile>, Unreadable> {
        let mut at = self.file(ROOT)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !at.is_folder {
                return Ok(None);
            }
            let mut found = None;
            index::each(&self.volume, at.number, |entry| {
                let is = text(entry.name).is_some_and(|found| found.eq_ignore_ascii_case(name));
                found = found.or(is.then_some(entry.reference));
                is
            })?;
            let Some(reference) = found else {
                return Ok(None);
            };
            at = self.file(reference)?;
        }
        Ok(Some(at))
    }

    /// The file of a reference.
    fn file(&self, reference: u64) -> Result<NtfsFile, Unreadable> {
        let number = reference & NUMBER;
        let record = self.volume.record(number)?;
        let reused = u64::from(le16(&record, 0x10)?);
        if number != ROOT && reused != reference >> 48 {
            let text = format!("a folder names record {number}, which is another file's by now");
            return Err(Unreadable(text));
        }
        let is_compacted = match self.volume.value(number, REPARSE_POINT, "")? {
            None => false,
            Some(Value::Resident(point)) if packed::is_compacted(&point) => true,
            Some(_) => {
                let text = "it is a reparse point (a link, a mount point), which is not followed";
                return Err(Unreadable(text.to_owned()));
            }
        };
        Ok(NtfsFile {
            number,
            is_compacted,
            is_folder: le16(&record, 0x16)? & FOLDER != 0,
        })
    }

    /// The names in a folder, in the order of its index; at most `most`, `None`
    /// when there are more. Short names for DOS, and names that are no Unicode,
    /// are left out.
    ///
    /// # Errors
    /// When it is no folder, or damaged.
    pub fn names(&self, folder: NtfsFile, most: usize) -> Result<Option<Vec<String>>, Unreadable> {
        let mut names = Vec::new();
        let mut more = false;
        index::each(&self.volume, folder.number, |entry| {
            let name = text(entry.name).filter(|name| !entry.is_dos() && name != ".");
            more = names.len() >= most && name.is_some();
            if !more {
                names.extend(name);
            }
            more
        })?;
        Ok((!more).then_some(names))
    }

    /// Bytes of a file.
    ///
    /// # Errors
    /// When it has no contents, they are encrypted, or its record is damaged.
    pub fn size(&self, file: NtfsFile) -> Result<u64, Unreadable> {
        Ok(match self.data(file)? {
            Value::Resident(bytes) => bytes.len() as u64,
            Value::Runs { size, .. } | Value::Packed(Packed { size, .. }) => size,
        })
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// As [`NtfsFiles::size`], and when they are more than `most` bytes, or not
    /// inside the volume.
    pub fn read(&self, file: NtfsFile, most: u64) -> Result<Vec<u8>, Unreadable> {
        match self.data(file)? {
            Value::Runs { size, .. } | Value::Packed(Packed { size, .. }) if size > most => {
                let text = format!("it has {size} bytes, expected at most {most}");
                Err(Unreadable(text))
            }
            Value::Runs { size, .. } if file.is_compacted => Ok(self.compacted(file, size)?),
            Value::Packed(packed) => {
                let written = packed.initialized.min(packed.size);
                let mut bytes = self.volume.read_packed(&packed, written)?;
                bytes.resize(usize::try_from(packed.size).unwrap_or(usize::MAX), 0);
                Ok(bytes)
            }
            Value::Resident(bytes) => Ok(bytes),
            Value::Runs {
                runs,
                initialized,
                size,
            } => {
                let mut bytes = self.volume.read_sparse(&runs, initialized.min(size))?;
                // What was never written reads as zeros.
                bytes.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
                Ok(bytes)
            }
        }
    }

    /// Where on the volume the bytes of a file are that were ever written, in their
    /// order: who writes there changes the file and nothing else. `None` when it
    /// has holes, is compressed, or is kept inside its record.
    ///
    /// # Errors
    /// As [`NtfsFiles::size`].
    pub fn places(&self, file: NtfsFile) -> Result<Option<Vec<Extent>>, Unreadable> {
        let Value::Runs {
            runs,
            initialized,
            size,
        } = self.data(file)?
        else {
            return Ok(None);
        };
        let cluster = self.volume.boot.cluster;
        let mut left = initialized.min(size);
        let mut places = Vec::new();
        for run in runs.iter().take_while(|run| run.len > 0) {
            let len = times(run.len, cluster)?.min(left);
            if len == 0 {
                break;
            }
            let Some(lcn) = run.lcn else {
                return Ok(None);
            };
            let start = times(lcn, cluster)?;
            places.push(Extent { start, len });
            left = left.saturating_sub(len);
        }
        Ok((left == 0).then_some(places))
    }

    /// `len` bytes of the volume.
    ///
    /// # Errors
    /// When the volume ends before them, or cannot be read.
    pub fn bytes(&self, start: u64, len: usize) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let at = plus(start, bytes.len() as u64)?;
            let part = PART.min((len - bytes.len()) as u64);
            bytes.extend(self.volume.source.read("file", at, part)?);
        }
        Ok(bytes)
    }

    fn compacted(&self, file: NtfsFile, size: u64) -> Result<Vec<u8>, Stop> {
        match self.volume.value(file.number, REPARSE_POINT, "")? {
            Some(Value::Resident(point)) => self.volume.read_compacted(file.number, &point, size),
            _ => raw("its reparse point is gone"),
        }
    }

    fn data(&self, file: NtfsFile) -> Result<Value, Unreadable> {
        match self.volume.value(file.number, DATA, "")? {
            Some(data) => Ok(data),
            None => Ok(raw(format!(
                "record {} has no contents ($DATA)",
                file.number
            ))?),
        }
    }
}

fn text(utf16: &[u8]) -> Option<String> {
    let units = utf16.chunks_exact(2);
    let units = units.filter_map(|unit| unit.try_into().ok().map(u16::from_le_bytes));
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}
