//! An EFI system partition for a disk that has a GPT, and whatever a BIOS starts.

use super::more::{Given, Words};
use super::{Converted, ToGpt, ToGptRefusal, new_place, types};
use crate::{ReadAt, Table};

/// Plans an EFI system partition for the GPT disk `source`, whose table is `table`, on a
/// target of `target_size` bytes with sectors of the same size. The GPT stays what it
/// is, but for the new entry and, on a larger target, where its backup is; so does
/// what a BIOS starts. `wanted.reuse` does not count.
///
/// # Errors
/// A [`ToGptRefusal`]: there is no GPT, or no room for the partition or its entry.
pub fn add_esp(
    table: &Table,
    source: &dyn ReadAt,
    target_size: u64,
    wanted: &ToGpt<'_>,
) -> Result<Converted, ToGptRefusal> {
    let given = Given::new(table, source)?;
    let extent = new_place(table, target_size, wanted.esp_size)?;
    let unique = (wanted.guid)(Some(extent.start));
    let words = Words {
        what: "An EFI system partition",
        machine: "starts by UEFI",
        others: "a BIOS",
    };
    let added = given.with(target_size, types::ESP, extent, unique, &words)?;
    Ok(Converted {
        layout: added.layout,
        table: added.table,
        esp: added.number,
        esp_extent: extent,
        reused: false,
        kept: true,
    })
}
