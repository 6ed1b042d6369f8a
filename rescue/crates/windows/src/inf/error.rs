//! What can be wrong with an INF file.

use std::fmt;

/// The result of everything that reads an INF file.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something in an INF is not as Windows expects it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The file, as it was named to the parser.
    pub file: String,
    /// The line, from 1; 0 when it concerns the whole file.
    pub line: u32,
    /// What was looked at: a section, a directive.
    pub what: String,
    /// What a sound INF has there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        let Self {
            what,
            expected,
            found,
            ..
        } = self;
        write!(f, ": {what}: expected {expected}, found {found}")
    }
}

/// Quoted for a message, control characters escaped, cut to a readable length.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let cut: String = text.chars().take(LONGEST).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}
