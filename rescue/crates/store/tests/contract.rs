//! What every store that can be written promises.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use store::{DirStore, Error, MemoryStore, Store};

fn keeps_the_contract(store: &dyn Store) {
    assert!(matches!(
        store.get("config", 10),
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(store.size("config"), Err(Error::NotFound { .. })));
    let mut buf = [0; 4];
    assert!(matches!(
        store.read_range("a/b", 0, &mut buf),
        Err(Error::NotFound { .. })
    ));
    assert_eq!(store.list("").unwrap(), Vec::<String>::new());
    assert_eq!(store.list("nothing/").unwrap(), Vec::<String>::new());
    store.delete("nothing").unwrap();

    store.put("packs/ab/abcd.pack", b"0123456789").unwrap();
    store.put("packs/ac/acde.pack", b"").unwrap();
    store.put("config", b"text").unwrap();
    assert_eq!(
        store.list("packs/").unwrap(),
        ["packs/ab/abcd.pack", "packs/ac/acde.pack"]
    );
    assert_eq!(store.list("").unwrap().len(), 3);
    assert_eq!(store.size("packs/ab/abcd.pack").unwrap(), 10);
    assert_eq!(store.get("packs/ab/abcd.pack", 10).unwrap(), b"0123456789");
    match store.get("packs/ab/abcd.pack", 9) {
        Err(Error::TooLarge {
            size: 10, cap: 9, ..
        }) => {}
        other => panic!("{other:?}"),
    }
    store.read_range("packs/ab/abcd.pack", 6, &mut buf).unwrap();
    assert_eq!(&buf, b"6789");
    for offset in [7, 10, u64::MAX - 3, u64::MAX] {
        match store.read_range("packs/ab/abcd.pack", offset, &mut buf) {
            Err(Error::ShortObject { size: 10, .. } | Error::Io { .. }) => {}
            other => panic!("{offset}: {other:?}"),
        }
    }

    // The same object again, and one that changed its size.
    store.put("config", b"text").unwrap();
    store.put("config", b"longer").unwrap();
    assert_eq!(store.get("config", 10).unwrap(), b"longer");
    store.delete("packs/ab/abcd.pack").unwrap();
    assert!(matches!(
        store.read_range("packs/ab/abcd.pack", 0, &mut buf),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn memory_keeps_the_contract() {
    keeps_the_contract(&MemoryStore::default());
}

#[test]
fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    keeps_the_contract(&DirStore::create(folder.path().join("repo")).unwrap());
}

#[test]
fn a_folder_leaves_no_temporary_and_lists_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path()).unwrap();
    store.put("snap/a.man", b"x").unwrap();
    let entries = std::fs::read_dir(folder.path().join("snap")).unwrap();
    assert_eq!(entries.count(), 1);
    std::fs::write(folder.path().join("snap/.tmp-1-1"), b"torn").unwrap();
    std::fs::write(folder.path().join("snap/strange name"), b"").unwrap();
    assert_eq!(store.list("snap/").unwrap(), ["snap/a.man"]);
}

#[test]
fn names_cannot_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("repo");
    let store = DirStore::create(&inside).unwrap();
    std::fs::write(folder.path().join("secret"), b"s").unwrap();
    for name in [
        "../secret",
        "a/../../secret",
        "/etc/hostname",
        ".hidden",
        "a//b",
        "",
    ] {
        assert!(store.get(name, 10).is_err(), "{name}");
        assert!(store.put(name, b"x").is_err(), "{name}");
        assert!(store.delete(name).is_err(), "{name}");
    }
    assert!(store.list("../").is_err());
    assert_eq!(std::fs::read(folder.path().join("secret")).unwrap(), b"s");
}

#[test]
fn a_folder_is_made_only_when_asked_and_only_one_level() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("repo");
    assert!(matches!(
        store::open(missing.to_str().unwrap(), &store::Web::default()),
        Err(Error::Unreachable { .. })
    ));
    assert!(!missing.exists());
    let deep = missing.join("deeper");
    assert!(store::open_or_create(deep.to_str().unwrap()).is_err());
    assert!(!missing.exists());
    store::open_or_create(&format!("file://{}", missing.display())).unwrap();
    assert!(missing.is_dir());
    std::fs::write(folder.path().join("file"), b"").unwrap();
    assert!(store::open_or_create(folder.path().join("file").to_str().unwrap()).is_err());
}

#[test]
fn addresses_that_cannot_work_are_refused_with_a_reason() {
    for bad in ["", "s3://bucket", "file://relative"] {
        let error = store::open(bad, &store::Web::default()).err().unwrap();
        assert!(matches!(error, Error::Unreachable { .. }), "{bad}: {error}");
    }
    assert!(matches!(
        store::open_or_create("http://localhost/x"),
        Err(Error::ReadOnly { .. })
    ));
}

/// A write that the folder's owner cannot do: root can, so nothing to see.
#[test]
fn a_failed_put_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::open(folder.path()).unwrap();
    store.put("packs/a", b"1").unwrap();
    let packs = folder.path().join("packs");
    std::fs::set_permissions(&packs, std::fs::Permissions::from_mode(0o555)).unwrap();
    let result = store.put("packs/b", b"2");
    std::fs::set_permissions(&packs, std::fs::Permissions::from_mode(0o755)).unwrap();
    match result {
        Ok(()) => assert!(can_write_anywhere(&packs), "written although forbidden"),
        Err(error) => {
            assert!(matches!(error, Error::Io { .. }), "{error}");
            assert_eq!(store.list("packs/").unwrap(), ["packs/a"]);
        }
    }
}

fn can_write_anywhere(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // The file written a moment ago belongs to whoever runs the test.
    std::fs::metadata(folder.join("a")).unwrap().uid() == 0
}
