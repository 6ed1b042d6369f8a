//! Damaged INF files and any other bytes: errors, never a panic, and all
//! questions can be asked.

use proptest::prelude::*;
use proptest::sample::Index;
use windows::inf::{Arch, DriverSet, Inf, Target};

use crate::packages::{ALL, amd64, bytes, pci};

fn ask_all(bytes: &[u8]) {
    let Ok(inf) = Inf::parse("x/a.inf", bytes, Inf::ENGLISH) else {
        return;
    };
    for arch in [Arch::Amd64, Arch::X86] {
        let target = Target {
            arch,
            ..amd64(10, 0, 20348)
        };
        let _ = inf.version(&target);
        for model in inf.models(&target).unwrap_or_default() {
            let _ = inf.install(&model.install, &target, &[&inf]);
        }
    }
    let set = DriverSet::new(
        ["x/a.inf".to_owned()],
        [("x/a.inf".to_owned(), bytes.to_vec())],
    );
    let _ = set.candidates(
        &pci("1AF4", "1001", "00021AF4", "0100"),
        &amd64(10, 0, 20348),
    );
}

/// Pieces that mean something in an INF.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        "[", "]", "=", ",", "\"", "\\\n", "\n", ";", "%", "%%", "@", "NT", ".NT", "HKR", "Needs=",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 1..4),
    ]
}

proptest! {
    #[test]
    fn damaged_packages(name in 0..ALL.len(), patches in proptest::collection::vec((any::<Index>(), piece()), 1..6)) {
        let mut bytes = bytes(ALL[name]);
        for (index, piece) in patches {
            let at = index.index(bytes.len());
            bytes.splice(at..at, piece);
        }
        ask_all(&bytes);
    }

    #[test]
    fn cut_packages(name in 0..ALL.len(), cut in any::<Index>()) {
        let bytes = bytes(ALL[name]);
        ask_all(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        ask_all(&bytes);
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(piece(), 0..80)) {
        ask_all(&[b"[Version]\n".to_vec(), pieces.concat()].concat());
    }
}

#[test]
fn a_small_file_does_not_fill_the_memory() {
    let lines = "HKR,,x,,1\n".repeat(30_000);
    let many = "r,".repeat(2000);
    let text = format!("[a]\nAddReg={many}r\n[r]\n{lines}");
    let inf = Inf::parse("a.inf", text.as_bytes(), Inf::ENGLISH).unwrap();
    let said = inf
        .install("a", &amd64(10, 0, 1), &[])
        .unwrap_err()
        .to_string();
    assert_eq!(
        said,
        "a.inf, line 2: directive: expected at most 20000 entries, found 30000"
    );
    let text = format!("[a]\nAddReg={many}r\n[r]\n{}", "HKR,,x,,1\n".repeat(11));
    let inf = Inf::parse("a.inf", text.as_bytes(), Inf::ENGLISH).unwrap();
    assert!(inf.install("a", &amd64(10, 0, 1), &[]).is_err());
    let makers = "m=m,NTamd64\n".repeat(2000);
    let text = format!(
        "[Manufacturer]\n{makers}[m.NTamd64]\n{}",
        "d=i,PCI\\X\n".repeat(2000)
    );
    let inf = Inf::parse("a.inf", text.as_bytes(), Inf::ENGLISH).unwrap();
    assert!(inf.models(&amd64(10, 0, 1)).is_err());
}
