//! Where a repository's objects live.
//!
//! A [`Store`] knows names and bytes, nothing of their meaning. Every object
//! is written once and never changed; names are relative, `/`-separated
//! ("packs/ab/abcd….pack"). No rename, no append, no lock is needed, so that
//! the dumbest server will do.
#![forbid(unsafe_code)]

mod dir;
mod error;
mod http;
mod memory;
mod names;
mod post;
mod proxy;
mod trust;
mod web;

pub use dir::DirStore;
pub use error::{Error, Result};
pub use http::{HttpStore, UNREACHED, is_unreached};
pub use memory::MemoryStore;
pub use names::is_valid as is_valid_name;
pub use post::{Answer, post_json};
pub use proxy::{BadProxy, Proxy};
pub use web::{BadPem, Silence, Web};

use std::path::Path;
use std::sync::Arc;

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

/// The store at `location`: "https://…", "http://…", "file://…", or a folder's
/// path. Web servers are reached by `web`.
///
/// # Errors
/// [`Error::Unreachable`] for an address that cannot work, certificates that
/// cannot be used, or a folder that is not there.
pub fn open(location: &str, web: &Web) -> Result<Arc<dyn Store>> {
    match place(location)? {
        Place::Web(address) => Ok(Arc::new(HttpStore::new(address, web)?)),
        Place::Folder(path) => Ok(Arc::new(DirStore::open(path)?)),
    }
}

/// As [`open`], but makes the folder (not the folders above it) when it is
/// not there.
///
/// # Errors
/// As [`open`]; [`Error::ReadOnly`] for a web address.
pub fn open_or_create(location: &str) -> Result<Arc<dyn Store>> {
    match place(location)? {
        Place::Web(address) => Err(Error::ReadOnly {
            location: address.to_owned(),
            name: "a new image".to_owned(),
        }),
        Place::Folder(path) => Ok(Arc::new(DirStore::create(path)?)),
    }
}

enum Place<'a> {
    Web(&'a str),
    Folder(&'a Path),
}

fn place(location: &str) -> Result<Place<'_>> {
    let unreachable = |reason: &str| Error::Unreachable {
        location: location.to_owned(),
        reason: reason.to_owned(),
    };
    if location.starts_with("http://") || location.starts_with("https://") {
        return Ok(Place::Web(location));
    }
    if let Some(path) = location.strip_prefix("file://") {
        return match path.starts_with('/') {
            true => Ok(Place::Folder(Path::new(path))),
            false => Err(unreachable("expected file:///an/absolute/path")),
        };
    }
    if let Some((scheme, _)) = location.split_once("://") {
        return Err(unreachable(&format!(
            "{scheme}:// is not supported; use https://, http://, file://, or a path \
             (NFS and SMB shares are mounted first)"
        )));
    }
    if location.is_empty() {
        return Err(unreachable("expected a folder or an https:// address"));
    }
    Ok(Place::Folder(Path::new(location)))
}
