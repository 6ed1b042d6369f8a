//! Small disks for unit tests. The GPTs are the `gpt` crate's, not ours.

use std::io::Cursor;

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;

use crate::SectorSize;

/// A partition of a test disk: first sector, last sector.
pub(crate) type Span = (u64, u64);

pub(crate) const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

fn block_size(sector: SectorSize) -> LogicalBlockSize {
    match sector {
        SectorSize::B512 => LogicalBlockSize::Lb512,
        SectorSize::B4096 => LogicalBlockSize::Lb4096,
    }
}

/// A GPT disk of `sectors` with Linux partitions named p1, p2, ….
pub(crate) fn gpt_disk(sector: SectorSize, sectors: u64, parts: &[Span]) -> Vec<u8> {
    let bytes = vec![0; (sectors * sector.bytes()) as usize];
    let mut cursor = Cursor::new(bytes);
    ProtectiveMBR::with_lb_size((sectors - 1) as u32)
        .overwrite_lba0(&mut cursor)
        .unwrap();
    let mut disk = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(block_size(sector))
        .create_from_device(cursor, None)
        .unwrap();
    for (number, (first, last)) in (1..).zip(parts) {
        disk.add_partition_at(
            &format!("p{number}"),
            number,
            *first,
            last - first + 1,
            gpt::partition_types::LINUX_FS,
            0,
        )
        .unwrap();
    }
    disk.write().unwrap().into_inner()
}

/// What the `gpt` crate reads from a disk, insisting that both copies are
/// right: disk GUID and spans.
pub(crate) fn crate_reads(bytes: Vec<u8>, sector: SectorSize) -> (String, Vec<Span>) {
    let disk = gpt::GptConfig::new()
        .only_valid_headers(true)
        .logical_block_size(block_size(sector))
        .open_from_device(Cursor::new(bytes))
        .unwrap();
    let spans = disk.partitions().values();
    let spans = spans.map(|p| (p.first_lba, p.last_lba)).collect();
    (disk.guid().to_string(), spans)
}

/// One entry of a boot record: type, start, length, in sectors.
pub(crate) type Entry = (u8, u32, u32);

/// Writes a boot record with `entries` at sector `lba` of `disk`.
pub(crate) fn put_record(disk: &mut [u8], sector: SectorSize, lba: u64, entries: &[Entry]) {
    let at = (lba * sector.bytes()) as usize;
    let record = &mut disk[at..at + 512];
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    for (slot, (kind, start, len)) in entries.iter().enumerate() {
        let entry = &mut record[446 + slot * 16..][..16];
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..].copy_from_slice(&len.to_le_bytes());
    }
}

/// An MBR disk of 1000 sectors: 1 primary, 1 extended with 2 logical.
pub(crate) fn mbr_disk(sector: SectorSize) -> Vec<u8> {
    let mut disk = vec![0; (1000 * sector.bytes()) as usize];
    put_record(&mut disk, sector, 0, &[(0x07, 10, 90), (0x0f, 100, 800)]);
    disk[440..444].copy_from_slice(&0x1234_abcd_u32.to_le_bytes());
    disk[446] = 0x80;
    put_record(&mut disk, sector, 100, &[(0x83, 10, 190), (0x05, 200, 300)]);
    put_record(&mut disk, sector, 300, &[(0x82, 1, 299)]);
    disk
}
