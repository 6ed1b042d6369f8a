//! The terminal the dialogue needs: text out, lines in. Nothing else, so that
//! it works on a serial line of 80 columns, and in tests.

use std::io::BufRead;

use serde_json::json;

use crate::event::{Event, Sink};

/// Columns that text is wrapped to.
pub(super) const WIDTH: usize = 78;

/// A question to the operator.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Its name for automation; stable.
    pub id: &'static str,
    /// What stands before the cursor.
    pub prompt: &'a str,
    /// What ends the waiting.
    pub until: Until,
}

/// What ends the waiting for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The operator only.
    Answered,
    /// Also a [`Bell`].
    News,
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

/// Rings when something happens that the screen does not show yet.
pub trait Bell {
    /// Waits for it, or for something to read on standard input.
    ///
    /// # Errors
    /// When it cannot wait; the operator is asked without it then.
    fn wait(&self) -> std::io::Result<Rung>;
}

/// Why [`Bell::wait`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// The operator typed, or is gone.
    Typed,
    /// Something happened.
    News,
}

/// Shows text and reads lines.
pub trait Terminal {
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

impl Terminal for Standard<'_> {
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
        let bell = self.bell.filter(|_| question.until == Until::News);
        // A terminal gives one line a time: none is left in our buffer.
        if let Some(Ok(Rung::News)) = bell.map(Bell::wait) {
            self.show("\n");
            return Reply::News;
        }
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(1..) => Reply::Line(line.trim().to_owned()),
            Ok(0) | Err(_) => Reply::Gone,
        }
    }
}

/// `text` in lines of at most [`WIDTH`] columns, each after `indent` spaces;
/// the lines it has stay, and so does their own indentation.
pub(super) fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if line.chars().count().saturating_add(indent) <= WIDTH {
            // Short enough to stay as it is, columns included.
            out.push_str(format!("{}{line}", " ".repeat(indent)).trim_end());
            out.push('\n');
            continue;
        }
        let own = line.len() - line.trim_start().len();
        let margin = " ".repeat(indent.saturating_add(own));
        let mut column = 0;
        for word in line.split_whitespace() {
            let width = word.chars().count();
            if column > 0 && column + 1 + width > WIDTH {
                out.push('\n');
                column = 0;
            }
            if column == 0 {
                out.push_str(&margin);
                column = margin.len();
            } else {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += width;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_lines_are_wrapped_and_indented() {
        let text = format!("{} {}\n  b", "a".repeat(50), "c".repeat(40));
        let wrapped = wrap(&text, 2);
        let expected = format!("  {}\n  {}\n    b\n", "a".repeat(50), "c".repeat(40));
        assert_eq!(wrapped, expected);
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "[a-z \n]{0,300}", indent in 0usize..6) {
            let wrapped = wrap(&text, indent);
            prop_assert!(wrapped.lines().all(|l| l.len() <= WIDTH || !l.trim().contains(' ')));
            prop_assert!(wrapped.split_whitespace().eq(text.split_whitespace()));
        }
    }
}
