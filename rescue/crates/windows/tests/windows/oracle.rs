//! hivex, a C library (LGPL) with its own reader, as the oracle of what an edit
//! changed. Needs packages libhivex-bin and libwin-hivex-perl.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use hive::{Hive, What, diff};

/// A value, or a key (no name): in small letters, with one separator.
type Place = (String, Option<String>);

/// The keys and values that hivex finds in a hive, with their data.
fn export(hive: &Hive) -> BTreeMap<Place, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), hive.as_bytes()).unwrap();
    let output = Command::new("hivexregedit")
        .args(["--export".as_ref(), file.path().as_os_str(), "\\".as_ref()])
        .env("PERL_UNICODE", "O") // It writes Latin-1 where that is enough.
        .output()
        .expect("hivexregedit runs (packages libhivex-bin, libwin-hivex-perl)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "hivexregedit: {said}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (mut places, mut key) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(path) = line.strip_prefix('[') {
            let path = path.trim_end_matches(']').trim_matches('\\');
            key = path.to_lowercase();
            places.insert((key.clone(), None), String::new());
        } else if let Some(rest) = line.strip_prefix("@=") {
            places.insert((key.clone(), Some(String::new())), rest.to_owned());
        } else if let Some(rest) = line.strip_prefix('"') {
            let (name, data) = rest.split_once("\"=").unwrap();
            let name = name.replace("\\\\", "\\").replace("\\\"", "\"");
            places.insert((key.clone(), Some(name.to_lowercase())), data.to_owned());
        }
    }
    places
}

/// The places where two hives differ, as hivex sees them.
fn hivex_places(old: &Hive, new: &Hive) -> BTreeSet<Place> {
    let (old, new) = (export(old), export(new));
    let all: BTreeSet<&Place> = old.keys().chain(new.keys()).collect();
    let differ = all
        .into_iter()
        .filter(|place| old.get(place) != new.get(place));
    differ.cloned().collect()
}

/// The same, as our own comparison sees them; times of keys do not count.
fn our_places(old: &Hive, new: &Hive) -> BTreeSet<Place> {
    let changes = diff(old, new).unwrap();
    let places = changes.into_iter().filter_map(|change| {
        let key = change.key.to_lowercase();
        match change.what {
            What::Time(..) => None,
            What::KeyAdded | What::KeyRemoved => Some((key, None)),
            What::Value(name, ..) => {
                let name = String::from_utf16_lossy(name.units());
                Some((key, Some(name.to_lowercase())))
            }
            other => panic!("{key}: {other:?}"),
        }
    });
    places.collect()
}

/// The places where two hives differ: keys as `key`, values as `key@name`, in
/// small letters. hivex and our comparison must agree.
pub(crate) fn changes(old: &Hive, new: &Hive) -> BTreeSet<String> {
    let ours = our_places(old, new);
    assert_eq!(ours, hivex_places(old, new), "our comparison and hivex's");
    let shown = |(key, name): Place| match name {
        None => key,
        Some(name) => format!("{key}@{name}"),
    };
    ours.into_iter().map(shown).collect()
}

/// The boot entries that regipy (Python, installed by `scripts/oracles`) finds
/// in a store: object, GUIDs of its device's disk and partition, program.
pub(crate) fn boot_entries(store: &Hive) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let python = root.join("target/oracles/bin/python");
    let shown = python.display();
    assert!(python.exists(), "no {shown}: run scripts/oracles");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), store.as_bytes()).unwrap();
    let script = "import sys\n\
        from regipy.registry import RegistryHive\n\
        from regipy.plugins.bcd.boot_entry_list import BootEntryListPlugin\n\
        plugin = BootEntryListPlugin(RegistryHive(sys.argv[1]))\n\
        plugin.run()\n\
        for e in plugin.entries:\n    \
        print(e['guid'], e['gpt_disk'], e['gpt_partition'], e['image_path'])";
    let output = Command::new(&python)
        .arg("-c")
        .arg(script)
        .arg(file.path())
        .output();
    let output = output.expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "regipy: {said}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}
