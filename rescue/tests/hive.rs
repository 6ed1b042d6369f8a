//! `rescue hive` on genuine hives: `shared/fixtures/windows` beside the
//! checkout, or in `$RESCUE_FIXTURES`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use hive::{FileTime, Hive, ValueType, sz};

/// A hive of the collection, or a log, unpacked into a folder.
fn unpack(name: &str, folder: &Path) -> Result<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let fixtures = std::env::var_os("RESCUE_FIXTURES").map_or(beside, PathBuf::from);
    let packed = fixtures.join(format!("windows/{name}.xz"));
    let output = Command::new("xz").arg("-dc").arg(&packed).output()?;
    let hint = "put the fixtures beside the checkout, or name their folder in RESCUE_FIXTURES";
    ensure!(output.status.success(), "no {}: {hint}", packed.display());
    let file = folder.join(packed.file_stem().context("a name")?);
    fs::write(&file, output.stdout)?;
    Ok(file)
}

fn rescue(words: &[&str], files: &[&Path]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rescue"));
    Ok(command.args(words).args(files).output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn dump_replays_the_logs_beside_a_hive() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = unpack("dirty-10/SYSTEM", folder.path())?;
    let stale = rescue(&["hive", "dump"], &[&file])?;
    ensure!(
        text(&stale.stderr).contains("no log says how it goes on"),
        "{stale:?}"
    );
    for log in ["LOG1", "LOG2"] {
        unpack(&format!("dirty-10/SYSTEM.{log}"), folder.path())?;
    }
    let fresh = rescue(&["hive", "dump"], &[&file])?;
    ensure!(
        text(&fresh.stderr).contains("LOG2 replayed: 20 entries"),
        "{fresh:?}"
    );
    ensure!(fresh.status.success() && fresh.stdout != stale.stdout);
    let dump = text(&fresh.stdout);
    ensure!(dump.starts_with("Windows Registry Editor Version 5.00\n\n[\\]\n; written "));
    ensure!(dump.contains("\n[\\ControlSet001\\Services\\Disk]\n"));
    let lines = text(&rescue(&["--json", "hive", "dump"], &[&file])?.stdout);
    let lines = lines.lines().filter(|line| line.contains("\"key\""));
    ensure!(lines.count() == dump.matches("\n[\\").count());
    Ok(())
}

#[test]
fn diff_shows_what_was_edited() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let old = unpack("bcd/BCDvm", folder.path())?;
    let same = rescue(&["hive", "diff"], &[&old, &old])?;
    ensure!(same.status.success() && same.stdout.is_empty());
    let mut edit = Hive::open(fs::read(&old)?, &[])?.0.edit(FileTime(1))?;
    edit.set_value("Description", "KeyName", ValueType::SZ, &sz("other"))?;
    edit.create_key("Objects\\new")?;
    let new = folder.path().join("new");
    fs::write(&new, edit.finish()?)?;
    let shown = text(&rescue(&["hive", "diff"], &[&old, &new])?.stdout);
    let expected = "  [\\Description]\n-   \"KeyName\"=\"BCD00000001\"\n+   \"KeyName\"=\"other\"\n\
        + [\\Objects\\new]\n";
    assert_eq!(shown, expected);
    let with_times = text(&rescue(&["hive", "diff", "--times"], &[&old, &new])?.stdout);
    ensure!(
        with_times.contains("+   written 1601-01-01T00:00:00Z"),
        "{with_times}"
    );
    let json = text(&rescue(&["--json", "hive", "diff"], &[&old, &new])?.stdout);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().context("a line")?)?;
    assert_eq!(first["change"]["new"]["value"], "other");
    Ok(())
}

#[test]
fn what_is_no_hive_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("text");
    fs::write(&file, "no hive, ".repeat(1000))?;
    let run = rescue(&["hive", "dump"], &[&file])?;
    ensure!(run.status.code() == Some(1), "{run:?}");
    ensure!(
        text(&run.stderr).contains("expected \"regf\", found \"no h\""),
        "{run:?}"
    );
    Ok(())
}
