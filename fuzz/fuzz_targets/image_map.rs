//! Any bytes as a map page and as a map root: no panic, and what parses round-trips.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((len, bytes)) = data.split_first_chunk::<8>() else {
        return;
    };
    let len = u64::from_le_bytes(*len);
    image::fuzzing::page(bytes, len);
    image::fuzzing::root(bytes, len);
});
