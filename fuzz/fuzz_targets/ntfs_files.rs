//! Files of an NTFS volume that is the input itself: read, or refused.
#![no_main]

use fsmap::NtfsFiles;

/// More bytes than this are not read of a file: most of them may be holes.
const MOST: u64 = 1 << 20;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let disk = disk::MemDisk::new(input.to_vec());
    let Ok(files) = NtfsFiles::open(&disk) else {
        return;
    };
    let _ = files.is_dirty();
    let Ok(Some(root)) = files.find("/") else {
        return;
    };
    let names = files.names(root, 50).ok().flatten().unwrap_or_default();
    for name in names {
        let Ok(Some(file)) = files.find(&name) else {
            continue;
        };
        let _ = files.names(file, 50);
        if let (Ok(size), Ok(bytes)) = (files.size(file), files.read(file, MOST)) {
            assert_eq!(bytes.len() as u64, size);
        }
    }
});
