//! Where the journal's blocks lie: its inode's extent tree or block pointers.
//!
//! Facts: the kernel's `Documentation/filesystems/ext4/ifork.rst` and
//! `inodes.rst`.

use super::View;
use super::descriptors::{BitmapState, Group};
use crate::bytes::{le16, le32, plus, slice, times};
use crate::error::{Stop, raw};

const FLAG_EXTENTS: u32 = 0x8_0000;
const EXTENT_MAGIC: u16 = 0xF30A;
const EXTENT_DEPTH_CAP: u16 = 5;
/// Tree nodes and pointer blocks looked at; a journal of 40 GiB has fewer.
const NODE_CAP: u32 = 1 << 16;
const RUN_CAP: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    logical: u64,
    physical: u64,
    len: u64,
}

/// Blocks of a file, by their number in the file.
#[derive(Debug, Default)]
pub(crate) struct BlockMap {
    /// In ascending order of `logical`.
    runs: Vec<Run>,
    nodes: u32,
}

impl BlockMap {
    /// The filesystem's block that holds block `logical` of the file.
    pub(crate) fn physical(&self, logical: u64) -> Option<u64> {
        let after = self.runs.partition_point(|r| r.logical <= logical);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let inside = logical - run.logical;
        (inside < run.len).then(|| run.physical + inside)
    }

    fn push(&mut self, logical: u64, physical: u64, len: u64) -> Result<(), Stop> {
        if let Some(last) = self.runs.last_mut() {
            let end = last.logical + last.len;
            if logical == end && physical == last.physical + last.len {
                last.len = plus(last.len, len)?;
                return Ok(());
            }
            if logical < end {
                return raw("the journal's blocks overlap");
            }
        }
        if self.runs.len() >= RUN_CAP {
            return raw("the journal is in too many pieces");
        }
        plus(physical, len)?;
        self.runs.push(Run {
            logical,
            physical,
            len,
        });
        Ok(())
    }

    fn count_node(&mut self) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > NODE_CAP {
            return raw("the journal's inode never ends");
        }
        Ok(())
    }

    /// Takes in the node at the root of an extent tree or below.
    fn extents(&mut self, view: &View<'_>, node: &[u8], depth_cap: u16) -> Result<(), Stop> {
        let (magic, depth) = (le16(node, 0)?, le16(node, 6)?);
        if magic != EXTENT_MAGIC || depth > depth_cap {
            return raw(format!(
                "an extent node of the journal has magic {magic:#06x} and depth {depth}: \
                 expected 0xf30a and at most {depth_cap}"
            ));
        }
        for index in 0..usize::from(le16(node, 2)?) {
            let entry = slice(node, 12 + index * 12, 12)?;
            if depth == 0 {
                let physical = u64::from(le16(entry, 6)?) << 32 | u64::from(le32(entry, 8)?);
                // Lengths above 32768 mean allocated but never written.
                let len = match le16(entry, 4)? {
                    len @ 0..=32768 => len,
                    len => len - 32768,
                };
                self.push(u64::from(le32(entry, 0)?), physical, u64::from(len))?;
            } else {
                let child = u64::from(le16(entry, 8)?) << 32 | u64::from(le32(entry, 4)?);
                self.count_node()?;
                let node = view.block("extents of the journal", child)?;
                self.extents(view, &node, depth - 1)?;
            }
        }
        Ok(())
    }

    /// Takes in 12 direct pointers, then trees of one, two and three levels.
    fn pointers(&mut self, view: &View<'_>, i_block: &[u8]) -> Result<(), Stop> {
        let mut logical = 0;
        for slot in 0..15_usize {
            let level = u32::try_from(slot.saturating_sub(11)).unwrap_or(0);
            let pointer = u64::from(le32(i_block, slot * 4)?);
            logical = self.pointer(view, pointer, level, logical)?;
        }
        Ok(())
    }

    /// Takes in what `pointer` leads to; the first logical block behind it.
    fn pointer(
        &mut self,
        view: &View<'_>,
        pointer: u64,
        level: u32,
        mut logical: u64,
    ) -> Result<u64, Stop> {
        let fan = view.sb.block_size / 4;
        if pointer == 0 {
            return plus(logical, fan.saturating_pow(level));
        }
        if level == 0 {
            self.push(logical, pointer, 1)?;
            return plus(logical, 1);
        }
        self.count_node()?;
        let block = view.block("block pointers of the journal", pointer)?;
        for slot in 0..block.len() / 4 {
            let next = u64::from(le32(&block, slot * 4)?);
            logical = self.pointer(view, next, level - 1, logical)?;
        }
        Ok(logical)
    }
}

/// The blocks of inode `number`, a regular file.
pub(crate) fn of_inode(view: &View<'_>, groups: &[Group], number: u64) -> Result<BlockMap, Stop> {
    const REGULAR: u16 = 0x8;
    let sb = view.sb;
    let Some(index) = number.checked_sub(1) else {
        return raw("its journal is on another device");
    };
    let group = usize::try_from(index / sb.inodes_per_group)
        .ok()
        .and_then(|g| groups.get(g))
        .filter(|g| g.state != BitmapState::Damaged);
    let Some(group) = group else {
        return raw(format!("the journal's inode {number} cannot be found"));
    };
    let at = plus(
        times(group.inode_table, sb.block_size)?,
        times(index % sb.inodes_per_group, sb.inode_size)?,
    )?;
    let inode = view.source.read("inode of the journal", at, 128)?;
    if le16(&inode, 0)? >> 12 != REGULAR {
        return raw(format!("the journal's inode {number} is not a file"));
    }
    let i_block = slice(&inode, 0x28, 60)?;
    of_i_block(view, i_block, le32(&inode, 0x20)? & FLAG_EXTENTS != 0)
}

/// The blocks of a file whose `i_block` was kept elsewhere.
pub(crate) fn of_backup(view: &View<'_>, i_block: &[u8]) -> Result<BlockMap, Stop> {
    of_i_block(view, i_block, le16(i_block, 0)? == EXTENT_MAGIC)
}

fn of_i_block(view: &View<'_>, i_block: &[u8], extents: bool) -> Result<BlockMap, Stop> {
    let mut map = BlockMap::default();
    if extents {
        map.extents(view, i_block, EXTENT_DEPTH_CAP)?;
    } else {
        map.pointers(view, i_block)?;
    }
    Ok(map)
}
