//! Whether all the image needs is there, before the target is touched: every
//! map page is read and checked, every pack is there and long enough,
//! and parts of packs can be read. What is
//! inside the packs is only seen when it is read (`rescue verify`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use image::{Decoder, DiskImage, EntryKind, Error, PackId, Repository, Result};

/// Requests in flight while packs are looked for.
const IN_FLIGHT: usize = 8;

/// What an image's disk needs of its repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// How far each pack is read.
    packs: BTreeMap<PackId, u64>,
    /// Stored bytes of all chunks; one used twice nearby is counted twice.
    pub(super) stored_bytes: u64,
}

/// Reads all maps of `disk` and looks for every pack they name.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Missing`], or the store's own.
pub(super) fn check(repository: &Repository, disk: &DiskImage) -> Result<Needs> {
    let needs = survey(repository, disk)?;
    probe(repository, &needs)?;
    let packs: Vec<(&PackId, &u64)> = needs.packs.iter().collect();
    let share = packs.len().div_ceil(IN_FLIGHT).max(1);
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for packs in packs.chunks(share) {
            let failure = &failure;
            scope.spawn(move || {
                if let Err(error) = find(repository, packs) {
                    let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(error);
                }
            });
        }
    });
    let failure = failure.into_inner();
    match failure.unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(needs),
    }
}

fn survey(repository: &Repository, disk: &DiskImage) -> Result<Needs> {
    let mut needs = Needs::default();
    let mut decoder = Decoder::new()?;
    for region in &disk.regions {
        let map = repository.map(region)?;
        for number in 0..map.page_count() {
            for entry in map.page_with(number, &mut decoder)? {
                if let EntryKind::Data(locator) = entry.kind {
                    let end = needs.packs.entry(locator.pack).or_default();
                    *end = locator.end().max(*end);
                    let stored = locator.stored_len.into();
                    needs.stored_bytes = needs.stored_bytes.saturating_add(stored);
                }
            }
        }
    }
    Ok(needs)
}

/// Reads a few bytes far into the longest pack: a server that cannot give parts of an
/// object is found now.
fn probe(repository: &Repository, needs: &Needs) -> Result<()> {
    let Some((pack, end)) = needs.packs.iter().max_by_key(|(_, end)| **end) else {
        return Ok(());
    };
    let name = repository.pack_name(pack);
    let mut bytes = [0; 64];
    let offset = end.saturating_sub(bytes.len() as u64);
    let read = repository.store().read_range(&name, offset, &mut bytes);
    read.map_err(Error::required)
}

fn find(repository: &Repository, packs: &[(&PackId, &u64)]) -> Result<()> {
    let store = repository.store();
    for (id, end) in packs {
        let name = repository.pack_name(id);
        let size = store.size(&name).map_err(Error::required)?;
        if size < **end {
            return Err(Error::required(store::Error::ShortObject {
                location: store.location(),
                name,
                size,
                expected: **end,
            }));
        }
    }
    Ok(())
}
