//! A disk whose files cannot be read, or do harm to whoever reads them, is
//! captured all the same: another process looks for the system on it.
//!
//! Needs e2fsprogs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

fn run(program: &str, words: &[&str], file: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let output = command.args(words).arg(file).output();
    let output = output.with_context(|| format!("{program}: install e2fsprogs"))?;
    // (e2fsck says 1 when it changed something, which it is asked to.)
    let fine = output.status.code().is_some_and(|code| code < 2);
    ensure!(fine, "{program}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A disk without a table: ext4 with a Linux system, whose /etc has many files
/// so that a tree of hashes finds them.
fn linux(folder: &Path) -> Result<PathBuf> {
    let root = folder.join("root");
    for name in ["usr/lib", "etc"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::write(
        root.join("usr/lib/os-release"),
        "PRETTY_NAME=\"Test Linux 1\"\n",
    )?;
    fs::write(root.join("etc/hostname"), "web1\n")?;
    for number in 0..200 {
        fs::write(root.join(format!("etc/{number:0100}")), "")?;
    }
    std::os::unix::fs::symlink("../usr/lib/os-release", root.join("etc/os-release"))?;
    let disk = folder.join("disk.raw");
    fs::File::create(&disk)?.set_len(16 << 20)?;
    let root = root.to_str().context("a path of text")?;
    run(
        "mke2fs",
        &["-q", "-F", "-b", "4096", "-t", "ext4", "-d", root],
        &disk,
    )?;
    run("e2fsck", &["-f", "-y", "-D"], &disk)?;
    Ok(disk)
}

fn rescue(folder: &Path, words: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rescue"));
    Ok(command.args(words).current_dir(folder).output()?)
}

/// Captures the disk; the warnings, and the systems that the image tells of.
fn capture(folder: &Path) -> Result<(String, Vec<Value>)> {
    let captured = rescue(folder, &["--json", "capture", "disk.raw", "--to", "repo"])?;
    ensure!(captured.status.success(), "{captured:?}");
    let shown = rescue(folder, &["--json", "show", "latest", "--from", "repo"])?;
    ensure!(shown.status.success(), "{shown:?}");
    let shown: Value = serde_json::from_slice(&shown.stdout)?;
    let image = &shown["image"];
    ensure!(image["disks"].is_array(), "{shown}");
    let systems = image["systems"].as_array().cloned().unwrap_or_default();
    let said = [captured.stdout, captured.stderr].concat();
    Ok((String::from_utf8(said)?, systems))
}

#[test]
fn a_system_is_found_by_another_process() -> Result<()> {
    let folder = tempfile::tempdir()?;
    linux(folder.path())?;
    let (said, systems) = capture(folder.path())?;
    ensure!(
        systems.len() == 1 && systems[0]["hostname"] == "web1",
        "{systems:?} {said}"
    );
    ensure!(!said.contains("not known"), "{said}");
    let words = [
        "restore",
        "latest",
        "--from",
        "repo",
        "--to",
        "target.raw",
        "--yes",
    ];
    fs::File::create(folder.path().join("target.raw"))?.set_len(16 << 20)?;
    let restored = rescue(folder.path(), &[&["--json"], &words[..]].concat())?;
    ensure!(restored.status.success(), "{restored:?}");
    let said = String::from_utf8(restored.stdout)?;
    ensure!(said.contains(r#""same":["Test Linux 1, web1"]"#), "{said}");
    Ok(())
}

/// ext4-view 1.0 panics on this.
#[test]
fn a_damaged_tree_of_hashes_costs_no_image() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = linux(folder.path())?;
    let blocks = run("debugfs", &["-R", "blocks /etc"], &disk)?;
    let block: usize = blocks
        .split_whitespace()
        .next()
        .context("a block")?
        .parse()?;
    let mut bytes = fs::read(&disk)?;
    // struct dx_root: after the entries "." and ".." and a header of 8 bytes
    // come how many entries there may be (u16) and how many there are.
    let at = block * 4096 + 0x20;
    let limit = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    ensure!(limit > 400, "no tree of hashes: {limit}");
    bytes[at + 2..at + 4].copy_from_slice(&[0xff, 0xff]);
    fs::write(&disk, bytes)?;
    let (said, systems) = capture(folder.path())?;
    ensure!(systems.is_empty(), "{systems:?}");
    let why = "what system partition 0 of disk 0 holds is not known: the process that looked into it ended";
    ensure!(said.contains(why), "{said}");
    let shown = rescue(folder.path(), &["identity", "disk.raw"])?;
    ensure!(shown.status.success(), "{shown:?}");
    ensure!(
        String::from_utf8_lossy(&shown.stderr).contains(why),
        "{shown:?}"
    );
    Ok(())
}

/// A link has the memory that its size asks for, or not.
#[test]
fn memory_without_end_is_not_given() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = linux(folder.path())?;
    let set = "set_inode_field /etc/os-release size 0x200000000";
    run("debugfs", &["-w", "-R", set], &disk)?;
    let (said, systems) = capture(folder.path())?;
    ensure!(systems.is_empty(), "{systems:?}");
    ensure!(
        said.contains("memory allocation of 8589934592 bytes failed"),
        "{said}"
    );
    Ok(())
}
