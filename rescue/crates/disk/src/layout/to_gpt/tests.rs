//! GPTs made of MBRs; the `gpt` crate reads them, insisting on both copies.

use super::*;
use crate::testing::{Entry, crate_reads, mbr_disk, put_record};
use crate::{MemDisk, SectorSize, WriteAt};

const MIB: u64 = 1 << 20;

fn guid(place: Option<u64>) -> Uuid {
    Uuid::from_u128(place.map_or(u128::MAX, |at| u128::from(at) + 1))
}

/// A disk of `mib` MiB with these partitions, in MiB.
fn source(sector: SectorSize, mib: u64, parts: &[(u8, u64, u64)]) -> MemDisk {
    let unit = |mib: u64| u32::try_from(mib * MIB / sector.bytes()).unwrap();
    let entry = |part: &(u8, u64, u64)| -> Entry { (part.0, unit(part.1), unit(part.2)) };
    let entries: Vec<Entry> = parts.iter().map(entry).collect();
    let mut bytes = vec![0x77; usize::try_from(mib * MIB).unwrap()];
    bytes[..512].fill(0);
    put_record(&mut bytes, sector, 0, &entries);
    bytes[440..444].copy_from_slice(&0x1234_abcd_u32.to_le_bytes());
    MemDisk::new(bytes)
}

fn converted(
    disk: &MemDisk,
    sector: SectorSize,
    target: u64,
    reuse: Option<u32>,
) -> Result<Converted, ToGptRefusal> {
    let table = read_table(disk, sector).unwrap();
    let wanted = ToGpt {
        reuse,
        esp_size: 4 * MIB,
        logical: false,
        guid: &guid,
    };
    to_gpt(&table, disk, target, &wanted)
}

/// The disk with its new table on it.
fn written(disk: &MemDisk, converted: &Converted, target: u64) -> Vec<u8> {
    let mut bytes = disk.snapshot();
    bytes.resize(usize::try_from(target).unwrap(), 0x55);
    let disk = MemDisk::new(bytes);
    for write in &converted.layout.writes {
        disk.write_all_at(&write.bytes, write.offset).unwrap();
    }
    disk.snapshot()
}

#[test]
fn partitions_stay_and_the_esp_comes_behind_them() {
    for sector in [SectorSize::B512, SectorSize::B4096] {
        let disk = source(sector, 16, &[(0x07, 1, 8), (0x27, 9, 2)]);
        let found = converted(&disk, sector, 20 * MIB, None).unwrap();
        assert_eq!((found.esp, found.reused), (3, false));
        assert_eq!(
            (found.esp_extent.start, found.esp_extent.len),
            (11 * MIB, 4 * MIB)
        );
        let bytes = written(&disk, &found, 20 * MIB);
        let (id, spans) = crate_reads(bytes.clone(), sector);
        assert_eq!(id, guid(None).to_string());
        let span = |start: u64, len: u64| {
            let unit = MIB / sector.bytes();
            (start * unit, (start + len) * unit - 1)
        };
        assert_eq!(spans, [span(1, 8), span(9, 2), span(11, 4)]);
        let table = read_table(&MemDisk::new(bytes.clone()), sector).unwrap();
        assert_eq!(table, found.table);
        let types: Vec<&str> = table.partitions.iter().map(|p| &*p.type_name).collect();
        let expected = [
            "Microsoft basic data",
            "Windows recovery",
            "EFI system (ESP)",
        ];
        assert_eq!(types, expected);
        assert_eq!(table.partitions[1].attributes, 0x8000_0000_0000_0001);
        assert_eq!(table.partitions[0].uuid, Some(guid(Some(MIB)).to_string()));
        // No code for a BIOS, no signature, one entry.
        assert!(bytes[..446].iter().all(|b| *b == 0));
        assert!(bytes[462..510].iter().all(|b| *b == 0));
        // Data is where it was.
        assert!(
            bytes[MIB as usize..11 * MIB as usize]
                .iter()
                .all(|b| *b == 0x77)
        );
    }
}

#[test]
fn a_partition_becomes_the_esp_on_a_disk_that_has_no_room() {
    let disk = source(SectorSize::B512, 16, &[(0x07, 1, 5), (0x07, 6, 9)]);
    let found = converted(&disk, SectorSize::B512, 16 * MIB, Some(1)).unwrap();
    assert_eq!((found.esp, found.reused), (1, true));
    assert_eq!(
        (found.esp_extent.start, found.esp_extent.len),
        (MIB, 5 * MIB)
    );
    let bytes = written(&disk, &found, 16 * MIB);
    let (_, spans) = crate_reads(bytes, SectorSize::B512);
    assert_eq!(spans.len(), 2);
    // What the image has there is superseded.
    let tables = [0..34 * 512, 16 * MIB - 33 * 512..16 * MIB];
    let replaced = found.layout.replaced.iter().map(|e| e.start..e.end());
    assert_eq!(replaced.collect::<Vec<_>>(), tables);
}

#[test]
fn the_table_comes_last_and_its_first_sector_at_the_very_end() {
    let disk = source(SectorSize::B512, 16, &[(0x07, 1, 8)]);
    let found = converted(&disk, SectorSize::B512, 20 * MIB, None).unwrap();
    let roles: Vec<WriteRole> = found.layout.writes.iter().map(|w| w.role).collect();
    let (backup, primary) = (WriteRole::BackupGpt, WriteRole::PrimaryGpt);
    let expected = [
        WriteRole::ClearTail,
        backup,
        backup,
        primary,
        primary,
        WriteRole::Mbr,
    ];
    assert_eq!(roles, expected);
    // What clears the end does not reach the ESP.
    let end = found.esp_extent.end();
    assert!(
        found
            .layout
            .writes
            .iter()
            .all(|w| w.offset >= end || w.offset < MIB)
    );
}

#[test]
fn a_gap_between_partitions_serves_where_there_is_none_behind() {
    let disk = source(SectorSize::B512, 16, &[(0x07, 1, 2), (0x07, 8, 7)]);
    let found = converted(&disk, SectorSize::B512, 16 * MIB, None).unwrap();
    assert_eq!((found.esp, found.esp_extent.start), (3, 3 * MIB));
}

#[test]
fn what_cannot_be_done_is_refused_in_words() {
    let refused = |parts: &[(u8, u64, u64)], reuse| {
        let disk = source(SectorSize::B512, 16, parts);
        let refusal = converted(&disk, SectorSize::B512, 16 * MIB, reuse).unwrap_err();
        refusal.to_string()
    };
    for (parts, reuse, words) in [
        (
            &[(0x07, 1, 14)][..],
            None,
            "no room for an EFI system partition: 4.0 MiB",
        ),
        (&[(0x07, 1, 15)], Some(1), "choose a larger target"),
        (&[(0x42, 1, 8)], None, "dynamic disk"),
        (&[(0x77, 1, 8)], None, "type 0x77"),
        (&[(0x07, 1, 8)], Some(2), "partition 2 cannot become"),
    ] {
        let said = refused(parts, reuse);
        assert!(said.contains(words), "{said}");
    }
    let logical = MemDisk::new(mbr_disk(SectorSize::B512));
    let said = converted(&logical, SectorSize::B512, 20 * MIB, None).unwrap_err();
    assert!(said.to_string().contains("extended partition"), "{said}");
    // From the days of cylinders, and even before.
    let mut early = vec![0; 16 << 20];
    put_record(&mut early, SectorSize::B512, 0, &[(0x07, 33, 8192)]);
    let said = converted(
        &MemDisk::new(early.clone()),
        SectorSize::B512,
        16 * MIB,
        None,
    );
    assert!(said.unwrap_err().to_string().contains("too early"));
    put_record(&mut early, SectorSize::B512, 0, &[(0x07, 63, 8192)]);
    let early = MemDisk::new(early);
    converted(&early, SectorSize::B512, 16 * MIB, None).unwrap();
    let said = converted(&early, SectorSize::B512, 16 * MIB, Some(1)).unwrap_err();
    assert!(said.to_string().contains("first MiB"), "{said}");
    let none = MemDisk::zeroed(16 << 20);
    let said = converted(&none, SectorSize::B512, 16 * MIB, None).unwrap_err();
    assert!(said.to_string().contains("expected an MBR"), "{said}");
}
