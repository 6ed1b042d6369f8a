use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::{Node, Tree};

/// The judge is the loader itself: what the closure collected, and nothing
/// else, must be enough to run the program.
#[test]
fn a_program_runs_from_its_closure_alone() {
    let mut tree = Tree::new();
    add_program(&mut tree, Path::new("/"), "bin/ls").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (path, node) in tree.iter() {
        let path = folder.path().join(path);
        match node {
            Node::Dir { .. } => fs::create_dir_all(path).unwrap(),
            Node::File { data, .. } => {
                fs::write(&path, data).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    let libraries = folder.path().join("lib/x86_64-linux-gnu");
    let loader = folder.path().join("lib64/ld-linux-x86-64.so.2");
    let output = Command::new(&loader)
        .args(["--inhibit-cache", "--library-path"])
        .arg(&libraries)
        .args(["--list"])
        .arg(folder.path().join("bin/ls"))
        .output()
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{listed}");
    let collected = tree.iter().filter(|(p, _)| p.starts_with("lib/")).count();
    let inside = listed
        .lines()
        .filter(|l| l.contains(libraries.to_str().unwrap()))
        .count();
    assert!(inside >= 2, "{listed}");
    assert_eq!(
        collected,
        inside + 2,
        "two folders and the libraries: {listed}"
    );
}

/// `readelf` is part of binutils, which every compiler needs.
#[test]
fn needed_libraries_agree_with_readelf() {
    let bytes = fs::read("/bin/ls").unwrap();
    let ours = Elf::parse("ls", &bytes).unwrap().dynamic().unwrap();
    let output = Command::new("readelf").args(["-dW", "/bin/ls"]).output();
    let output = output.expect("readelf is missing: apt-get install binutils");
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: BTreeSet<_> = text
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    assert_eq!(
        ours.needed
            .iter()
            .map(String::as_str)
            .collect::<BTreeSet<_>>(),
        theirs
    );
    assert_eq!(
        ours.interpreter.as_deref(),
        Some("/lib64/ld-linux-x86-64.so.2")
    );
    let elf = Elf::parse("ls", &bytes).unwrap();
    assert!(elf.section(b".interp").unwrap().starts_with(b"/lib64/"));
    assert_eq!(elf.section(b".no-such"), None);
}

#[test]
fn a_missing_library_is_named_with_who_needs_it() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("bin")).unwrap();
    fs::copy("/bin/ls", root.path().join("bin/ls")).unwrap();
    let error = add_program(&mut Tree::new(), root.path(), "bin/ls").unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("bin/ls needs lib"), "{message}");
    assert!(message.contains("usr/lib/x86_64-linux-gnu"), "{message}");
}

#[test]
fn other_files_are_refused() {
    assert!(Elf::parse("x", b"#!/bin/sh\n").is_err());
    assert!(Elf::parse("x", b"\x7fELF\x01\x01").is_err());
}

proptest! {
    #[test]
    fn damage_is_an_error_not_a_panic(
        edits in prop::collection::vec((0usize..0x300, any::<u8>()), 1..8), keep in 0usize..0x3000
    ) {
        let mut bytes = fs::read("/bin/ls").unwrap();
        for (at, value) in edits {
            bytes[at.max(6)] = value;
        }
        bytes.truncate(keep.max(6));
        let elf = Elf::parse("ls", &bytes).unwrap();
        let _ = elf.dynamic();
        let _ = elf.section(b".modinfo");
    }
}
