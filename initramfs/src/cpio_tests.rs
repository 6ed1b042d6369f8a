use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::{Level, Tree, compress, join};

fn sample() -> Tree {
    let mut tree = Tree::new();
    tree.file("init", 0o755, b"#!x".to_vec()).unwrap();
    tree.symlink("bin/rescue", "/init").unwrap();
    let console = Node::CharDevice {
        mode: 0o600,
        major: 5,
        minor: 1,
    };
    tree.add("dev/console", console).unwrap();
    tree
}

/// The judge is GNU cpio, not our own reader.
#[test]
fn gnu_cpio_lists_what_was_written() {
    let archive = sample().to_cpio(86_400).unwrap();
    let mut child = Command::new("cpio")
        .args(["-itvn", "--quiet"])
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cpio is missing: apt-get install cpio");
    child.stdin.take().unwrap().write_all(&archive).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let listing = String::from_utf8(output.stdout).unwrap();
    let words: Vec<Vec<&str>> = listing
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let summary: Vec<_> = words.iter().map(|w| (w[0], w[w.len() - 1])).collect();
    let expected = [
        ("drwxr-xr-x", "bin"),
        ("lrwxrwxrwx", "/init"),
        ("drwxr-xr-x", "dev"),
        ("crw-------", "dev/console"),
        ("-rwxr-xr-x", "init"),
    ];
    assert_eq!(summary, expected, "{listing}");
    assert!(listing.contains("5,   1"), "{listing}");
    assert!(listing.contains("Jan  2  1970"), "{listing}");
}

#[test]
fn order_of_insertion_does_not_matter() {
    let mut other = Tree::new();
    for (path, node) in sample().iter().collect::<Vec<_>>().into_iter().rev() {
        other.add(path, node.clone()).unwrap();
    }
    assert_eq!(other.to_cpio(7).unwrap(), sample().to_cpio(7).unwrap());
}

#[test]
fn layers_are_read_through_padding_and_compression() {
    let mut second = Tree::new();
    second.file("etc/x", 0o644, vec![9; 5000]).unwrap();
    let first = compress(&sample().to_cpio(0).unwrap(), Level::FAST).unwrap();
    let plain = second.to_cpio(0).unwrap();
    let last = compress(&plain, Level::FAST).unwrap();
    let bytes = join(&[&first, &plain, &last]);
    let entries = read_archives(&bytes).unwrap();
    let paths: Vec<_> = entries.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "bin",
            "bin/rescue",
            "dev",
            "dev/console",
            "init",
            "etc",
            "etc/x",
            "etc",
            "etc/x"
        ]
    );
    assert_eq!(entries[6].data, vec![9; 5000]);
    assert_eq!(entries[3].kind, EntryKind::CharDevice);
}

#[test]
fn a_foreign_file_is_named_as_such() {
    let error = read_archives(b"MZ is no archive").unwrap_err();
    assert!(error.to_string().contains("070701"), "{error}");
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(
        files in prop::collection::btree_map(
            "[a-z]{1,6}(/[a-z.]{3,9})?x", prop::collection::vec(any::<u8>(), 0..50), 0..9)
    ) {
        let mut tree = Tree::new();
        for (path, data) in &files {
            if tree.file(path, 0o640, data.clone()).is_err() {
                return Ok(());
            }
        }
        let entries = read_archives(&tree.to_cpio(3).unwrap()).unwrap();
        let read: std::collections::BTreeMap<_, _> = entries
            .into_iter()
            .filter(|e| e.kind == EntryKind::File)
            .map(|e| (e.path, e.data))
            .collect();
        prop_assert_eq!(read, files);
    }

    #[test]
    fn damage_is_an_error_not_a_panic(at in 0usize..600, byte: u8, cut in 0usize..700) {
        let mut bytes = sample().to_cpio(0).unwrap();
        if let Some(b) = bytes.get_mut(at) { *b = byte; }
        bytes.truncate(cut);
        let _ = read_archives(&bytes);
    }
}

#[test]
fn a_file_is_located_where_its_bytes_are() {
    let mut tree = crate::Tree::new();
    tree.file("a/b", 0o644, b"first".to_vec()).unwrap();
    tree.file("a/c", 0o644, b"second".to_vec()).unwrap();
    let archive = tree.to_cpio(0).unwrap();
    let at = super::locate(&archive, "a/c").unwrap().unwrap();
    assert_eq!(&archive[at], b"second");
    assert_eq!(super::locate(&archive, "a").unwrap(), Some(112..112));
    assert_eq!(super::locate(&archive, "x").unwrap(), None);
    assert!(super::locate(&archive[..200], "x").is_err());
}
