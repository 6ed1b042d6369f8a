//! Layouts applied to disks in memory, judged by the `gpt` crate and by
//! reading them back.

use proptest::prelude::*;

use super::*;
use crate::complement;
use crate::testing::{Span, crate_reads, gpt_disk, mbr_disk, put_record};
use crate::{MemDisk, NoteKind, WriteAt, read_table};

const BOTH: [SectorSize; 2] = [SectorSize::B512, SectorSize::B4096];

/// What a restore does: the image's bytes except the replaced ones onto a
/// target full of old data, then the layout's writes in order.
fn restore(source: &[u8], layout: &Layout, target_size: u64) -> Vec<u8> {
    let target = MemDisk::new(vec![0xa5; target_size as usize]);
    for kept in complement(&layout.replaced, source.len() as u64) {
        let bytes = &source[kept.start as usize..kept.end() as usize];
        target.write_all_at(bytes, kept.start).unwrap();
    }
    for write in &layout.writes {
        target.write_all_at(&write.bytes, write.offset).unwrap();
    }
    target.snapshot()
}

fn plan(source: &[u8], sector: SectorSize, target: u64) -> Result<Layout, LayoutRefusal> {
    let disk = MemDisk::new(source.to_vec());
    let table = read_table(&disk, sector).unwrap();
    plan_layout(&table, &disk, target, sector)
}

fn roles(layout: &Layout) -> Vec<WriteRole> {
    let mut roles: Vec<_> = layout.writes.iter().map(|w| w.role).collect();
    roles.dedup();
    roles
}

#[test]
fn the_same_size_changes_nothing() {
    for sector in BOTH {
        for disk in [
            gpt_disk(sector, 400, &[(40, 99)]),
            mbr_disk(sector),
            vec![0; 409_600],
        ] {
            let layout = plan(&disk, sector, disk.len() as u64).unwrap();
            assert_eq!(layout, Layout::default());
        }
    }
}

#[test]
fn refusals_give_both_numbers() {
    let disk = MemDisk::new(gpt_disk(SectorSize::B512, 4096, &[(40, 99)]));
    let table = read_table(&disk, SectorSize::B512).unwrap();
    let small = plan_layout(&table, &disk, (1 << 21) - 512, SectorSize::B512).unwrap_err();
    let text = small.to_string();
    assert!(text.contains("2097152 bytes (2.0 MiB)"), "{text}");
    assert!(text.contains("2096640 (2.0 MiB): 512 B too few"), "{text}");
    let other = plan_layout(&table, &disk, 1 << 22, SectorSize::B4096).unwrap_err();
    let text = other.to_string();
    assert!(text.contains("sectors of 512 bytes"), "{text}");
    assert!(text.contains("sectors of 4096:"), "{text}");
}

#[test]
fn a_gpt_moves_its_backup_in_the_safe_order() {
    let source = gpt_disk(SectorSize::B512, 400, &[(40, 99)]);
    let layout = plan(&source, SectorSize::B512, 4 << 20).unwrap();
    use WriteRole::{BackupGpt, ClearOldBackup, ClearTail, Mbr, PrimaryGpt};
    assert_eq!(
        roles(&layout),
        [ClearTail, ClearOldBackup, BackupGpt, PrimaryGpt, Mbr]
    );
    let entries_then_header: Vec<u64> = layout.writes[2..6].iter().map(|w| w.offset).collect();
    let end = 4 << 20;
    assert_eq!(entries_then_header, [end - 33 * 512, end - 512, 1024, 512]);
    let extent = |start, sectors: u64| Extent {
        start,
        len: sectors * 512,
    };
    assert_eq!(layout.replaced, [extent(0, 34), extent(367 * 512, 33)]);
    let target = restore(&source, &layout, end);
    assert!(target[367 * 512..400 * 512].iter().all(|b| *b == 0));
    let tail = (end - (1 << 20)) as usize;
    assert!(
        target[tail..end as usize - 33 * 512]
            .iter()
            .all(|b| *b == 0)
    );
    assert_eq!(&target[458..462], 8191_u32.to_le_bytes());
}

#[test]
fn the_protective_entry_follows_the_disk_unless_it_is_a_hybrid() {
    let mut source = gpt_disk(SectorSize::B512, 400, &[(40, 99)]);
    put_record(
        &mut source,
        SectorSize::B512,
        0,
        &[(0xee, 1, 39), (0x0c, 40, 60)],
    );
    let layout = plan(&source, SectorSize::B512, 1 << 20).unwrap();
    let mbr = &layout.writes.last().unwrap().bytes;
    assert_eq!(mbr[..], source[..512]);
    put_record(
        &mut source,
        SectorSize::B512,
        0,
        &[(0xee, 1, u32::MAX), (0, 0, 0)],
    );
    let layout = plan(&source, SectorSize::B512, 1 << 20).unwrap();
    let mbr = &layout.writes.last().unwrap().bytes;
    assert_eq!(
        mbr[451..462],
        [0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]
    );
    let source = gpt_disk(SectorSize::B512, 400, &[(40, 99)]);
    let layout = plan(&source, SectorSize::B512, 1 << 20).unwrap();
    let mbr = &layout.writes.last().unwrap().bytes;
    // 1 MiB is 2048 sectors; the last one is CHS 0/32/33 on 255 heads, 63 sectors.
    assert_eq!(mbr[451..454], [32, 32, 0]);
}

#[test]
fn a_damaged_copy_is_made_good_on_the_way() {
    for sector in BOTH {
        let unit = sector.bytes() as usize;
        let good = gpt_disk(sector, 400, &[(40, 99)]);
        let expected = crate_reads(good.clone(), sector);
        for broken in [unit, 399 * unit] {
            let mut source = good.clone();
            source[broken + 60] ^= 1;
            let size = 500 * sector.bytes();
            let layout = plan(&source, sector, size).unwrap();
            let target = restore(&source, &layout, size);
            assert_eq!(crate_reads(target.clone(), sector), expected);
            let table = read_table(&MemDisk::new(target), sector).unwrap();
            assert_eq!(table.notes, []);
        }
    }
}

#[test]
fn a_backup_left_in_the_middle_is_cleared() {
    let mut source = gpt_disk(SectorSize::B512, 400, &[(40, 99)]);
    source.resize(600 * 512, 7);
    let layout = plan(&source, SectorSize::B512, 700 * 512).unwrap();
    let target = restore(&source, &layout, 700 * 512);
    assert!(target[367 * 512..400 * 512].iter().all(|b| *b == 0));
    assert!(target[400 * 512..600 * 512].iter().all(|b| *b == 7));
    let table = read_table(&MemDisk::new(target), SectorSize::B512).unwrap();
    assert_eq!(table.notes, []);
}

#[test]
fn a_partition_in_the_way_is_a_refusal() {
    // The backup of a grown disk is in the middle, and a partition uses the end.
    let mut source = gpt_disk(SectorSize::B512, 400, &[(40, 99)]);
    source.resize(600 * 512, 0);
    let disk = MemDisk::new(source);
    let mut table = read_table(&disk, SectorSize::B512).unwrap();
    table.partitions[0].start = 500 * 512;
    table.partitions[0].len = 100 * 512;
    let refusal = plan_layout(&table, &disk, 610 * 512, SectorSize::B512).unwrap_err();
    let LayoutRefusal::NoRoom(cause) = refusal else {
        panic!("{refusal}");
    };
    let text = cause.to_string();
    assert!(
        text.starts_with("partition 1 and the backup GPT entries overlap"),
        "{text}"
    );
}

#[test]
fn an_mbr_disk_only_loses_what_the_target_held() {
    for sector in BOTH {
        let source = mbr_disk(sector);
        let size = 2000 * sector.bytes();
        let layout = plan(&source, sector, size).unwrap();
        assert_eq!(roles(&layout), [WriteRole::ClearTail]);
        assert_eq!(layout.replaced, []);
        let target = restore(&source, &layout, size);
        assert_eq!(target[..source.len()], source[..]);
        assert!(target[target.len() - 33 * 512..].iter().all(|b| *b == 0));
    }
}

#[test]
fn an_mbr_on_a_huge_disk_says_what_it_cannot_reach() {
    let source = mbr_disk(SectorSize::B512);
    let layout = plan(&source, SectorSize::B512, 3 << 40).unwrap();
    assert!(layout.changes[0].contains("no further than 2.0 TiB"));
}

#[test]
fn the_ends_of_the_disk_are_enough() {
    let source = gpt_disk(SectorSize::B512, 4000, &[(40, 3000)]);
    let size = source.len() as u64;
    let whole = MemDisk::new(source.clone());
    let table = read_table(&whole, SectorSize::B512).unwrap();
    let (head, tail) = (source[..34 * 512].to_vec(), source[3967 * 512..].to_vec());
    let ends = DiskEnds::new(head, tail, size).unwrap();
    let target = size + (1 << 20);
    assert_eq!(
        plan_layout(&table, &ends, target, SectorSize::B512).unwrap(),
        plan_layout(&table, &whole, target, SectorSize::B512).unwrap()
    );
    assert!(ends.read_exact_at(&mut [0; 2], 34 * 512 - 1).is_err());
    assert!(ends.read_exact_at(&mut [0; 1], u64::MAX).is_err());
    assert!(DiskEnds::new(vec![0; 9], vec![], 8).is_none());
}

#[test]
fn an_image_that_contradicts_itself_is_refused() {
    let gpt = MemDisk::new(gpt_disk(SectorSize::B512, 400, &[(40, 99)]));
    let blank = MemDisk::zeroed(400 * 512);
    let table = read_table(&gpt, SectorSize::B512).unwrap();
    let text = plan_layout(&table, &blank, 1 << 20, SectorSize::B512)
        .unwrap_err()
        .to_string();
    assert!(text.contains("no GPT signature at byte 512"), "{text}");
    let other = MemDisk::zeroed(401 * 512);
    let text = plan_layout(&table, &other, 1 << 20, SectorSize::B512)
        .unwrap_err()
        .to_string();
    assert!(text.contains("204800 bytes, its disk has 205312"), "{text}");
}

/// Disjoint partitions after sector 40, and the sectors they need.
fn spans() -> impl Strategy<Value = (Vec<Span>, u64)> {
    prop::collection::vec((1u64..60, 0u64..30), 0..8).prop_map(|lens| {
        let mut at = 40;
        let mut out = Vec::new();
        for (len, space) in lens {
            out.push((at, at + len - 1));
            at += len + space;
        }
        (out, at)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any growth, down to one sector: both copies are right for the larger
    /// disk by the crate's judgement, the partitions are untouched, and no
    /// trace of the old backup is left.
    #[test]
    fn a_grown_gpt_is_sound_and_keeps_every_partition(
        (parts, used) in spans(),
        slack in 0u64..40,
        growth in prop_oneof![1u64..80, 80u64..3000],
        ragged in 0u64..512,
        big in any::<bool>(),
    ) {
        let sector = if big { SectorSize::B4096 } else { SectorSize::B512 };
        let unit = sector.bytes();
        let sectors = used + 34 + slack;
        let mut source = gpt_disk(sector, sectors, &parts);
        for (first, last) in &parts {
            source[(first * unit) as usize..((last + 1) * unit) as usize].fill(0x3c);
        }
        let size = (sectors + growth) * unit + ragged;
        let layout = plan(&source, sector, size).unwrap();
        let mut target = restore(&source, &layout, size);
        prop_assert!(layout.replaced.iter().all(|e| e.end() <= source.len() as u64));
        target.truncate((size - ragged) as usize);
        prop_assert_eq!(crate_reads(target.clone(), sector), crate_reads(source.clone(), sector));
        let disk = MemDisk::new(target.clone());
        let (old, new) = (
            read_table(&MemDisk::new(source), sector).unwrap(),
            read_table(&disk, sector).unwrap(),
        );
        prop_assert_eq!(&new.notes, &[]);
        prop_assert_eq!(&old.partitions, &new.partitions);
        for (first, last) in parts {
            let bytes = &target[(first * unit) as usize..((last + 1) * unit) as usize];
            prop_assert!(bytes.iter().all(|b| *b == 0x3c));
        }
        let headers = target.chunks(512).filter(|c| c.starts_with(b"EFI PART")).count();
        prop_assert_eq!(headers, 2);
        // What was restored can be restored again.
        let again = plan_layout(&new, &disk, size - ragged + unit, sector);
        prop_assert!(again.is_ok());
    }

    /// Tables and bytes that do not belong together: never a panic, and no
    /// write outside the target or onto a partition.
    #[test]
    fn hostile_images_cannot_aim_a_write(
        pokes in prop::collection::vec((0usize..34 * 512, any::<u8>()), 0..8),
        start in 0u64..300_000, len in 0u64..300_000, target in 200_000u64..900_000,
    ) {
        let good = gpt_disk(SectorSize::B512, 400, &[(40, 99)]);
        let mut table = read_table(&MemDisk::new(good.clone()), SectorSize::B512).unwrap();
        table.partitions[0].start = start;
        table.partitions[0].len = len;
        let mut bytes = good;
        for (at, value) in pokes {
            bytes[at] = value;
        }
        if let Ok(layout) = plan_layout(&table, &MemDisk::new(bytes), target, SectorSize::B512) {
            for write in &layout.writes {
                let to = write.extent();
                prop_assert!(to.end() <= target);
                prop_assert!(len == 0 || to.end() <= start || to.start >= start + len);
            }
        }
    }
}

#[test]
fn notes_name_what_the_layout_repairs() {
    let mut source = gpt_disk(SectorSize::B512, 400, &[(40, 99)]);
    source[512] = 0;
    let disk = MemDisk::new(source);
    let table = read_table(&disk, SectorSize::B512).unwrap();
    assert_eq!(table.notes[0].kind, NoteKind::PrimaryGptDamaged);
    let layout = plan_layout(&table, &disk, 1 << 20, SectorSize::B512).unwrap();
    assert_eq!(layout.changes.len(), 2);
    assert!(layout.changes[0].contains("from byte 187904 to the target's end"));
}
