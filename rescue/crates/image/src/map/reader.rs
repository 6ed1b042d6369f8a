//! Reading a region's map, page by page.

use std::sync::Arc;

use store::Store;

use super::{MapEntry, PAGE_SPAN, Root, parse_page};
use crate::objects::read_meta;
use crate::{Decoder, Error, Locator, Region, Result};

/// The map of one region. Holds the list of pages (46 bytes per GiB), never
/// the pages themselves; share it between threads.
#[derive(Clone)]
pub struct RegionMap {
    store: Arc<dyn Store>,
    root: Arc<Root>,
}

impl std::fmt::Debug for RegionMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegionMap")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl RegionMap {
    pub(crate) fn open(store: Arc<dyn Store>, region: &Region) -> Result<Self> {
        let bytes = read_meta(&*store, &region.root, &mut Decoder::new()?)?;
        let object = object_name("map root", &region.root);
        let root = Root::parse(&object, &bytes, region.len)?;
        Ok(Self {
            store,
            root: Arc::new(root),
        })
    }

    /// Number of pages.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.root.pages.len()
    }

    /// Where the pages are stored.
    pub(crate) fn pages(&self) -> &[Locator] {
        &self.root.pages
    }

    /// The page that describes byte `offset` of the region.
    #[must_use]
    pub fn page_of(offset: u64) -> usize {
        usize::try_from(offset / PAGE_SPAN).unwrap_or(usize::MAX)
    }

    /// The entries of page `number`: they tile its GiB in order.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Missing`], or the store's own.
    pub fn page(&self, number: usize) -> Result<Vec<MapEntry>> {
        self.page_with(number, &mut Decoder::new()?)
    }

    /// As [`RegionMap::page`], with the caller's decoder.
    ///
    /// # Errors
    /// As [`RegionMap::page`].
    pub fn page_with(&self, number: usize, decoder: &mut Decoder) -> Result<Vec<MapEntry>> {
        let locator = self.root.pages.get(number).ok_or(Error::TooLarge {
            what: "the number of a map page",
            value: number as u64,
            cap: self.root.pages.len() as u64,
        })?;
        let start = number as u64 * PAGE_SPAN;
        let len = self.root.len.saturating_sub(start).min(PAGE_SPAN);
        let bytes = read_meta(&*self.store, locator, decoder)?;
        parse_page(&object_name("map page", locator), &bytes, start, len)
    }

    /// All entries, one page in memory at a time. Ends after an error.
    #[must_use]
    pub fn entries(&self) -> Entries {
        Entries {
            map: self.clone(),
            next_page: 0,
            page: Vec::new().into_iter(),
            decoder: None,
        }
    }
}

fn object_name(what: &str, locator: &Locator) -> String {
    format!("{what} {} in pack {}", locator.chunk, locator.pack)
}

/// The entries of a region in order; made by [`RegionMap::entries`].
#[derive(Debug)]
pub struct Entries {
    map: RegionMap,
    next_page: usize,
    page: std::vec::IntoIter<MapEntry>,
    decoder: Option<Decoder>,
}

impl Entries {
    fn load(&mut self) -> Result<()> {
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => Decoder::new()?,
        };
        self.page = self
            .map
            .page_with(self.next_page, &mut decoder)?
            .into_iter();
        self.next_page += 1;
        self.decoder = Some(decoder);
        Ok(())
    }
}

impl Iterator for Entries {
    type Item = Result<MapEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            if self.next_page >= self.map.page_count() {
                return None;
            }
            if let Err(error) = self.load() {
                self.next_page = usize::MAX;
                return Some(Err(error));
            }
        }
    }
}
