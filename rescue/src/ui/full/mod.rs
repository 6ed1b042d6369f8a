//! The full-screen interface: the dialogue's screens on a terminal of 80 by 24
//! or more, driven by keys.

mod ansi;
mod device;
mod face;
mod input;
mod keys;
mod progress;
mod rows;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod watch;
mod worker;

pub use ansi::Charset;
pub use device::{Device, Tty};

use std::time::Duration;

use serde_json::json;

use super::dialogue::{Answer, Asks, Bell, Notice, Screen, Terminal, Typed, Until};
use crate::event::{Event, Sink};
use face::{Face, Touch};
use state::{Effect, State};
use view::View;

/// How long the size of the terminal may be out of date.
const TICK: Duration = Duration::from_millis(250);

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
