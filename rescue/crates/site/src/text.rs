//! Reading TOML such that mistakes have a line.

use serde::de::DeserializeOwned;

/// What is wrong, and where: "site.toml, line 3".
pub(crate) struct Wrong {
    pub(crate) place: String,
    pub(crate) what: String,
}

/// Reads `text`; `file` is its name for messages.
pub(crate) fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Wrong> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line(text, span.start));
        Wrong {
            place: line.map_or(file.to_owned(), |n| format!("{file}, line {n}")),
            what: error.message().to_owned(),
        }
    })
}

/// The number of the line that holds byte `at`.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        .saturating_add(1)
}
