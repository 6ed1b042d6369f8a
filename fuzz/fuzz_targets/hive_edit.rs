//! Any sound hive, edited at will: it stays sound, reads back the same, and an
//! edit that fails leaves nothing behind.
#![no_main]

use hive::{Edit, FileTime, Hive, ValueType};

/// Names that edits use, beside those that are there.
const NAMES: [&str; 6] = ["a", "B", "ä", "字", "Objects", "a name of some length"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((ops, file)) = data.split_first_chunk::<48>() else {
        return;
    };
    let mut file = file.to_vec();
    fuzz::seal(&mut file);
    let Ok((hive, _)) = Hive::open(file, &[]) else {
        return;
    };
    let Ok(stats) = hive.validate() else {
        return;
    };
    let mut edit = hive.edit(FileTime(1)).expect("a sound hive");
    for op in ops.as_chunks::<4>().0 {
        one(&mut edit, *op);
    }
    let after = edit.hive().validate().expect("a sound hive stays sound");
    assert!(after.lost_cells <= stats.lost_cells, "a cell was lost");
    assert!(after.unjoined_free_cells <= stats.unjoined_free_cells);
    let keys = after.keys;
    let file = edit.finish().expect("a sound hive stays sound");
    let (again, replayed) = Hive::open(file, &[]).expect("our own hive");
    assert!(!replayed.was_dirty);
    assert_eq!(again.validate().expect("our own hive").keys, keys);
});

fn one(edit: &mut Edit, [kind, place, name, size]: [u8; 4]) {
    let path = some_path(edit.hive(), place.into());
    let name = NAMES[usize::from(name) % NAMES.len()];
    let below = format!("{path}\\{name}");
    let before = edit.hive().as_bytes().to_vec();
    let length = usize::from(size) * if kind & 0x80 == 0 { 1 } else { 150 };
    let data = vec![size; length];
    let done = match kind % 5 {
        0 => edit.create_key(&below),
        1 => edit.delete_key(&path),
        2 => edit.set_value(&path, name, ValueType(kind.into()), &data),
        3 => {
            let name = some_value(edit.hive(), &path, size.into()).unwrap_or_default();
            edit.set_value(&path, &name, ValueType(kind.into()), &data)
        }
        _ => {
            let name = some_value(edit.hive(), &path, size.into()).unwrap_or_default();
            edit.delete_value(&path, &name)
        }
    };
    if !matches!(done, Ok(true)) {
        assert!(
            edit.hive().as_bytes() == before,
            "{done:?} left something behind"
        );
    }
}

/// The path of a key that is there.
fn some_path(hive: &Hive, index: usize) -> String {
    let keys: Vec<_> = hive.walk().expect("a root").flatten().collect();
    keys[index % keys.len()].0.clone()
}

fn some_value(hive: &Hive, path: &str, index: usize) -> Option<String> {
    let values = hive.find(path).ok()??.values().ok()?;
    let value = values.get(index % values.len().max(1))?;
    Some(value.name().to_string())
}
