//! What came out of a serial port: all of it, readable, with a place up to
//! which it has been read.

/// More than this from one machine is a runaway guest; the rest is dropped.
const LIMIT: usize = 64 << 20;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// After ESC.
    Start,
    /// Inside a control sequence (`ESC [ … letter`).
    Csi,
}

/// A console's text without terminal control sequences.
///
/// A carriage return or a cursor movement to another place becomes a line break,
/// so that a progress line redrawn a thousand times stays lines, and text drawn
/// by a menu does not run together.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    plain: Vec<u8>,
    read: usize,
    escape: Escape,
    after_cr: bool,
}

impl Transcript {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.plain.len() < LIMIT {
                self.push_byte(*byte);
            }
        }
    }

    fn push_byte(&mut self, byte: u8) {
        match (self.escape, byte) {
            (_, 0x1b) => self.escape = Escape::Start,
            (Escape::Start, b'[') => self.escape = Escape::Csi,
            (Escape::Start, _) => self.escape = Escape::None,
            (Escape::Csi, 0x40..=0x7e) => {
                self.escape = Escape::None;
                if matches!(byte, b'H' | b'f') {
                    self.break_line();
                }
            }
            (Escape::Csi, _) => {}
            (Escape::None, b'\r') => self.after_cr = true,
            (Escape::None, b'\n') => {
                self.after_cr = false;
                self.plain.push(b'\n');
            }
            (Escape::None, b'\t' | 0x20..) => {
                if std::mem::take(&mut self.after_cr) {
                    self.break_line();
                }
                self.plain.push(byte);
            }
            (Escape::None, _) => {}
        }
    }

    fn break_line(&mut self) {
        if self.plain.last().is_some_and(|last| *last != b'\n') {
            self.plain.push(b'\n');
        }
    }

    /// Reads up to and including the next `search`; what was read, if it came.
    pub(crate) fn take_through(&mut self, search: &mut Search) -> Option<String> {
        let end = search.advance(self)?;
        let taken = self.plain.get(self.read..end)?;
        let taken = String::from_utf8_lossy(taken).into_owned();
        self.read = end;
        Some(taken)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.plain).into_owned()
    }

    /// How many bytes of text there are.
    pub(crate) fn len(&self) -> usize {
        self.plain.len()
    }

    /// The text from byte `at` on.
    pub(crate) fn after(&self, at: usize) -> String {
        String::from_utf8_lossy(self.plain.get(at..).unwrap_or_default()).into_owned()
    }

    /// The last `lines` lines.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..)
            .unwrap_or_default()
            .join("\n")
    }
}

/// A text that is looked for while more arrives, often byte by byte: what was
/// searched is not searched again.
#[derive(Debug)]
pub(crate) struct Search {
    text: Vec<u8>,
    searched: usize,
}

impl Search {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.as_bytes().to_vec(),
            searched: 0,
        }
    }

    /// Where the text ends, once it has come after what was read before.
    pub(crate) fn advance(&mut self, transcript: &Transcript) -> Option<usize> {
        let plain = &transcript.plain;
        let from = self.searched.max(transcript.read);
        let unseen = plain.get(from..).unwrap_or_default();
        let found = unseen
            .windows(self.text.len().max(1))
            .position(|window| window.starts_with(&self.text));
        if let Some(position) = found {
            return Some(from + position + self.text.len());
        }
        // The text may have begun at the end.
        let begun = self.text.len().saturating_sub(1);
        self.searched = from.max(plain.len().saturating_sub(begun));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &str) -> Transcript {
        let mut transcript = Transcript::default();
        transcript.push(bytes.as_bytes());
        transcript
    }

    #[test]
    fn colours_and_cursor_movements_are_not_text() {
        let plain = of("\x1b[1;31mred\x1b[0m\r\nmenu\x1b[5;7Hitem\x1bc!").text();
        assert_eq!(plain, "red\nmenu\nitem!");
    }

    #[test]
    fn a_redrawn_line_becomes_lines() {
        assert_eq!(of("10 %\r20 %\r\r\ndone").text(), "10 %\n20 %\ndone");
    }

    #[test]
    fn a_sequence_may_arrive_in_pieces() {
        let mut transcript = of("lo\x1b");
        transcript.push(b"[0");
        transcript.push(b"mgin:");
        assert_eq!(transcript.text(), "login:");
    }

    #[test]
    fn reading_goes_forward_only() {
        let mut transcript = of("login: root\nlogin: again");
        let mut take = |text: &str| transcript.take_through(&mut Search::new(text));
        assert_eq!(take("login:").unwrap(), "login:");
        assert_eq!(take("login:").unwrap(), " root\nlogin:");
        assert_eq!(take("login:"), None);
        assert_eq!(take("root"), None);
        assert_eq!(take("again").unwrap(), " again");
    }

    #[test]
    fn a_text_that_arrives_byte_by_byte_is_found() {
        let mut transcript = Transcript::default();
        let mut search = Search::new("aab");
        for byte in b"xaaa" {
            transcript.push(&[*byte]);
            assert_eq!(transcript.take_through(&mut search), None);
        }
        transcript.push(b"b!");
        assert_eq!(transcript.take_through(&mut search).unwrap(), "xaaab");
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        assert_eq!(of("a\nb\nc\n").tail(2), "b\nc");
        assert_eq!(of("a").tail(40), "a");
    }
}
