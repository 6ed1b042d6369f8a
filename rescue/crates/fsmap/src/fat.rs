//! FAT12, FAT16, FAT32.
//!
//! Facts: Microsoft's "FAT32 File System Specification" 1.03. The kind follows
//! from the number of clusters and from nothing else. Everything before the
//! data area is used; a cluster is free when its entry is 0 (or the mark
//! for a bad one) in every copy of the table that counts.

use crate::bytes::{Source, byte, has, le16, le32, times};
use crate::error::{Stop, raw};
use crate::free::FreeRuns;
use crate::{Consistency, FsKind, Mapped};

/// Bytes of the table looked at in one piece; a multiple of 12 so that FAT12's
/// pairs and FAT32's entries never straddle two pieces.
const PIECE: u64 = 12 << 16;

/// A boot sector whose numbers were checked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) kind: FsKind,
    /// Bytes.
    sector: u64,
    /// Bytes.
    cluster: u64,
    /// Where the first table starts, in bytes.
    table: u64,
    /// Length of one table in bytes.
    table_len: u64,
    tables: u64,
    /// The only table that counts, where they are not mirrored.
    active: Option<u64>,
    /// Where cluster 2 starts, in bytes.
    data: u64,
    clusters: u64,
    /// First byte behind the last whole cluster.
    end: u64,
    /// Media byte, which each table repeats at its start.
    media: u8,
    /// Linux's "mounted" flag in the boot sector.
    mounted: bool,
    /// FAT32: first cluster of the root directory.
    root_cluster: u64,
}

impl Boot {
    /// Parses the boot sector; `None` when it is not one of FAT.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        Self::fields(head).ok().flatten()
    }

    fn fields(b: &[u8]) -> Result<Option<Self>, Stop> {
        let jump = byte(b, 0)? == 0xEB || byte(b, 0)? == 0xE9;
        let media = byte(b, 0x15)?;
        let (sector, per_cluster) = (u64::from(le16(b, 0x0B)?), u64::from(byte(b, 0x0D)?));
        let (reserved, tables) = (u64::from(le16(b, 0x0E)?), u64::from(byte(b, 0x10)?));
        let plausible = has(b, 0x1FE, &[0x55, 0xAA])
            && jump
            && (media == 0xF0 || media >= 0xF8)
            && sector.is_power_of_two()
            && (512..=4096).contains(&sector)
            && per_cluster.is_power_of_two()
            && reserved >= 1
            && (1..=4).contains(&tables);
        if !plausible {
            return Ok(None);
        }
        let or = |small: u16, large: u32| match small {
            0 => u64::from(large),
            n => u64::from(n),
        };
        let table_sectors = or(le16(b, 0x16)?, le32(b, 0x24)?);
        let total = or(le16(b, 0x13)?, le32(b, 0x20)?);
        let root_sectors = (u64::from(le16(b, 0x11)?) * 32).div_ceil(sector);
        // All factors are at most 32 bits wide, so nothing here overflows.
        let before = reserved + tables * table_sectors + root_sectors;
        let Some(data_sectors) = total.checked_sub(before).filter(|_| table_sectors > 0) else {
            return Ok(None);
        };
        let clusters = data_sectors / per_cluster;
        let kind = match clusters {
            0 => return Ok(None),
            1..4085 => FsKind::Fat12,
            4085..65525 => FsKind::Fat16,
            _ => FsKind::Fat32,
        };
        let wide = kind == FsKind::Fat32;
        // FAT32 keeps its root directory in the data area, the others do not.
        if wide != (le16(b, 0x16)? == 0) || wide != (root_sectors == 0) {
            return Ok(None);
        }
        let flags = if wide { le16(b, 0x28)? } else { 0 };
        let cluster = sector * per_cluster;
        Ok(Some(Self {
            kind,
            sector,
            cluster,
            table: reserved * sector,
            table_len: table_sectors * sector,
            tables,
            active: (flags & 0x80 != 0).then(|| u64::from(flags & 0xF)),
            data: before * sector,
            clusters,
            end: before * sector + clusters * cluster,
            media,
            mounted: byte(b, if wide { 0x41 } else { 0x25 })? & 1 != 0,
            root_cluster: if wide { u64::from(le32(b, 0x2C)?) } else { 0 },
        }))
    }

    /// Where the root directory starts and how much of it lies in one piece,
    /// in bytes.
    pub(crate) fn root(&self) -> (u64, u64) {
        if self.kind == FsKind::Fat32 {
            let index = self.root_cluster.saturating_sub(2);
            return (
                self.data.saturating_add(index.saturating_mul(self.cluster)),
                self.cluster,
            );
        }
        let start = self.table + self.tables * self.table_len;
        (start, self.data.saturating_sub(start))
    }

    /// The tables that say whether a cluster is free.
    fn counted(&self) -> std::ops::Range<u64> {
        match self.active {
            Some(only) => only..only + 1,
            None => 0..self.tables,
        }
    }

    /// Bytes of the table that `entries` entries take.
    fn entry_bytes(&self, entries: u64) -> u64 {
        match self.kind {
            FsKind::Fat12 => (entries * 3).div_ceil(2),
            FsKind::Fat16 => entries * 2,
            _ => entries * 4,
        }
    }

    fn entries_per_piece(&self) -> u64 {
        match self.kind {
            FsKind::Fat12 => PIECE / 3 * 2,
            FsKind::Fat16 => PIECE / 2,
            _ => PIECE / 4,
        }
    }

    /// What an entry holds whose cluster cannot be read.
    fn bad_mark(&self) -> u32 {
        match self.kind {
            FsKind::Fat12 => 0xFF7,
            FsKind::Fat16 => 0xFFF7,
            _ => 0x0FFF_FFF7,
        }
    }

    /// Entry `index` of a piece of the table.
    fn entry(&self, piece: &[u8], index: usize) -> Result<u32, Stop> {
        match self.kind {
            FsKind::Fat12 => {
                let pair = u32::from(le16(piece, index.saturating_mul(3) / 2)?);
                Ok(if index.is_multiple_of(2) {
                    pair & 0xFFF
                } else {
                    pair >> 4
                })
            }
            FsKind::Fat16 => le16(piece, index.saturating_mul(2)).map(u32::from),
            _ => Ok(le32(piece, index.saturating_mul(4))? & 0x0FFF_FFFF),
        }
    }
}

pub(crate) fn map(source: Source<'_>) -> Result<Mapped, Stop> {
    let head = source.read("FAT boot sector", 0, 512.min(source.size()))?;
    let Some(boot) = Boot::parse(&head) else {
        return raw("its boot sector is not one of FAT any more");
    };
    check(&boot, source)?;
    let mut walk = Walk {
        boot: &boot,
        source,
        free: FreeRuns::new(),
        bad: 0,
    };
    let total = boot.clusters + 2;
    let mut next = 0;
    while next < total {
        let count = (total - next).min(boot.entries_per_piece());
        walk.piece(next, count)?;
        next += count;
    }
    let (free, thinned) = walk.free.finish(&[]);
    let bad = (walk.bad > 0).then(|| {
        format!(
            "{} clusters are marked bad and are not read; they stay marked on the new disk",
            walk.bad
        )
    });
    Ok(Mapped {
        block_size: boot.cluster,
        free,
        consistency: Consistency::Clean,
        notes: thinned.into_iter().chain(bad).collect(),
    })
}

/// Goes through the tables side by side.
struct Walk<'a> {
    boot: &'a Boot,
    source: Source<'a>,
    free: FreeRuns,
    bad: u64,
}

impl Walk<'_> {
    /// The `count` entries from `first`.
    fn piece(&mut self, first: u64, count: u64) -> Result<(), Stop> {
        let boot = self.boot;
        let (offset, len) = (boot.entry_bytes(first), boot.entry_bytes(count));
        let mut pieces = Vec::new();
        for table in boot.counted() {
            let at = boot.table + table * boot.table_len + offset;
            pieces.push(self.source.read("FAT", at, len)?);
        }
        for index in 0..count {
            // Entries 0 and 1 stand for no cluster.
            let Some(cluster) = (first + index).checked_sub(2) else {
                continue;
            };
            if self.is_free(&pieces, usize::try_from(index).unwrap_or(usize::MAX))? {
                let start = boot.data + times(cluster, boot.cluster)?;
                self.free.push(start, boot.cluster);
            }
        }
        Ok(())
    }

    /// Whether every table that counts calls the entry free, or bad.
    fn is_free(&mut self, pieces: &[Vec<u8>], index: usize) -> Result<bool, Stop> {
        let (mut used, mut bad) = (0, 0);
        for piece in pieces {
            match self.boot.entry(piece, index)? {
                0 => {}
                entry if entry == self.boot.bad_mark() => bad += 1,
                _ => used += 1,
            }
        }
        self.bad += u64::from(bad > 0 && used == 0);
        Ok(used == 0)
    }
}

fn check(boot: &Boot, source: Source<'_>) -> Result<(), Stop> {
    if boot.end > source.size() {
        return raw(format!(
            "the filesystem says it has {} bytes, the partition has {}",
            boot.end,
            source.size()
        ));
    }
    if boot.entry_bytes(boot.clusters + 2) > boot.table_len {
        return raw(format!(
            "its table of {} bytes is too short for {} clusters",
            boot.table_len, boot.clusters
        ));
    }
    if boot.active.is_some_and(|n| n >= boot.tables) {
        return raw("the active table is one it does not have");
    }
    for table in boot.counted() {
        let at = boot.table + table * boot.table_len;
        check_start(boot, &source.read("FAT", at, boot.sector)?)?;
    }
    Ok(())
}

/// The first two entries: a mark that this is a table at all (and not what was
/// written over an abandoned FAT), and whether it was left in order.
fn check_start(boot: &Boot, start: &[u8]) -> Result<(), Stop> {
    let mark = boot.bad_mark() & !0xFF | u32::from(boot.media);
    let found = boot.entry(start, 0)?;
    if found != mark {
        return raw(format!(
            "a table of it starts with {found:#x}: expected {mark:#x}, so it is not in use"
        ));
    }
    let clean = match boot.kind {
        FsKind::Fat16 => le16(start, 2)? & 0x8000 != 0,
        FsKind::Fat32 => le32(start, 4)? & 0x0800_0000 != 0,
        _ => true,
    };
    if !clean || boot.mounted {
        return raw("it was not unmounted cleanly, so its table may be behind its files");
    }
    Ok(())
}
