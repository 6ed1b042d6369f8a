//! A captured disk as if it were a disk: random access through the maps.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use disk::ReadAt;

use crate::objects::{PackKind, read_chunk};
use crate::record::MAX_CHUNK;
use crate::{
    ChunkId, Decoder, DiskImage, EntryKind, Error, Locator, MapEntry, RegionMap, Repository, Result,
};

/// Pages and chunks kept decoded.
const PAGES: usize = 4;
const CHUNKS: usize = 32;

/// Reads a captured disk at any offset; free space reads as zeros. Meant for
/// tables, file systems and comparisons, not for restoring whole disks.
pub struct DiskReader {
    repository: Repository,
    size: u64,
    /// First byte on the disk and map, in order.
    regions: Vec<(u64, RegionMap)>,
    cache: Mutex<Cache>,
}

impl std::fmt::Debug for DiskReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskReader")
            .field("repository", &self.repository)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

struct Cache {
    decoder: Decoder,
    /// Most recently used first: region, page number, entries.
    pages: VecDeque<(usize, usize, Arc<Vec<MapEntry>>)>,
    chunks: VecDeque<(ChunkId, Arc<Vec<u8>>)>,
}

impl DiskReader {
    pub(crate) fn open(repository: &Repository, disk: &DiskImage) -> Result<Self> {
        let regions = disk
            .regions
            .iter()
            .map(|region| Ok((region.start, repository.map(region)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            repository: repository.clone(),
            size: disk.size,
            regions,
            cache: Mutex::new(Cache {
                decoder: Decoder::new()?,
                pages: VecDeque::new(),
                chunks: VecDeque::new(),
            }),
        })
    }

    /// Copies from the entry that holds `offset`; returns how many bytes.
    fn read_some(&self, cache: &mut Cache, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let index = self.regions.partition_point(|(start, _)| *start <= offset);
        let index = index.saturating_sub(1);
        let Some((start, map)) = self.regions.get(index) else {
            return Err(outside(offset, self.size));
        };
        let within = offset - start;
        let page = cache.page(index, map, RegionMap::page_of(within))?;
        let at = page
            .partition_point(|e| e.start <= within)
            .saturating_sub(1);
        let Some(entry) = page.get(at).filter(|e| within < e.end()) else {
            return Err(outside(offset, self.size));
        };
        let skip = within - entry.start;
        let len = usize::try_from(entry.len - skip)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        let target = buf.get_mut(..len).unwrap_or_default();
        match &entry.kind {
            EntryKind::Zero | EntryKind::Free => target.fill(0),
            EntryKind::Data(locator) => {
                let chunk = cache.chunk(&self.repository, locator)?;
                let skip = skip as usize;
                let source = chunk.get(skip..skip + len);
                target.copy_from_slice(source.ok_or_else(|| outside(offset, self.size))?);
            }
        }
        Ok(len)
    }
}

fn outside(offset: u64, size: u64) -> Error {
    Error::Invalid {
        reason: format!("byte {offset} is not inside {size}"),
    }
}

impl Cache {
    fn page(
        &mut self,
        region: usize,
        map: &RegionMap,
        number: usize,
    ) -> Result<Arc<Vec<MapEntry>>> {
        let hit = self
            .pages
            .iter()
            .position(|(r, n, _)| (*r, *n) == (region, number));
        if let Some(found) = hit.and_then(|at| self.pages.remove(at)) {
            let page = found.2.clone();
            self.pages.push_front(found);
            return Ok(page);
        }
        let page = Arc::new(map.page_with(number, &mut self.decoder)?);
        self.pages.truncate(PAGES - 1);
        self.pages.push_front((region, number, page.clone()));
        Ok(page)
    }

    fn chunk(&mut self, repository: &Repository, locator: &Locator) -> Result<Arc<Vec<u8>>> {
        let hit = self.chunks.iter().position(|(id, _)| *id == locator.chunk);
        if let Some(found) = hit.and_then(|at| self.chunks.remove(at)) {
            let chunk = found.1.clone();
            self.chunks.push_front(found);
            return Ok(chunk);
        }
        let chunk = Arc::new(read_chunk(
            &**repository.store(),
            PackKind::Data,
            locator,
            MAX_CHUNK,
            &mut self.decoder,
        )?);
        self.chunks.truncate(CHUNKS - 1);
        self.chunks.push_front((locator.chunk, chunk.clone()));
        Ok(chunk)
    }
}

impl ReadAt for DiskReader {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                outside(offset, self.size),
            ));
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            done += self
                .read_some(&mut cache, offset + done as u64, rest)
                .map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.size
    }
}
