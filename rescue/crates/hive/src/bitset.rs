//! A set of cell offsets: cells begin at multiples of 8.

use crate::CellOffset;

#[derive(Debug, Clone, Default)]
pub(crate) struct BitSet {
    words: Vec<u64>,
}

const fn place(offset: CellOffset) -> (usize, u64) {
    let bit = offset.0 / 8;
    ((bit / 64) as usize, 1 << (bit % 64))
}

impl BitSet {
    /// Whether the offset was new. The set grows as needed: offsets are checked
    /// against the hive's size before they come here.
    pub(crate) fn insert(&mut self, offset: CellOffset) -> bool {
        let (word, bit) = place(offset);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let Some(slot) = self.words.get_mut(word) else {
            return false;
        };
        let new = *slot & bit == 0;
        *slot |= bit;
        new
    }

    pub(crate) fn remove(&mut self, offset: CellOffset) {
        let (word, bit) = place(offset);
        if let Some(slot) = self.words.get_mut(word) {
            *slot &= !bit;
        }
    }

    pub(crate) fn contains(&self, offset: CellOffset) -> bool {
        let (word, bit) = place(offset);
        offset.0.is_multiple_of(8) && self.words.get(word).is_some_and(|slot| slot & bit != 0)
    }

    pub(crate) fn len(&self) -> u64 {
        self.words
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }
}
