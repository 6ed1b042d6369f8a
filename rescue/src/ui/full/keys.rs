//! From the bytes a terminal sends to keys.
//!
//! Understood is what a VT100, xterm, the Linux console and tmux send; what
//! nobody understands is one [`Key::Unknown`], never text.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Ctrl(char),
    F(u8),
    Enter,
    Escape,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Unknown,
}

/// No control sequence that a key sends is longer than this.
const LONGEST: usize = 16;

/// Bytes of a key that has not been sent whole yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decoder {
    begun: Vec<u8>,
}

impl Decoder {
    /// The keys that `bytes` complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for byte in bytes {
            self.begun.push(*byte);
            self.complete(&mut keys);
        }
        keys
    }

    /// Whether an Escape is waiting for what may follow it.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Nothing followed: an Escape was the key itself.
    pub(crate) fn settle(&mut self) -> Option<Key> {
        let begun = std::mem::take(&mut self.begun);
        match begun.as_slice() {
            [] => None,
            [0x1b] => Some(Key::Escape),
            _ => Some(Key::Unknown),
        }
    }

    fn complete(&mut self, keys: &mut Vec<Key>) {
        match self.begun.as_slice() {
            [0x1b] | [0x1b, b'O' | b'['] | [0x1b, b'[', b'['] => {}
            [0x1b, b'O', last] => {
                keys.push(application(*last));
                self.begun.clear();
            }
            [0x1b, b'[', b'[', last] => {
                keys.push(linux_function(*last));
                self.begun.clear();
            }
            [0x1b, b'[', middle @ .., last] if is_final(*last) => {
                keys.push(control(middle, *last));
                self.begun.clear();
            }
            [0x1b, b'[', ..] if self.begun.len() <= LONGEST => {}
            [0x1b, 0x1b] => {
                keys.push(Key::Escape);
                self.begun.truncate(1);
            }
            [0x1b, b'[', ..] => {
                keys.push(Key::Unknown);
                self.begun.clear();
            }
            // Escape, and then another key before we looked.
            [0x1b, other] => {
                let other = *other;
                keys.push(Key::Escape);
                self.begun.clear();
                keys.extend(plain(&[other]).flatten());
            }
            bytes => {
                if let Some(key) = plain(bytes) {
                    keys.extend(key);
                    self.begun.clear();
                }
            }
        }
    }
}

const fn is_final(byte: u8) -> bool {
    matches!(byte, 0x40..=0x7e)
}

/// A key without Escape; `None` while a character is not whole, `Some(None)`
/// for what is no key.
fn plain(bytes: &[u8]) -> Option<Option<Key>> {
    let first = bytes.first().copied().unwrap_or_default();
    Some(Some(match first {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x08 | 0x7f => Key::Backspace,
        0 => return Some(None),
        0x01..=0x1a => Key::Ctrl(char::from(first + b'a' - 1)),
        0x1b..=0x1f => Key::Unknown,
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.chars().next().map_or(Key::Unknown, Key::Char),
            Err(error) if error.error_len().is_none() && bytes.len() < 4 => return None,
            Err(_) => Key::Unknown,
        },
    }))
}

/// After "ESC O".
fn application(last: u8) -> Key {
    match last {
        b'P'..=b'S' => Key::F(last - b'P' + 1),
        b'M' => Key::Enter,
        _ => control(&[], last),
    }
}

/// After "ESC [ [": the Linux console's first five function keys.
fn linux_function(last: u8) -> Key {
    match last {
        b'A'..=b'E' => Key::F(last - b'A' + 1),
        _ => Key::Unknown,
    }
}

/// After "ESC [".
fn control(middle: &[u8], last: u8) -> Key {
    match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'P'..=b'S' => Key::F(last - b'P' + 1),
        b'Z' => Key::BackTab,
        b'~' => numbered(middle),
        _ => Key::Unknown,
    }
}

/// "ESC [ number ~"; what follows a semicolon is Shift and the like.
fn numbered(middle: &[u8]) -> Key {
    let number = middle.split(|b| *b == b';').next().unwrap_or_default();
    let number = std::str::from_utf8(number).ok();
    match number.and_then(|n| n.parse::<u8>().ok()) {
        Some(1 | 7) => Key::Home,
        Some(3) => Key::Delete,
        Some(4 | 8) => Key::End,
        Some(5) => Key::PageUp,
        Some(6) => Key::PageDown,
        Some(n @ 11..=15) => Key::F(n - 10),
        Some(n @ 17..=21) => Key::F(n - 11),
        Some(n @ 23..=24) => Key::F(n - 12),
        _ => Key::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let mut keys = decoder.feed(bytes);
        keys.extend(decoder.settle());
        keys
    }

    #[test]
    fn keys_of_many_terminals() {
        let cases: [(&[u8], Key); 19] = [
            (b"\r", Key::Enter),
            (b"\x1b", Key::Escape),
            (b"\x1b[A", Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1bOP", Key::F(1)),
            (b"\x1b[[B", Key::F(2)),
            (b"\x1b[13~", Key::F(3)),
            (b"\x1b[17~", Key::F(6)),
            (b"\x1b[24~", Key::F(12)),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6;2~", Key::PageDown),
            (b"\x1b[Z", Key::BackTab),
            (b"\x1b[1;5C", Key::Right),
            (b"\x0c", Key::Ctrl('l')),
            (b"\x7f", Key::Backspace),
            ("ü".as_bytes(), Key::Char('ü')),
            (b"?", Key::Char('?')),
            (b"\xff", Key::Unknown),
            (b"\x1b[999~", Key::Unknown),
        ];
        for (bytes, key) in cases {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
        assert_eq!(keys(b"\x1bb"), [Key::Escape, Key::Char('b')]);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Escape, Key::Up]);
    }

    #[test]
    fn a_key_may_come_in_pieces() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.feed(b"["), []);
        assert_eq!(decoder.feed(b"6"), []);
        assert_eq!(decoder.feed(b"~x"), [Key::PageDown, Key::Char('x')]);
        assert!(!decoder.is_waiting());
    }

    proptest! {
        #[test]
        fn any_bytes_are_keys_and_little_is_kept(bytes: Vec<u8>) {
            let mut decoder = Decoder::default();
            let keys = decoder.feed(&bytes);
            prop_assert!(keys.len() <= bytes.len());
            prop_assert!(decoder.begun.len() <= LONGEST);
        }
    }
}
