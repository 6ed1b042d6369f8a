//! What is drawn on, and what was typed there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ratatui::Terminal as Canvas;
use ratatui::{TerminalOptions, Viewport};

use super::ansi::{Ansi, Charset};
use super::device::Device;
use super::keys::{Decoder, Key};
use crate::ui::dialogue::{Bell, Rung};

/// Lines of the log that are kept.
const LOG: usize = 2000;
/// Everything is sent again this often, for a terminal that was attached later
/// and for messages that others wrote over the screen.
const REPAINT: Duration = Duration::from_secs(30);
/// How long the rest of a key's bytes may take: slow serial lines.
const REST: Duration = Duration::from_millis(150);

/// The face of the dialogue: what is drawn on, and what was typed.
pub(super) struct Face<D: Device> {
    pub(super) canvas: Canvas<Ansi<D>>,
    decoder: Decoder,
    typed: VecDeque<Key>,
    gone: bool,
    painted: Instant,
    pub(super) log: Vec<String>,
}

/// What the operator did, or did not.
pub(super) enum Touch {
    Key(Key),
    News,
    Nothing,
    Gone,
}

impl<D: Device> Face<D> {
    pub(super) fn new(device: D, charset: Charset) -> std::io::Result<Self> {
        let options = TerminalOptions {
            viewport: Viewport::Fullscreen,
        };
        let mut canvas = Canvas::with_options(Ansi::new(device, charset), options)?;
        canvas.backend_mut().enter();
        canvas.clear()?;
        Ok(Self {
            canvas,
            decoder: Decoder::default(),
            typed: VecDeque::new(),
            gone: false,
            painted: Instant::now(),
            log: Vec::new(),
        })
    }

    /// The next key. Waits for `bell`, too, where there is one.
    pub(super) fn touch(&mut self, bell: Option<&dyn Bell>, limit: Duration) -> Touch {
        loop {
            if let Some(key) = self.typed.pop_front() {
                return Touch::Key(key);
            }
            if self.gone {
                return Touch::Gone;
            }
            let device = &mut self.canvas.backend_mut().device;
            let typed = match (self.decoder.is_waiting(), bell) {
                (true, _) => device.wait(REST),
                (false, None) => device.wait(limit),
                (false, Some(bell)) => match bell.wait(Some(limit)) {
                    Ok(Rung::News) => return Touch::News,
                    Ok(Rung::Typed) => true,
                    Ok(Rung::Nothing) => false,
                    Err(_) => device.wait(limit),
                },
            };
            if typed {
                match device.read() {
                    Some(bytes) => self.typed.extend(self.decoder.feed(&bytes)),
                    None => self.gone = true,
                }
            } else if let Some(key) = self.decoder.settle() {
                return Touch::Key(key);
            } else {
                return Touch::Nothing;
            }
        }
    }

    /// Draws; what did not change is not sent again.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut ratatui::Frame<'_>)) {
        // The device's failures are noticed when it is read.
        let _ = self.canvas.draw(draw);
    }

    pub(super) fn repaint(&mut self) {
        self.canvas.backend_mut().repaint();
        self.painted = Instant::now();
    }

    pub(super) fn repaint_now_and_then(&mut self) {
        if self.painted.elapsed() >= REPAINT {
            self.repaint();
        }
    }

    pub(super) fn keep(&mut self, text: &str) {
        self.log.push(text.to_owned());
        let excess = self.log.len().saturating_sub(LOG);
        self.log.drain(..excess);
    }
}

impl<D: Device> Drop for Face<D> {
    fn drop(&mut self) {
        self.canvas.backend_mut().leave();
    }
}
