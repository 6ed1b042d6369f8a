//! All consoles of the machine at once: what the worker writes appears on
//! every one, and any of them may answer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::cmdline::Cmdline;

/// A console that takes nothing (a serial line held by flow control) loses its
/// oldest output beyond this many bytes.
const QUEUE: usize = 128 << 10;

/// Plain letters, a cursor, and its place in the last row: VT100 sequences, for
/// a terminal whose program ended without giving it back.
pub const AFTER_A_SCREEN: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[999;1H";

/// One terminal a person may sit at.
#[derive(Debug)]
pub struct Console {
    name: String,
    file: File,
    queue: VecDeque<u8>,
    gone: bool,
}

impl Console {
    fn open(name: &str) -> Option<Self> {
        let file = sys::console::open(&Path::new("/dev").join(name)).ok()?;
        // Fails on a serial port without hardware: then nobody sits there.
        sys::console::set_raw(&file).ok()?;
        Some(Self::over(name, file))
    }

    fn over(name: &str, file: File) -> Self {
        Self {
            name: name.to_owned(),
            file,
            queue: VecDeque::new(),
            gone: false,
        }
    }

    /// "tty0", "ttyS0".
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something to wait for.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether output waits for room.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.queue.extend(bytes);
        let excess = self.queue.len().saturating_sub(QUEUE);
        self.queue.drain(..excess);
    }

    /// Writes what the terminal takes now.
    pub fn flush(&mut self) {
        while !self.queue.is_empty() {
            match self.file.write(self.queue.as_slices().0) {
                Ok(0) => return,
                Ok(written) => drop(self.queue.drain(..written.min(self.queue.len()))),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A terminal that fails has nothing to wait for.
                Err(_) => return self.queue.clear(),
            }
        }
    }

    /// What was typed there. A terminal that was hung up types nothing any
    /// more; see [`Consoles::forget_gone`].
    pub fn typed(&mut self) -> Vec<u8> {
        let mut buffer = [0; 1024];
        match self.file.read(&mut buffer) {
            Ok(len @ 1..) => return buffer.get(..len).unwrap_or_default().to_vec(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => self.gone = true,
        }
        Vec::new()
    }
}

/// Every console.
#[derive(Debug, Default)]
pub struct Consoles {
    /// In the order the kernel names them.
    pub all: Vec<Console>,
}

impl Consoles {
    /// Opens what the kernel writes to and what the command line names,
    /// without `except` (the event port); /dev/console when that is nothing.
    #[must_use]
    pub fn open(cmdline: &Cmdline, except: Option<&Path>) -> Self {
        let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
        let mut all: Vec<Console> = names(&active, cmdline)
            .iter()
            .filter(|name| except != Some(Path::new("/dev").join(name).as_path()))
            .filter_map(|name| Console::open(name))
            .collect();
        if all.is_empty() {
            all.extend(Console::open("console"));
        }
        Self { all }
    }

    /// Drops terminals that were hung up: waiting for them would never wait.
    pub fn forget_gone(&mut self) {
        self.all.retain(|console| !console.gone);
    }

    /// Shows `text` everywhere.
    pub fn say(&mut self, text: &str) {
        self.show(text.replace('\n', "\r\n").as_bytes());
    }

    /// Sends bytes as they are everywhere.
    pub fn show(&mut self, bytes: &[u8]) {
        for console in &mut self.all {
            console.add(bytes);
            console.flush();
        }
    }
}

/// Names of consoles, each once: those of the kernel, then those of the
/// command line.
fn names(active: &str, cmdline: &Cmdline) -> Vec<String> {
    let named = cmdline
        .values("console")
        .into_iter()
        .map(|value| value.split(',').next().unwrap_or(value));
    let mut out: Vec<String> = Vec::new();
    for name in active.split_whitespace().chain(named) {
        // "tty" is the screen in front: the same as tty0.
        let name = if name == "tty" { "tty0" } else { name };
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if plain && name != "null" && !out.iter().any(|n| n == name) {
            out.push(name.to_owned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consoles_are_named_once() {
        let line = Cmdline::parse("console=tty0 console=ttyS0,115200n8 console=ttyS1 console=../x");
        assert_eq!(names("tty0 ttyS0\n", &line), ["tty0", "ttyS0", "ttyS1"]);
        assert_eq!(names("", &Cmdline::default()), Vec::<String>::new());
    }

    #[test]
    fn a_hung_up_terminal_is_forgotten_and_a_silent_one_is_not() {
        let pty = sys::console::Pty::open(80, 24).unwrap();
        let other = sys::console::Pty::open(80, 24).unwrap();
        let far = |pty: &sys::console::Pty| sys::console::open(pty.far()).unwrap();
        let mut consoles = Consoles {
            all: vec![
                Console::over("a", far(&pty)),
                Console::over("b", far(&other)),
            ],
        };
        drop(pty);
        for console in &mut consoles.all {
            assert!(console.typed().is_empty());
        }
        consoles.forget_gone();
        let left: Vec<&str> = consoles.all.iter().map(Console::name).collect();
        assert_eq!(left, ["b"]);
    }

    #[test]
    fn a_stuck_terminal_keeps_the_newest_output() {
        let pty = sys::console::Pty::open(80, 24).unwrap();
        let far = sys::console::open(pty.far()).unwrap();
        sys::console::set_raw(&far).unwrap();
        let mut console = Console::over("test", far);
        for n in 0..40_000u32 {
            console.add(format!("line {n}\n").as_bytes());
            console.flush();
        }
        assert!(console.is_waiting());
        assert!(console.queue.len() <= QUEUE);
        let kept: Vec<u8> = console.queue.iter().copied().collect();
        assert!(kept.ends_with(b"line 39999\n"));
    }
}
