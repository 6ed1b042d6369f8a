//! Why no file was put on a volume.

use serde::{Deserialize, Serialize};

/// Why there are no patches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum VolumeError {
    /// It is something else, or damaged.
    #[error("the volume has no file system that is understood here")]
    NotNtfs,
    /// Windows has not finished with it.
    #[error(
        "nothing can be put on the volume without losing what Windows left unfinished on it: {0}. \
         An image that was taken after a full shutdown ('shutdown /s /f /t 0') would do"
    )]
    Unclean(String),
    /// The volume has no room.
    #[error("the volume is full: there is no room for {0}")]
    Full(String),
    /// More than is kept in memory.
    #[error("more than {0} bytes would change, which is more than is kept in memory")]
    TooMuch(u64),
    /// A path that Windows has not.
    #[error("{0:?} is no path of a file on Windows")]
    Path(String),
    /// A folder is missing.
    #[error("{path} cannot be put there: there is no folder {folder}")]
    NoFolder {
        /// The file's.
        path: String,
        /// The first one that is missing.
        folder: String,
    },
    /// There is something else.
    #[error(
        "{path} cannot be put there: {name} is there as something else (a link, a folder, \
         a compressed file of the system, or several names that differ in case)"
    )]
    NotPlain {
        /// The file's.
        path: String,
        /// What is in the way.
        name: String,
    },
    /// The folder's security descriptor is damaged.
    #[error("the rights for {0} cannot be told: the security descriptor of its folder is damaged")]
    Rights(String),
    /// What was written does not read back.
    #[error("{0} was written, but reads back differently")]
    Differs(String),
    /// What came out is no clean NTFS.
    #[error("ntfs-3g left the volume in disorder: {0}")]
    Damaged(String),
    /// The machine lacks something.
    #[error("volumes cannot be looked into or written on here: {0}")]
    Setting(String),
    /// No time left.
    #[error("working on the volume took too long and was stopped")]
    Late,
    /// A program ended before its work.
    #[error("a program ended before its work on the volume was done: {0}")]
    Ended(String),
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

impl VolumeError {
    pub(super) fn failed(doing: &str, error: &std::io::Error) -> Self {
        Self::Failed(format!("{doing}: {error}"))
    }

    /// With nothing in it that would move a terminal's cursor: it came from
    /// another process.
    pub(super) fn plain(mut self) -> Self {
        match &mut self {
            Self::NoFolder { path, folder: text } | Self::NotPlain { path, name: text } => {
                *path = plain(path);
                *text = plain(text);
            }
            Self::Unclean(text)
            | Self::Full(text)
            | Self::Path(text)
            | Self::Rights(text)
            | Self::Differs(text)
            | Self::Damaged(text)
            | Self::Setting(text)
            | Self::Ended(text)
            | Self::Failed(text) => *text = plain(text),
            Self::NotNtfs | Self::TooMuch(_) | Self::Late => {}
        }
        self
    }
}

fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(600).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_says_moves_no_cursor() {
        let error = VolumeError::Ended("a\u{1b}[2J".to_owned() + &"b".repeat(1000));
        let VolumeError::Ended(text) = error.plain() else {
            panic!("another error");
        };
        assert!(text.starts_with("a [2Jb"));
        assert_eq!(text.len(), 600);
    }
}
