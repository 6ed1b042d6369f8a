//! Any bytes as a pack: no panic, no error but damage.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    image::fuzzing::pack(data);
});
