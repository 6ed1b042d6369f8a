//! What a dirty journal would change: the newest committed copy of each block
//! the map reads.

use std::collections::{HashMap, HashSet};

use super::View;
use super::descriptors::Group;
use super::inode::{self, BlockMap};
use super::jbd2::{self, COMMIT, DESCRIPTOR, JournalSuper, MAGIC, REVOKE, Tag};
use crate::error::{Stop, raw};

/// A block in the log that replaces one of the filesystem.
#[derive(Debug, Clone, Copy)]
struct Replacement {
    /// Block of the filesystem in which the log keeps it.
    at: u64,
    tag: Tag,
    sequence: u32,
    /// Transactions since the log's start, for comparing with revokes.
    order: u64,
}

/// The newest committed copies of the blocks asked for.
#[derive(Debug)]
pub(crate) struct Overlay {
    journal: JournalSuper,
    copies: HashMap<u64, Replacement>,
}

impl Overlay {
    pub(crate) fn has(&self, block: u64) -> bool {
        self.copies.contains_key(&block)
    }

    /// The copy of `block`, if the log has one. `view` reads the disk.
    pub(crate) fn block(&self, view: &View<'_>, block: u64) -> Result<Option<Vec<u8>>, Stop> {
        let Some(copy) = self.copies.get(&block) else {
            return Ok(None);
        };
        let mut bytes = view.on_disk("journal", copy.at)?;
        if !self.journal.data_matches(&bytes, copy.tag, copy.sequence) {
            return raw(format!(
                "the journal's copy of block {block} is damaged; run e2fsck"
            ));
        }
        if copy.tag.escaped
            && let Some(head) = bytes.first_chunk_mut::<4>()
        {
            *head = MAGIC;
        }
        Ok(Some(bytes))
    }
}

/// An internal journal, opened.
#[derive(Debug)]
pub(crate) struct Journal {
    blocks: BlockMap,
    head: JournalSuper,
}

impl Journal {
    pub(crate) fn open(view: &View<'_>, groups: &[Group]) -> Result<Self, Stop> {
        if view.sb.journal_inode == 0 {
            return raw("it has a journal on another device, which may be newer than its bitmaps");
        }
        match inode::of_inode(view, groups, view.sb.journal_inode)
            .and_then(|blocks| Self::with_blocks(view, blocks))
        {
            // The superblock keeps a copy of what the inode says.
            Err(Stop::Raw(why)) => inode::of_backup(view, &view.sb.journal_backup)
                .and_then(|blocks| Self::with_blocks(view, blocks))
                .map_err(|stop| match stop {
                    Stop::Raw(_) => Stop::Raw(why),
                    device => device,
                }),
            other => other,
        }
    }

    fn with_blocks(view: &View<'_>, blocks: BlockMap) -> Result<Self, Stop> {
        let Some(first) = blocks.physical(0) else {
            return raw("the journal's inode has no blocks");
        };
        let block = view.on_disk("journal superblock", first)?;
        let head = JournalSuper::parse(&block, view.sb.block_size)?;
        // What the scan takes in time and memory grows with its length.
        if head.last > view.sb.blocks {
            return raw(format!(
                "the journal says it has {} blocks: longer than its filesystem with {}",
                head.last, view.sb.blocks
            ));
        }
        Ok(Self { blocks, head })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.start == 0
    }

    /// Goes through the log and keeps the newest committed copy of each block
    /// in `wanted` (ascending), unless a later transaction revoked it.
    pub(crate) fn overlay(self, view: &View<'_>, wanted: &[u64]) -> Result<Overlay, Stop> {
        let mut scan = Scan {
            journal: &self,
            view,
            wanted,
            at: self.head.start,
            sequence: self.head.sequence,
            order: 0,
            damaged: false,
            pending: Transaction::default(),
            copies: HashMap::new(),
            revoked: HashMap::new(),
        };
        if !self.is_empty() {
            scan.run()?;
        }
        let (mut copies, revoked) = (scan.copies, scan.revoked);
        copies.retain(|block, copy| revoked.get(block).is_none_or(|order| *order < copy.order));
        Ok(Overlay {
            journal: self.head,
            copies,
        })
    }
}

#[derive(Debug, Default)]
struct Transaction {
    /// By block, so that a log that repeats itself takes no more memory.
    copies: HashMap<u64, Replacement>,
    revoked: HashSet<u64>,
}

struct Scan<'a> {
    journal: &'a Journal,
    view: &'a View<'a>,
    wanted: &'a [u64],
    /// Block of the journal to look at next.
    at: u64,
    sequence: u32,
    order: u64,
    /// A block of the transaction under way has a wrong checksum.
    damaged: bool,
    pending: Transaction,
    copies: HashMap<u64, Replacement>,
    revoked: HashMap<u64, u64>,
}

impl Scan<'_> {
    /// The log ends at the first block that does not belong to the expected
    /// transaction; what was not committed by then does not count.
    fn run(&mut self) -> Result<(), Stop> {
        // No log is longer than the journal, descriptors and all.
        let log = self.journal.head.last - self.journal.head.first;
        let mut seen = 0;
        while seen <= log {
            let block = self.view.on_disk("journal", self.physical(self.at)?)?;
            self.at = self.journal.head.next(self.at);
            seen += match jbd2::header(&block) {
                Some((DESCRIPTOR, n)) if n == self.sequence => 1 + self.descriptor(&block)?,
                Some((REVOKE, n)) if n == self.sequence => self.revoke(&block)?,
                Some((COMMIT, n)) if n == self.sequence => self.commit(&block)?,
                _ => return Ok(()),
            };
        }
        raw("the journal has no end")
    }

    fn physical(&self, at: u64) -> Result<u64, Stop> {
        match self.journal.blocks.physical(at) {
            Some(block) => Ok(block),
            None => raw(format!("block {at} of the journal is nowhere")),
        }
    }

    fn is_wanted(&self, block: u64) -> bool {
        self.wanted.binary_search(&block).is_ok()
    }

    /// Remembers where the blocks behind a descriptor are; how many there are.
    fn descriptor(&mut self, block: &[u8]) -> Result<u64, Stop> {
        let head = &self.journal.head;
        self.damaged |= !head.tail_matches(block)?;
        let tags = head.tags(block)?;
        for tag in &tags {
            if self.is_wanted(tag.block) {
                let copy = Replacement {
                    at: self.physical(self.at)?,
                    tag: *tag,
                    sequence: self.sequence,
                    order: self.order,
                };
                self.pending.copies.insert(tag.block, copy);
            }
            self.at = head.next(self.at);
        }
        Ok(tags.len() as u64)
    }

    fn revoke(&mut self, block: &[u8]) -> Result<u64, Stop> {
        self.damaged |= !self.journal.head.tail_matches(block)?;
        if !self.damaged {
            let all = self.journal.head.revoked(block)?;
            let wanted = all.into_iter().filter(|b| self.is_wanted(*b));
            self.pending.revoked.extend(wanted.collect::<Vec<_>>());
        }
        Ok(1)
    }

    fn commit(&mut self, block: &[u8]) -> Result<u64, Stop> {
        if self.damaged || !self.journal.head.commit_matches(block)? {
            return raw(format!(
                "transaction {} of the journal was committed but its checksums do not match; \
                 run e2fsck",
                self.sequence
            ));
        }
        let done = std::mem::take(&mut self.pending);
        self.copies.extend(done.copies);
        let order = self.order;
        self.revoked
            .extend(done.revoked.into_iter().map(|b| (b, order)));
        self.sequence = self.sequence.wrapping_add(1);
        self.order += 1;
        Ok(1)
    }
}
