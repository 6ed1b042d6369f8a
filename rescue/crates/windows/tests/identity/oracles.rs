//! regipy and impacket (Python, from PyPI), installed by `scripts/oracles`.

use std::path::{Path, PathBuf};
use std::process::Command;

use hive::Hive;

fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let python = root.join("target/oracles/bin/python");
    let hint = "run scripts/oracles";
    assert!(python.exists(), "no {}: {hint}", python.display());
    python
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "oracle: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What regipy's plugins of these names say of a hive: a line each.
pub(crate) fn regipy(hive: &Hive, plugins: &[&str]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), hive.as_bytes()).unwrap();
    let script = r#"
import sys
from regipy.registry import RegistryHive
from regipy.plugins.plugin import PLUGINS
hive = RegistryHive(sys.argv[1])
for plugin in PLUGINS:
    if plugin.NAME in sys.argv[2:]:
        made = plugin(hive, as_json=True)
        made.run()
        print(plugin.NAME, made.entries)
"#;
    run(Command::new(python())
        .args(["-c", script])
        .arg(file.path())
        .args(plugins))
}

/// The default values of keys below `Policy`, as regipy gives their bytes, in
/// hexadecimal digits.
pub(crate) fn policy(hive: &Hive, names: &[&str]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), hive.as_bytes()).unwrap();
    let script = r#"
import sys
from regipy.registry import RegistryHive
hive = RegistryHive(sys.argv[1])
for name in sys.argv[2:]:
    value = hive.get_key("\\Policy\\" + name).get_value()
    print(value.hex() if isinstance(value, bytes) else "")
"#;
    let text = run(Command::new(python())
        .args(["-c", script])
        .arg(file.path())
        .args(names));
    text.lines().map(str::to_owned).collect()
}

/// What impacket's secretsdump says of the three hives.
pub(crate) fn secretsdump(system: &Hive, sam: &Hive, security: &Hive) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python());
    command.arg(python().with_file_name("secretsdump.py"));
    for (name, hive) in [("system", system), ("sam", sam), ("security", security)] {
        let path = folder.path().join(name);
        std::fs::write(&path, hive.as_bytes()).unwrap();
        command.arg(format!("-{name}")).arg(path);
    }
    run(command.arg("LOCAL"))
}
