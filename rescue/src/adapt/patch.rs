//! Bytes of a disk that become others.

use serde::{Deserialize, Serialize};

/// Bytes at one place of a disk or of a part of one, before and after.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// Where, in bytes from the beginning.
    pub at: u64,
    /// What is there in the image.
    #[serde(with = "base64")]
    pub before: Vec<u8>,
    /// What is to be there: as many bytes.
    #[serde(with = "base64")]
    pub after: Vec<u8>,
}

/// Bytes as text.
pub(crate) mod base64 {
    use data_encoding::BASE64;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

/// Where and how many, not what.
impl std::fmt::Debug for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Patch({} bytes at {})", self.after.len(), self.at)
    }
}

impl Patch {
    /// The same, of the disk in which this part begins at byte `start`; `None`
    /// where no disk reaches.
    #[must_use]
    pub fn moved(self, start: u64) -> Option<Self> {
        let at = self.at.checked_add(start)?;
        Some(Self { at, ..self })
    }
}

/// What makes `before` into `after`, both as long and at byte `at`: whole blocks
/// of `block` bytes, neighbours together.
#[must_use]
pub fn patches(at: u64, before: &[u8], after: &[u8], block: usize) -> Vec<Patch> {
    let mut out: Vec<Patch> = Vec::new();
    let blocks = before.chunks(block.max(1)).zip(after.chunks(block.max(1)));
    let mut place = at;
    for (old, new) in blocks {
        if old != new {
            let last = out.last_mut();
            let last = last.filter(|p| p.at.checked_add(p.after.len() as u64) == Some(place));
            match last {
                Some(last) => {
                    last.before.extend_from_slice(old);
                    last.after.extend_from_slice(new);
                }
                None => out.push(Patch {
                    at: place,
                    before: old.to_vec(),
                    after: new.to_vec(),
                }),
            }
        }
        place = place.saturating_add(old.len() as u64);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_that_differ_and_neighbours_together() {
        let before = [0; 20];
        let mut after = before;
        (after[0], after[5], after[19]) = (1, 1, 1);
        let found = patches(1000, &before, &after, 4);
        let places: Vec<(u64, usize)> = found.iter().map(|p| (p.at, p.after.len())).collect();
        assert_eq!(places, [(1000, 8), (1016, 4)]);
        assert_eq!(found[0].after, after[..8]);
        assert_eq!(patches(0, &before, &before, 4), []);
        assert_eq!(found[1].clone().moved(u64::MAX), None);
    }
}
