use std::process::Command;

use super::*;

/// What the real tools make is the judge: `tool words…` in a new folder, then the
/// text of `file`.
fn made(commands: &[&[&str]], file: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for words in commands {
        let output = Command::new(words[0])
            .args(&words[1..])
            .current_dir(&folder)
            .output();
        let output = output.unwrap_or_else(|_| panic!("{} is missing", words[0]));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    std::fs::read_to_string(folder.path().join(file)).unwrap()
}

const NEW_KEY: &[&str] = &[
    "ssh-keygen",
    "-q",
    "-t",
    "ed25519",
    "-N",
    "",
    "-C",
    "me",
    "-f",
    "k",
];

fn refused<T: std::fmt::Debug>(result: Result<T>) -> String {
    format!("{:#}", result.unwrap_err())
}

#[test]
fn public_keys_are_collected_once_each() {
    let key = made(&[NEW_KEY], "k.pub");
    let rsa = made(
        &[&["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", "k"]],
        "k.pub",
    );
    let files = [
        ("a".to_owned(), format!("# ours\n\n{key}")),
        ("b".to_owned(), format!("{rsa}{key}")),
        ("c".to_owned(), key.clone()),
    ];
    assert_eq!(authorized(&files).unwrap(), format!("{key}{rsa}"));
}

#[test]
fn what_is_no_public_key_is_refused_with_its_line() {
    let key = made(&[NEW_KEY], "k.pub");
    let with = |text: String| refused(authorized(&[("a".to_owned(), text)]));
    let text = with(made(&[NEW_KEY], "k"));
    assert!(
        text.starts_with("a, line 1: this is a private key"),
        "{text}"
    );
    let text = with(format!("\ncommand=\"/bin/x\" {key}"));
    assert!(
        text.starts_with("a, line 2: expected a key") && text.contains("options"),
        "{text}"
    );
    assert!(
        with(key.replace("ssh-ed25519", "ssh-rsa")).contains("the key in it is a \"ssh-ed25519\"")
    );
    let cut: String = key.chars().take(40).collect();
    assert!(with(cut).contains("line 1"));
    assert!(with(key.replace("AAAA", "A*AA")).contains("no base64"));
    assert!(with("# nothing\n".to_owned()).contains("holds no key"));
}

#[test]
fn the_host_key_must_be_usable_without_anybody() {
    check_host_key(&made(&[NEW_KEY], "k")).unwrap();
    let locked: &[&str] = &["ssh-keygen", "-q", "-t", "ed25519", "-N", "pass", "-f", "k"];
    assert!(refused(check_host_key(&made(&[locked], "k"))).contains("passphrase"));
    let rsa: &[&str] = &["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", "k"];
    assert!(refused(check_host_key(&made(&[rsa], "k"))).contains("ed25519"));
    assert!(refused(check_host_key(&made(&[NEW_KEY], "k.pub"))).contains("found 0"));
}

const CERTIFICATE: &[&str] = &[
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-subj",
    "/CN=ACME root",
    "-days",
    "30",
    "-keyout",
    "key.pem",
    "-out",
    "cert.pem",
];

#[test]
fn certificates_are_read_and_what_is_none_is_refused() {
    let text = made(&[CERTIFICATE], "cert.pem");
    let found = certificates(&format!("{text}{text}")).unwrap();
    assert_eq!(
        (found.len(), found[0].subject.as_str()),
        (2, "CN=ACME root")
    );
    assert_eq!(found[0].subject, found[0].issuer);
    assert!(refused(certificates(&made(&[CERTIFICATE], "key.pem"))).contains("private key"));
    assert!(refused(certificates("hello")).contains("no certificate"));
    let damaged = text.replacen("MII", "MIA", 1);
    assert!(refused(certificates(&damaged)).contains("damaged"));
}

#[test]
fn the_client_key_must_be_usable_without_anybody() {
    check_private_key(&made(&[CERTIFICATE], "key.pem")).unwrap();
    assert!(refused(check_private_key(&made(&[CERTIFICATE], "cert.pem"))).contains("CERTIFICATE"));
    let lock: &[&str] = &[
        "openssl",
        "pkey",
        "-aes128",
        "-passout",
        "pass:xxxx",
        "-in",
        "key.pem",
        "-out",
        "locked.pem",
    ];
    let text = refused(check_private_key(&made(&[CERTIFICATE, lock], "locked.pem")));
    assert!(text.contains("passphrase"), "{text}");
}

#[test]
fn a_key_to_trust_images_by_is_minisigns_public_one() {
    const MAKE: &[&str] = &["minisign", "-G", "-W", "-p", "a.pub", "-s", "a.key"];
    let public = made(&[MAKE], "a.pub");
    check_public(&public).unwrap();
    let bare = public.lines().nth(1).unwrap();
    check_public(bare).unwrap();
    check_public(&format!("{bare}\r\n\n")).unwrap();
    assert!(refused(check_public(&made(&[MAKE], "a.key"))).contains("secret key"));
    let ssh = made(&[NEW_KEY], "k.pub");
    for wrong in [
        "",
        "untrusted comment: x",
        &ssh,
        &format!("{public}{bare}"),
        &bare[..55],
    ] {
        let said = refused(check_public(wrong));
        assert!(said.contains("begins with RW"), "{wrong:?}: {said}");
    }
}
