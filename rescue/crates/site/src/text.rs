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
        let what = error.message().to_owned();
        match error.span() {
            Some(span) => wrong(file, text, span.start, what),
            None => Wrong {
                place: file.to_owned(),
                what,
            },
        }
    })
}

/// Something wrong at byte `at` of `text`.
pub(crate) fn wrong(file: &str, text: &str, at: usize, what: String) -> Wrong {
    let place = format!("{file}, line {}", line(text, at));
    Wrong { place, what }
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
