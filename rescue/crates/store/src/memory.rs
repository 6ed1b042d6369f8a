//! A store in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Error, Result, Store};

/// Objects in a map. Tests can reach in and damage them.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an object behind the store's back: a torn disk, a bit flip.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.objects().get_mut(name) {
            change(bytes);
        }
    }

    fn not_found(&self, name: &str) -> Error {
        Error::NotFound {
            location: self.location(),
            name: name.to_owned(),
        }
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn get(&self, name: &str, cap: u64) -> Result<Vec<u8>> {
        let bytes = self
            .objects()
            .get(name)
            .cloned()
            .ok_or_else(|| self.not_found(name))?;
        let size = bytes.len() as u64;
        if size > cap {
            return Err(Error::TooLarge {
                location: self.location(),
                name: name.to_owned(),
                size,
                cap,
            });
        }
        Ok(bytes)
    }

    fn read_range(&self, name: &str, offset: u64, buf: &mut [u8]) -> Result<()> {
        let objects = self.objects();
        let bytes = objects.get(name).ok_or_else(|| self.not_found(name))?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let source = start
            .checked_add(buf.len())
            .and_then(|end| bytes.get(start..end));
        let source = source.ok_or_else(|| Error::ShortObject {
            location: self.location(),
            name: name.to_owned(),
            size: bytes.len() as u64,
            expected: offset.saturating_add(buf.len() as u64),
        })?;
        buf.copy_from_slice(source);
        Ok(())
    }

    fn size(&self, name: &str) -> Result<u64> {
        self.objects()
            .get(name)
            .map(|b| b.len() as u64)
            .ok_or_else(|| self.not_found(name))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.objects().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self
            .objects()
            .keys()
            .filter(|k| k.starts_with(prefix))
            .cloned()
            .collect())
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.objects().remove(name);
        Ok(())
    }
}
