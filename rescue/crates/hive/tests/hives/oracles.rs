//! regipy and impacket (Python, from PyPI), installed by `scripts/oracles`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixtures::Fixture;

/// The Python that has them.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let python = root.join("target/oracles/bin/python");
    assert!(
        python.exists(),
        "no {}: run scripts/oracles",
        python.display()
    );
    python
}

fn run(script: &str, arguments: &[&Path]) -> String {
    let output = Command::new(python())
        .arg("-c")
        .arg(script)
        .args(arguments)
        .output();
    let output = output.expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "oracle: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The hive as regipy recovers it from its logs. It knows nothing of their
/// order and applies the one named second first: that has to be the older one.
pub(crate) fn recover(fixture: &Fixture) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["hive", "LOG1", "LOG2", "out"].map(|name| folder.path().join(name));
    let logs = fixture.log_bytes();
    for (path, bytes) in paths.iter().zip([&fixture.bytes(), &logs[0], &logs[1]]) {
        std::fs::write(path, bytes).unwrap();
    }
    let script = "import sys\n\
        from regipy.recovery import apply_transaction_logs\n\
        apply_transaction_logs(*sys.argv[1:5])";
    run(script, &[&paths[0], &paths[2], &paths[1], &paths[3]]);
    std::fs::read(&paths[3]).unwrap()
}

/// What regipy reads of each key beside its values: path, time, class.
pub(crate) fn keys(hive: &[u8]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), hive).unwrap();
    let script = r#"
import sys
from regipy.registry import RegistryHive
def tree(key, path):
    header = key.header
    name = key.get_class_name() if header.class_name_size else ""
    print(path, header.last_modified, key.values_count, name, sep="|")
    if key.subkey_count:
        for subkey in key.iter_subkeys():
            tree(subkey, path + "\\" + subkey.name)
tree(RegistryHive(sys.argv[1]).root, "")
"#;
    let text = run(script, &[file.path()]);
    text.lines().map(str::to_owned).collect()
}

/// What impacket's secretsdump finds in the three hives that hold secrets:
/// hashes and machine passwords, for which keys' classes and SAM have to be right.
pub(crate) fn secrets(system: &[u8], sam: &[u8], security: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["SYSTEM", "SAM", "SECURITY"].map(|name| folder.path().join(name));
    for (path, bytes) in paths.iter().zip([system, sam, security]) {
        std::fs::write(path, bytes).unwrap();
    }
    let output = Command::new(python())
        .arg(python().with_file_name("secretsdump.py"))
        .args(["-system".as_ref(), paths[0].as_os_str()])
        .args(["-sam".as_ref(), paths[1].as_os_str()])
        .args(["-security".as_ref(), paths[2].as_os_str(), "LOCAL".as_ref()])
        .output()
        .expect("secretsdump.py runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}
