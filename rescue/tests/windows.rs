//! A Windows on NTFS: who it is is told, kept, and compared after a restore.

#[path = "common/ntfs.rs"]
mod ntfs;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use serde_json::Value;

fn rescue(folder: &Path, words: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rescue"));
    Ok(command.args(words).current_dir(folder).output()?)
}

fn said(output: &Output) -> Result<String> {
    ensure!(output.status.success(), "{output:?}");
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    Ok(String::from_utf8(all)?)
}

/// A SOFTWARE of 62 MB is read within the limits of the process that looks.
#[test]
fn a_windows_in_a_domain_is_told_captured_and_comes_back_as_itself() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    ntfs::windows(&at.join("root"), &["SYSTEM", "SOFTWARE", "SAM", "SECURITY"]);
    ntfs::volume(&at.join("root"), &at.join("disk.raw"), 160);

    let text = said(&rescue(at, &["identity", "disk.raw"])?)?;
    for line in [
        "Windows 8.1 Enterprise Evaluation (build 9600), STUDENT-PC8",
        "member of: domain INTERNAL (internal.greendale.edu)",
        "machine SID: S-1-5-21-4070822719-3404542230-2541167049",
        "domain SID: S-1-5-21-226059406-2984137831-1201299043",
        "changed 2016-11-08T13:28:03Z, ",
        "check: SYSTEM opens the secrets of SECURITY: yes",
        "check: the machine account's password opens: yes",
        "warning: partition 0 of disk 0: The password of the machine's account was changed",
        "Test-ComputerSecureChannel",
    ] {
        ensure!(text.contains(line), "{line} is not in {text}");
    }
    // The boot key, and the password as secretsdump shows it.
    for secret in ["b3c148c3ded6fb9d", "cfbed3ca8f45e950"] {
        ensure!(!text.to_lowercase().contains(secret), "a secret in {text}");
    }

    said(&rescue(at, &["capture", "disk.raw", "--to", "repo"])?)?;
    let shown = rescue(at, &["--json", "show", "latest", "--from", "repo"])?;
    let shown: Value = serde_json::from_str(&said(&shown)?)?;
    let system = &shown["image"]["systems"][0];
    ensure!(system["family"] == "windows", "{shown}");
    ensure!(system["identity"]["domain"] == "INTERNAL", "{shown}");
    let size = fs::metadata(at.join("disk.raw"))?.len();
    fs::File::create(at.join("target.raw"))?.set_len(size)?;
    let words = [
        "restore",
        "latest",
        "--from",
        "repo",
        "--to",
        "target.raw",
        "--yes",
    ];
    let text = said(&rescue(at, &[&["--json"], &words[..]].concat())?)?;
    let same = r#""same":["Windows 8.1 Enterprise Evaluation (build 9600), STUDENT-PC8"]"#;
    ensure!(text.contains(same), "{text}");
    // With one key the hashes are the same on both disks, too.
    let key = "5".repeat(64);
    let identity = |disk| {
        let told = said(&rescue(at, &["--json", "identity", disk, "--key", &key])?)?;
        let last = told.lines().last().map(serde_json::from_str::<Value>);
        anyhow::Ok(last.transpose()?.unwrap_or_default()["systems"][0]["identity"].take())
    };
    let (before, after) = (identity("disk.raw")?, identity("target.raw")?);
    ensure!(before == after, "{before} {after}");
    ensure!(after.to_string().contains("keyed:"), "{after}");
    Ok(())
}

#[test]
fn a_windows_copied_to_a_folder_is_found_however_its_names_are_spelled() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("WINDOWS/system32/Config");
    fs::create_dir_all(&config)?;
    for name in ["SYSTEM", "SAM", "SECURITY"] {
        let hive = ntfs::hive(&format!("joined-8.1/{name}"));
        fs::write(config.join(name.to_lowercase()), hive)?;
    }
    let text = said(&rescue(folder.path(), &["identity", "."])?)?;
    ensure!(text.starts_with("Windows, STUDENT-PC8\n"), "{text}");
    ensure!(
        text.contains("SAM and SECURITY have one machine SID: yes"),
        "{text}"
    );
    let missing = "not known: MachineGuid, product (there is no /Windows/System32/config/SOFTWARE)";
    ensure!(text.contains(missing), "{text}");
    Ok(())
}

/// Hives with logs, as a running Windows has them, in hundreds of pieces: what
/// counts is what they are once the logs are replayed.
#[test]
fn logs_are_replayed_and_hives_of_two_machines_are_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    ntfs::windows(&at.join("root"), &["SAM", "SECURITY"]);
    let config = at.join("root/Windows/System32/config");
    for name in ["SYSTEM", "SYSTEM.LOG1", "SYSTEM.LOG2"] {
        fs::write(config.join(name), ntfs::hive(&format!("dirty-10/{name}")))?;
    }
    ntfs::in_pieces(&at.join("root"), &at.join("disk.raw"), 96);
    let text = said(&rescue(at, &["identity", "disk.raw"])?)?;
    for line in [
        "hive SYSTEM: was not written to the end; 24 log entries replayed",
        "computer name: DESKTOP-PM6C56D",
        "warning: partition 0 of disk 0: SYSTEM opens the secrets of SECURITY: NO, the boot key",
    ] {
        ensure!(text.contains(line), "{line} is not in {text}");
    }
    Ok(())
}

#[test]
fn a_damaged_hive_costs_no_image() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    ntfs::windows(&at.join("root"), &["SAM", "SECURITY"]);
    let config = at.join("root/Windows/System32/config");
    fs::write(config.join("SYSTEM"), "regf and no more")?;
    ntfs::volume(&at.join("root"), &at.join("disk.raw"), 32);
    let text = said(&rescue(at, &["capture", "disk.raw", "--to", "repo"])?)?;
    ensure!(
        text.contains("not known: computer name, host name"),
        "{text}"
    );
    let shown = rescue(at, &["--json", "show", "latest", "--from", "repo"])?;
    let shown: Value = serde_json::from_str(&said(&shown)?)?;
    let identity = &shown["image"]["systems"][0]["identity"];
    let own = "S-1-5-21-4070822719-3404542230-2541167049";
    ensure!(identity["machine SID"] == own, "{shown}");
    Ok(())
}
