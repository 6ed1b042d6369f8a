//! Memory does not grow with what is captured or restored: both move more
//! bytes than they may ever hold.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What the program may use at most, in KiB.
const LIMIT: u64 = 256 << 10;
/// Bytes that have to be moved, all of them different.
const DATA: usize = 320 << 20;

fn rescue(folder: &Path, words: &[&str]) -> io::Result<Child> {
    Command::new(env!("CARGO_BIN_EXE_rescue"))
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Runs to the end; the peak of resident memory in KiB, as last seen.
fn peak_of(mut child: Child) -> io::Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        peak = resident_peak(&status).unwrap_or(0).max(peak);
        if let Some(ended) = child.try_wait()? {
            assert!(ended.success(), "{ended}");
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn resident_peak(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn capturing_and_restoring_stay_within_256_mib() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path();
    let mut noise = vec![0; DATA];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    File::create(at.join("disk.raw"))?.write_all(&noise)?;
    let target = File::create(at.join("target.raw"))?;
    target.set_len(DATA as u64)?;

    let captured = peak_of(rescue(at, &["capture", "disk.raw", "--to", "repo"])?)?;
    let words = ["restore", "latest", "--from", "repo", "--to", "target.raw"];
    let restored = peak_of(rescue(at, &[&words[..], &["--yes", "--verify"]].concat())?)?;
    println!("peaks in KiB: capture {captured}, restore {restored}");
    assert!(captured > 0 && captured <= LIMIT, "{captured} KiB");
    assert!(restored > 0 && restored <= LIMIT, "{restored} KiB");
    assert!(fs::read(at.join("target.raw"))? == noise);
    Ok(())
}
