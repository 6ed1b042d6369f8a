//! Damaged hives and logs: errors, never a panic; and what passes as sound
//! stays sound when it is edited.

use hive::{FileTime, Hive, ValueType};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;

use crate::made;

/// Bytes to change, at random and to values that mean something.
fn patches() -> impl Strategy<Value = Vec<(Index, u8)>> {
    let byte = prop_oneof![Just(0), Just(0xFF), Just(0x80), Just(0x08), any::<u8>()];
    proptest::collection::vec((any::<Index>(), byte), 1..6)
}

fn patched(bytes: &[u8], patches: &[(Index, u8)]) -> Vec<u8> {
    // Where something is: most of a hive is zero.
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut bytes = bytes.to_vec();
    for (index, byte) in patches {
        let place = *index.get(&places);
        bytes[place] = *byte;
    }
    made::seal(&mut bytes);
    bytes
}

fn use_all(hive: Hive) {
    let mut text = String::new();
    hive.dump(&mut text).unwrap();
    let Ok(mut edit) = hive.edit(FileTime(1)) else {
        return;
    };
    let _ = edit.delete_key("System\\Services\\service5");
    let _ = edit.create_key("System\\Services\\new one\\below");
    let _ = edit.set_value("System", "", ValueType::BINARY, &[0; 20_000]);
    let _ = edit.delete_value("Software\\Größe", "名");
    let _ = edit.delete_key("System");
    Hive::open(edit.finish().unwrap(), &[])
        .unwrap()
        .0
        .validate()
        .unwrap();
}

proptest! {
    #![proptest_config(Config { cases: 400, ..Config::default() })]

    #[test]
    fn damaged_hives(patches in patches(), cut in proptest::option::of(any::<Index>())) {
        let mut bytes = patched(made::furnished(5).as_bytes(), &patches);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok((hive, _)) = Hive::open(bytes, &[]) {
            use_all(hive);
        }
    }

    #[test]
    fn damaged_logs(patches in patches(), old in any::<bool>(), cut in any::<Index>()) {
        let hive = made::furnished(5);
        let mut edit = hive.clone().edit(FileTime(1)).unwrap();
        edit.create_key("System\\Services\\new one").unwrap();
        edit.set_value("System", "new", ValueType::BINARY, &[1; 9000]).unwrap();
        let new = made::open(&edit.finish().unwrap());
        let pages = made::pages(&hive, &new, 512);
        let log = match old {
            true => made::old_log(hive.sequence(), 0, new.bins_size(), &pages),
            false => made::new_log(hive.sequence(), &[(new.bins_size(), pages)]),
        };
        let mut log = patched(&log, &patches);
        let mut primary = hive.as_bytes().to_vec();
        made::soil(&mut primary);
        if let Ok((hive, _)) = Hive::open(primary.clone(), &[&log]) {
            use_all(hive);
        }
        log.truncate(cut.index(log.len()));
        if let Ok((hive, _)) = Hive::open(primary, &[&log]) {
            use_all(hive);
        }
    }
}
