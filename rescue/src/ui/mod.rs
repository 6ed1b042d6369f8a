//! Renderers of events: lines and progress for people, JSON for machines.

mod bar;
pub mod dialogue;
pub mod full;
mod json;
pub mod line;
pub mod mode;
mod pace;
pub(crate) mod report;
mod text;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::event::Sink;

pub use bar::Bar;
pub use json::JsonLines;
pub(crate) use json::json_line;
pub use text::Lines;

/// The sink for a command line: JSON lines on standard output, or text on
/// standard error.
#[must_use]
pub fn sink_for(json: bool) -> Box<dyn Sink> {
    if json { Box::new(JsonLines) } else { text() }
}

/// Text on standard error: a progress bar where the terminal can redraw a
/// line, plain lines now and then where it cannot.
#[must_use]
pub fn text() -> Box<dyn Sink> {
    let terminal = std::io::stderr().is_terminal();
    let dumb = std::env::var_os("TERM").is_none_or(|t| t == "dumb");
    match (terminal, dumb) {
        (true, false) => Box::new(Bar::default()),
        (true, true) => Box::new(Lines::new(std::io::stderr(), Duration::from_secs(2))),
        (false, _) => Box::new(Lines::new(std::io::stderr(), Duration::from_secs(10))),
    }
}

/// Plain lines on standard error, whatever the terminal can do.
pub(crate) fn lines() -> impl Sink {
    Lines::new(std::io::stderr(), Duration::from_secs(2))
}

/// An error and its causes, outermost first, one per line: the form
/// [`crate::event::Event::Failed`] carries. Further lines of one cause are
/// indented.
#[must_use]
pub fn chain(error: &anyhow::Error) -> String {
    let cause = |e: &(dyn std::error::Error + 'static)| e.to_string().replace('\n', "\n  ");
    let causes: Vec<String> = error.chain().map(cause).collect();
    causes.join("\n")
}

/// A chain made by [`chain`] as a person reads it.
pub(crate) fn failure(chain: &str) -> String {
    let mut lines = chain.lines();
    let mut text = format!("error: {}\n", lines.next().unwrap_or("unknown"));
    for line in lines {
        let mark = if line.starts_with(' ') {
            ""
        } else {
            "  because: "
        };
        text.push_str(&format!("{mark}{line}\n"));
    }
    text
}

/// Shows `text` on standard output. Unlike `print!` it does not end the
/// program when the terminal is gone: a restore must go on.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Compares with a file below this folder that was read by a person;
    /// `RESCUE_UPDATE=1` writes the files anew, to be read again.
    pub(super) fn same_as_in_file(name: &str, text: &str) {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui")).join(name);
        if std::env::var_os("RESCUE_UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == expected,
            "{name} is different now (RESCUE_UPDATE=1 accepts it):\n{text}"
        );
    }

    #[test]
    fn causes_of_several_lines_stay_together() {
        let error = anyhow::anyhow!("2 disks fit:\n  sda\n  sdb").context("following the plan");
        let text = failure(&chain(&error));
        let expected = "error: following the plan\n  because: 2 disks fit:\n    sda\n    sdb\n";
        assert_eq!(text, expected);
    }
}
