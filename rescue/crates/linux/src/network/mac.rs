//! Addresses of network cards, as files write them.

use std::fmt;

/// The address of a card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Reads "52:54:00:12:34:56", "52-54-…" or "5254.0012.3456", in either case.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let digits = match text.len() {
            17 => {
                let mark = text.get(2..3).filter(|mark| [":", "-"].contains(mark))?;
                let parts: Vec<&str> = text.split(mark).collect();
                (parts.len() == 6 && parts.iter().all(|part| part.len() == 2))
                    .then(|| parts.concat())?
            }
            14 => {
                let parts: Vec<&str> = text.split('.').collect();
                (parts.len() == 3 && parts.iter().all(|part| part.len() == 4))
                    .then(|| parts.concat())?
            }
            _ => return None,
        };
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut mac = [0; 6];
        for (at, byte) in mac.iter_mut().enumerate() {
            let from = at.checked_mul(2)?;
            *byte = u8::from_str_radix(digits.get(from..from.checked_add(2)?)?, 16).ok()?;
        }
        Some(Self(mac))
    }

    /// It, written as `model` is written.
    #[must_use]
    pub fn written_as(self, model: &str) -> String {
        let text = self.to_string();
        let text = match model.get(2..3) {
            Some("-") => text.replace(':', "-"),
            _ if model.contains('.') => {
                let pairs: Vec<&str> = text.split(':').collect();
                let quads: Vec<String> = pairs.chunks(2).map(<[&str]>::concat).collect();
                quads.join(".")
            }
            _ => text,
        };
        match model.bytes().any(|b| b.is_ascii_uppercase()) {
            true => text.to_ascii_uppercase(),
            false => text,
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_as_they_were() {
        let mac = Mac([0x52, 0x54, 0, 0xab, 0xcd, 0xef]);
        for text in ["52:54:00:ab:cd:ef", "52-54-00-AB-CD-EF", "5254.00ab.cdef"] {
            assert_eq!(Mac::read(text), Some(mac), "{text}");
            assert_eq!(mac.written_as(text), text);
        }
        for no in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:eg",
            "52:54-00:ab:cd:ef",
            "ä2:54:00:ab:cd:e",
            "5254.00ab.cdef00",
        ] {
            assert_eq!(Mac::read(no), None, "{no}");
        }
    }
}
