//! Secure Boot from outside: what `inspect` says of real signed programs, and a
//! unified kernel image, as other people's tools see them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{boot_parts, build, few_modules, imagebuilder, program, refused, stdout};
use serde_json::Value;
use tempfile::TempDir;

/// What another program prints.
fn run(program: &str, package: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output =
        output.unwrap_or_else(|_| panic!("{program} is missing: apt-get install {package}"));
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The common names of a file's issuers as sbverify sees them.
fn issuers(file: &Path) -> Vec<String> {
    let text = run(
        "sbverify",
        "sbsigntool",
        &["--list", file.to_str().unwrap()],
    );
    let issuers = text.lines().filter_map(|line| line.strip_prefix(" - /"));
    let names = issuers.filter_map(|line| Some(line.rsplit_once("CN=")?.1.to_owned()));
    names.collect()
}

#[test]
fn inspect_names_the_signers_that_sbverify_names() {
    let dir = TempDir::new().unwrap();
    let (iso, _) = build(dir.path(), "a.iso", &[]);
    let iso = iso.to_str().unwrap();
    let found: Value =
        serde_json::from_str(&stdout(&imagebuilder(&["inspect", "--json", iso]))).unwrap();
    let programs = found["secure_boot"]["programs"].as_array().unwrap();
    for (path, part) in [
        ("EFI/BOOT/BOOTX64.EFI", "efi/shimx64.efi"),
        ("EFI/BOOT/grubx64.efi", "efi/grubx64.efi"),
        ("EFI/BOOT/mmx64.efi", "efi/mmx64.efi"),
        ("boot/vmlinuz", "kernel"),
    ] {
        let ours = programs.iter().find(|p| p["path"] == path).unwrap();
        let theirs = issuers(&boot_parts().join(part));
        assert!(!theirs.is_empty(), "{part}");
        assert_eq!(ours["issuers"], Value::from(theirs), "{path}");
    }
    let text = stdout(&imagebuilder(&["inspect", iso]));
    assert!(
        text.contains("Its generations are good for machines up to SBAT level"),
        "{text}"
    );
    assert!(!text.contains("shim refuses"), "{text}");
}

/// A key and its certificate, "key.pem" and "cert.pem" in `dir`.
fn make_key(dir: &Path) -> (String, String) {
    let file = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (file("key.pem"), file("cert.pem"));
    let words = "req -new -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ACME-Recovery";
    let mut args: Vec<&str> = words.split(' ').collect();
    args.extend(["-keyout", &key, "-out", &certificate]);
    run("openssl", "openssl", &args);
    (key, certificate)
}

#[test]
fn a_unified_image_holds_everything_and_is_covered_by_the_signature() {
    let dir = TempDir::new().unwrap();
    let (key, certificate) = make_key(dir.path());
    let rescue = program(dir.path(), &["-static"]);
    let modules = few_modules(dir.path());
    let out = dir.path().join("rescue.efi");
    let out = out.to_str().unwrap();
    let args = [
        "uki",
        "--level",
        "1",
        "--rescue",
        rescue.to_str().unwrap(),
        "--boot-parts",
        boot_parts().to_str().unwrap(),
        "--module-list",
        &modules,
        "--cmdline",
        "rescue.mark=here",
        "--out",
        out,
    ];
    let signing = ["--key", &key, "--certificate", &certificate];
    stdout(&imagebuilder(&[&args[..], &signing].concat()));
    run("sbverify", "sbsigntool", &["--cert", &certificate, out]);

    let section = |name: &str| {
        let file = dir.path().join("section");
        let dump = format!("{name}={}", file.display());
        let copy = dir.path().join("copy.efi");
        run(
            "objcopy",
            "binutils",
            &["--dump-section", &dump, out, copy.to_str().unwrap()],
        );
        fs::read(file).unwrap()
    };
    // Sections are padded.
    let kernel = fs::read(boot_parts().join("kernel")).unwrap();
    assert!(section(".linux").starts_with(&kernel));
    let words = String::from_utf8(section(".cmdline")).unwrap();
    assert!(words.contains("rescue.mark=here"), "{words}");
    assert!(section(".initrd").len() > 100_000);

    // A changed byte of the initramfs is noticed: nothing of it is outside.
    let mut bytes = fs::read(out).unwrap();
    let middle = bytes.len() - 300_000;
    bytes[middle] ^= 1;
    let changed = dir.path().join("changed.efi");
    fs::write(&changed, bytes).unwrap();
    let verified = Command::new("sbverify")
        .args(["--cert", &certificate])
        .arg(&changed)
        .output();
    assert!(!verified.unwrap().status.success());

    // What is enrolled is the certificate itself.
    let der = dir.path().join("expected.der");
    run(
        "openssl",
        "openssl",
        &[
            "x509",
            "-in",
            &certificate,
            "-outform",
            "DER",
            "-out",
            der.to_str().unwrap(),
        ],
    );
    let der = fs::read(der).unwrap();
    assert_eq!(fs::read(dir.path().join("rescue.cer")).unwrap(), der);
    let list = fs::read(dir.path().join("rescue.esl")).unwrap();
    assert_eq!((list.len(), &list[44..]), (44 + der.len(), &der[..]));

    let message = refused(&[&args[..], &["--key", &key, "--certificate", &key]].concat());
    assert!(message.contains("certificate"), "{message}");
}
