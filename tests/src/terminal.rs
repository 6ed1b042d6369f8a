//! A real terminal for a test to sit at: tmux, which draws what a program sends
//! and types what the test wants typed.

use crate::tool;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Terminals opened by this process: each has a socket of its own.
static OPENED: AtomicU32 = AtomicU32::new(0);

/// How often the screen is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// A screen that did not change for this long has been drawn.
const STILL: Duration = Duration::from_millis(500);

/// A tmux server of its own with one window; it ends with the value.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Opens a window of `columns` by `rows` in which `command` (of the shell) runs;
    /// tmux's socket goes into `folder`.
    ///
    /// # Errors
    /// When tmux is missing or refuses.
    pub fn open(folder: &Path, (columns, rows): (u16, u16), command: &str) -> Result<Self> {
        let terminal = Self {
            socket: folder.join(format!("tmux{}", OPENED.fetch_add(1, Ordering::Relaxed))),
        };
        // One row more: the status line, until it is switched off.
        let (x, y) = (columns.to_string(), rows.to_string());
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "-u",
            "new-session",
            "-d",
            "-x",
            &x,
            "-y",
            &y,
            command,
            ";",
            "set",
            "-g",
            "status",
            "off",
            ";",
            "resize-window",
            "-x",
            &x,
            "-y",
            &y,
        ])?;
        Ok(terminal)
    }

    fn tmux(&self, words: &[&str]) -> Result<String> {
        let socket = self.socket.as_os_str();
        let start = ["tmux".as_ref(), "-S".as_ref(), socket];
        let words = words.iter().map(OsStr::new);
        let all: Vec<&OsStr> = start.into_iter().chain(words).collect();
        tool("tmux", &all)
    }

    /// What is on the screen now, a line per row.
    ///
    /// # Errors
    /// When the program in the terminal has ended.
    pub fn screen(&self) -> Result<String> {
        let screen = self.tmux(&["capture-pane", "-p"])?;
        let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
        Ok(lines.join("\n"))
    }

    /// Types text as it is.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn type_text(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-l", "--", text]).map(drop)
    }

    /// Presses a key by tmux's name: "Enter", "Down", "F1", "C-l".
    ///
    /// # Errors
    /// When there is no such key, or the terminal is gone.
    pub fn press(&self, key: &str) -> Result<()> {
        self.tmux(&["send-keys", key]).map(drop)
    }

    /// Makes the window another size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, (columns, rows): (u16, u16)) -> Result<()> {
        let (x, y) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &x, "-y", &y]).map(drop)
    }

    /// Waits until the screen shows all of `texts`; the screen.
    ///
    /// # Errors
    /// When it does not within `limit`, with what it shows.
    pub fn wait_for(&self, texts: &[&str], limit: Duration) -> Result<String> {
        let started = Instant::now();
        loop {
            let screen = self.screen().context("looking at the terminal")?;
            let Some(missing) = texts.iter().find(|text| !screen.contains(*text)) else {
                return Ok(screen);
            };
            if started.elapsed() > limit {
                bail!("{missing:?} was not shown within {limit:?}:\n{screen}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The same, once the screen has stopped changing: nothing is half drawn.
    ///
    /// # Errors
    /// As [`Terminal::wait_for`].
    pub fn wait_until_still(&self, texts: &[&str], limit: Duration) -> Result<String> {
        let started = Instant::now();
        loop {
            let left = limit.saturating_sub(started.elapsed());
            let screen = self.wait_for(texts, left)?;
            std::thread::sleep(STILL);
            if self.screen()? == screen {
                return Ok(screen);
            }
        }
    }

    /// Checks that the screen has `rows` rows at most `columns` wide.
    ///
    /// # Errors
    /// When it has not.
    pub fn fits(&self, (columns, rows): (usize, usize)) -> Result<()> {
        let screen = self.screen()?;
        let widest = screen.lines().map(|l| l.chars().count()).max();
        let fits = screen.lines().count() <= rows && widest.is_none_or(|w| w <= columns);
        ensure!(fits, "more than {columns} by {rows}:\n{screen}");
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}
