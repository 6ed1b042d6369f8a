//! Lines of text out, lines of text in.

use std::io::BufRead;
use std::os::fd::AsFd;

use serde_json::json;
use sys::console::Settings;

use crate::event::{Event, Sink};
use crate::ui::dialogue::{Bell, Rung};

/// A question to the operator.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its name for automation; stable.
    pub id: &'static str,
    /// What stands before the cursor.
    pub prompt: &'a str,
    /// Whether news end the waiting.
    pub news: bool,
    /// Whether what is typed is kept from the screen.
    pub secret: bool,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A line, without spaces around it; a secret with them.
    Line(String),
    /// The bell rang first.
    News,
    /// Nobody is there any more.
    Gone,
}

/// Shows text and reads lines: nothing else, so that it works on any terminal,
/// and in tests.
pub trait Console {
    /// Shows whole lines.
    fn show(&mut self, text: &str);

    /// Asks, and waits.
    fn ask(&mut self, question: Question<'_>) -> Reply;
}

/// Standard input and output. Tells automation what is being asked.
pub struct Standard<'a> {
    sink: &'a dyn Sink,
    bell: Option<&'a dyn Bell>,
}

impl std::fmt::Debug for Standard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standard").finish_non_exhaustive()
    }
}

impl<'a> Standard<'a> {
    /// Questions are told to `sink`.
    #[must_use]
    pub fn new(sink: &'a dyn Sink) -> Self {
        Self { sink, bell: None }
    }

    /// Questions that wait for news end when `bell` rings.
    #[must_use]
    pub fn with_bell(mut self, bell: &'a dyn Bell) -> Self {
        self.bell = Some(bell);
        self
    }
}

impl Console for Standard<'_> {
    fn show(&mut self, text: &str) {
        // A terminal that went away is noticed when it is asked.
        crate::ui::say(text);
    }

    fn ask(&mut self, question: Question<'_>) -> Reply {
        let stdin = std::io::stdin();
        let mut lines = stdin.lock();
        self.ask_on(&stdin, &mut lines, question)
    }
}

impl Standard<'_> {
    /// Asks where `lines` are typed: on `terminal`, if it is one.
    fn ask_on<F: AsFd>(
        &mut self,
        terminal: &F,
        lines: &mut dyn BufRead,
        question: Question<'_>,
    ) -> Reply {
        // Hidden before anybody can know of the question, and answer it.
        let hidden = question.secret.then(|| hide(terminal)).flatten();
        self.show(question.prompt);
        self.sink.emit(Event::Fact {
            name: "waiting-for-input".to_owned(),
            value: json!({"question": question.id}),
        });
        let bell = self.bell.filter(|_| question.news);
        // A terminal gives one line a time: none is left in our buffer.
        if let Some(Ok(Rung::News)) = bell.map(|bell| bell.wait(None)) {
            self.show("\n");
            return Reply::News;
        }
        let mut line = String::new();
        let read = lines.read_line(&mut line);
        if hidden.is_some() {
            self.show("\n");
        }
        match read {
            // (A passphrase may begin and end with spaces.)
            Ok(1..) if question.secret => {
                Reply::Line(line.trim_end_matches(['\r', '\n']).to_owned())
            }
            Ok(1..) => Reply::Line(line.trim().to_owned()),
            Ok(0) | Err(_) => Reply::Gone,
        }
    }
}

/// Keeps what is typed from the screen until the answer goes.
fn hide<F: AsFd>(terminal: &F) -> Option<Settings> {
    let settings = Settings::of(terminal).ok()?;
    settings.hide_typing().ok()?;
    Some(settings)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufReader, Read, Write};
    use std::sync::Mutex;

    use sys::console::Pty;

    use super::*;

    /// Answers the moment it hears of a question, as automation does.
    struct Quick(Mutex<File>);

    impl Sink for Quick {
        fn emit(&self, event: Event) {
            if matches!(event, Event::Fact { name, .. } if name == "waiting-for-input") {
                self.0.lock().unwrap().write_all(b"geheim\n").unwrap();
            }
        }
    }

    fn shown(secret: bool) -> String {
        let pty = Pty::open(80, 24).unwrap();
        let far = sys::console::open(pty.far()).unwrap();
        sys::console::set_blocking(&far).unwrap();
        let sink = Quick(Mutex::new(pty.near().unwrap()));
        let mut lines = BufReader::new(far.try_clone().unwrap());
        let question = Question {
            id: "password",
            prompt: "",
            news: false,
            secret,
        };
        let reply = Standard::new(&sink).ask_on(&far, &mut lines, question);
        assert_eq!(reply, Reply::Line("geheim".to_owned()));
        let mut echo = vec![0; 80];
        // Nothing to read is an error here: the near end never waits.
        let read = sink.0.lock().unwrap().read(&mut echo).unwrap_or(0);
        String::from_utf8_lossy(&echo[..read]).into_owned()
    }

    #[test]
    fn secrets_are_not_shown_even_to_the_quick() {
        assert_eq!(shown(true), "");
        assert_eq!(shown(false), "geheim\r\n");
    }
}
