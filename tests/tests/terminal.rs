//! What a person sees on a terminal that can redraw its line: text never shares a
//! line with the progress bar.

use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tests::{Sample, blank_disk, rescue_program, scratch};

/// Runs a restore of `sample` on a terminal, where `typed` is typed; the lines
/// that stay there.
fn on_a_terminal(sample: &Sample, target: &Path, typed: &str) -> Result<Vec<String>> {
    let (program, repository) = (rescue_program()?, &sample.repository);
    let restore = format!("{program:?} restore sample --from {repository:?} --to {target:?}");
    let mut child = Command::new("script")
        .args(["--quiet", "--command", &restore, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("running script; install the package bsdutils")?;
    let mut input = child.stdin.take().context("the terminal's input")?;
    input.write_all(typed.as_bytes()).context("typing")?;
    let output = child.wait_with_output().context("waiting for a restore")?;
    drop(input);
    let raw = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(raw.contains('\x1b'), "the bar was never drawn: {raw:?}");
    Ok(raw.split('\n').map(left_on_screen).collect())
}

/// What stays of a line: what follows the last return to its beginning, without
/// control sequences. (Each thing drawn here is preceded by clearing the line.)
fn left_on_screen(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let last = line.rsplit('\r').next().unwrap_or(line);
    let mut pieces = last.split('\x1b');
    let mut shown = pieces.next().unwrap_or("").to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_ascii_alphabetic());
        shown.push_str(end.map_or("", |end| &piece[end + 1..]));
    }
    shown
}

fn has_line(lines: &[String], beginning: &str) -> Result<()> {
    let found = lines.iter().any(|line| line.starts_with(beginning));
    ensure!(found, "no line begins with {beginning:?}: {lines:#?}");
    Ok(())
}

#[test]
fn host_text_and_progress_keep_to_lines_of_their_own() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 96)?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 96 << 20)?;
    // As the plan shows it.
    let target = target.canonicalize()?;
    let typed = format!("{}\n", target.display());

    let lines = on_a_terminal(&sample, &target, &typed)?;
    for beginning in [
        "Planning",
        "Restore image",
        "To erase",
        "Writing",
        "  writing:",
        "done:",
    ] {
        has_line(&lines, beginning)?;
    }
    ensure!(!lines.iter().any(|line| line.contains('=')), "{lines:#?}");

    // Damage in the middle: the error comes while the bar is there.
    let damaged = largest_pack(&sample.repository)?;
    let middle = fs::metadata(&damaged)?.len() / 2;
    let pack = File::options().write(true).open(&damaged)?;
    pack.write_all_at(&[0x5a; 4096], middle)?;
    blank_disk(&target, 96 << 20)?;
    let lines = on_a_terminal(&sample, &target, &typed)?;
    has_line(&lines, "error:")
}

fn largest_pack(repository: &Path) -> Result<std::path::PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![repository.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let (entry, is_dir) = entry.and_then(|e| e.file_type().map(|t| (e, t.is_dir())))?;
            match is_dir {
                true => folders.push(entry.path()),
                false => all.push((entry.metadata()?.len(), entry.path())),
            }
        }
    }
    let largest = all.into_iter().max().context("the repository is empty")?;
    Ok(largest.1)
}
