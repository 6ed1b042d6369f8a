//! Looking for a system in a process of its own.
//!
//! What is on a disk may be damaged, or made to do harm, and those who read
//! file systems and hives can fail on it: panic, take memory without end, never
//! come back. A capture must not end with them. So another process looks, this
//! program started once more: it may use [`MEMORY`] and [`TIME`] and has
//! nothing to read from but a socket, over which this process reads for it.
//! However badly it ends, the outcome is a sentence here.

mod child;
mod loaders;
mod starts;
mod tree;
mod uefi;
mod wire;

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use disk::ReadAt;
use image::{IdentityKey, System};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use child::run;
pub(crate) use tree::{confine, in_tree};
pub(crate) use wire::Looked;
use wire::{Answer, At, Job, Task};

use crate::adapt::{Adaptation, Listing};
use crate::deadline::{Line, is_closed, is_late, last_words};
use crate::firmware::NewNames;
use crate::inventory::Hardware;

/// Address space of the process that looks, in bytes: room for a hive of 512
/// MiB, its copy with the logs replayed, and the program.
const MEMORY: u64 = 3 << 29;
/// All looks that are one search may take this long together.
const TIME: Duration = Duration::from_secs(300);
/// A process that closed its socket gets this long to end by itself.
const ENDING: Duration = Duration::from_secs(2);

/// A kind of file system that can be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// ext2, ext3, ext4.
    Ext,
    Xfs,
    Btrfs,
    /// LVM2, md RAID, LUKS.
    Stack,
    Ntfs,
    /// FAT12, FAT16, FAT32.
    Fat,
}

/// How the process that looks is started.
#[derive(Debug, Clone)]
pub struct Looker {
    start: Start,
    time: Duration,
}

#[derive(Debug, Clone)]
enum Start {
    /// A program and its arguments.
    Program(Vec<OsString>),
    /// Within this process. (In tests of this library the running program is
    /// the tests'; the program's own tests start processes.)
    #[cfg(test)]
    Thread,
}

impl Default for Looker {
    /// The running program is started.
    fn default() -> Self {
        #[cfg(not(test))]
        let start = Start::Program(vec!["/proc/self/exe".into(), "look".into()]);
        #[cfg(test)]
        let start = Start::Thread;
        Self { start, time: TIME }
    }
}

/// A search: the time left for it.
#[derive(Debug)]
pub(crate) struct Search<'l> {
    looker: &'l Looker,
    until: Instant,
}

impl Looker {
    /// Begins a search; its time runs.
    pub(crate) fn search(&self) -> Search<'_> {
        Search {
            looker: self,
            until: Instant::now() + self.time,
        }
    }

    fn start(&self, socket: UnixStream) -> io::Result<Option<Child>> {
        match &self.start {
            Start::Program(words) => {
                let Some((program, arguments)) = words.split_first() else {
                    return Err(ErrorKind::InvalidInput.into());
                };
                let mut command = Command::new(program);
                command
                    .args(arguments)
                    .stdin(OwnedFd::from(socket))
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped());
                command.spawn().map(Some)
            }
            #[cfg(test)]
            Start::Thread => {
                std::thread::spawn(move || child::serve(socket));
                Ok(None)
            }
        }
    }
}

impl Search<'_> {
    /// What is in a folder that is the root of a system.
    pub(super) fn folder(&self, path: &Path, key: &IdentityKey) -> Answer<Looked> {
        self.identity(At::Folder(path.into()), key, &Nothing)
    }

    /// What is on `partition`, a file system of this `kind`.
    pub(super) fn partition(
        &self,
        partition: &dyn ReadAt,
        kind: Kind,
        key: &IdentityKey,
    ) -> Answer<Looked> {
        let size = partition.size();
        self.identity(At::Partition { size, kind }, key, partition)
    }

    /// What the Windows on `partition`, an NTFS, needs on this hardware; partitions with
    /// new names are `names`.
    pub(crate) fn adaptation(
        &self,
        partition: &dyn ReadAt,
        hardware: &Hardware,
        drivers: Option<&Listing>,
        names: Option<&NewNames>,
    ) -> Answer<Adaptation> {
        let job = Job::Windows(hardware.clone(), drivers.cloned(), names.cloned());
        let told: Adaptation = self.job(partition, Kind::Ntfs, job)?;
        Ok(told.in_words(plain))
    }

    /// Has `job` done on `partition`, a file system of this `kind`.
    fn job<T: DeserializeOwned>(&self, partition: &dyn ReadAt, kind: Kind, job: Job) -> Answer<T> {
        let size = partition.size();
        let place = At::Partition { size, kind };
        let found = self.ask(Task { job, place }, partition);
        found.map_err(|why| plain(&why))
    }

    fn identity(&self, place: At, key: &IdentityKey, device: &dyn ReadAt) -> Answer<Looked> {
        let job = Job::Identity(key.clone());
        let found: Answer<Looked> = self.ask(Task { job, place }, device);
        found.map(Looked::plain).map_err(|e| plain(&e))
    }

    fn ask<T: DeserializeOwned>(&self, task: Task, device: &dyn ReadAt) -> Answer<T> {
        let task = serde_json::to_vec(&task).map_err(|e| e.to_string())?;
        let not_started = |e| format!("the process that looks into it could not be started: {e}");
        let (ours, theirs) = UnixStream::pair().map_err(not_started)?;
        let mut child = self.looker.start(theirs).map_err(not_started)?;
        let mut line = Line {
            socket: ours,
            until: self.until,
        };
        let said = wire::send(&mut line, &task, wire::ANSWER_MOST);
        let said = said.and_then(|()| serve::<T>(&mut line, device));
        let closed = matches!(&said, Err(e) if is_closed(e.kind()));
        drop(line);
        let ended = child.as_mut().map(|child| end(child, closed));
        match said {
            Ok(answer) => answer,
            Err(error) => Err(self.failure(&error, closed, ended.unwrap_or_default())),
        }
    }

    fn failure(&self, error: &io::Error, closed: bool, ended: String) -> String {
        if is_late(error.kind()) {
            return format!(
                "looking into it took too long (more than {} s for all of the disk) and was stopped",
                self.looker.time.as_secs_f64()
            );
        }
        match closed {
            true => format!("the process that looked into it ended: {ended}"),
            false => plain(&format!(
                "the process that looked into it cannot be understood: {error}"
            )),
        }
    }
}

/// Reads for the process that looks, until it answers.
fn serve<T: DeserializeOwned>(line: &mut Line, device: &dyn ReadAt) -> io::Result<Answer<T>> {
    let mut buffer = Vec::new();
    loop {
        match wire::array(line)? {
            [wire::READ] => {
                let offset = u64::from_le_bytes(wire::array(line)?);
                let len = u32::from_le_bytes(wire::array(line)?);
                if len > wire::READ_MOST {
                    return Err(not_understood(format!("it asks for {len} bytes at once")));
                }
                buffer.resize(len as usize, 0);
                match device.read_exact_at(&mut buffer, offset) {
                    Ok(()) => {
                        line.write_all(&[wire::GOOD])?;
                        line.write_all(&buffer)?;
                    }
                    Err(error) => {
                        line.write_all(&[wire::BAD])?;
                        wire::send(line, error.to_string().as_bytes(), wire::TEXT_MOST)?;
                    }
                }
            }
            [wire::ANSWER] => {
                let answer = wire::receive(line, wire::ANSWER_MOST)?;
                return serde_json::from_slice(&answer).map_err(not_understood);
            }
            [other] => return Err(not_understood(format!("it sent {other:#04x}"))),
        }
    }
}

fn not_understood(why: impl ToString) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_string())
}

/// Ends the process; how it ended, and what it said.
fn end(child: &mut Child, by_itself: bool) -> String {
    let until = Instant::now() + ENDING;
    while by_itself && Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(2));
    }
    // (Fails when it has ended, which is as good.)
    let _ = child.kill();
    let status = match child.wait() {
        Ok(status) => status.to_string(),
        Err(error) => format!("how is not known: {error}"),
    };
    let mut said = last_words(child);
    said.retain(|line| !line.starts_with("note: run with"));
    match said.as_slice() {
        [] => status,
        said => plain(&format!("{status}, \"{}\"", said.join(" "))),
    }
}

/// What a terminal can show of what another process sent.
fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(600).collect()
}

impl From<System> for Looked {
    fn from(system: System) -> Self {
        Self {
            system: Some(system),
            ..Self::default()
        }
    }
}

impl Looked {
    fn plain(self) -> Self {
        let notes = self.notes.iter().take(100).map(|note| plain(note));
        let details = self.details.iter().take(100);
        let known = self.known.into_iter().take(100).map(|k| k.plain(plain));
        Self {
            system: self.system,
            notes: notes.collect(),
            details: details.map(|(n, v)| (plain(n), plain(v))).collect(),
            known: known.collect(),
        }
    }
}

/// Stands where nothing is to be read.
struct Nothing;

impl ReadAt for Nothing {
    fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(ErrorKind::UnexpectedEof.into())
    }

    fn size(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::MemDisk;

    /// What becomes of a look that this shell script does.
    fn outcome(script: &str, time: Duration) -> String {
        let words = ["/bin/sh", "-c", script];
        let looker = Looker {
            start: Start::Program(words.map(OsString::from).to_vec()),
            time,
        };
        let disk = MemDisk::new(vec![7; 4096]);
        let key = IdentityKey::new([1; 32]);
        let looked = looker.search().partition(&disk, Kind::Ext, &key);
        looked.map_or_else(|why| why, |found| format!("{found:?}"))
    }

    #[test]
    fn however_the_process_ends_a_sentence_says_so() {
        for (script, words) in [
            ("exit 3", "ended: exit status: 3"),
            ("kill -SEGV $$", "ended: signal: 11"),
            ("echo panicked at x >&2; exit 101", "101, \"panicked at x\""),
            ("printf 'hello' >&0; exec sleep 60", "it sent 0x68"),
            (
                "printf 'a\\377\\377\\377\\377' >&0; exec sleep 60",
                "has 4294967295 bytes",
            ),
            (
                "printf 'a\\002\\0\\0\\0[]' >&0; exec sleep 60",
                "cannot be understood",
            ),
            (
                "printf 'r12345678\\377\\377\\377\\377' >&0; exec sleep 60",
                "asks for 4294967295",
            ),
        ] {
            let began = Instant::now();
            let text = outcome(script, Duration::from_secs(30));
            assert!(text.contains(words), "{script}: {text}");
            assert!(began.elapsed() < Duration::from_secs(20), "{script}");
        }
    }

    #[test]
    fn a_process_that_takes_too_long_is_stopped() {
        let began = Instant::now();
        for script in ["exec sleep 60", "while :; do printf r >&0; done"] {
            let text = outcome(script, Duration::from_millis(200));
            let late = text.contains("took too long (more than 0.2 s");
            // (Endless requests may be found out first.)
            assert!(late || text.contains("asks for"), "{script}: {text}");
        }
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_program_that_is_not_there_is_named_as_such() {
        let looker = Looker {
            start: Start::Program(vec!["/nowhere/rescue".into()]),
            time: TIME,
        };
        let key = IdentityKey::new([1; 32]);
        let text = looker.search().folder(Path::new("/"), &key).unwrap_err();
        assert!(text.contains("could not be started"), "{text}");
    }

    #[test]
    fn an_answer_is_told_without_what_would_move_a_cursor() {
        let answer = r#"{"Ok":{"system":null,"details":[],"notes":["a\u001b[2Jb"]}}"#;
        let script = format!(
            "printf 'a\\{:03o}\\0\\0\\0%s' '{answer}' >&0; exec sleep 60",
            answer.len()
        );
        let text = outcome(&script, TIME);
        assert!(text.contains("notes: [\"a [2Jb\"]"), "{text}");
    }
}
