//! Where a repository's objects live.
//!
//! A [`Store`] knows names and bytes, nothing of their meaning. Every object
//! is written once and never changed; names are relative, `/`-separated
//! ("packs/ab/abcd….pack"). No rename, no append, no lock is needed, so that
//! the dumbest server will do.
#![forbid(unsafe_code)]

mod error;
mod memory;

pub use error::{Error, Result};
pub use memory::MemoryStore;

/// A place that keeps objects. All calls block; share it between threads.
pub trait Store: Send + Sync {
    /// Where this is, for messages: a path or an address.
    fn location(&self) -> String;

    /// The whole object, if it is no larger than `cap` bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooLarge`], or the place's own.
    fn get(&self, name: &str, cap: u64) -> Result<Vec<u8>>;

    /// Exactly `buf.len()` bytes from `offset`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::ShortObject`], or the place's own.
    fn read_range(&self, name: &str, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// Size in bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the place's own.
    fn size(&self, name: &str) -> Result<u64>;

    /// Stores a new object; durable when this returns. An object of that name
    /// with the same size counts as stored.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Full`], or the place's own. A failed put
    /// leaves no object under `name`.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Names that start with `prefix` (a folder with its slash, or ""), sorted.
    ///
    /// # Errors
    /// The place's own; a folder that is not there is empty.
    fn list(&self, prefix: &str) -> Result<Vec<String>>;

    /// Removes an object; one that is not there counts as removed.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], or the place's own.
    fn delete(&self, name: &str) -> Result<()>;
}
