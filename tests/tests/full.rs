//! Capturing onto a stick that has no room left.

use anyhow::{Result, ensure};
use std::process::Command;
use tests::rescue::code;
use tests::{Sample, rescue_program, scratch};

/// In a mount namespace of its own: a small file system is the stick. It runs
/// full, is looked at, gets more room, and the same command is run again.
const STORY: &str = r#"set -u
mount -t tmpfs -o size=12m stick "$STICK"
"$RESCUE" capture "$DISK" --to "$STICK/repo" --name full --json; echo "code $?"
echo "left $(find "$STICK" -name '.tmp-*' | wc -l)"
"$RESCUE" images --from "$STICK/repo" --json; echo "code $?"
"$RESCUE" verify --from "$STICK/repo" --json; echo "code $?"
mount -o remount,size=64m "$STICK"
"$RESCUE" capture "$DISK" --to "$STICK/repo" --name full; echo "code $?"
"$RESCUE" verify --from "$STICK/repo"; echo "code $?"
"#;

#[test]
fn host_a_full_stick_is_told_loses_nothing_and_is_gone_on_with() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 48)?;
    let stick = folder.path().join("stick");
    std::fs::create_dir(&stick)?;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", STORY])
        .env("STICK", &stick)
        .env("DISK", &sample.disk)
        .env("RESCUE", rescue_program()?)
        .output()?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    let codes: Vec<&str> = said
        .lines()
        .filter_map(|l| l.strip_prefix("code "))
        .collect();
    let full = code::REPOSITORY.to_string();
    ensure!(
        codes == [full.as_str(), "0", "0", "0", "0"],
        "{codes:?}: {said}"
    );
    for words in [
        "is full",
        "Free some space and run the same command again",
        "left 0",
    ] {
        ensure!(said.contains(words), "no {words:?} in {said}");
    }
    ensure!(
        said.contains("\"images\":[]"),
        "an image without its data: {said}"
    );
    Ok(())
}
