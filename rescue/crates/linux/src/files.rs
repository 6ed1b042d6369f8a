//! Where files come from.

use crate::edits::Edits;

/// No text that is read here has more bytes.
const TEXT: u64 = 1 << 20;

/// The files of the system, by the paths that it has for them itself.
pub trait Files {
    /// The contents of the regular file at `path` ("/etc/fstab"), links followed as the
    /// system would; `None` when there is none.
    ///
    /// # Errors
    /// [`Unread`] when it is larger than `cap` bytes or cannot be read.
    fn read(&self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, Unread>;

    /// The names in the folder at `path`, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// [`Unread`] when it cannot be read.
    fn list(&self, path: &str) -> Result<Vec<String>, Unread>;
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Unread {
    /// Which file.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// The text at `path`. What cannot be read is told, once, and then as if it were not there: one
/// such file is no reason to leave the others alone.
pub(crate) fn text(files: &dyn Files, path: &str, told: &mut Edits) -> Option<String> {
    let read = files.read(path, TEXT);
    let bytes = read.unwrap_or_else(|why| {
        told.warn(format!("{why}. It stays as it is."));
        None
    })?;
    let text = String::from_utf8(bytes);
    text.map_err(|_| told.warn(format!("{path} is no text, and stays as it is.")))
        .ok()
}

/// The paths of the files in `folder` whose names end in `suffix`.
pub(crate) fn below(
    files: &dyn Files,
    folder: &str,
    suffix: &str,
    told: &mut Edits,
) -> Vec<String> {
    let names = files.list(folder).unwrap_or_else(|why| {
        told.warn(format!("{why}. What is in it stays as it is."));
        Vec::new()
    });
    let names = names.iter().filter(|name| name.ends_with(suffix));
    names.map(|name| format!("{folder}/{name}")).collect()
}
