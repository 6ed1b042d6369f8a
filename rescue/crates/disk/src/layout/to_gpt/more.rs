//! A GPT with one partition more, which stays what it is otherwise.

use uuid::Uuid;

use super::super::{Layout, clear_tail, gpt, replaced};
use super::types::Kind;
use super::{ToGptRefusal, free_number, read_back};
use crate::bytes::{le_u32, put};
use crate::table::{GptCopy, GptPair, field};
use crate::{Extent, Partition, ReadAt, Table, TableKind, human_bytes};

/// Offsets in an entry, and its bytes (UEFI 2.10, table 5.6).
mod entry {
    pub(super) const SIZE: usize = 128;
    pub(super) const UNIQUE: usize = 16;
    pub(super) const FIRST_LBA: usize = 32;
    pub(super) const LAST_LBA: usize = 40;
    pub(super) const NAME: usize = 56;
}

/// A disk with a GPT.
pub(super) struct Given<'a> {
    table: &'a Table,
    source: &'a dyn ReadAt,
    pair: GptPair,
}

/// What one partition more is, in words.
pub(super) struct Words {
    /// "An EFI system partition".
    pub(super) what: &'static str,
    /// Which machine it is for: one that "starts by UEFI".
    pub(super) machine: &'static str,
    /// What starts the disk as before.
    pub(super) others: &'static str,
}

/// The disk with the partition.
pub(super) struct Added {
    pub(super) layout: Layout,
    pub(super) table: Table,
    pub(super) number: u32,
}

impl<'a> Given<'a> {
    /// `source`, whose table is `table`.
    ///
    /// # Errors
    /// There is no GPT, or it contradicts itself.
    pub(super) fn new(table: &'a Table, source: &'a dyn ReadAt) -> Result<Self, ToGptRefusal> {
        if table.kind != TableKind::Gpt {
            return Err(ToGptRefusal::NotGpt(table.kind));
        }
        table.check()?;
        let pair = GptPair::read(source, table.sector);
        let given = Self {
            table,
            source,
            pair,
        };
        given.best()?;
        Ok(given)
    }

    fn best(&self) -> Result<&GptCopy, ToGptRefusal> {
        let best = self.pair.best();
        best.ok_or(ToGptRefusal::NotGpt(TableKind::None))
    }

    /// With a partition of this `kind`, called `unique`, at `extent`, which is free on a target of
    /// `target_size` bytes.
    ///
    /// # Errors
    /// There is no entry left.
    pub(super) fn with(
        &self,
        target_size: u64,
        kind: Kind,
        extent: Extent,
        unique: Uuid,
        words: &Words,
    ) -> Result<Added, ToGptRefusal> {
        let (table, source) = (self.table, self.source);
        let number = free_number(table);
        let new = with_entry(self.best()?, number, kind, extent, unique)?;
        let mut layout = Layout::default();
        if target_size > source.size() {
            clear_tail(&mut layout, source.size(), target_size, table.sector);
        }
        let mut with_new = table.clone();
        with_new.partitions.push(partition(number, kind, extent));
        gpt::write(
            &mut layout,
            &with_new,
            source,
            target_size,
            &self.pair,
            &new,
        )?;
        layout.replaced = replaced(&layout.writes, source.size());
        let Words {
            what,
            machine,
            others,
        } = words;
        layout.changes.push(format!(
            "{what} of {} is made as partition {number}, at byte {}, for a machine that {machine}. \
             The partitions stay where they are, and {others} starts the disk as before.",
            human_bytes(extent.len),
            extent.start
        ));
        let table = read_back(&layout, target_size, table)?;
        Ok(Added {
            layout,
            table,
            number,
        })
    }
}

/// What has to be known of it where only places count.
fn partition(number: u32, kind: Kind, extent: Extent) -> Partition {
    Partition {
        number,
        start: extent.start,
        len: extent.len,
        type_id: kind.guid.to_string(),
        type_name: kind.name.to_owned(),
        name: None,
        uuid: None,
        bootable: false,
        logical: false,
        attributes: 0,
    }
}

/// The table with a partition more, `number`; also where its header says that there are
/// none.
fn with_entry(
    best: &GptCopy,
    number: u32,
    kind: Kind,
    extent: Extent,
    unique: Uuid,
) -> Result<GptCopy, ToGptRefusal> {
    let unit = best.header_extent().len;
    let mut new = best.clone();
    let count = le_u32(&new.header_bytes, field::ENTRY_COUNT).unwrap_or(0);
    let index = number.checked_sub(1).filter(|index| *index < count);
    let done = index.and_then(|index| {
        let at = usize::try_from(index).ok()?.checked_mul(entry::SIZE)?;
        let mut bytes = [0; entry::SIZE];
        put(&mut bytes, 0, &kind.guid.to_bytes_le())?;
        put(&mut bytes, entry::UNIQUE, &unique.to_bytes_le())?;
        let (first, end) = (extent.start / unit, extent.end() / unit);
        put(&mut bytes, entry::FIRST_LBA, &first.to_le_bytes())?;
        let last = end.checked_sub(1)?;
        put(&mut bytes, entry::LAST_LBA, &last.to_le_bytes())?;
        let name = kind.name.encode_utf16().flat_map(u16::to_le_bytes);
        put(&mut bytes, entry::NAME, &name.collect::<Vec<u8>>())?;
        put(&mut new.entry_bytes, at, &bytes)
    });
    done.ok_or(ToGptRefusal::NoEntry(count))?;
    let crc = crc32fast::hash(&new.entry_bytes).to_le_bytes();
    let cut = || ToGptRefusal::Inconsistent("its GPT header is cut short".to_owned());
    let first = best.header.first_usable.min(extent.start / unit);
    put(
        &mut new.header_bytes,
        field::FIRST_USABLE,
        &first.to_le_bytes(),
    )
    .ok_or_else(cut)?;
    put(&mut new.header_bytes, field::ENTRIES_CRC, &crc).ok_or_else(cut)?;
    Ok(new)
}
