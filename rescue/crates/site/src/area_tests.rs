use proptest::prelude::*;

use super::*;
use crate::Name;

fn contents(files: &[(&str, &[u8])]) -> Contents {
    let mut out = Contents::default();
    for (name, data) in files {
        out.set(Name::new(name).unwrap(), data.to_vec());
    }
    out
}

fn sample() -> Contents {
    contents(&[
        ("site.toml", b"name = \"ACME\"\n"),
        ("tls/ca/root.pem", b"-----BEGIN CERTIFICATE-----\n"),
        ("firmware/a/b.bin", &[0; 5000]),
    ])
}

/// What `area_v1.bin` holds: an area of the first layout, as it was written then.
/// It must be readable for ever; never write this file anew.
const GOLDEN: &[u8] = include_bytes!("area_v1.bin");

#[test]
fn an_area_of_the_first_layout_is_still_read() {
    assert_eq!(GOLDEN.len(), 1024);
    assert_eq!(read(GOLDEN), Ok(Some(sample())));
}

#[test]
fn what_is_written_is_read_and_the_same_each_time() {
    let area = write(4096, &sample()).unwrap();
    assert_eq!(area.len(), 4096);
    assert_eq!(area, write(4096, &sample()).unwrap());
    assert_eq!(read(&area), Ok(Some(sample())));
    let used = used(&area).unwrap() as usize;
    assert!(area[used - 1] != 0 && area[used..].iter().all(|b| *b == 0));
    let blank = write(4096, &Contents::default()).unwrap();
    assert_eq!((blank.len(), read(&blank)), (4096, Ok(None)));
}

#[test]
fn an_area_that_is_half_written_does_not_count() {
    let (old, new) = (write(4096, &sample()).unwrap(), {
        let mut other = sample();
        other.set(Name::new("plan.toml").unwrap(), b"x".repeat(300));
        write(4096, &other).unwrap()
    });
    // The payload is written first and the header last: in between, the old
    // header stands before the new payload.
    let mut torn = old[..HEADER].to_vec();
    torn.extend(&new[HEADER..]);
    assert_eq!(read(&torn), Err(AreaError::PayloadHash));
    // What `imagebuilder customize` really leaves: no header at all.
    torn[..HEADER].fill(0);
    assert_eq!(read(&torn), Err(AreaError::NoArea));
}

#[test]
fn every_changed_byte_that_matters_is_noticed() {
    let area = write(1024, &sample()).unwrap();
    let payload = number(&area, 32, 8) as usize;
    for at in 0..HEADER + payload {
        let mut damaged = area.clone();
        damaged[at] ^= 0x40;
        assert!(read(&damaged).is_err(), "byte {at}");
    }
    for cut in [0, 10, 100, 127, 128, 500, 1023] {
        assert!(read(&area[..cut]).is_err(), "{cut}");
    }
}

/// An area with correct checksums around `plain`: what an attacker or another
/// program could write.
fn forged(plain: &[u8], claimed: u64) -> Vec<u8> {
    seal(plain, claimed).unwrap()
}

/// The error and what is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let behind = error.source().map(causes).unwrap_or_default();
    format!("{error}: {behind}")
}

#[test]
fn correct_checksums_do_not_help_wrong_contents() {
    let entry = |name: &str, data: &[u8]| {
        let mut out = (name.len() as u16).to_le_bytes().to_vec();
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(name.as_bytes());
        out.extend(data);
        out
    };
    let refused = |plain: &[u8]| {
        let error = read(&forged(plain, plain.len() as u64)).unwrap_err();
        causes(&error)
    };
    assert!(refused(&entry("../../init", b"x")).contains("../../init"));
    assert!(refused(&entry("bin/rescue", b"x")).contains("bin/rescue"));
    let twice = [entry("plan.toml", b"1"), entry("plan.toml", b"2")].concat();
    assert!(refused(&twice).contains("twice"));
    assert!(refused(&entry("plan.toml", b"12345")[..14]).contains("more bytes"));
    let large = entry("keys/a.pub", &[0; 5000]);
    assert!(refused(&large).contains("5000 bytes, at most 4096"));
    let both = [entry("firmware/a", b""), entry("firmware/a/b", b"")].concat();
    assert!(refused(&both).contains("firmware/a is a file and a folder"));
    // More than was promised, or far too much.
    let entry = entry("plan.toml", b"1");
    let more = read(&forged(&entry, entry.len() as u64 - 1)).unwrap_err();
    assert!(matches!(more, AreaError::Packing(_)), "{more}");
    let huge = read(&forged(&entry, LARGEST + 1)).unwrap_err();
    assert!(
        matches!(
            huge,
            AreaError::Length {
                what: "unpacked",
                ..
            }
        ),
        "{huge}"
    );
}

#[test]
fn another_layout_is_named() {
    let mut area = write(1024, &sample()).unwrap();
    area[16] = 2;
    assert_eq!(read(&area), Err(AreaError::Version { found: 2 }));
}

#[test]
fn what_does_not_fit_is_refused_with_both_sizes() {
    let error = write(
        200,
        &contents(&[(
            "site.toml",
            b"name = \"A name that needs more room than there is, and so on, 0123456789\"",
        )]),
    );
    let text = error.unwrap_err().to_string();
    assert!(text.ends_with("the area has room for 72"), "{text}");
    assert!(write(LARGEST + 1, &sample()).is_err());
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        plain in proptest::collection::vec(any::<u8>(), 0..400),
        at in 0usize..1024,
        byte in any::<u8>(),
    ) {
        let _ = read(&plain);
        let _ = read(&forged(&plain, plain.len() as u64));
        let mut area = GOLDEN.to_vec();
        area[at] = byte;
        let _ = read(&area);
    }
}
