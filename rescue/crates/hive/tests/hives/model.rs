//! Random edits against a model: maps of keys and values.

use std::collections::BTreeMap;

use hive::{Edit, FileTime, Hive, ValueType};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::made;

type Values = BTreeMap<String, (u32, Vec<u8>)>;
type Keys = BTreeMap<Vec<String>, Values>;

#[derive(Debug, Clone)]
enum Op {
    Create(Vec<String>),
    Delete(Vec<String>),
    Set(Vec<String>, String, u32, Vec<u8>),
    Unset(Vec<String>, String),
}

/// Few names, so that edits meet; in both cases, of one byte a unit and of two.
const NAMES: [&str; 8] = [
    "a",
    "A",
    "b",
    "ä",
    "Ä",
    "字",
    "a longer name than others",
    "_",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
        1 => (0..40_u32).prop_map(|n| format!("key{n}")),
    ]
}

fn path() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(name(), 0..4)
}

/// Lengths around which storage changes; now and then segments.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![20 => 0..40_usize, 4 => 40..5000_usize, 1 => 16_340..40_000_usize];
    (any::<u8>(), length).prop_map(|(byte, length)| vec![byte; length])
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => path().prop_map(Op::Create),
        2 => path().prop_map(Op::Delete),
        6 => (path(), name(), 0..12_u32, data()).prop_map(|(p, n, t, d)| Op::Set(p, n, t, d)),
        2 => (path(), name()).prop_map(|(p, n)| Op::Unset(p, n)),
    ]
}

/// Names here are capitals: "ä" and "Ä" are one.
fn capital(name: &str) -> String {
    name.to_uppercase()
}

fn capitals(path: &[String]) -> Vec<String> {
    path.iter().map(|name| capital(name)).collect()
}

fn in_model(keys: &mut Keys, op: &Op) {
    match op {
        Op::Create(path) => {
            let path = capitals(path);
            for end in 1..=path.len() {
                keys.entry(path[..end].to_vec()).or_default();
            }
        }
        Op::Delete(path) if path.is_empty() => {}
        Op::Delete(path) => keys.retain(|key, _| !key.starts_with(&capitals(path))),
        Op::Set(path, name, kind, data) => {
            if let Some(values) = keys.get_mut(&capitals(path)) {
                values.insert(capital(name), (*kind, data.clone()));
            }
        }
        Op::Unset(path, name) => {
            if let Some(values) = keys.get_mut(&capitals(path)) {
                values.remove(&capital(name));
            }
        }
    }
}

fn in_hive(edit: &mut Edit, op: &Op) {
    match op {
        Op::Create(path) => edit.create_key(&path.join("\\")).map(|_| ()).unwrap(),
        Op::Delete(path) if path.is_empty() => assert!(edit.delete_key("").is_err()),
        Op::Delete(path) => edit.delete_key(&path.join("\\")).map(|_| ()).unwrap(),
        Op::Set(path, name, kind, data) => {
            let path = path.join("\\");
            let known = edit.hive().find(&path).unwrap().is_some();
            let set = edit.set_value(&path, name, ValueType(*kind), data);
            assert_eq!(set.is_ok(), known);
        }
        Op::Unset(path, name) => {
            edit.delete_value(&path.join("\\"), name)
                .map(|_| ())
                .unwrap();
        }
    }
}

fn contents(hive: &Hive) -> Keys {
    let mut keys = Keys::new();
    for item in hive.walk().unwrap() {
        let (path, key) = item.unwrap();
        let path = path
            .split('\\')
            .filter(|name| !name.is_empty())
            .map(capital);
        let values = key.values().unwrap().into_iter().map(|value| {
            let data = value.data().unwrap().into_owned();
            (
                capital(&value.name().to_string()),
                (value.value_type().0, data),
            )
        });
        keys.insert(path.collect(), values.collect());
    }
    keys
}

proptest! {
    #![proptest_config(Config { cases: 256, ..Config::default() })]

    #[test]
    fn edits_do_what_a_model_does(
        ops in proptest::collection::vec(op(), 1..80),
        minor in 3..=6_u32,
    ) {
        let mut keys = Keys::from([(Vec::new(), Values::new())]);
        let mut edit = made::open(&made::hive(minor)).edit(FileTime(5)).unwrap();
        for op in &ops {
            in_hive(&mut edit, op);
            in_model(&mut keys, op);
            let stats = edit.hive().validate().unwrap();
            prop_assert_eq!((stats.lost_cells, stats.unjoined_free_cells), (0, 0));
        }
        prop_assert_eq!(&contents(edit.hive()), &keys);
        let hive = made::open(&edit.finish().unwrap());
        prop_assert_eq!(&contents(&hive), &keys);
    }
}
