//! Any JSON as a manifest: no panic, and what parses round-trips.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    image::fuzzing::manifest(data);
});
