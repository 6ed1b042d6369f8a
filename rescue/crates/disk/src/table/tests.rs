//! Whole tables, sound and broken, in memory.

use proptest::prelude::*;

use super::*;
use crate::testing::{LINUX, Span, gpt_disk, mbr_disk, put_record};
use crate::{MemDisk, SectorSize};

const BOTH: [SectorSize; 2] = [SectorSize::B512, SectorSize::B4096];
const SPANS: [Span; 2] = [(40, 99), (120, 150)];

fn read(bytes: Vec<u8>, sector: SectorSize) -> Result<Table, TableError> {
    read_table(&MemDisk::new(bytes), sector)
}

fn spans(table: &Table) -> Vec<(u32, Span)> {
    let unit = table.sector.bytes();
    let span = |p: &Partition| (p.number, (p.start / unit, (p.start + p.len) / unit - 1));
    table.partitions.iter().map(span).collect()
}

fn kinds(table: &Table) -> Vec<NoteKind> {
    table.notes.iter().map(|n| n.kind).collect()
}

/// Sets both checksums of the header at `at` right again.
fn reseal(disk: &mut [u8], at: usize) {
    let size = u32::from_le_bytes(disk[at + 12..at + 16].try_into().unwrap()) as usize;
    disk[at + 16..at + 20].fill(0);
    let crc = crc32fast::hash(&disk[at..at + size]);
    disk[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn a_gpt_is_read_in_both_sector_sizes() {
    for sector in BOTH {
        let table = read(gpt_disk(sector, 400, &SPANS), sector).unwrap();
        assert_eq!(table.kind, TableKind::Gpt);
        assert_eq!(spans(&table), [(1, SPANS[0]), (2, SPANS[1])]);
        assert_eq!(table.notes, []);
        let p = &table.partitions[0];
        assert_eq!((p.name.as_deref(), p.type_id.as_str()), (Some("p1"), LINUX));
        assert_eq!(p.type_name, "Linux filesystem");
        assert_eq!(table.structures.len(), 5);
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table);
    }
}

#[test]
fn either_copy_of_a_gpt_is_enough() {
    for sector in BOTH {
        let unit = sector.bytes() as usize;
        let good = gpt_disk(sector, 400, &SPANS);
        let whole = read(good.clone(), sector).unwrap();
        let backup_entries = 400 - 1 - 16384 / unit;
        for (at, kind) in [
            (unit + 60, NoteKind::PrimaryGptDamaged),
            (2 * unit + 9, NoteKind::PrimaryGptDamaged),
            (399 * unit + 60, NoteKind::BackupGptDamaged),
            (backup_entries * unit, NoteKind::BackupGptDamaged),
        ] {
            let mut disk = good.clone();
            disk[at] ^= 0x10;
            let table = read(disk, sector).unwrap();
            assert_eq!(kinds(&table), [kind], "byte {at}");
            assert_eq!(table.partitions, whole.partitions);
            assert_eq!(table.disk_id, whole.disk_id);
            assert_eq!(table.structures.len(), 3);
        }
        let mut disk = good;
        disk[unit + 60] ^= 1;
        disk[399 * unit] ^= 1;
        let text = read(disk, sector).unwrap_err().to_string();
        assert!(
            text.contains("checksum") && text.contains("no GPT signature"),
            "{text}"
        );
    }
}

#[test]
fn the_wrong_sector_size_is_named() {
    for sector in BOTH {
        for disk in [gpt_disk(sector, 400, &SPANS), mbr_disk(sector)] {
            let error = read(disk, sector.other()).unwrap_err();
            assert!(
                matches!(error, TableError::WrongSectorSize { given, found, .. }
                    if given == sector.other() && found == sector),
                "{error}"
            );
        }
    }
}

#[test]
fn a_grown_disk_is_noted_and_a_cut_one_refused() {
    let mut disk = gpt_disk(SectorSize::B512, 400, &[(40, 300)]);
    disk.resize(500 * 512, 0);
    let table = read(disk.clone(), SectorSize::B512).unwrap();
    assert_eq!(kinds(&table), [NoteKind::BackupGptNotAtEnd]);
    assert!(table.structures.iter().any(|s| s.extent.start == 399 * 512));
    disk.truncate(250 * 512);
    let error = read(disk, SectorSize::B512).unwrap_err();
    assert!(error.to_string().starts_with("partition 1 runs"), "{error}");
}

#[test]
fn only_a_protective_mbr_makes_a_gpt() {
    let mut disk = gpt_disk(SectorSize::B512, 400, &SPANS);
    put_record(
        &mut disk,
        SectorSize::B512,
        0,
        &[(0xee, 1, 39), (0x0c, 40, 60)],
    );
    let hybrid = read(disk.clone(), SectorSize::B512).unwrap();
    assert_eq!(hybrid.kind, TableKind::Gpt);
    assert_eq!(kinds(&hybrid), [NoteKind::HybridMbr]);
    put_record(
        &mut disk,
        SectorSize::B512,
        0,
        &[(0x83, 1, 39), (0x0c, 40, 60)],
    );
    let mbr = read(disk.clone(), SectorSize::B512).unwrap();
    assert_eq!(
        (mbr.kind, kinds(&mbr)),
        (TableKind::Mbr, vec![NoteKind::StaleGpt])
    );
    disk[..512].fill(0);
    let none = read(disk, SectorSize::B512).unwrap();
    assert_eq!(
        (none.kind, kinds(&none)),
        (TableKind::None, vec![NoteKind::StaleGpt])
    );
}

#[test]
fn hostile_gpt_headers_are_refused_not_obeyed() {
    // (offset in the header, value, part of the message)
    for (field, value, expected) in [
        (84, 256_u32, "entries of 256 bytes"),
        (84, 0, "entries of 0 bytes"),
        (80, u32::MAX, "4294967295 entries"),
        (80, 32768, "not inside the disk"),
        (72, 399, "not inside the disk"),
        (12, 91, "91 bytes long"),
        (12, 513, "513 bytes long"),
        (24, 2, "in sector 2"),
        (88, 1, "expected 0x00000001"),
    ] {
        let mut disk = gpt_disk(SectorSize::B512, 400, &SPANS);
        disk[512 + field..][..4].copy_from_slice(&value.to_le_bytes());
        reseal(&mut disk, 512);
        disk[399 * 512] = 0;
        let text = read(disk, SectorSize::B512).unwrap_err().to_string();
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_longer_header_is_checked_over_its_whole_length() {
    let mut disk = gpt_disk(SectorSize::B512, 400, &SPANS);
    disk[512 + 12] = 128;
    disk[512 + 100] = 7;
    reseal(&mut disk, 512);
    let table = read(disk.clone(), SectorSize::B512).unwrap();
    assert_eq!(kinds(&table), []);
    disk[512 + 100] = 8;
    let table = read(disk, SectorSize::B512).unwrap();
    assert_eq!(kinds(&table), [NoteKind::PrimaryGptDamaged]);
}

/// Replaces the span of a partition in both copies of a 400-sector GPT.
fn move_partition(disk: &mut [u8], slot: usize, span: Span) {
    for (entries, header) in [(2, 1), (367, 399)] {
        let at = entries * 512 + slot * 128 + 32;
        disk[at..at + 8].copy_from_slice(&span.0.to_le_bytes());
        disk[at + 8..at + 16].copy_from_slice(&span.1.to_le_bytes());
        let crc = crc32fast::hash(&disk[entries * 512..][..16384]);
        disk[header * 512 + 88..][..4].copy_from_slice(&crc.to_le_bytes());
        reseal(disk, header * 512);
    }
}

#[test]
fn gpt_partitions_in_conflict_are_named() {
    for (span, expected) in [
        (
            (99, 130),
            "partition 1 and partition 2 overlap at byte 50688",
        ),
        (
            (40, 99),
            "partition 1 and partition 2 overlap at byte 20480",
        ),
        (
            (33, 39),
            "the GPT entries and partition 2 overlap at byte 16896",
        ),
        ((200, 399), "partition 2 and the backup GPT entries overlap"),
        (
            (200, 400),
            "partition 2 runs from byte 102400 for 102912 bytes",
        ),
        ((200, 198), "partition 2 runs from sector 200 to sector 198"),
        ((0, u64::MAX), "partition 2 runs from sector 0"),
        ((1 << 60, 1 << 61), "partition 2 runs from sector"),
    ] {
        let mut disk = gpt_disk(SectorSize::B512, 400, &SPANS);
        move_partition(&mut disk, 1, span);
        let text = read(disk, SectorSize::B512).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{span:?}: {text}");
    }
}

#[test]
fn an_mbr_with_logical_partitions_is_read() {
    for sector in BOTH {
        let table = read(mbr_disk(sector), sector).unwrap();
        assert_eq!(table.kind, TableKind::Mbr);
        assert_eq!(table.disk_id.as_deref(), Some("1234abcd"));
        assert_eq!(
            spans(&table),
            [(1, (10, 99)), (5, (110, 299)), (6, (301, 599))]
        );
        let [first, five, six] = &table.partitions[..] else {
            panic!("three partitions");
        };
        assert!(first.bootable && !first.logical && five.logical && !five.bootable);
        assert_eq!(six.uuid.as_deref(), Some("1234abcd-06"));
        assert_eq!((six.type_id.as_str(), table.notes.len()), ("0x82", 0));
        let ebrs: Vec<_> = table.structures.iter().map(|s| s.extent.start).collect();
        assert_eq!(ebrs, [0, 100, 300].map(|lba| lba * sector.bytes()));
    }
}

#[test]
fn a_chain_may_run_backwards_but_not_in_circles() {
    let sector = SectorSize::B512;
    let mut disk = mbr_disk(sector);
    put_record(&mut disk, sector, 100, &[(0x83, 10, 90), (0x05, 500, 300)]);
    put_record(&mut disk, sector, 600, &[(0x83, 10, 90), (0x05, 200, 300)]);
    let table = read(disk.clone(), sector).unwrap();
    assert_eq!(
        spans(&table),
        [
            (1, (10, 99)),
            (5, (110, 199)),
            (6, (610, 699)),
            (7, (301, 599))
        ]
    );
    put_record(&mut disk, sector, 300, &[(0x83, 10, 90), (0x05, 500, 300)]);
    let error = read(disk.clone(), sector).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("byte 307200: reached a second time"),
        "{error}"
    );
    put_record(&mut disk, sector, 300, &[(0x83, 10, 90), (0x05, 300, 300)]);
    let error = read(disk.clone(), sector).unwrap_err();
    assert!(
        error.to_string().contains("byte 204800: no boot signature"),
        "{error}"
    );
    put_record(&mut disk, sector, 300, &[(0x83, 10, 90), (0x05, 800, 300)]);
    let error = read(disk, sector).unwrap_err();
    assert!(
        error.to_string().contains("outside the extended"),
        "{error}"
    );
}

#[test]
fn a_chain_without_end_is_cut_off() {
    let sector = SectorSize::B512;
    let mut disk = mbr_disk(sector);
    for at in 0..400 {
        put_record(
            &mut disk,
            sector,
            100 + at,
            &[(0, 0, 0), (0x05, at as u32 + 1, 1)],
        );
    }
    let error = read(disk, sector).unwrap_err();
    assert!(matches!(error, TableError::TooManyLogical(256)), "{error}");
}

#[test]
fn an_extended_partition_may_be_empty() {
    let sector = SectorSize::B512;
    let mut disk = mbr_disk(sector);
    disk[100 * 512..101 * 512].fill(0);
    let table = read(disk, sector).unwrap();
    assert_eq!(spans(&table), [(1, (10, 99))]);
    assert_eq!(kinds(&table), [NoteKind::EmptyExtended]);
}

#[test]
fn mbr_partitions_in_conflict_are_named() {
    for (second, expected) in [
        (
            (0x83, 50, 100),
            "partition 1 and partition 2 overlap at byte 25600",
        ),
        (
            (0x83, 900, 101),
            "partition 2 runs from byte 460800 for 51712 bytes",
        ),
        (
            (0x83, 0, 5),
            "the master boot record and partition 2 overlap at byte 0",
        ),
        ((0x83, u32::MAX, u32::MAX), "partition 2 runs from byte"),
    ] {
        let mut disk = mbr_disk(SectorSize::B512);
        put_record(&mut disk, SectorSize::B512, 0, &[(0x07, 10, 90), second]);
        let text = read(disk, SectorSize::B512).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
}

/// A boot sector as `mkfs` writes it, without code in the place of entries.
fn boot_sector(oem: &[u8; 8]) -> Vec<u8> {
    let mut disk = vec![0; 1000 * 512];
    disk[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
    disk[3..11].copy_from_slice(oem);
    disk[11..17].copy_from_slice(&[0, 2, 4, 1, 0, 2]);
    disk[21] = 0xf8;
    disk[440] = 1; // looks like a disk signature
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

#[test]
fn a_filesystem_on_the_bare_disk_is_not_a_table() {
    for oem in [b"mkfs.fat", b"NTFS    ", b"EXFAT   "] {
        let table = read(boot_sector(oem), SectorSize::B512).unwrap();
        assert_eq!(table.kind, TableKind::None);
        assert_eq!(kinds(&table), [NoteKind::FilesystemOnDisk]);
        // Boot code where the entries would be: still no table.
        let mut disk = boot_sector(oem);
        disk[440..510].copy_from_slice(&[b'N'; 70]);
        let table = read(disk, SectorSize::B512).unwrap();
        assert_eq!(table.kind, TableKind::None);
        // A disk partitioned after it held a filesystem keeps the old boot sector.
        let mut disk = boot_sector(oem);
        put_record(&mut disk, SectorSize::B512, 0, &[(0x83, 10, 500)]);
        assert_eq!(read(disk, SectorSize::B512).unwrap().partitions.len(), 1);
    }
}

#[test]
fn disks_without_anything_are_none() {
    for len in [0, 511, 512, 1024, 1 << 20] {
        let table = read(vec![0; len], SectorSize::B512).unwrap();
        assert_eq!((table.kind, table.notes.len()), (TableKind::None, 0));
        assert_eq!(table.disk_size, len as u64);
    }
    let mut grub = vec![0; 4096];
    grub[510..512].copy_from_slice(&[0x55, 0xaa]);
    let table = read(grub.clone(), SectorSize::B512).unwrap();
    assert_eq!(kinds(&table), [NoteKind::NotATable]);
    grub[440] = 1;
    let table = read(grub, SectorSize::B512).unwrap();
    assert_eq!((table.kind, table.partitions.len()), (TableKind::Mbr, 0));
}

#[test]
fn notes_of_newer_versions_can_be_read() {
    let note: Note = serde_json::from_str(r#"{"kind":"sun-spots","text":"x"}"#).unwrap();
    assert_eq!(note.kind, NoteKind::Unknown);
}

fn sample(which: usize) -> Vec<u8> {
    match which {
        0 => gpt_disk(SectorSize::B512, 400, &SPANS),
        1 => gpt_disk(SectorSize::B4096, 30, &[(8, 12)]),
        2 => mbr_disk(SectorSize::B512),
        _ => mbr_disk(SectorSize::B4096),
    }
}

proptest! {
    /// Whatever is on the disk: no panic, and what is accepted is consistent.
    #[test]
    fn damage_is_an_error_or_a_sound_table(
        which in 0usize..4,
        pokes in prop::collection::vec((0usize..64, 0usize..600, any::<u8>()), 0..6),
        cut in prop::option::of(0usize..300_000),
        big in any::<bool>(),
    ) {
        let mut disk = sample(which);
        for (place, at, value) in pokes {
            // Pokes gather where tables are: each sector start of the first
            // 32 and the last 32 sectors.
            let from = if place < 32 { place * 512 } else { disk.len() - (64 - place) * 512 };
            let len = disk.len();
            disk[(from + at).min(len - 1)] = value;
        }
        if let Some(cut) = cut {
            disk.truncate(cut);
        }
        let sector = if big { SectorSize::B4096 } else { SectorSize::B512 };
        let size = disk.len() as u64;
        if let Ok(table) = read(disk, sector) {
            prop_assert!(table.check().is_ok());
            prop_assert!(table.partitions.iter().all(|p| p.start + p.len <= size && p.len > 0));
        }
    }

    #[test]
    fn any_bytes_at_all(mut disk in prop::collection::vec(any::<u8>(), 0..9000)) {
        for (at, byte) in [(510, 0x55), (511, 0xaa)] {
            if let Some(b) = disk.get_mut(at) { *b = byte; }
        }
        for sector in BOTH {
            if let Ok(table) = read(disk.clone(), sector) {
                prop_assert!(table.check().is_ok());
            }
        }
    }
}
