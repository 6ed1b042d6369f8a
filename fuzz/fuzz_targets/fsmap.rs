//! Maps of sparse disks. Seeds: `fuzz/seeds`.
#![no_main]

use disk::ReadAt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let disk = fuzz::SparseDisk::decode(input);
    let Ok(map) = fsmap::map(&disk) else {
        panic!("a disk that can be read gave an error");
    };
    assert_eq!(map.free, disk::normalize(map.free.clone()));
    assert!(map.free.iter().all(|e| e.end() <= disk.size()));
    if map.consistency == fsmap::Consistency::Raw {
        assert!(map.free.is_empty() && !map.notes.is_empty());
    }
});
