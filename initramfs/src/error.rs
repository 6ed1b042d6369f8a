//! What can go wrong while an initramfs is made or read.

use std::io;
use std::path::PathBuf;

/// A [`std::result::Result`] with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Every variant names the file or the entry it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the host could not be read.
    #[error("reading {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A path that cannot be an archive entry.
    #[error("{path:?} cannot be an archive entry: {reason}")]
    BadPath {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More bytes than a newc archive can describe.
    #[error("{path} is {size} bytes long; a cpio entry holds at most {}", u32::MAX)]
    TooLarge {
        /// Which entry.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A damaged or foreign archive.
    #[error("archive, byte {offset}: expected {expected}, found {found}")]
    BadArchive {
        /// Bytes from the start of the (unpacked) archive.
        offset: usize,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A firmware file that is a link to somewhere else.
    #[error(
        "{} leads out of its folder, to {}: put the file itself there", path.display(), file.display()
    )]
    OutsideFirmware {
        /// The name that was asked for.
        path: PathBuf,
        /// Where it leads.
        file: PathBuf,
    },
    /// Compression or decompression failed.
    #[error("{action}")]
    Codec {
        /// "compressing", "unpacking …".
        action: String,
        /// The codec's error.
        source: io::Error,
    },
    /// A line of one of depmod's files or of a module list.
    #[error("{file}, line {line}: expected {expected}, found {found:?}")]
    BadLine {
        /// Which file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
        /// The line.
        found: String,
    },
    /// Not an ELF file of the kind expected.
    #[error("{name}: not a 64-bit little-endian ELF file as expected: {reason}")]
    BadElf {
        /// Which file.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A library that a program needs is nowhere.
    #[error("{needed_by} needs {library}, which is in none of {}", searched.join(", "))]
    MissingLibrary {
        /// The library's soname.
        library: String,
        /// Who needs it.
        needed_by: String,
        /// The folders searched.
        searched: Vec<String>,
    },
    /// A module that another depends on has no entry in `modules.dep`.
    #[error("module {module} depends on {missing}, which modules.dep does not list; run depmod")]
    MissingModule {
        /// Who depends.
        module: String,
        /// On what.
        missing: String,
    },

    /// A driver that is added needs one that is nowhere.
    #[error("{module} needs the module {missing}, which the medium does not have: add it, too")]
    NeedsModule {
        /// The driver's file.
        module: String,
        /// The name of what it needs.
        missing: String,
    },
    /// Kernel and modules do not belong together.
    #[error("{} is for kernel {found}, the kernel is {expected}", path.display())]
    WrongKernel {
        /// A module.
        path: PathBuf,
        /// The kernel's version.
        expected: String,
        /// What the module was built for.
        found: String,
    },
    /// What layers are packed as cannot be mounted.
    #[error(
        "the module {module} is not on the list and not in the kernel: without it the medium \
         cannot open its own layers; add it to the module list"
    )]
    NoSquashfs {
        /// Which module.
        module: String,
    },
    /// The index could not be written as JSON.
    #[error("writing {name} as JSON")]
    Json {
        /// Which file.
        name: &'static str,
        /// The serializer's error.
        source: serde_json::Error,
    },
}
