//! Writing an image: chunks into packs, entries into maps, manifest last.
//!
//! A map page names packs by their hashes, which are known only when a pack
//! is complete. So a finished page waits until the pack that was open when
//! its last chunk was stored is closed. That wait is bounded: when too many
//! entries wait, the pack is closed early.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::commit::Stored;
use crate::index::IndexPart;
use crate::known::{KnownChunks, PackNumber};
use crate::map::{EntryKind, PAGE_SPAN, PageBuilder, Root};
use crate::objects::{PackKind, pack_name};
use crate::pack::{MAX_ENTRIES, PackBuilder, TableEntry, read_table};
use crate::prepared::{Prepared, PreparedChunk};
use crate::record::{BLOCK, MAX_CHUNK};
use crate::tables::TableCache;
use crate::upload::Uploader;
use crate::{ChunkEncoder, ChunkId, Error, Locator, PackId, Repository, Result};

/// Entries of finished pages that may wait for a pack (64 bytes each).
const MAX_WAITING: usize = 1 << 19;
/// Meta packs are closed when they reach this many bytes.
const META_TARGET: usize = 16 << 20;

/// What a session stored and what it did not need to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Chunks of data that were stored.
    pub new_chunks: u64,
    /// Their plain bytes.
    pub new_bytes: u64,
    /// Chunks of data that were stored before.
    pub known_chunks: u64,
    /// Their plain bytes.
    pub known_bytes: u64,
    /// Bytes of all new packs, maps included.
    pub stored_bytes: u64,
    /// New packs.
    pub packs: u64,
}

/// A region as it was stored: what its [`crate::Region`] needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRegion {
    /// Length in bytes.
    pub len: u64,
    /// Bytes stored as data.
    pub data_bytes: u64,
    /// Zero bytes.
    pub zero_bytes: u64,
    /// Free bytes.
    pub free_bytes: u64,
    /// Where its map begins.
    pub root: Locator,
}

/// An image being written. Regions one after another, each piece by piece.
#[derive(Debug)]
pub struct Session {
    pub(crate) repository: Repository,
    known: Arc<KnownChunks>,
    uploader: Uploader,
    data: OpenPack,
    meta: OpenPack,
    tables: TableCache,
    index: IndexPart,
    encoder: ChunkEncoder,
    waiting: VecDeque<WaitingPage>,
    waiting_entries: usize,
    regions: Vec<RegionState>,
    /// Packs written: kind, id, size.
    pub(crate) new_packs: Vec<(PackKind, PackId, u64)>,
    pub(crate) stats: Stats,
    pub(crate) skipped: Vec<String>,
}

#[derive(Debug)]
struct OpenPack {
    kind: PackKind,
    number: PackNumber,
    builder: PackBuilder,
    chunks: HashMap<ChunkId, TableEntry>,
}

/// Where a chunk is, while its pack may still be open.
#[derive(Debug, Clone, Copy)]
struct Placed {
    pack: PackNumber,
    entry: TableEntry,
}

#[derive(Debug, Clone, Copy)]
enum WaitingKind {
    Data(Placed),
    Zero,
    Free,
}

#[derive(Debug, Default)]
struct WaitingPage {
    region: usize,
    entries: Vec<(u64, WaitingKind)>,
}

#[derive(Debug, Default)]
struct RegionState {
    len: u64,
    done: u64,
    page: WaitingPage,
    pages: Vec<Placed>,
    data_bytes: u64,
    zero_bytes: u64,
    free_bytes: u64,
}

impl OpenPack {
    fn new(kind: PackKind, repository: &Repository, known: &KnownChunks) -> Self {
        Self {
            kind,
            number: known.open_pack(kind),
            builder: PackBuilder::new(kind, &repository.config().repo_id, target(kind, repository)),
            chunks: HashMap::new(),
        }
    }
}

impl Session {
    /// Begins an image: learns what the repository stores already.
    ///
    /// # Errors
    /// The store's own. Damaged index objects and packs are no error; see
    /// [`Session::skipped`].
    pub fn begin(repository: &Repository) -> Result<Self> {
        let store = repository.store().clone();
        let (known, skipped) = KnownChunks::load(&*store)?;
        Ok(Self {
            data: OpenPack::new(PackKind::Data, repository, &known),
            meta: OpenPack::new(PackKind::Meta, repository, &known),
            repository: repository.clone(),
            known: Arc::new(known),
            uploader: Uploader::start(store),
            tables: TableCache::default(),
            index: IndexPart::default(),
            encoder: ChunkEncoder::new()?,
            waiting: VecDeque::new(),
            waiting_entries: 0,
            regions: Vec::new(),
            new_packs: Vec::new(),
            stats: Stats::default(),
            skipped,
        })
    }

    /// What [`Prepared::new`] asks; share it with the workers.
    #[must_use]
    pub fn known(&self) -> Arc<KnownChunks> {
        self.known.clone()
    }

    /// Damaged objects whose chunks are stored anew, in words.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Stored so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Begins the next region, of `len` bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the one before it is not complete.
    pub fn begin_region(&mut self, len: u64) -> Result<()> {
        self.check_complete()?;
        self.regions.push(RegionState {
            len,
            page: WaitingPage {
                region: self.regions.len(),
                ..WaitingPage::default()
            },
            ..RegionState::default()
        });
        Ok(())
    }

    fn check_complete(&self) -> Result<()> {
        match self.regions.last() {
            Some(region) if region.done != region.len => Err(Error::Invalid {
                reason: format!("{} of {} bytes of a region", region.done, region.len),
            }),
            _ => Ok(()),
        }
    }

    /// Appends the next piece of the region.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a piece that crosses a page or the region's
    /// end; else what storing says, possibly of an earlier pack.
    pub fn push(&mut self, piece: Prepared) -> Result<()> {
        let len = piece.len();
        self.check_piece(len, !matches!(piece, Prepared::Data(_)))?;
        let kind = match piece {
            Prepared::Zero(_) => WaitingKind::Zero,
            Prepared::Free(_) => WaitingKind::Free,
            Prepared::Data(chunk) => WaitingKind::Data(self.place_data(chunk)?),
        };
        let Some(region) = self.regions.last_mut() else {
            return Ok(());
        };
        match kind {
            WaitingKind::Data(_) => region.data_bytes += len,
            WaitingKind::Zero => region.zero_bytes += len,
            WaitingKind::Free => region.free_bytes += len,
        }
        region.page.entries.push((len, kind));
        region.done += len;
        if region.done.is_multiple_of(PAGE_SPAN) || region.done == region.len {
            let next = WaitingPage {
                region: region.page.region,
                entries: Vec::new(),
            };
            let page = std::mem::replace(&mut region.page, next);
            self.waiting_entries += page.entries.len();
            self.waiting.push_back(page);
            self.write_pages()?;
        }
        Ok(())
    }

    fn check_piece(&self, len: u64, is_run: bool) -> Result<()> {
        let Some(region) = self.regions.last() else {
            return Err(Error::Invalid {
                reason: "a piece before the first region".to_owned(),
            });
        };
        let end = region.done.saturating_add(len);
        let page_end = (region.done / PAGE_SPAN + 1).saturating_mul(PAGE_SPAN);
        let whole = end == region.len || len.is_multiple_of(BLOCK);
        let short = is_run || len <= MAX_CHUNK as u64;
        if len > 0 && end <= region.len.min(page_end) && whole && short {
            return Ok(());
        }
        Err(Error::Invalid {
            reason: format!(
                "a piece of {len} bytes at {} of a region of {}",
                region.done, region.len
            ),
        })
    }

    fn place_data(&mut self, chunk: PreparedChunk) -> Result<Placed> {
        let len = chunk.len();
        let (placed, is_new) = self.place(PackKind::Data, chunk)?;
        if is_new {
            self.stats.new_chunks += 1;
            self.stats.new_bytes += len;
        } else {
            self.stats.known_chunks += 1;
            self.stats.known_bytes += len;
        }
        Ok(placed)
    }

    /// Finds the chunk among what is stored, or stores it. The second value
    /// tells whether it was stored now.
    fn place(&mut self, kind: PackKind, chunk: PreparedChunk) -> Result<(Placed, bool)> {
        let id = chunk.id();
        if let Some(placed) = self.find(kind, &id)? {
            return Ok((placed, false));
        }
        let chunk = match chunk {
            PreparedChunk::New(chunk) => chunk,
            PreparedChunk::Known { plain, .. } => self.encoder.encode(id, &plain)?,
        };
        let target = target(kind, &self.repository);
        let pack = self.open(kind);
        let entry = pack.builder.push(&chunk);
        pack.chunks.insert(id, entry);
        let placed = Placed {
            pack: pack.number,
            entry,
        };
        let full = pack.builder.len() >= target || pack.builder.entries() >= MAX_ENTRIES;
        if full {
            self.close(kind)?;
        }
        Ok((placed, true))
    }

    fn open(&mut self, kind: PackKind) -> &mut OpenPack {
        match kind {
            PackKind::Data => &mut self.data,
            PackKind::Meta => &mut self.meta,
        }
    }

    /// Where the chunk is stored, confirmed by the pack's own table.
    fn find(&mut self, kind: PackKind, id: &ChunkId) -> Result<Option<Placed>> {
        let open = self.open(kind);
        if let Some(entry) = open.chunks.get(id) {
            return Ok(Some(Placed {
                pack: open.number,
                entry: *entry,
            }));
        }
        for pack in self.known.candidates(kind, id) {
            self.load_table(kind, pack)?;
            if let Some(entry) = self.tables.find(pack, id) {
                return Ok(Some(Placed { pack, entry }));
            }
        }
        Ok(None)
    }

    fn load_table(&mut self, kind: PackKind, pack: PackNumber) -> Result<()> {
        let Some(id) = self
            .known
            .pack_id(pack)
            .filter(|_| !self.tables.contains(pack))
        else {
            return Ok(());
        };
        let table = match read_table(&**self.repository.store(), kind, &id) {
            Ok(table) => table,
            // Its chunks are stored again: this capture must not depend on it.
            Err(error) if error.is_damage() => {
                self.skipped.push(error.to_string());
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        self.tables.insert(pack, table);
        Ok(())
    }

    /// Closes a pack and hands it over for storing.
    fn close(&mut self, kind: PackKind) -> Result<()> {
        if self.open(kind).builder.is_empty() {
            return Ok(());
        }
        let next = OpenPack::new(kind, &self.repository, &self.known);
        let open = std::mem::replace(self.open(kind), next);
        let closed = open.builder.close();
        let prefixes: Vec<u64> = closed.table.iter().map(|e| e.chunk.prefix()).collect();
        self.known.close_pack(open.number, closed.id, &prefixes);
        self.index.add(open.kind, closed.id, &closed.table);
        self.tables.insert(open.number, closed.table);
        let size = closed.bytes.len() as u64;
        self.stats.stored_bytes += size;
        self.stats.packs += 1;
        self.new_packs.push((kind, closed.id, size));
        self.uploader
            .put(pack_name(kind, &closed.id), closed.bytes)?;
        if self.index.is_full() {
            self.write_index()?;
        }
        Ok(())
    }

    fn write_index(&mut self) -> Result<()> {
        let part = std::mem::take(&mut self.index);
        if part.packs.is_empty() {
            return Ok(());
        }
        let (name, bytes) = part.into_object();
        self.uploader.put(name, bytes)
    }

    /// Writes the waiting pages whose packs are all closed.
    fn write_pages(&mut self) -> Result<()> {
        if self.waiting_entries > MAX_WAITING {
            self.close(PackKind::Data)?;
        }
        while let Some(page) = self.waiting.pop_front() {
            let Some(bytes) = self.page_bytes(&page)? else {
                self.waiting.push_front(page);
                return Ok(());
            };
            self.waiting_entries -= page.entries.len();
            let placed = self.place_meta(bytes)?;
            if let Some(region) = self.regions.get_mut(page.region) {
                region.pages.push(placed);
            }
        }
        Ok(())
    }

    /// The page's plain bytes; `None` while one of its packs is open.
    fn page_bytes(&self, page: &WaitingPage) -> Result<Option<Vec<u8>>> {
        let mut builder = PageBuilder::default();
        for (len, kind) in &page.entries {
            let kind = match kind {
                WaitingKind::Zero => EntryKind::Zero,
                WaitingKind::Free => EntryKind::Free,
                WaitingKind::Data(placed) => match self.known.pack_id(placed.pack) {
                    Some(id) => EntryKind::Data(placed.entry.locator(id)),
                    None => return Ok(None),
                },
            };
            builder.push(*len, &kind)?;
        }
        Ok(Some(builder.to_bytes()))
    }

    fn place_meta(&mut self, plain: Vec<u8>) -> Result<Placed> {
        let id = ChunkId::of(&plain);
        Ok(self
            .place(PackKind::Meta, PreparedChunk::Known { id, plain })?
            .0)
    }

    fn locator(&self, placed: &Placed) -> Result<Locator> {
        let id = self
            .known
            .pack_id(placed.pack)
            .ok_or_else(|| Error::Invalid {
                reason: "a map refers to a pack that was not closed".to_owned(),
            })?;
        Ok(placed.entry.locator(id))
    }

    /// Ends the last region, stores what is left and checks that every pack
    /// arrived. Only [`Stored::commit`] makes the image exist.
    ///
    /// # Errors
    /// What storing says; [`Error::Invalid`] for an incomplete region.
    pub fn finish(mut self) -> Result<Stored> {
        self.check_complete()?;
        self.close(PackKind::Data)?;
        self.write_pages()?;
        self.close(PackKind::Meta)?;
        let mut roots = Vec::with_capacity(self.regions.len());
        for region in std::mem::take(&mut self.regions) {
            let pages = region
                .pages
                .iter()
                .map(|placed| self.locator(placed))
                .collect::<Result<_>>()?;
            let len = region.len;
            let root = self.place_meta(Root { len, pages }.to_bytes()?)?;
            roots.push((region, root));
        }
        self.close(PackKind::Meta)?;
        self.write_index()?;
        self.uploader.finish()?;
        let regions = roots
            .into_iter()
            .map(|(region, root)| {
                Ok(StoredRegion {
                    len: region.len,
                    data_bytes: region.data_bytes,
                    zero_bytes: region.zero_bytes,
                    free_bytes: region.free_bytes,
                    root: self.locator(&root)?,
                })
            })
            .collect::<Result<_>>()?;
        Stored::check(self, regions)
    }
}

/// Packs are closed when they have this many bytes.
fn target(kind: PackKind, repository: &Repository) -> usize {
    match kind {
        PackKind::Data => repository.config().pack_target as usize,
        PackKind::Meta => META_TARGET,
    }
}
