//! The values of a key.

use std::collections::HashSet;

use super::Check;
use crate::error::damaged;
use crate::value::Stored;
use crate::{Key, Result, Value};

impl Check<'_> {
    pub(super) fn values(&mut self, key: Key<'_>) {
        let offset = key.node.offset;
        if key.node.values == 0 {
            return;
        }
        if let Some(list) = key.node.value_list {
            let list = self.claim(list, "list of values");
            self.hold(offset, list);
        }
        let Some(values) = self.hold(offset, key.values()) else {
            return;
        };
        let mut names = HashSet::new();
        for value in values {
            if self.is_full() {
                return;
            }
            self.stats.values += 1;
            let checked = self.value(&value);
            self.hold(offset, checked);
            let name = value.name();
            if !names.insert(name.capitals().collect::<Vec<u16>>()) {
                let position = value.offset.position();
                let twice = damaged("value", position, "names that differ", name.to_string());
                self.hold::<()>(offset, twice);
            }
        }
    }

    fn value(&mut self, value: &Value<'_>) -> Result<()> {
        self.claim(value.offset, "value")?;
        match value.stored()? {
            Stored::Inline => {}
            Stored::Cell(data) => {
                self.claim(data, "data of a value")?;
            }
            Stored::Segments(head, list, segments) => {
                self.stats.segmented += 1;
                self.claim(head, "segmented data")?;
                self.claim(list, "list of segments")?;
                for segment in segments {
                    self.claim(segment, "segment of data")?;
                }
            }
        }
        value.data().map(|_| ())
    }
}
