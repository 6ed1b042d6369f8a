//! What partitions of an MBR are in a GPT.

use gpt::partition_types as known;
use uuid::{Uuid, uuid};

use super::ToGptRefusal;
use crate::Partition;

/// Attributes (UEFI 2.10, table 5.8, and Microsoft's `PARTITION_INFORMATION_GPT`).
const REQUIRED: u64 = 1;
const NO_DRIVE_LETTER: u64 = 1 << 63;

/// A type, with what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) guid: Uuid,
    pub(super) attributes: u64,
    /// The name of the entry.
    pub(super) name: &'static str,
}

const fn kind(guid: Uuid, attributes: u64, name: &'static str) -> Kind {
    Kind {
        guid,
        attributes,
        name,
    }
}

pub(super) const ESP: Kind = kind(known::EFI.guid, 0, "EFI system partition");
pub(super) const BIOS_BOOT: Kind = kind(known::BIOS.guid, 0, "BIOS boot partition");
const DATA: Uuid = known::BASIC.guid;
const DATA_NAME: &str = "Basic data partition";

/// The type of a partition that is not the ESP.
pub(super) fn of(partition: &Partition) -> Result<Kind, ToGptRefusal> {
    let number = partition.number;
    let text = partition.type_id.trim_start_matches("0x");
    let found = u8::from_str_radix(text, 16).unwrap_or(0);
    Ok(match found {
        0x01 | 0x04 | 0x06 | 0x07 | 0x0b | 0x0c | 0x0e | 0xef => kind(DATA, 0, DATA_NAME),
        // Hidden, or a maker's.
        0x11 | 0x12 | 0x14 | 0x16 | 0x17 | 0x1b | 0x1c | 0x1e | 0xde => {
            kind(DATA, NO_DRIVE_LETTER, DATA_NAME)
        }
        0x27 => kind(
            known::WINDOWS_RECOVERY.guid,
            REQUIRED | NO_DRIVE_LETTER,
            DATA_NAME,
        ),
        0x82 => kind(known::LINUX_SWAP.guid, 0, ""),
        0x83 => kind(known::LINUX_FS.guid, 0, ""),
        0x8e => kind(known::LINUX_LVM.guid, 0, ""),
        0xfd => kind(known::LINUX_RAID.guid, 0, ""),
        0xe8 => kind(uuid!("ca7d7ccb-63ed-4c53-861c-1742536059cc"), 0, ""),
        0x42 => return Err(ToGptRefusal::Dynamic(number)),
        _ => {
            return Err(ToGptRefusal::UnknownType {
                number,
                kind: partition.type_id.clone(),
                name: partition.type_name.clone(),
            });
        }
    })
}
