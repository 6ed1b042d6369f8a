//! Words of a text, and a text with some of them changed.

use std::ops::Range;

use crate::edits::{Edits, TextEdit};
use crate::names::{Names, Settled, Style};

/// A piece of a text, with where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<'t> {
    /// The piece.
    pub(crate) text: &'t str,
    /// The byte of the text that it begins with.
    pub(crate) at: usize,
}

impl<'t> Word<'t> {
    /// All of `text`.
    pub(crate) fn all(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Where it is.
    pub(crate) fn range(&self) -> Range<usize> {
        self.at..self.at.saturating_add(self.text.len())
    }

    /// The part of it that begins with byte `from` of it; empty when that is no place to cut at.
    pub(crate) fn from(&self, from: usize) -> Self {
        Self {
            text: self.text.get(from..).unwrap_or_default(),
            at: self.at.saturating_add(from.min(self.text.len())),
        }
    }

    /// The first `len` bytes of it.
    pub(crate) fn to(&self, len: usize) -> Self {
        Self {
            text: self.text.get(..len).unwrap_or_default(),
            at: self.at,
        }
    }

    /// What is before and after the first of `marks`.
    pub(crate) fn split<const N: usize>(&self, marks: [char; N]) -> Option<(Self, Self)> {
        let at = self.text.find(marks)?;
        let mark = self.from(at).text.chars().next()?;
        Some((self.to(at), self.from(at.checked_add(mark.len_utf8())?)))
    }

    /// What remains of it without `prefix`.
    pub(crate) fn after(&self, prefix: &str) -> Option<Self> {
        self.text
            .starts_with(prefix)
            .then(|| self.from(prefix.len()))
    }

    /// Without the white space around it.
    pub(crate) fn trim(&self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        let rest = self.from(start);
        rest.to(rest.text.trim_end().len())
    }

    /// Without quotation marks around it, as far as there are any.
    pub(crate) fn unquoted(&self) -> Self {
        let quotes = ['"', '\''];
        let start = usize::from(self.text.starts_with(quotes));
        let rest = self.from(start);
        let end = usize::from(rest.text.ends_with(quotes));
        rest.to(rest.text.len().saturating_sub(end))
    }

    /// Its pieces between characters that `cut` says yes to; none are empty.
    pub(crate) fn pieces(self, cut: impl Fn(char) -> bool) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut start = None;
        let ends = [(self.text.len(), None)];
        let chars = self.text.char_indices().map(|(at, c)| (at, Some(c)));
        for (at, c) in chars.chain(ends) {
            match (c.is_none_or(&cut), start) {
                (true, Some(from)) => {
                    pieces.push(self.to(at).from(from));
                    start = None;
                }
                (false, None) => start = Some(at),
                _ => {}
            }
        }
        pieces
    }

    /// Its words.
    pub(crate) fn words(self) -> Vec<Self> {
        self.pieces(|c| c.is_ascii_whitespace())
    }

    /// Its lines that are not empty, without their ends.
    pub(crate) fn lines(self) -> Vec<Self> {
        self.pieces(|c| c == '\n')
    }
}

/// A text that is being changed.
#[derive(Debug)]
pub(crate) struct Draft<'t> {
    path: &'t str,
    text: &'t str,
    changes: Vec<(Range<usize>, String)>,
    edits: Vec<String>,
    warnings: Vec<String>,
}

impl<'t> Draft<'t> {
    pub(crate) fn new(path: &'t str, text: &'t str) -> Self {
        Self {
            path,
            text,
            changes: Vec::new(),
            edits: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// `new` in place of what is at `range`; `told` says so.
    pub(crate) fn replace(&mut self, range: Range<usize>, new: String, told: String) {
        self.changes.push((range, new));
        if !self.edits.contains(&told) {
            self.edits.push(told);
        }
    }

    /// Something to say of this file.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The name that is `word`, made one that does not depend on the hardware. `kind` says
    /// which kinds of volume it can only be.
    pub(crate) fn name(&mut self, names: &Names<'_>, word: Word<'_>, style: Style, kind: &[&str]) {
        match names.settle(word.text, style, kind) {
            Settled::Keep => {}
            Settled::New(new) => {
                let told = format!("{} is {new} now", word.text);
                self.replace(word.range(), new, told);
            }
            Settled::Lost => self.warn(format!(
                "{} names {}, which may be called otherwise on this hardware.",
                self.path, word.text
            )),
        }
    }

    /// The text with all changes, when there are any that fit.
    pub(crate) fn changed(&mut self) -> Option<String> {
        self.changes.sort_by_key(|(range, _)| range.start);
        let mut text = String::new();
        let mut done = 0;
        for (range, new) in &self.changes {
            text.push_str(self.text.get(done..range.start)?);
            text.push_str(new);
            done = range.end;
        }
        text.push_str(self.text.get(done..)?);
        (!self.changes.is_empty()).then_some(text)
    }

    /// All of it is said; `copies` are its copies in the initramfs.
    pub(crate) fn finish(mut self, told: &mut Edits, copies: &[&str]) {
        let text = self.changed();
        self.finish_as(text, told, copies);
    }

    /// All of it is said, and the new text is `text`.
    pub(crate) fn finish_as(self, text: Option<String>, told: &mut Edits, copies: &[&str]) {
        for warning in self.warnings {
            told.warn(warning);
        }
        if let Some(text) = text {
            told.file(TextEdit {
                path: self.path.to_owned(),
                text,
                new: false,
                edits: self.edits,
                copies: copies.iter().map(|&copy| copy.to_owned()).collect(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_know_where_they_are() {
        let text = "\t a  bc=\"d e\"\r\nf";
        let words = Word::all(text).words();
        let told: Vec<&str> = words.iter().map(|word| word.text).collect();
        assert_eq!(told, ["a", "bc=\"d", "e\"", "f"]);
        for word in words {
            assert_eq!(&text[word.range()], word.text);
        }
        let line = Word::all(text).lines()[0];
        let (key, value) = line.trim().split(['=']).unwrap();
        assert_eq!((key.text, key.at), ("a  bc", 2));
        let value = value.unquoted();
        assert_eq!((value.text, &text[value.range()]), ("d e", "d e"));
    }

    #[test]
    fn only_what_is_replaced_changes() {
        let mut draft = Draft::new("/f", "ä b c");
        draft.replace(5..6, "C".into(), "c".into());
        draft.replace(3..4, "BB".into(), "b".into());
        assert_eq!(draft.changed().unwrap(), "ä BB C");
        // Changes that overlap are no change.
        draft.replace(3..5, "x".into(), "x".into());
        assert_eq!(draft.changed(), None);
    }
}
