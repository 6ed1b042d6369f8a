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
}

/// Shows text and reads lines.
pub trait Terminal {
    /// Shows whole lines.
    fn show(&mut self, text: &str);

    /// Asks, and waits for a line; `None` when nobody is there any more.
    fn ask(&mut self, question: Question<'_>) -> Option<String>;
}

/// Standard input and output. Tells automation what is being asked.
pub struct Standard<'a> {
    sink: &'a dyn Sink,
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
        Self { sink }
    }
}

impl Terminal for Standard<'_> {
    fn show(&mut self, text: &str) {
        // A terminal that went away is noticed when it is asked.
        crate::ui::say(text);
    }

    fn ask(&mut self, question: Question<'_>) -> Option<String> {
        self.show(question.prompt);
        self.sink.emit(Event::Fact {
            name: "waiting-for-input".to_owned(),
            value: json!({"question": question.id}),
        });
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(1..) => Some(line.trim().to_owned()),
            Ok(0) | Err(_) => None,
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
