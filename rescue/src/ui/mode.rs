//! Which interface an operator gets: a whole screen where the terminal can show
//! one, lines anywhere else.

use super::dialogue::{Bell, Terminal};
use super::full::{Charset, Full, Tty};
use super::line::{LineMode, Standard};
use crate::event::Sink;

/// How the operator is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Line by line.
    Line,
    /// On the whole screen.
    Full(Charset),
}

/// What is known of the terminal and of what is wanted.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The word `rescue.ui=` of the command line: "line", "full" or "ascii".
    pub word: Option<String>,
    /// The variable TERM.
    pub term: Option<String>,
    /// Columns and rows; `None` when it is no terminal.
    pub size: Option<(u16, u16)>,
}

impl Given {
    /// This process's terminal.
    #[must_use]
    pub fn here(word: Option<String>) -> Self {
        let stdin = std::io::stdin();
        Self {
            word,
            term: std::env::var("TERM").ok(),
            size: sys::console::size(&std::io::stdout()).filter(|_| {
                use std::io::IsTerminal;
                stdin.is_terminal()
            }),
        }
    }

    /// The interface that fits.
    #[must_use]
    pub fn mode(&self) -> Mode {
        let term = self.term.as_deref().unwrap_or_default();
        let small = self.size.is_none_or(|(w, h)| w < 80 || h < 24);
        match self.word.as_deref() {
            _ if small => Mode::Line,
            Some("line") => Mode::Line,
            Some("ascii") => Mode::Full(Charset::Ascii),
            Some("full") => Mode::Full(Charset::Unicode),
            _ if term.is_empty() || term == "dumb" => Mode::Line,
            // Terminals of their time know ASCII only.
            _ if term.starts_with("vt1") || term.starts_with("vt2") => Mode::Full(Charset::Ascii),
            _ => Mode::Full(Charset::Unicode),
        }
    }
}

/// The operator's terminal in the interface that fits. What is asked is told to
/// `sink`; `bell` rings for news.
#[must_use]
pub fn terminal<'a>(mode: Mode, sink: &'a dyn Sink, bell: &'a dyn Bell) -> Box<dyn Terminal + 'a> {
    if let Mode::Full(charset) = mode
        && let Ok(tty) = Tty::standard()
        && let Ok(full) = Full::new(tty, charset, sink)
    {
        return Box::new(full.with_bell(bell));
    }
    Box::new(LineMode(Standard::new(sink).with_bell(bell)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(word: Option<&str>, term: Option<&str>, size: Option<(u16, u16)>) -> Mode {
        let (word, term) = (word.map(str::to_owned), term.map(str::to_owned));
        Given { word, term, size }.mode()
    }

    #[test]
    fn a_whole_screen_only_where_one_fits() {
        let size = Some((80, 24));
        let full = Mode::Full(Charset::Unicode);
        let ascii = Mode::Full(Charset::Ascii);
        assert_eq!(mode(None, Some("linux"), size), full);
        assert_eq!(mode(None, Some("xterm-256color"), Some((200, 60))), full);
        assert_eq!(mode(None, Some("vt220"), size), ascii);
        assert_eq!(mode(Some("ascii"), Some("linux"), size), ascii);
        assert_eq!(mode(Some("full"), Some("dumb"), size), full);
        for (word, term, size) in [
            (Some("line"), Some("linux"), size),
            (None, Some("dumb"), size),
            (None, None, size),
            (None, Some("linux"), Some((79, 24))),
            (Some("full"), Some("linux"), Some((80, 23))),
            (Some("full"), Some("linux"), None),
        ] {
            assert_eq!(mode(word, term, size), Mode::Line, "{word:?} {term:?}");
        }
    }
}
