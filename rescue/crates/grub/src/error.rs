//! What is wrong with the files of a GRUB.

/// The outcome of putting a GRUB together.
pub type Result<T> = std::result::Result<T, Error>;

/// Why no GRUB can be put together. Display names the file, what was expected and what
/// was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not there.
    #[error("GRUB's {0} is missing")]
    Missing(String),
    /// A file has another size.
    #[error("GRUB's {file} has {found} bytes, expected {expected}")]
    Size {
        /// Its name.
        file: &'static str,
        /// Its bytes.
        found: usize,
        /// What they should be.
        expected: &'static str,
    },
    /// A file is not what GRUB 2 has under that name.
    #[error("GRUB's {file} is not as GRUB 2 makes it: {what}")]
    Unknown {
        /// Its name.
        file: &'static str,
        /// What is wrong.
        what: String,
    },
    /// All of it is more than a BIOS can load.
    #[error("GRUB's core has {found} bytes, more than the {most} that a BIOS can load")]
    TooLarge {
        /// Its bytes.
        found: usize,
        /// The most there may be.
        most: usize,
    },
    /// A text cannot be given to GRUB.
    #[error("{0:?} cannot be told to GRUB")]
    Text(String),
    /// The compression failed, or gives something else back.
    #[error("compressing GRUB's core: {0}")]
    Compression(String),
}
