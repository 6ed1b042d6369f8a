//! Any bytes as a site area, and any bytes as what it holds behind checksums that
//! fit: no panic, and what is read is written and read again the same.
#![no_main]

use site::area;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check(data);
    check(&site::fuzzing::sealed(data));
});

fn check(bytes: &[u8]) {
    let Ok(Some(contents)) = area::read(bytes) else {
        return;
    };
    let _ = (contents.config(), contents.plan());
    // Small, so that a run is quick; what does not fit is another matter.
    let Ok(again) = area::write(1 << 20, &contents) else {
        return;
    };
    assert_eq!(area::read(&again), Ok(Some(contents)));
}
