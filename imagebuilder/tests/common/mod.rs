//! What the tests of the builder share.
#![allow(dead_code, unreachable_pub)] // each test program uses a part of it

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

/// Made by scripts/boot-parts, which runs when they are absent.
pub fn boot_parts() -> &'static Path {
    static PARTS: LazyLock<PathBuf> = LazyLock::new(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/boot-parts");
        let offline = Command::new(script).arg("--offline").output().unwrap();
        let output = match offline.status.success() {
            true => offline,
            false => Command::new(script).output().unwrap(),
        };
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/boot-parts: {message}");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    });
    &PARTS
}

/// A program that says its version; `how` is `-static` or nothing.
pub fn program(dir: &Path, how: &[&str]) -> PathBuf {
    let source = dir.join("stub.c");
    let binary = dir.join("stub");
    fs::write(
        &source,
        "#include <stdio.h>\nint main(void) { puts(\"stub 1.2.3\"); }\n",
    )
    .unwrap();
    let compiler = Command::new("cc")
        .args(how)
        .arg("-o")
        .arg(&binary)
        .arg(&source)
        .output();
    let compiler = compiler.expect("cc is missing: apt-get install gcc libc6-dev");
    assert!(
        compiler.status.success(),
        "{}",
        String::from_utf8_lossy(&compiler.stderr)
    );
    binary
}

pub fn imagebuilder(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_imagebuilder"))
        .args(args)
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .unwrap()
}

pub fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn build(dir: &Path, name: &str, more: &[&str]) -> (PathBuf, Value) {
    build_as("iso", dir, name, more)
}

pub fn build_as(form: &str, dir: &Path, name: &str, more: &[&str]) -> (PathBuf, Value) {
    let rescue = program(dir, &["-static"]);
    let out = dir.join(name);
    let parts = boot_parts();
    let mut args = vec![
        form,
        "--level",
        "1",
        "--json",
        "--rescue",
        rescue.to_str().unwrap(),
    ];
    args.extend([
        "--boot-parts",
        parts.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    args.extend(more);
    let summary = serde_json::from_str(&stdout(&imagebuilder(&args))).unwrap();
    (out, summary)
}

/// A list of few modules: quick to pack.
pub fn few_modules(dir: &Path) -> String {
    let list = dir.join("few.list");
    fs::write(&list, "[storage]\nsd_mod\nloop\nsquashfs\n").unwrap();
    list.to_str().unwrap().to_owned()
}

pub fn refused(args: &[&str]) -> String {
    let output = imagebuilder(args);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}
