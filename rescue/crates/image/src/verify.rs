//! Checking whole images: every pack they need, every link between objects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::check_pack::{PackFault, check_pack};
use crate::objects::{PackKind, pack_name, pack_of_name};
use crate::pack::{TableEntry, read_table};
use crate::{
    ChunkId, Decoder, EntryKind, Error, Image, Locator, PackId, Region, Repository, Result,
};

/// Pack tables kept while maps are compared with them.
const TABLES: usize = 16;

/// What a check covered and found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Packs read from end to end.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is damaged or missing.
    pub faults: Vec<Fault>,
}

/// One damaged or missing object, or part of one.
#[derive(Debug)]
pub struct Fault {
    /// The object's name in the store.
    pub object: String,
    /// What is wrong with it.
    pub error: Error,
    /// What it takes away: "image …, disk 0, partition 2: 128.0 KiB". Empty
    /// when no checked image needs those bytes.
    pub touches: Vec<String>,
}

/// Which packs to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those the given images need.
    Images,
    /// Every pack of the repository, as far as its store can list them.
    Repository,
}

type PackRef = (PackKind, PackId);

impl Repository {
    /// Reads and checks everything `images` consist of. `progress` gets the
    /// bytes done and to do; it is called from several threads.
    ///
    /// # Errors
    /// Only when the store cannot be reached; damage is in the report.
    pub fn check(
        &self,
        images: &[Image],
        scope: Scope,
        threads: usize,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<CheckReport> {
        let mut walk = Walk::new(self)?;
        for image in images {
            walk.image(image)?;
        }
        let Walk {
            mut packs,
            mut faults,
            ..
        } = walk;
        if scope == Scope::Repository {
            self.add_listed(&mut packs)?;
        }
        let packs: Vec<PackRef> = packs.into_iter().collect();
        let sizes = packs.iter().map(|(kind, id)| {
            // A missing pack is reported when its turn comes.
            self.store().size(&pack_name(*kind, id)).unwrap_or(0)
        });
        let sizes: Vec<u64> = sizes.collect();
        let found = self.check_packs(&packs, &sizes, threads, progress)?;
        faults.extend(self.attribute(images, found)?);
        Ok(CheckReport {
            packs: packs.len() as u64,
            bytes: sizes.iter().sum(),
            faults,
        })
    }

    fn add_listed(&self, packs: &mut BTreeSet<PackRef>) -> Result<()> {
        for kind in [PackKind::Data, PackKind::Meta] {
            match self.store().list(kind.folder()) {
                Ok(names) => {
                    let ids = names.iter().filter_map(|name| pack_of_name(kind, name));
                    packs.extend(ids.map(|id| (kind, id)));
                }
                // A web server cannot list; what images need was found.
                Err(store::Error::Unreachable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn check_packs(
        &self,
        packs: &[PackRef],
        sizes: &[u64],
        threads: usize,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<BTreeMap<PackRef, Vec<PackFault>>> {
        let total = sizes.iter().sum();
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let found = Mutex::new(Ok(BTreeMap::new()));
        let work = || {
            let mut decoder = Decoder::new()?;
            while let Some((pack, size)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                packs.get(at).zip(sizes.get(at))
            } {
                let (kind, id) = pack;
                let repo = &self.config().repo_id;
                let faults = check_pack(&**self.store(), *kind, id, repo, &mut decoder)?;
                if !faults.is_empty()
                    && let Ok(all) = &mut *found.lock().unwrap_or_else(PoisonError::into_inner)
                {
                    all.insert(*pack, faults);
                }
                progress(done.fetch_add(*size, Ordering::Relaxed) + size, total);
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, 64) {
                scope.spawn(|| {
                    if let Err(error) = work() {
                        next.store(usize::MAX / 2, Ordering::Relaxed);
                        *found.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                    }
                });
            }
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out what damaged packs take away from `images`.
    fn attribute(
        &self,
        images: &[Image],
        found: BTreeMap<PackRef, Vec<PackFault>>,
    ) -> Result<Vec<Fault>> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut lost: BTreeMap<(PackRef, usize), Vec<String>> = BTreeMap::new();
        for image in images {
            for (title, region) in titled_regions(image) {
                for (fault, bytes) in self.lost_of(region, &found)? {
                    let bytes = disk::human_bytes(bytes);
                    let touches = lost.entry(fault).or_default();
                    touches.push(format!("{title}: {bytes}"));
                }
            }
        }
        let mut out = Vec::new();
        for ((kind, id), faults) in found {
            for (index, fault) in faults.into_iter().enumerate() {
                out.push(Fault {
                    object: pack_name(kind, &id),
                    error: fault.error,
                    touches: lost.remove(&((kind, id), index)).unwrap_or_default(),
                });
            }
        }
        Ok(out)
    }

    /// Bytes of the region that each fault takes away.
    fn lost_of(
        &self,
        region: &Region,
        found: &BTreeMap<PackRef, Vec<PackFault>>,
    ) -> Result<BTreeMap<(PackRef, usize), u64>> {
        let mut lost = BTreeMap::new();
        let mut hit = |kind, locator: &Locator, bytes: u64| {
            let pack = (kind, locator.pack);
            for (index, fault) in found.get(&pack).into_iter().flatten().enumerate() {
                if overlaps(&fault.range, locator) {
                    *lost.entry((pack, index)).or_insert(0) += bytes;
                }
            }
        };
        hit(PackKind::Meta, &region.root, region.len);
        let map = match self.map(region) {
            Ok(map) => map,
            Err(error) => return unreachable_only(error).map(|()| lost),
        };
        for (number, page) in map.pages().iter().enumerate() {
            let start = number as u64 * crate::PAGE_SPAN;
            let len = region.len.saturating_sub(start).min(crate::PAGE_SPAN);
            hit(PackKind::Meta, page, len);
            match map.page(number) {
                Ok(entries) => {
                    for entry in entries {
                        if let EntryKind::Data(locator) = &entry.kind {
                            hit(PackKind::Data, locator, entry.len);
                        }
                    }
                }
                Err(error) => unreachable_only(error)?,
            }
        }
        Ok(lost)
    }
}

fn overlaps(range: &Range<u64>, locator: &Locator) -> bool {
    range.start < locator.end() && u64::from(locator.offset) < range.end
}

/// Damage was reported already; not reaching the store was not.
fn unreachable_only(error: Error) -> Result<()> {
    if error.is_damage() {
        Ok(())
    } else {
        Err(error)
    }
}

/// Walks maps: collects packs, compares locators with the packs' tables.
struct Walk<'a> {
    repository: &'a Repository,
    decoder: Decoder,
    packs: BTreeSet<PackRef>,
    /// Pages that were compared: images share them.
    seen: HashSet<ChunkId>,
    tables: HashMap<PackId, Option<Vec<TableEntry>>>,
    order: VecDeque<PackId>,
    faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    fn new(repository: &'a Repository) -> Result<Self> {
        Ok(Self {
            repository,
            decoder: Decoder::new()?,
            packs: BTreeSet::new(),
            seen: HashSet::new(),
            tables: HashMap::new(),
            order: VecDeque::new(),
            faults: Vec::new(),
        })
    }

    fn image(&mut self, image: &Image) -> Result<()> {
        for (title, region) in titled_regions(image) {
            self.region(region, &title)?;
        }
        Ok(())
    }

    fn region(&mut self, region: &Region, title: &str) -> Result<()> {
        self.packs.insert((PackKind::Meta, region.root.pack));
        let map = match self.repository.map(region) {
            Ok(map) => map,
            Err(error) => return self.fault(&region.root, error, title, region.len),
        };
        for (number, page) in map.pages().iter().enumerate() {
            self.packs.insert((PackKind::Meta, page.pack));
            if !self.seen.insert(page.chunk) {
                continue;
            }
            let entries = match map.page_with(number, &mut self.decoder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.fault(page, error, title, crate::PAGE_SPAN.min(region.len))?;
                    continue;
                }
            };
            for entry in &entries {
                if let EntryKind::Data(locator) = &entry.kind {
                    self.packs.insert((PackKind::Data, locator.pack));
                    self.locator(locator, title, entry.len)?;
                }
            }
        }
        Ok(())
    }

    fn fault(&mut self, meta: &Locator, error: Error, title: &str, bytes: u64) -> Result<()> {
        if !error.is_damage() {
            return Err(error);
        }
        self.faults.push(Fault {
            object: pack_name(PackKind::Meta, &meta.pack),
            error,
            touches: vec![format!("{title}: {}", disk::human_bytes(bytes))],
        });
        Ok(())
    }

    /// Checks that the pack has this record where the map says.
    fn locator(&mut self, locator: &Locator, title: &str, bytes: u64) -> Result<()> {
        if !self.tables.contains_key(&locator.pack) {
            let store = &**self.repository.store();
            let table = match read_table(store, PackKind::Data, &locator.pack) {
                Ok(table) => Some(table),
                // Reported when the pack itself is checked.
                Err(error) => unreachable_only(error).map(|()| None)?,
            };
            self.tables.insert(locator.pack, table);
            self.order.push_back(locator.pack);
            if self.order.len() > TABLES
                && let Some(oldest) = self.order.pop_front()
            {
                self.tables.remove(&oldest);
            }
        }
        let Some(Some(table)) = self.tables.get(&locator.pack) else {
            return Ok(());
        };
        let at = table.binary_search_by_key(&locator.offset, |e| e.offset);
        let found = at.ok().and_then(|at| table.get(at));
        if found.is_some_and(|e| e.locator(locator.pack) == *locator) {
            return Ok(());
        }
        let name = pack_name(PackKind::Data, &locator.pack);
        self.faults.push(Fault {
            error: Error::damaged(
                &name,
                u64::from(locator.offset),
                format!("chunk {}, as the map of {title} says", locator.chunk),
                "another or none",
            ),
            object: name,
            touches: vec![format!("{title}: {}", disk::human_bytes(bytes))],
        });
        Ok(())
    }
}

/// Every region of an image, with the words that name it in a fault.
fn titled_regions(image: &Image) -> impl Iterator<Item = (String, &Region)> {
    image.manifest.disks.iter().flat_map(move |disk| {
        disk.regions.iter().map(move |region| {
            let title = region.title();
            (
                format!("image {}, disk {}, {title}", image.id, disk.index),
                region,
            )
        })
    })
}
