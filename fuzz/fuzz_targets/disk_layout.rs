//! Any image onto any target: `plan_layout` neither panics nor aims a write
//! outside the target or at a partition, and the result reads back the same.
#![no_main]

mod disk_input;

use disk::{MemDisk, TableKind, WriteAt, complement, plan_layout, read_table};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((growth, data)) = data.split_first_chunk::<2>() else {
        return;
    };
    let Some((sector, bytes)) = disk_input::disk(data) else {
        return;
    };
    let source = MemDisk::new(bytes.clone());
    let Ok(table) = read_table(&source, sector) else {
        return;
    };
    let target_size = table.disk_size + u64::from(u16::from_le_bytes(*growth)) * 64;
    let Ok(layout) = plan_layout(&table, &source, target_size, sector) else {
        return;
    };

    let target = MemDisk::zeroed(target_size as usize);
    for kept in complement(&layout.replaced, table.disk_size) {
        let from = &bytes[kept.start as usize..kept.end() as usize];
        target.write_all_at(from, kept.start).unwrap();
    }
    for write in &layout.writes {
        let to = write.extent();
        assert!(to.end() <= target_size);
        for p in &table.partitions {
            assert!(to.end() <= p.start || p.extent().end() <= to.start);
        }
        target.write_all_at(&write.bytes, write.offset).unwrap();
    }
    if table.kind != TableKind::Gpt {
        return; // Whether boot code is a table depends on the size of the disk.
    }
    let after = read_table(&target, sector).expect("a restored table can be read");
    assert_eq!(after.partitions, table.partitions);
    assert_eq!(after.kind, table.kind);
});
