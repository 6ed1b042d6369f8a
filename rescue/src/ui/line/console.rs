//! Lines of text out, lines of text in.

use std::io::BufRead;

use serde_json::json;

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
    /// A line, without spaces around it.
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
        let stdin = std::io::stdin();
        let settings = question
            .secret
            .then(|| sys::console::Settings::of(&stdin).ok());
        let hidden = settings.flatten().filter(|s| s.hide_typing().is_ok());
        let mut line = String::new();
        let read = stdin.lock().read_line(&mut line);
        if hidden.is_some() {
            self.show("\n");
        }
        match read {
            Ok(1..) => Reply::Line(line.trim().to_owned()),
            Ok(0) | Err(_) => Reply::Gone,
        }
    }
}
