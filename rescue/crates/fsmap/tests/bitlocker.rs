//! Genuine BitLocker volumes: those of the tests of dissect.fve, which
//! `scripts/oracles` fetches and cuts down to boot sector and metadata.
// Helpers of tests, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::path::Path;

use fsmap::{BitLocker, FsKind, Made, Method, Opens, identify};

fn read(name: &str) -> BitLocker {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/oracles/bitlocker");
    let path = folder.join(format!("{name}.bin"));
    let hint = "run scripts/oracles";
    let volume = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}: {hint}", path.display()));
    assert_eq!(identify(&volume).unwrap().kind, FsKind::Bitlocker);
    BitLocker::read(&volume).unwrap().unwrap()
}

/// The name, then what dissect.fve 4.6 says of it: method, identifier, description,
/// and the identifiers of what opens it.
#[test]
fn host_genuine_volumes_say_the_same_to_others() {
    use Opens::{Clear, Key, Password, RecoveryPassword};
    let ten = "DESKTOP-QNI1MMF TestVolume 10/8/2021";
    let old = "USER-PC TestVolume 10/24/2021";
    for (name, method, id, description, protectors) in [
        (
            "aes-xts_128",
            Method::AesXts(128),
            "19540fda",
            ten,
            vec![(Password, "55faeded")],
        ),
        (
            "aes-xts_256",
            Method::AesXts(256),
            "ccc383b5",
            ten,
            vec![(Password, "03b1b63c")],
        ),
        (
            "aes_128",
            Method::AesCbc(128),
            "bf4cf543",
            ten,
            vec![(Password, "b1ca4ba2")],
        ),
        (
            "aes_256",
            Method::AesCbc(256),
            "5af5f534",
            ten,
            vec![(Password, "82086473")],
        ),
        (
            "aes_128_diffuser",
            Method::AesCbcDiffuser(128),
            "2210b6bd",
            old,
            vec![(Password, "026194ab")],
        ),
        (
            "aes_256_diffuser",
            Method::AesCbcDiffuser(256),
            "20c7f7ca",
            old,
            vec![(Password, "74199f3e")],
        ),
        (
            "recovery_key",
            Method::AesXts(128),
            "7414ad48",
            ten,
            vec![(Key, "99b0081a"), (Password, "1057e9bd")],
        ),
        (
            "startup_key",
            Method::AesXts(128),
            "81fb9ffe",
            ten,
            vec![(Key, "b3411a58"), (Password, "ee7a5fdb")],
        ),
        (
            "recovery_password",
            Method::AesXts(128),
            "8e6909f1",
            ten,
            vec![(RecoveryPassword, "3c116b76"), (Password, "6dd54bcd")],
        ),
        (
            "suspended",
            Method::AesXts(128),
            "2d07ad36",
            "DESKTOP-QNI1MMF TestVolume 10/24/2021",
            vec![(Clear, "62472a91")],
        ),
        (
            "vista",
            Method::AesCbcDiffuser(128),
            "07e6814c",
            "USER-PC C: 10/21/2021",
            vec![(Key, "64683bba"), (RecoveryPassword, "b59c92d8")],
        ),
    ] {
        let volume = read(name);
        assert_eq!(volume.method, method, "{name}");
        assert!(
            volume.id.to_lowercase().starts_with(id),
            "{name}: {}",
            volume.id
        );
        assert_eq!(volume.description.as_deref(), Some(description), "{name}");
        let first = |id: &str| id.to_lowercase()[..8].to_owned();
        let found = volume.protectors.iter();
        let found: Vec<(Opens, String)> = found.map(|p| (p.opens, first(&p.id))).collect();
        let expected = protectors.into_iter();
        let expected: Vec<_> = expected.map(|(o, id)| (o, id.to_owned())).collect();
        assert_eq!(found, expected, "{name}");
        assert!(!volume.conversion.is_under_way(), "{name}");
        assert_eq!(volume.is_suspended(), name == "suspended");
        assert_eq!(volume.made == Made::Vista, name == "vista");
        assert_eq!(volume.unlocks_others, name == "vista");
        // 2021, in units of 100 ns since 1601.
        assert_eq!(volume.created / 315_569_520_000_000, 420, "{name}");
    }
}

#[test]
fn host_genuine_volumes_say_how_far_they_are() {
    let told = |name| read(name).conversion.to_string();
    assert_eq!(told("decrypted"), "decrypted");
    assert_eq!(
        told("eow_partial"),
        "encrypted where it is used, perhaps not everywhere yet"
    );
    let part = read("win7_partial");
    let expected = "being decrypted (encrypted up to byte 1143820288)";
    assert_eq!(part.conversion.to_string(), expected);
    let opens: Vec<Opens> = part.protectors.iter().map(|p| p.opens).collect();
    assert_eq!(opens, [Opens::Key, Opens::RecoveryPassword, Opens::Clear]);
}
