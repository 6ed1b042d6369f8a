//! Any bytes as an INF file of a package: every question is asked, never a
//! panic. What it names stays below the folders it names. Good seeds are the
//! packages in rescue/crates/windows/tests/packages.
#![no_main]

use windows::inf::{Arch, Inf, Product, Target};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(inf) = Inf::parse("a.inf", data, Inf::ENGLISH) else {
        return;
    };
    for (arch, major, build) in [(Arch::Amd64, 10, 19045), (Arch::X86, 6, 7601)] {
        let product = Product::Workstation;
        let target = Target {
            arch,
            major,
            minor: 0,
            build,
            product,
            suite: 0,
        };
        let _ = inf.version(&target);
        for model in inf.models(&target).unwrap_or_default().iter().take(8) {
            let Ok(install) = inf.install(&model.install, &target, &[&inf]) else {
                continue;
            };
            for file in &install.files {
                assert!(!file.source.split('/').any(|part| part == ".."));
                assert!(!file.to.path.split('\\').any(|part| part == ".."));
            }
        }
    }
});
