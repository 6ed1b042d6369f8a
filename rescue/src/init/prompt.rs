//! A few commands to look around with, on a medium without a shell.

use std::fs;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, bail};

use super::devices::{self, Devices};
use super::network::{self, Network};
use super::role::Request;
use super::state::Board;
use super::volumes;
use crate::inventory;
use crate::ui::say;

/// No more of a file than this many bytes is shown.
const SHOWN: usize = 64 << 10;

const HELP: &str = "\
  disks          the machine's disks, and what holds them
  volumes        file systems that were found
  network        links and addresses
  drivers        controllers without a driver or firmware, refused modules
  mount NAME     mount a volume read-only, and say where (mount sda1)
  ls FOLDER      what is in a folder
  cat FILE       the beginning of a file
  dmesg          the end of the kernel's messages
  log            the logs of the rescue system's own processes
  exit           back to the dialogue
  reboot, poweroff
";

/// Runs until one of the commands ends it.
///
/// # Errors
/// When the terminal is gone.
pub fn run() -> anyhow::Result<Request> {
    say("\nA simple command prompt; `help` lists the commands.\n");
    loop {
        say("rescue> ");
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if read.context("the terminal is gone")? == 0 {
            return Ok(Request::Dialogue);
        }
        let (command, argument) = split(&line);
        match command {
            "reboot" => return Ok(Request::Reboot),
            "poweroff" => return Ok(Request::PowerOff),
            "exit" => return Ok(Request::Dialogue),
            _ => match obey(command, argument) {
                Ok(text) => say(&text),
                Err(error) => say(&crate::ui::failure(&crate::ui::chain(&error))),
            },
        }
    }
}

fn split(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (command, argument.trim())
}

fn obey(command: &str, argument: &str) -> anyhow::Result<String> {
    let board = Board::system();
    match command {
        "" => Ok(String::new()),
        "help" | "?" => Ok(HELP.to_owned()),
        "disks" => Ok(lines(inventory::disks()?.iter().map(disk))),
        "volumes" => Ok(lines(volumes::list().iter().map(volumes::Volume::describe))),
        "network" => Ok(lines(
            board
                .read::<Network>(network::STATE)
                .unwrap_or_default()
                .lines(),
        )),
        "drivers" => Ok(drivers(&board.read(devices::STATE).unwrap_or_default())),
        "mount" => mount(argument),
        "ls" => list(Path::new(argument)),
        "cat" => cat(Path::new(argument)),
        "dmesg" => dmesg(),
        "log" => Ok(["devices", "network", "ssh"].map(log).concat()),
        other => bail!("there is no command {other:?}: `help` lists them"),
    }
}

fn lines(all: impl IntoIterator<Item = String>) -> String {
    let text: Vec<String> = all.into_iter().map(|l| format!("{l}\n")).collect();
    if text.is_empty() {
        "none\n".to_owned()
    } else {
        text.concat()
    }
}

fn disk(disk: &inventory::Disk) -> String {
    let uses: Vec<String> = disk.uses.iter().map(|u| format!("\n    {u}")).collect();
    format!(
        "{}  {}{}",
        disk.path.display(),
        disk.describe(),
        uses.concat()
    )
}

fn drivers(state: &Devices) -> String {
    let refused = state
        .refused
        .iter()
        .map(|(name, why)| format!("{name}: {why}"));
    lines(
        state
            .error
            .iter()
            .chain(&state.missing)
            .chain(&state.firmware)
            .cloned()
            .chain(refused),
    )
}

fn mount(name: &str) -> anyhow::Result<String> {
    let volumes = volumes::list();
    let wanted = name.strip_prefix("/dev/").unwrap_or(name);
    let Some(volume) = volumes.iter().find(|v| v.name == wanted) else {
        bail!("there is no volume {name:?}: `volumes` lists them");
    };
    Ok(format!("{}\n", volumes::mount(volume)?.display()))
}

fn list(folder: &Path) -> anyhow::Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|e| {
            let slash = if e.path().is_dir() { "/" } else { "" };
            format!("{}{slash}", e.file_name().to_string_lossy())
        })
        .collect();
    names.sort_unstable();
    Ok(lines(names))
}

fn cat(file: &Path) -> anyhow::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|f| f.take(SHOWN as u64).read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", file.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    // Control characters could reprogram the terminal.
    Ok(text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "."))
}

/// The newest of the kernel's messages, read without waiting for more.
fn dmesg() -> anyhow::Result<String> {
    use std::io::Read;
    const LINES: usize = 200;
    let mut file = sys::console::open(Path::new("/dev/kmsg")).context("opening /dev/kmsg")?;
    let mut messages = Vec::new();
    let mut record = vec![0; 8192];
    // One record a read; at the end the kernel says "would block".
    while let Ok(len @ 1..) = file.read(&mut record) {
        let text = String::from_utf8_lossy(record.get(..len).unwrap_or_default()).into_owned();
        messages.extend(kernel_message(&text));
    }
    let skipped = messages.len().saturating_sub(LINES);
    Ok(lines(messages.into_iter().skip(skipped)))
}

/// "6,1234,5678,-;text\n KEY=VALUE" as "[0.005678] text".
fn kernel_message(record: &str) -> Option<String> {
    let (prefix, rest) = record.split_once(';')?;
    let micros: u64 = prefix.split(',').nth(2)?.parse().ok()?;
    let text = rest.lines().next()?;
    Some(format!(
        "[{:5}.{:06}] {text}",
        micros / 1_000_000,
        micros % 1_000_000
    ))
}

fn log(name: &str) -> String {
    let path = Path::new(super::mounts::STATE).join(format!("{name}.log"));
    let text = cat(&path).unwrap_or_default();
    let text = if text.is_empty() {
        "nothing\n"
    } else {
        text.as_str()
    };
    format!("{name}:\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_mistakes() {
        assert_eq!(split("  cat  /etc/x y \n"), ("cat", "/etc/x y"));
        assert!(obey("help", "").unwrap().contains("poweroff"));
        assert!(
            obey("rm", "-rf /")
                .unwrap_err()
                .to_string()
                .contains("`help`")
        );
        assert!(
            obey("mount", "nothing")
                .unwrap_err()
                .to_string()
                .contains("`volumes`")
        );
    }

    #[test]
    fn files_are_shown_without_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"a\x1b[2Jb\n").unwrap();
        assert_eq!(cat(&path).unwrap(), "a.[2Jb\n");
        assert_eq!(list(folder.path()).unwrap(), "x\n");
        assert!(cat(&folder.path().join("none")).is_err());
    }

    #[test]
    fn kernel_messages_are_read() {
        let record = "6,339,5140900,-;NET: Registered\n SUBSYSTEM=net\n";
        assert_eq!(
            kernel_message(record).unwrap(),
            "[    5.140900] NET: Registered"
        );
        assert_eq!(kernel_message("nonsense"), None);
    }
}
