//! The files of an area as one run of bytes: for each, in the order of their
//! names, the length of the name (2 bytes), the length of the data (4 bytes),
//! both little-endian, then the two.

use crate::{BadName, Contents, Name};

/// Why bytes are no list of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntriesError {
    /// A file ends behind the end.
    #[error("byte {at}: {wanted} more bytes are expected, {left} are left")]
    Short {
        /// Where.
        at: usize,
        /// What the lengths ask for.
        wanted: usize,
        /// What there is.
        left: usize,
    },
    /// A name is none of those that may be.
    #[error("byte {at}")]
    Name {
        /// Where.
        at: usize,
        /// What is wrong with it.
        source: BadName,
    },
    /// A name does not come after the one before it.
    #[error("byte {at}: {name} is out of order or there twice")]
    Order {
        /// Where.
        at: usize,
        /// The name.
        name: String,
    },
}

/// Bytes of the two lengths.
const LENGTHS: usize = 6;

pub(crate) fn write(contents: &Contents) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, data) in contents.iter() {
        // Names have at most 200 bytes, data at most what `Contents::check` allows.
        let name = name.as_str().as_bytes();
        out.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(name);
        out.extend_from_slice(data);
    }
    out
}

pub(crate) fn read(bytes: &[u8]) -> Result<Contents, EntriesError> {
    let mut contents = Contents::default();
    let mut before: Option<Name> = None;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let (name_length, data_length) = lengths(take(bytes, &mut at, LENGTHS)?);
        let name = String::from_utf8_lossy(take(bytes, &mut at, name_length)?).into_owned();
        let name = Name::new(&name).map_err(|source| EntriesError::Name { at: start, source })?;
        if before.as_ref().is_some_and(|before| *before >= name) {
            return Err(EntriesError::Order {
                at: start,
                name: name.to_string(),
            });
        }
        let data = take(bytes, &mut at, data_length)?.to_vec();
        before = Some(name.clone());
        contents.set(name, data);
    }
    Ok(contents)
}

fn lengths(field: &[u8]) -> (usize, usize) {
    let number = |bytes: &[u8]| {
        let wide = bytes.iter().rev();
        wide.fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte))
    };
    let (name, data) = field.split_at_checked(2).unwrap_or((field, &[]));
    (number(name), number(data))
}

fn take<'a>(bytes: &'a [u8], at: &mut usize, wanted: usize) -> Result<&'a [u8], EntriesError> {
    let left = bytes.len().saturating_sub(*at);
    let short = EntriesError::Short {
        at: *at,
        wanted,
        left,
    };
    let end = at.checked_add(wanted).ok_or_else(|| short.clone())?;
    let field = bytes.get(*at..end).ok_or(short)?;
    *at = end;
    Ok(field)
}
