//! Any bytes as a signature, a public key, a secret key: no panic, and what
//! is read survives being written.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    image::fuzzing::signature(data);
});
