//! Maps of a disk that is the input itself.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let disk = disk::MemDisk::new(input.to_vec());
    assert!(fsmap::map(&disk).is_ok());
});
