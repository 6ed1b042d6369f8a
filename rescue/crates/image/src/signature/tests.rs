//! Texts of keys and signatures, beside what minisign 0.11 wrote.

use proptest::prelude::*;

use super::*;
use crate::{ImageId, Timestamp};

/// `minisign -G -W`: a key for these tests.
const PUBLIC: &str = "\
untrusted comment: minisign public key 4B11B435FDA7D34B
RWRL06f9NbQRS3+QjQjtEC0XL6UNC4ikvyil/5eJRpuo59pm64vqDpF3
";
const SECRET: &str = "\
untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAS9On/TW0EUsq7x0dmz7L+RMh6y2Nhk6vssxZSWnDPFVrgTCfQZ4OiH+QjQjtEC0XL6UNC4ikvyil/5eJRpuo59pm64vqDpF3AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
";
/// `minisign -S -W` of "hi\n" in a file `f`.
const SIGNATURE: &str = "\
untrusted comment: signature from minisign secret key
RURL06f9NbQRSzQZGSBsSH8LluAZUX2ZoFjPPL6Tg0Y/bgNEfm5l6tOx/0J9tNH2XikYHyxoCn6hoS3cEQiLIa9hjf4+M4PS0w0=
trusted comment: timestamp:1795690102\tfile:f\thashed
VidiyrTexGOP27l2SveSUq/2axbimMFsX/ElW9zGCKrpGL/wM1vjrVHA1K+Q+Acfr3MC1I8Ke4o6IWQlT7VqAg==
";
/// `minisign -G`, with a passphrase.
const WITH_PASSPHRASE: &str = "\
untrusted comment: minisign encrypted secret key
RWRTY0IyqUhFfNqQiBWzsxh+UDe5lGwJ7lCNOWqHSyknnvvWxlUAAAACAAAAAAAAAEAAAAAAgxqtG07amD0iLWgd7AZKnoTDclfhkXCG3hzoWQtP2/4cP9UhsJoEJluIxau7dBs+WI+NjCRl95M7TBGc+x8yAg122ciHnc74KR8/tazKy8xbIcjX0P5+fe013mmoMQhyHbdoyBC4eyg=
";

fn key(number: u8) -> SecretKey {
    SecretKey::generate(&[number; 40]).unwrap()
}

fn trusting(keys: &[&SecretKey]) -> TrustedKeys {
    let keys = keys.iter().map(|key| key.public().clone()).collect();
    TrustedKeys::new(keys).unwrap()
}

fn some_id() -> ImageId {
    ImageId::new(Timestamp::from_unix(0), 0)
}

fn signature(key: &SecretKey, bytes: &[u8]) -> String {
    let now = Timestamp::from_unix(1);
    key.for_manifest(&some_id(), bytes, now).unwrap()
}

#[test]
fn what_minisign_wrote_is_read() {
    let public = PublicKey::parse(PUBLIC).unwrap();
    assert_eq!(public.id().to_string(), "4B11B435FDA7D34B");
    assert_eq!(public.to_text(), PUBLIC);
    let secret = SecretKey::parse(SECRET).unwrap();
    assert_eq!(*secret.public(), public);
    let keys = trusting(&[&secret]);
    assert_eq!(keys.judge(SIGNATURE.as_bytes(), b"hi\n"), Ok(public.id()));
    // Ed25519 signs without chance: the same bytes come out.
    let ours = secret.sign(b"hi\n", "timestamp:1795690102\tfile:f\thashed".into());
    assert_eq!(ours, Signature::parse(SIGNATURE.as_bytes()).unwrap());
    let windows = SIGNATURE.replace('\n', "\r\n");
    assert!(keys.judge(windows.as_bytes(), b"hi\n").is_ok());
    let bare = PUBLIC.lines().nth(1).unwrap();
    assert_eq!(PublicKey::parse(bare).unwrap(), public);
}

#[test]
fn keys_survive_their_files() {
    let secret = key(9);
    let again = SecretKey::parse(&secret.to_text()).unwrap();
    assert_eq!(again.public(), secret.public());
    assert_eq!(again.to_text(), secret.to_text());
    let public = secret.public();
    assert_eq!(PublicKey::parse(&public.to_text()).unwrap(), *public);
}

#[test]
fn every_changed_digit_of_a_secret_key_is_seen() {
    let text = key(9).to_text();
    let start = text.find("RWQ").unwrap();
    for at in start..text.len() - 1 {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        match SecretKey::parse(&changed) {
            Err(_) => {}
            // Salt and costs are those of a passphrase that is not there.
            Ok(read) => {
                let salt = start + 8..start + 72;
                assert!(salt.contains(&at), "{at}");
                assert_eq!(read.to_text(), text);
            }
        }
    }
}

#[test]
fn a_wrong_file_is_named_for_what_it_is() {
    let words = |error: KeyError| error.to_string();
    let said = words(SecretKey::parse(WITH_PASSPHRASE).unwrap_err());
    assert!(
        said.contains("passphrase") && said.contains("-C -W"),
        "{said}"
    );
    let said = words(SecretKey::parse(PUBLIC).unwrap_err());
    assert!(said.contains("takes the secret one"), "{said}");
    let said = words(PublicKey::parse(SECRET).unwrap_err());
    assert!(said.contains("give the public one"), "{said}");
    let said = words(PublicKey::parse("-----BEGIN PUBLIC KEY-----\n").unwrap_err());
    assert!(
        said.starts_with("line 1: expected a minisign public key"),
        "{said}"
    );
    let said = words(PublicKey::parse(&format!("{PUBLIC}more\n")).unwrap_err());
    assert!(said.starts_with("line 3: expected the end"), "{said}");
    assert!(PublicKey::parse("").is_err() && SecretKey::parse("").is_err());
}

#[test]
fn secrets_are_not_shown() {
    let secret = SecretKey::parse(SECRET).unwrap();
    assert_eq!(format!("{secret:?}"), "SecretKey(4B11B435FDA7D34B)");
    let spoilt = SECRET.replace("RWQAAEIy", "RWQAAEI*");
    let said = SecretKey::parse(&spoilt).unwrap_err().to_string();
    assert!(
        said.contains("line 2") && !said.contains("RWQAAEI*"),
        "{said}"
    );
}

#[test]
fn old_signatures_are_refused_with_what_to_do() {
    // `minisign -S -l` differs in the second letter of its kind.
    let old = SIGNATURE.replace("RURL", "RWRL");
    let said = trusting(&[&key(1)])
        .judge(old.as_bytes(), b"hi\n")
        .unwrap_err();
    assert!(said.to_string().contains("leave out `-l`"), "{said}");
}

#[test]
fn each_reason_has_its_words() {
    let (ours, theirs) = (key(1), key(2));
    let keys = trusting(&[&ours]);
    let signed = signature(&ours, b"bytes");
    assert_eq!(
        keys.judge(signed.as_bytes(), b"bytes"),
        Ok(ours.public().id())
    );
    let other = keys.judge(signed.as_bytes(), b"Bytes").unwrap_err();
    assert!(matches!(other, Distrust::Mismatch { .. }), "{other}");
    let foreign = signature(&theirs, b"bytes");
    let foreign = keys.judge(foreign.as_bytes(), b"bytes").unwrap_err();
    assert!(
        foreign
            .to_string()
            .contains(&theirs.public().id().to_string())
    );
    assert!(matches!(foreign, Distrust::ForeignKey { .. }), "{foreign}");
    let comment = signed.replace("timestamp:1\t", "timestamp:2\t");
    let comment = keys.judge(comment.as_bytes(), b"bytes").unwrap_err();
    assert!(matches!(comment, Distrust::Comment { .. }), "{comment}");
    assert!(matches!(
        keys.judge(b"", b"bytes"),
        Err(Distrust::Damaged(_))
    ));
    assert!(matches!(
        keys.judge(b"\xff", b"bytes"),
        Err(Distrust::Damaged(_))
    ));
}

#[test]
fn another_key_of_the_same_id_is_not_the_same_key() {
    let mut random = [1; 40];
    random[0] = 2;
    let (ours, impostor) = (key(1), SecretKey::generate(&random).unwrap());
    assert_eq!(ours.public().id(), impostor.public().id());
    let forged = signature(&impostor, b"bytes");
    let judged = trusting(&[&ours]).judge(forged.as_bytes(), b"bytes");
    assert!(
        matches!(judged, Err(Distrust::Mismatch { .. })),
        "{judged:?}"
    );
    let both = trusting(&[&ours, &impostor]);
    assert!(both.judge(forged.as_bytes(), b"bytes").is_ok());
}

#[test]
fn every_flipped_bit_of_a_signature_is_seen() {
    let ours = key(1);
    let keys = trusting(&[&ours]);
    let whole = signature(&ours, b"bytes");
    // The first comment is nobody's word, in minisign too.
    let remark = "untrusted comment:".len()..whole.find('\n').unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let judged = keys.judge(&bytes, b"bytes");
            let harmless = remark.contains(&at) || at == whole.len() - 1;
            assert!(judged.is_err() || harmless, "byte {at}, bit {bit}");
        }
    }
    for len in 0..whole.len() - 1 {
        let judged = keys.judge(&whole.as_bytes()[..len], b"bytes");
        assert!(judged.is_err(), "cut after {len} bytes");
    }
}

proptest! {
    #[test]
    fn nothing_makes_the_parsers_panic(bytes: Vec<u8>, text in "\\PC*", cut in 0usize..300, junk in "[\\PC\n]{0,6}") {
        let _ = Signature::parse(&bytes);
        for whole in [PUBLIC, SECRET, SIGNATURE, &text] {
            let mut broken = whole.to_owned();
            let at = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at));
            broken.insert_str(at.unwrap_or(0), &junk);
            crate::fuzzing::signature(broken.as_bytes());
        }
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else_does(
        seed: u8, bytes: Vec<u8>, other: Vec<u8>,
    ) {
        let ours = key(seed);
        let keys = trusting(&[&ours]);
        let signed = signature(&ours, &bytes);
        prop_assert!(keys.judge(signed.as_bytes(), &bytes).is_ok());
        prop_assert_eq!(keys.judge(signed.as_bytes(), &other).is_ok(), bytes == other);
        let read = Signature::parse(signed.as_bytes()).unwrap();
        prop_assert_eq!(read.to_text(), signed);
    }
}
