//! Any hives as those of a Windows: what is told of it is known, or not, never
//! a panic. The input is SAM and SECURITY, and each of them all four.
#![no_main]

use hive::Hive;
use windows::identity::{Hives, Identity};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (first, second) = data.split_at(data.len() / 2);
    let open = |bytes: &[u8]| {
        let mut file = bytes.to_vec();
        fuzz::seal(&mut file);
        Hive::open(file, &[])
            .map(|(hive, _)| hive)
            .map_err(|e| e.to_string())
    };
    let told = |sam: &Result<Hive, String>, security: &Result<Hive, String>| {
        let hives = Hives {
            system: security.as_ref().map_err(String::clone),
            software: sam.as_ref().map_err(String::clone),
            sam: sam.as_ref().map_err(String::clone),
            security: security.as_ref().map_err(String::clone),
        };
        let identity = Identity::read(&hives, &|name, secret| format!("{name} {}", secret.len()));
        let _ = identity.condition.findings();
        let _ = identity.product.title();
    };
    told(&open(first), &open(second));
    let one = open(data);
    told(&one, &one);
});
