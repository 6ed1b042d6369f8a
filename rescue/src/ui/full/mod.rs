//! The full-screen interface: the dialogue's screens on a terminal of 80 by 24
//! or more, driven by keys.

mod ansi;
mod device;
mod input;
mod keys;
mod progress;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod watch;
mod worker;

pub use ansi::Charset;
pub use device::{Device, Tty};

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ratatui::Terminal as Canvas;
use ratatui::{TerminalOptions, Viewport};
use serde_json::json;

use super::dialogue::{Answer, Asks, Bell, Notice, Rung, Screen, Terminal, Typed, Until};
use crate::event::{Event, Sink};
use ansi::Ansi;
use keys::{Decoder, Key};
use state::{Effect, State};
use view::View;

/// How long the size of the terminal may be out of date.
const TICK: Duration = Duration::from_millis(250);
/// How long the rest of a key's bytes may take: slow serial lines.
const REST: Duration = Duration::from_millis(150);
/// Everything is sent again this often, for a terminal that was attached later
/// and for messages that others wrote over the screen.
const REPAINT: Duration = Duration::from_secs(30);
/// Lines of the log that are kept.
const LOG: usize = 2000;

/// The face of the dialogue: what is drawn on, and what was typed.
struct Face<D: Device> {
    canvas: Canvas<Ansi<D>>,
    decoder: Decoder,
    typed: VecDeque<Key>,
    gone: bool,
    painted: Instant,
    log: Vec<String>,
}

/// What the operator did, or did not.
enum Touch {
    Key(Key),
    News,
    Nothing,
    Gone,
}

impl<D: Device> Face<D> {
    fn new(device: D, charset: Charset) -> std::io::Result<Self> {
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
    fn touch(&mut self, bell: Option<&dyn Bell>, limit: Duration) -> Touch {
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
    fn draw(&mut self, draw: impl FnOnce(&mut ratatui::Frame<'_>)) {
        // The device's failures are noticed when it is read.
        let _ = self.canvas.draw(draw);
    }

    fn repaint(&mut self) {
        self.canvas.backend_mut().repaint();
        self.painted = Instant::now();
    }

    fn repaint_now_and_then(&mut self) {
        if self.painted.elapsed() >= REPAINT {
            self.repaint();
        }
    }

    fn keep(&mut self, text: &str) {
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

/// The dialogue on a whole screen.
pub struct Full<'a, D: Device> {
    face: Face<D>,
    sink: &'a dyn Sink,
    bell: Option<&'a dyn Bell>,
    notices: Vec<Notice>,
    /// The screen that was left for news, and where the operator was.
    left: Option<(Screen, State)>,
}

impl<D: Device> std::fmt::Debug for Full<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Full").finish_non_exhaustive()
    }
}

impl<'a, D: Device> Full<'a, D> {
    /// Takes the terminal; it is given back when this goes. Questions are told
    /// to `sink`.
    ///
    /// # Errors
    /// None that a terminal makes: only its size could not be told.
    pub fn new(device: D, charset: Charset, sink: &'a dyn Sink) -> std::io::Result<Self> {
        Ok(Self {
            face: Face::new(device, charset)?,
            sink,
            bell: None,
            notices: Vec::new(),
            left: None,
        })
    }

    /// Screens that wait for news are shown anew when `bell` rings.
    #[must_use]
    pub fn with_bell(mut self, bell: &'a dyn Bell) -> Self {
        self.bell = Some(bell);
        self
    }

    fn draw(&mut self, screen: &Screen, state: &mut State) {
        let (notices, log) = (self.notices.clone(), std::mem::take(&mut self.face.log));
        self.face.draw(|frame| {
            let view = View {
                screen,
                state,
                notices: &notices,
                log: &log,
            };
            view.draw(frame);
        });
        self.face.log = log;
    }

    /// Where the operator is on `screen`: where they were, if it is the one
    /// that was left for news.
    fn state(&mut self, screen: &Screen) -> State {
        match self.left.take() {
            Some((before, state)) if before.id == screen.id => state.again(&before, screen),
            _ => State::new(screen),
        }
    }

    fn tell_waiting(&self, screen: &Screen) {
        self.sink.emit(Event::Fact {
            name: "waiting-for-input".to_owned(),
            value: json!({"question": screen.id}),
        });
    }

    /// Waits for an answer. Overlays are finished before news are looked at.
    fn listen(&mut self, screen: &Screen, state: &mut State) -> Answer {
        loop {
            let is_open = state.overlay.is_none() && screen.until != Until::Answered;
            let bell = self.bell.filter(|_| is_open);
            let key = match self.face.touch(bell, TICK) {
                Touch::Key(key) => key,
                Touch::News => {
                    self.left = Some((screen.clone(), state.clone()));
                    return Answer::Again;
                }
                Touch::Nothing => {
                    // The size may have changed.
                    self.draw(screen, state);
                    self.face.repaint_now_and_then();
                    continue;
                }
                Touch::Gone => return Answer::Gone,
            };
            match state.press(key, screen) {
                Effect::Redraw => self.draw(screen, state),
                Effect::Repaint => {
                    self.draw(screen, state);
                    self.face.repaint();
                }
                Effect::Answer(answer) => {
                    if !matches!(answer, Answer::Shell) {
                        self.notices.clear();
                    }
                    return answer;
                }
            }
        }
    }
}

impl<D: Device> Terminal for Full<'_, D> {
    fn ask(&mut self, screen: &Screen) -> Answer {
        let mut state = self.state(screen);
        self.draw(screen, &mut state);
        self.tell_waiting(screen);
        let answer = self.listen(screen, &mut state);
        if answer == Answer::Shell {
            self.left = Some((screen.clone(), state));
        }
        answer
    }

    fn busy(&mut self, what: &str) {
        let screen = Screen {
            id: "",
            title: "One moment",
            body: format!("{what}\n"),
            heading: String::new(),
            asks: Asks::Menu(Vec::new(), Typed::Refused),
            help: String::new(),
            until: Until::Answered,
        };
        let mut state = State {
            hint: Some("please wait".to_owned()),
            ..State::default()
        };
        // A screen that comes back with news must not flicker.
        if self.left.is_none() {
            self.draw(&screen, &mut state);
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.face.keep(&notice.text());
        self.notices.push(notice);
    }

    fn watch(&mut self, title: &str, work: &mut dyn FnMut(&dyn Sink)) {
        worker::watch(&mut self.face, title, work);
    }

    fn lend(&mut self, program: &mut dyn FnMut()) {
        self.face.canvas.backend_mut().leave();
        program();
        self.face.canvas.backend_mut().enter();
        // Everything is drawn anew.
        let _ = self.face.canvas.clear();
    }
}
