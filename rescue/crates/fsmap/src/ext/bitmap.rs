//! Block bitmaps: from groups to free runs.

use disk::Extent;

use super::View;
use super::descriptors::{BitmapState, Group};
use super::superblock::{Checksums, Superblock, crc32c_raw};
use crate::error::Stop;
use crate::free::{FreeRuns, zero_runs};
use crate::{Consistency, Mapped};

/// Maps a filesystem by its `groups`. With `older`, the descriptors as they lie
/// on disk under the view's journal, their bitmaps count as well.
pub(crate) fn map(
    view: &View<'_>,
    groups: &[Group],
    older: Option<&[Group]>,
) -> Result<Mapped, Stop> {
    let metadata = Metadata::collect(view.sb, groups);
    let mut walk = Walk {
        view,
        groups,
        older,
        metadata: &metadata,
        free: FreeRuns::new(),
        damaged: 0,
        unsure: 0,
    };
    for number in 0..view.sb.groups {
        walk.group(number)?;
    }
    Ok(walk.finish())
}

/// Blocks that hold structures, whatever a bitmap says.
struct Metadata {
    /// Bitmaps and inode tables, in blocks, normalised.
    placed: Vec<Extent>,
    /// Those and the copies of superblock and descriptors, rounded out to
    /// clusters, in bytes, normalised.
    kept: Vec<Extent>,
    /// A descriptor could not be believed, so metadata may be anywhere.
    incomplete: bool,
}

impl Metadata {
    fn collect(sb: &Superblock, groups: &[Group]) -> Self {
        let mut placed = Vec::new();
        let mut base = Vec::new();
        for (number, group) in (0..).zip(groups) {
            push_merged(&mut base, sb.group_start(number), base_blocks(sb, number));
            if group.state != BitmapState::Damaged {
                push_merged(&mut placed, group.block_bitmap, 1);
                push_merged(&mut placed, group.inode_bitmap, 1);
                push_merged(&mut placed, group.inode_table, sb.inode_table_blocks());
            }
        }
        let placed = disk::normalize(placed);
        base.extend_from_slice(&placed);
        // Block 0 and what precedes group 0 belong to boot loaders.
        base.push(Extent {
            start: 0,
            len: sb.own_block() + 1,
        });
        let kept = base.into_iter().map(|run| in_bytes(sb, run)).collect();
        Self {
            placed,
            kept: disk::normalize(kept),
            incomplete: groups.iter().any(|g| g.state == BitmapState::Damaged),
        }
    }

    /// Whether `bitmap` of the group of `blocks` from `start` has a set bit
    /// for each cluster with metadata in it.
    fn is_set_in(&self, bitmap: &[u8], sb: &Superblock, start: u64, blocks: u64) -> bool {
        let end = start.saturating_add(blocks);
        let from = self.placed.partition_point(|run| run.end() <= start);
        let here = self.placed.iter().skip(from).take_while(|r| r.start < end);
        here.copied().all(|run| {
            let first = (run.start.max(start) - start) / sb.cluster_ratio;
            let last = (run.end().min(end) - 1 - start) / sb.cluster_ratio;
            (first..=last).all(|bit| is_set(bitmap, bit))
        })
    }
}

fn is_set(bitmap: &[u8], bit: u64) -> bool {
    let byte = usize::try_from(bit / 8).ok().and_then(|i| bitmap.get(i));
    byte.is_none_or(|b| b >> (bit % 8) & 1 == 1)
}

/// Adds a run, joining it to the one before where they touch: with flex_bg the
/// structures of many groups lie side by side.
fn push_merged(runs: &mut Vec<Extent>, start: u64, len: u64) {
    match runs.last_mut() {
        Some(last) if last.end() == start => last.len = last.len.saturating_add(len),
        _ => runs.extend(Extent::new(start, len)),
    }
}

/// A run of blocks as bytes, rounded out to whole clusters.
fn in_bytes(sb: &Superblock, run: Extent) -> Extent {
    let base = sb.first_data_block;
    let down = |b: u64| {
        let rest = b.saturating_sub(base) % sb.cluster_ratio;
        b.saturating_sub(rest)
    };
    let start = down(run.start);
    let end = down(run.end().saturating_add(sb.cluster_ratio - 1));
    Extent {
        start: start.saturating_mul(sb.block_size),
        len: end.saturating_sub(start).saturating_mul(sb.block_size),
    }
}

/// Blocks at the start of group `number` taken by copies of the superblock and
/// the descriptors, those reserved for growing included.
fn base_blocks(sb: &Superblock, number: u64) -> u64 {
    let copy = u64::from(sb.has_super(number));
    let index = number / sb.descs_per_block();
    if index >= sb.first_meta_bg {
        let place = number % sb.descs_per_block();
        let first_two_or_last = place <= 1 || place == sb.descs_per_block() - 1;
        return copy + u64::from(first_two_or_last);
    }
    if copy == 0 {
        return 0;
    }
    let table = sb.desc_blocks().min(sb.first_meta_bg);
    // One more for the odd block 0 of 1 KiB blocks with bigalloc.
    let odd = u64::from(number == 0 && sb.own_block() > sb.first_data_block);
    copy + table + sb.reserved_gdt + odd
}

/// Goes through the groups in order.
struct Walk<'a> {
    view: &'a View<'a>,
    groups: &'a [Group],
    older: Option<&'a [Group]>,
    metadata: &'a Metadata,
    free: FreeRuns,
    /// Groups taken as fully used because their bitmap is damaged.
    damaged: u64,
    /// Groups taken as fully used because metadata may be anywhere.
    unsure: u64,
}

impl Walk<'_> {
    fn group(&mut self, number: u64) -> Result<(), Stop> {
        let sb = self.view.sb;
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(group) = self.groups.get(index) else {
            return Ok(());
        };
        let Some(mut bits) = self.bits(number, group)? else {
            return Ok(());
        };
        if let Some(older) = self.older.and_then(|all| all.get(index)) {
            self.add_older(&mut bits, older)?;
        }
        let (start, blocks) = (sb.group_start(number), sb.group_blocks(number));
        for (bit, len) in zero_runs(&bits, blocks.div_ceil(sb.cluster_ratio)) {
            let first = bit * sb.cluster_ratio;
            // The last cluster may reach past the end of the filesystem.
            let last = ((bit + len) * sb.cluster_ratio).min(blocks);
            self.free.push(
                (start + first).saturating_mul(sb.block_size),
                (last - first).saturating_mul(sb.block_size),
            );
        }
        Ok(())
    }

    /// The bitmap of a group; `None` when all of it must count as used.
    fn bits(&mut self, number: u64, group: &Group) -> Result<Option<Vec<u8>>, Stop> {
        let sb = self.view.sb;
        let len = usize::try_from(sb.clusters_per_group / 8).unwrap_or(0);
        match group.state {
            BitmapState::Damaged => {
                self.damaged += 1;
                Ok(None)
            }
            BitmapState::Uninit if self.metadata.incomplete => {
                self.unsure += 1;
                Ok(None)
            }
            BitmapState::Uninit => Ok(Some(vec![0; len])),
            BitmapState::OnDisk { csum } => {
                let mut bits = self.view.block("block bitmap", group.block_bitmap)?;
                bits.truncate(len);
                let sound = bitmap_checksum_matches(sb, &bits, csum)
                    && self.metadata.is_set_in(
                        &bits,
                        sb,
                        sb.group_start(number),
                        sb.group_blocks(number),
                    );
                self.damaged += u64::from(!sound);
                Ok(sound.then_some(bits))
            }
        }
    }

    /// Adds what the bitmap under the journal's copy calls used. It needs no
    /// checksum: it can only add.
    fn add_older(&self, bits: &mut [u8], older: &Group) -> Result<(), Stop> {
        let replaced = self.view.overlay.is_some_and(|o| o.has(older.block_bitmap));
        if !replaced || !matches!(older.state, BitmapState::OnDisk { .. }) {
            return Ok(());
        }
        let on_disk = self.view.on_disk("block bitmap", older.block_bitmap)?;
        for (bit, older) in bits.iter_mut().zip(on_disk) {
            *bit |= older;
        }
        Ok(())
    }

    fn finish(self) -> Mapped {
        let mut notes = Vec::new();
        if self.older.is_some() {
            notes.push(
                "its journal has not been replayed; the map covers the filesystem as it is and \
                 as the journal will make it"
                    .to_owned(),
            );
        }
        if self.damaged > 0 {
            notes.push(format!(
                "{} of {} block groups have a damaged bitmap or descriptor and are captured \
                 whole; run e2fsck",
                self.damaged, self.view.sb.groups
            ));
        }
        if self.unsure > 0 {
            notes.push(format!(
                "{} further groups without a bitmap are captured whole because of that damage",
                self.unsure
            ));
        }
        let (free, thinned) = self.free.finish(&self.metadata.kept);
        notes.extend(thinned);
        Mapped {
            block_size: self.view.sb.block_size,
            free,
            consistency: match self.older {
                Some(_) => Consistency::JournalOverlay,
                None => Consistency::Clean,
            },
            notes,
        }
    }
}

/// Whether the CRC-32C in the descriptor covers the bitmap. Descriptors of 32
/// bytes have room for its low half only.
fn bitmap_checksum_matches(sb: &Superblock, bits: &[u8], csum: u32) -> bool {
    let Checksums::Crc32c { seed } = sb.checksums else {
        return true;
    };
    let mask = if sb.desc_size >= 64 { !0 } else { 0xFFFF };
    crc32c_raw(seed, bits) & mask == csum
}
