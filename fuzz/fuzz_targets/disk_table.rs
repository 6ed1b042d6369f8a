//! Any disk at all: `read_table` neither panics nor accepts what contradicts
//! itself, and its regions tile the disk.
#![no_main]

mod disk_input;

use disk::{MemDisk, read_table, regions};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((sector, bytes)) = disk_input::disk(data) else {
        return;
    };
    let size = bytes.len() as u64;
    let Ok(table) = read_table(&MemDisk::new(bytes), sector) else {
        return;
    };
    table.check().expect("an accepted table is consistent");
    let row = regions(&table, size);
    assert_eq!(row.iter().map(|r| r.len).sum::<u64>(), size);
    let mut at = 0;
    for region in row {
        assert_eq!(region.start, at);
        at += region.len;
    }
});
