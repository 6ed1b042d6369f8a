//! Edits of genuine hives: what was meant is there, all else is as it was.

use std::collections::BTreeSet;

use hive::{Edit, Error, FileTime, Hive, ValueType, What, diff, dword, multi_sz, sz};

use crate::{fixtures, hivex, made, oracles};

const WHEN: FileTime = FileTime(0x01D8_0000_0000_0000);
/// Bytes of data around the places where their storage changes.
const LENGTHS: [usize; 9] = [0, 1, 4, 5, 100, 16_344, 16_345, 32_689, 100_000];

/// The deepest key that has values with data of some length, by path.
fn some_key(hive: &Hive) -> String {
    let mut found = String::new();
    for item in hive.walk().unwrap() {
        let (path, key) = item.unwrap();
        let values = key.values().unwrap();
        let long = values.iter().any(|value| value.data_len() > 8);
        if long && path.matches('\\').count() > found.matches('\\').count() {
            found = path;
        }
    }
    assert!(!found.is_empty());
    found
}

/// Edits of every kind; returns the paths of keys that may differ afterwards.
fn edit_all(edit: &mut Edit) -> BTreeSet<String> {
    let mut touched = BTreeSet::from([String::new()]);
    let victim = some_key(edit.hive());
    let (parent, _) = victim.rsplit_once('\\').unwrap();
    assert!(edit.create_key("Zz rescue\\Größe\\名").unwrap());
    assert!(!edit.create_key("zz RESCUE\\größe").unwrap());
    for length in LENGTHS {
        let name = format!("length {length}");
        let data = vec![length as u8; length];
        assert!(
            edit.set_value("Zz rescue", &name, ValueType::BINARY, &data)
                .unwrap()
        );
        assert!(
            !edit
                .set_value("Zz rescue", &name, ValueType::BINARY, &data)
                .unwrap()
        );
    }
    edit.set_value("Zz rescue\\Größe", "", ValueType::EXPAND_SZ, &sz("%a%"))
        .unwrap();
    edit.set_value(
        "Zz rescue\\Größe",
        "名",
        ValueType::MULTI_SZ,
        &multi_sz(&["a"]),
    )
    .unwrap();
    change_a_value(edit, &victim);
    edit.create_key(&format!("{victim}\\new")).unwrap();
    touched.insert(victim.clone());
    assert!(edit.delete_key(&format!("{victim}\\new")).unwrap());
    if victim != "ControlSet001" {
        edit.create_key(&format!("{parent}\\zz sibling\\below"))
            .unwrap();
        touched.insert(parent.to_owned());
    }
    touched
}

/// Grows, shrinks and deletes values that were there.
fn change_a_value(edit: &mut Edit, path: &str) {
    let key = edit.hive().key(path).unwrap();
    let names: Vec<String> = key
        .values()
        .unwrap()
        .iter()
        .map(|v| v.name().to_string())
        .collect();
    for name in &names {
        for length in LENGTHS {
            let data = vec![1; length];
            edit.set_value(path, name, ValueType(0x77), &data).unwrap();
        }
        for length in LENGTHS.iter().rev() {
            let data = vec![2; *length];
            edit.set_value(path, name, ValueType(0x78), &data).unwrap();
        }
    }
    assert!(edit.delete_value(path, &names[0].to_uppercase()).unwrap());
    assert!(!edit.delete_value(path, &names[0]).unwrap());
}

#[test]
fn only_what_was_meant_differs() {
    for fixture in fixtures::ALL {
        let name = fixture.name;
        let (old, _) = fixture.open();
        let mut edit = old.clone().edit(WHEN).unwrap();
        let touched = edit_all(&mut edit);
        let new = Hive::open(edit.finish().unwrap(), &[]).unwrap().0;
        let stats = new.validate().unwrap();
        assert_eq!(
            (stats.lost_cells, stats.unjoined_free_cells),
            (0, 0),
            "{name}"
        );
        assert_eq!(new.sequence(), old.sequence() + 1, "{name}");
        for change in diff(&old, &new).unwrap() {
            let ours = ["Zz rescue", "zz sibling"]
                .iter()
                .any(|key| change.key.contains(key));
            match &change.what {
                What::KeyAdded | What::Value(_, None, Some(_)) => assert!(ours, "{name}: {change}"),
                What::Value(..) => assert!(touched.contains(&change.key), "{name}: {change}"),
                What::Time(_, new) => {
                    assert!(
                        touched.contains(&change.key) && *new == WHEN,
                        "{name}: {change}"
                    );
                }
                _ => panic!("{name}: {change}"),
            }
        }
        check_lengths(&new);
    }
}

fn check_lengths(hive: &Hive) {
    let key = hive.key("Zz rescue").unwrap();
    assert_eq!(key.value_count() as usize, LENGTHS.len());
    for length in LENGTHS {
        let value = key.value(&format!("LENGTH {length}")).unwrap().unwrap();
        assert!(*value.data().unwrap() == vec![length as u8; length]);
    }
    assert_eq!(key.last_written(), WHEN);
    let above = hive.root().unwrap().security().unwrap();
    assert_eq!(key.security().unwrap(), above);
}

#[test]
fn host_hivex_reads_the_same_after_edits() {
    for fixture in fixtures::ALL {
        let (old, _) = fixture.open();
        let mut edit = old.edit(WHEN).unwrap();
        edit_all(&mut edit);
        let bytes = edit.finish().unwrap();
        let new = Hive::open(bytes.clone(), &[]).unwrap().0;
        hivex::assert_same(
            fixture.name,
            &hivex::export_bytes(&bytes),
            &hivex::ours(&new),
        );
    }
}

/// Thousands of subkeys, in and out: lists split into an index and shrink.
#[test]
fn host_many_subkeys() {
    for minor in [3, 5] {
        let mut edit = made::open(&made::hive(minor)).edit(WHEN).unwrap();
        // In an order that is not theirs: 7 and 3000 have no common divisor.
        let number = |index: u32| index * 7 % 3000;
        for index in 0..3000 {
            assert!(
                edit.create_key(&format!("many\\key {:04}", number(index)))
                    .unwrap()
            );
        }
        let stats = edit.hive().validate().unwrap();
        assert_eq!((stats.keys, stats.lost_cells), (3002, 0));
        assert!(stats.longest_leaf <= 1012);
        let full = edit.finish().unwrap();
        let hive = Hive::open(full.clone(), &[]).unwrap().0;
        assert_eq!(hive.key("many").unwrap().subkey_count(), 3000);
        hivex::assert_same("full", &hivex::export_bytes(&full), &hivex::ours(&hive));
        let mut edit = hive.edit(WHEN).unwrap();
        for index in 0..3000 {
            assert!(
                edit.delete_key(&format!("MANY\\KEY {:04}", number(index)))
                    .unwrap()
            );
            if index % 500 == 0 {
                edit.hive().validate().unwrap();
            }
        }
        let stats = edit.hive().validate().unwrap();
        assert_eq!(
            (stats.keys, stats.lost_cells, stats.unjoined_free_cells),
            (2, 0, 0)
        );
        let empty = edit.finish().unwrap();
        assert_eq!(empty.len(), full.len(), "space is reused, bins stay");
        let hive = made::open(&empty);
        hivex::assert_same("empty", &hivex::export_bytes(&empty), &hivex::ours(&hive));
    }
}

/// What the adaptation to other hardware does: every StartOverride goes.
#[test]
fn trees_are_deleted_whole() {
    let (old, _) = fixtures::named("joined-8.1/SYSTEM").open();
    let services = old
        .key("ControlSet001\\Services")
        .unwrap()
        .subkeys()
        .unwrap();
    let overrides = services
        .iter()
        .filter(|s| s.subkey("StartOverride").unwrap().is_some());
    let paths: Vec<String> = overrides
        .map(|s| format!("{}\\StartOverride", s.path()))
        .collect();
    assert!(paths.len() >= 42, "{}", paths.len());
    let mut edit = old.clone().edit(WHEN).unwrap();
    for path in &paths {
        assert!(edit.delete_key(path).unwrap());
    }
    assert!(edit.delete_key("ControlSet001\\Control\\Class").unwrap());
    let new = made::open(&edit.finish().unwrap());
    assert_eq!(new.validate().unwrap().lost_cells, 0);
    let removed = diff(&old, &new).unwrap();
    let removed = removed.iter().filter(|c| c.what == What::KeyRemoved);
    let below_class = old
        .key("ControlSet001\\Control\\Class")
        .unwrap()
        .walk("")
        .count();
    assert_eq!(removed.count(), paths.len() + below_class);
}

/// Editing SYSTEM leaves the boot key and all secrets readable.
#[test]
fn host_secrets_survive_edits() {
    let open = |name| fixtures::named(name).open().0;
    let (system, sam, security) = (
        open("joined-8.1/SYSTEM"),
        open("joined-8.1/SAM"),
        open("joined-8.1/SECURITY"),
    );
    let dump = |system: &[u8]| oracles::secrets(system, sam.as_bytes(), security.as_bytes());
    let before = dump(system.as_bytes());
    assert!(
        before.iter().any(|line| line.contains("$MACHINE.ACC")),
        "{before:#?}"
    );
    let mut edit = system.edit(WHEN).unwrap();
    edit_all(&mut edit);
    assert_eq!(before, dump(&edit.finish().unwrap()));
}

#[test]
fn what_windows_refuses_is_refused() {
    let hive = made::furnished(5);
    let mut edit = hive.clone().edit(WHEN).unwrap();
    let refused = |result: Result<bool, Error>| match result {
        Err(Error::Refused { what, why }) => format!("{what}: {why}"),
        other => panic!("not refused: {other:?}"),
    };
    assert!(refused(edit.delete_key("")).contains("root"));
    assert!(refused(edit.create_key(&"x".repeat(256))).contains("255"));
    assert!(refused(edit.create_key("a\0b")).contains("NUL"));
    assert!(refused(edit.create_key(&"a\\".repeat(600))).contains("512"));
    let long = "n".repeat(20_000);
    assert!(refused(edit.set_value("System", &long, ValueType::SZ, &[])).contains("16383"));
    let missing = edit
        .set_value("Nowhere", "a", ValueType::SZ, &[])
        .unwrap_err();
    assert!(matches!(missing, Error::NoSuchKey { path } if path == "Nowhere"));
    assert!(!edit.delete_value("Nowhere", "a").unwrap());
    assert!(!edit.delete_key("Nowhere").unwrap());
    assert!(
        edit.finish().unwrap() == hive.as_bytes(),
        "nothing was edited"
    );
}

/// An edit that cannot be finished is taken back to the last byte.
#[test]
fn a_failed_edit_leaves_no_trace() {
    let hive = made::furnished(3);
    let mut edit = hive.clone().edit(WHEN).unwrap();
    let before = edit.hive().as_bytes().to_vec();
    // Version 1.3 has no segments, and no cell is over 1 MiB.
    let large = edit.set_value("System", "new", ValueType::BINARY, &vec![0; 2 << 20]);
    assert!(matches!(large, Err(Error::Refused { .. })));
    assert!(edit.hive().as_bytes() == before);
    assert_eq!(edit.hive().validate().unwrap(), hive.validate().unwrap());
    edit.set_value("System", "new", ValueType::BINARY, &vec![0; 1 << 19])
        .unwrap();
    assert_eq!(edit.hive().validate().unwrap().lost_cells, 0);
}

/// Keys that Windows protects stay, and so does what holds them.
#[test]
fn protected_keys_stay() {
    let hive = made::furnished(5);
    let mut bytes = hive.as_bytes().to_vec();
    let name = bytes.windows(4).position(|w| w == b"disk").unwrap();
    bytes[name - 74] |= 0x08;
    let mut edit = made::open(&bytes).edit(WHEN).unwrap();
    for path in ["System\\Services\\disk", "System"] {
        assert!(
            matches!(edit.delete_key(path), Err(Error::Refused { .. })),
            "{path}"
        );
    }
    assert!(edit.delete_key("Software").unwrap());
}

/// A hive that is not sound is read, and not edited.
#[test]
fn unsound_hives_are_not_edited() {
    let hive = made::furnished(5);
    let mut bytes = hive.as_bytes().to_vec();
    let name = bytes.windows(4).position(|w| w == b"disk").unwrap();
    bytes[name..name + 4].copy_from_slice(b"desk");
    let hive = made::open(&bytes);
    assert!(hive.find("System\\Services\\disk").unwrap().is_none());
    let Err(Error::Unsound { problems }) = hive.edit(WHEN) else {
        panic!("edited");
    };
    assert!(
        problems[0].to_string().contains("hash of a subkey"),
        "{}",
        problems[0]
    );
    assert_eq!(problems[0].key, "System\\Services\\desk");
}

#[test]
fn numbers_stay_in_place() {
    let hive = made::furnished(5);
    let mut edit = hive.clone().edit(WHEN).unwrap();
    edit.set_value(
        "System\\Services\\disk",
        "Start",
        ValueType::DWORD,
        &dword(3),
    )
    .unwrap();
    let bytes = edit.finish().unwrap();
    let pairs = bytes.iter().zip(hive.as_bytes());
    let changed = pairs.filter(|(new, old)| new != old).count();
    assert!(
        changed <= 8 + 1 + 2 + 4,
        "{changed} bytes: time, number, sequence, checksum"
    );
}

/// Lists of offsets alone (`li`) occur in old hives; none at hand has one.
#[test]
fn host_plain_lists() {
    let mut bytes = made::furnished(3).as_bytes().to_vec();
    let mut lists = 0;
    for at in (4096 + 32..bytes.len()).step_by(8) {
        if bytes.get(at + 4..at + 6) == Some(b"lf") {
            let count = usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]]));
            bytes[at + 4..at + 6].copy_from_slice(b"li");
            for entry in 0..count {
                bytes.copy_within(at + 8 + entry * 8..at + 12 + entry * 8, at + 8 + entry * 4);
            }
            lists += 1;
        }
    }
    assert!(lists >= 4);
    let old = made::open(&bytes);
    let mut edit = old.clone().edit(WHEN).unwrap();
    for number in 30..60 {
        edit.create_key(&format!("System\\Services\\Service{number}"))
            .unwrap();
    }
    assert!(edit.delete_key("system\\services\\SERVICE12").unwrap());
    let new = edit.finish().unwrap();
    let hive = made::open(&new);
    assert_eq!(hive.validate().unwrap().lost_cells, 0);
    assert_eq!(diff(&old, &hive).unwrap().len(), 30 + 1 + 1);
    hivex::assert_same("li", &hivex::export_bytes(&new), &hivex::ours(&hive));
}
