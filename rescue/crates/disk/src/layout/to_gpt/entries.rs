//! The bytes of a new GPT (UEFI 2.10 §5.3), with its protective MBR (§5.2.3).

use uuid::Uuid;

use super::super::gpt::chs_end;
use super::super::{Layout, TableWrite, WriteRole};
use super::ToGptRefusal;
use crate::bytes::put;
use crate::table::{GPT_SIGNATURE, MBR_ENTRIES, field, header_crc};
use crate::{Partition, SectorSize};

/// Entries of an array: what every tool makes.
const ENTRIES: u32 = 128;
/// Bytes of one.
const ENTRY_SIZE: u32 = 128;
/// Bytes of a header that are defined.
const HEADER_SIZE: u32 = 92;
const REVISION: u32 = 0x0001_0000;

/// An entry of the array.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) number: u32,
    pub(super) kind: Uuid,
    pub(super) unique: Uuid,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) attributes: u64,
    pub(super) name: &'static str,
}

/// Where the parts of a GPT are on a disk, in sectors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    sector: SectorSize,
    last: u64,
    entry_sectors: u64,
}

impl Places {
    pub(super) fn new(sector: SectorSize, disk_size: u64) -> Result<Self, ToGptRefusal> {
        let entry_sectors = u64::from(ENTRIES * ENTRY_SIZE).div_ceil(sector.bytes());
        let last = (disk_size / sector.bytes()).checked_sub(1);
        let last = last.filter(|last| *last > 2 * entry_sectors + 3);
        let last = last.ok_or_else(|| {
            ToGptRefusal::Inconsistent(format!("a disk of {disk_size} bytes has no room for it"))
        })?;
        Ok(Self {
            sector,
            last,
            entry_sectors,
        })
    }

    /// First and last sector that partitions may use.
    const fn usable(self) -> (u64, u64) {
        (2 + self.entry_sectors, self.last - self.entry_sectors - 1)
    }

    /// Refuses a partition that lies where the table goes.
    pub(super) fn check(self, partition: &Partition) -> Result<(), ToGptRefusal> {
        let unit = self.sector.bytes();
        let (first, last) = self.usable();
        let (first, last) = (first * unit, (last + 1).saturating_mul(unit));
        let (start, end) = (partition.start, partition.extent().end());
        if start >= first && end <= last {
            return Ok(());
        }
        Err(ToGptRefusal::InTheWay {
            number: partition.number,
            start,
            end,
            first,
            last,
            way_out: match start < first {
                true => "it begins too early, and a restore moves no partition",
                false => "choose a larger target",
            },
        })
    }

    /// Adds both copies and the protective MBR.
    pub(super) fn write(
        self,
        layout: &mut Layout,
        disk: Uuid,
        entries: &[Entry],
    ) -> Result<(), ToGptRefusal> {
        let unit = self.sector.bytes();
        let short = || ToGptRefusal::Inconsistent("its entries have no room".to_owned());
        let array = array(entries).ok_or_else(short)?;
        let crc = crc32fast::hash(&array);
        let mut padded = array;
        padded.resize(padded.len().next_multiple_of(unit as usize), 0);
        for (role, header, at) in [
            (
                WriteRole::BackupGpt,
                self.last,
                self.last - self.entry_sectors,
            ),
            (WriteRole::PrimaryGpt, 1, 2),
        ] {
            layout.writes.push(TableWrite {
                offset: at * unit,
                bytes: padded.clone(),
                role,
            });
            let bytes = self.header(header, at, disk, crc);
            layout.writes.push(TableWrite {
                offset: header * unit,
                bytes: bytes.ok_or_else(short)?,
                role,
            });
        }
        layout.writes.push(TableWrite {
            offset: 0,
            bytes: self.protective().ok_or_else(short)?,
            role: WriteRole::Mbr,
        });
        Ok(())
    }

    /// The header sector `lba`, whose entries begin in sector `entries`.
    fn header(self, lba: u64, entries: u64, disk: Uuid, crc: u32) -> Option<Vec<u8>> {
        let (first, last) = self.usable();
        let other = if lba == 1 { self.last } else { 1 };
        let mut bytes = vec![0; self.sector.bytes() as usize];
        put(&mut bytes, 0, GPT_SIGNATURE)?;
        put(&mut bytes, 8, &REVISION.to_le_bytes())?;
        put(&mut bytes, field::HEADER_SIZE, &HEADER_SIZE.to_le_bytes())?;
        put(&mut bytes, field::MY_LBA, &lba.to_le_bytes())?;
        put(&mut bytes, field::ALTERNATE_LBA, &other.to_le_bytes())?;
        put(&mut bytes, field::FIRST_USABLE, &first.to_le_bytes())?;
        put(&mut bytes, field::LAST_USABLE, &last.to_le_bytes())?;
        put(&mut bytes, field::DISK_GUID, &disk.to_bytes_le())?;
        put(&mut bytes, field::ENTRIES_LBA, &entries.to_le_bytes())?;
        put(&mut bytes, field::ENTRY_COUNT, &ENTRIES.to_le_bytes())?;
        put(&mut bytes, field::ENTRY_SIZE, &ENTRY_SIZE.to_le_bytes())?;
        put(&mut bytes, field::ENTRIES_CRC, &crc.to_le_bytes())?;
        let crc = header_crc(&bytes, HEADER_SIZE)?;
        put(&mut bytes, field::HEADER_CRC, &crc.to_le_bytes())?;
        Some(bytes)
    }

    /// Sector 0 without boot code: one entry of type 0xee over the whole disk, as far
    /// as 32 bits reach.
    fn protective(self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.sector.bytes() as usize];
        let sectors = u32::try_from(self.last).unwrap_or(u32::MAX);
        let mut entry = [0; 16];
        put(&mut entry, 1, &[0, 2, 0, 0xee])?;
        put(&mut entry, 5, &chs_end(sectors, [0xff; 3]))?;
        put(&mut entry, 8, &1u32.to_le_bytes())?;
        put(&mut entry, 12, &sectors.to_le_bytes())?;
        put(&mut bytes, MBR_ENTRIES, &entry)?;
        put(&mut bytes, 510, &[0x55, 0xaa])?;
        Some(bytes)
    }
}

fn array(entries: &[Entry]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; (ENTRIES * ENTRY_SIZE) as usize];
    for entry in entries {
        let index = entry.number.checked_sub(1).filter(|i| *i < ENTRIES)?;
        let at = (index * ENTRY_SIZE) as usize;
        put(&mut bytes, at, &entry.kind.to_bytes_le())?;
        put(&mut bytes, at + 16, &entry.unique.to_bytes_le())?;
        put(&mut bytes, at + 32, &entry.first.to_le_bytes())?;
        put(&mut bytes, at + 40, &entry.last.to_le_bytes())?;
        put(&mut bytes, at + 48, &entry.attributes.to_le_bytes())?;
        let name = entry.name.encode_utf16().take(36);
        let name: Vec<u8> = name.flat_map(u16::to_le_bytes).collect();
        put(&mut bytes, at + 56, &name)?;
    }
    Some(bytes)
}
