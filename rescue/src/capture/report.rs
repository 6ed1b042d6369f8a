//! What a capture did, in numbers and in words.

use std::time::Duration;

use disk::human_bytes;
use image::{Image, KeyId, Signed, Stats};
use serde::Serialize;

use super::Source;
use crate::event::{Event, Sink};

/// What a capture did. The field names are part of the JSON interface.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The image's id.
    pub image: String,
    /// Its name.
    pub name: String,
    /// Number of disks.
    pub disks: usize,
    /// Bytes of all disks.
    pub size: u64,
    /// Bytes stored as data (deduplicated ones counted each time).
    pub data_bytes: u64,
    /// Bytes that are zero.
    pub zero_bytes: u64,
    /// Bytes no filesystem uses.
    pub free_bytes: u64,
    /// What was stored now and what was there before.
    #[serde(flatten)]
    pub stored: Stats,
    /// Id of the key that signed it.
    pub signed_by: Option<KeyId>,
    /// Seconds it took.
    pub seconds: f64,
    /// What the operator should know, in sentences.
    pub warnings: Vec<String>,
}

impl Report {
    pub(super) fn new(
        image: &Image,
        stored: Stats,
        skipped: Vec<String>,
        sources: &[Source],
        took: Duration,
    ) -> Self {
        let regions = || image.manifest.disks.iter().flat_map(|d| &d.regions);
        let mut warnings: Vec<String> = sources.iter().flat_map(Source::remarks).collect();
        warnings.extend(skipped.into_iter().map(|what| {
            format!("The repository is damaged; what this image needs was stored again: {what}")
        }));
        Self {
            image: image.id.to_string(),
            name: image.manifest.name.clone(),
            disks: image.manifest.disks.len(),
            size: image.manifest.size(),
            data_bytes: regions().map(|r| r.data_bytes).sum(),
            zero_bytes: regions().map(|r| r.zero_bytes).sum(),
            free_bytes: regions().map(|r| r.free_bytes).sum(),
            stored,
            signed_by: match image.signed {
                Signed::Unchecked(key) | Signed::Trusted(key) => Some(key),
                Signed::No | Signed::Unreadable(_) => None,
            },
            seconds: took.as_secs_f64(),
            warnings,
        }
    }

    /// Tells it: a fact for machines, sentences for people.
    pub(super) fn tell(&self, sink: &dyn Sink) {
        if let Ok(value) = serde_json::to_value(self) {
            sink.emit(Event::Fact {
                name: "report".to_owned(),
                value,
            });
        }
        for line in self.lines() {
            sink.emit(Event::Note { text: line });
        }
        sink.emit(Event::Done {
            summary: format!(
                "captured as image {} ({}){}",
                self.image,
                self.name,
                self.signed_by
                    .map(|key| format!(", signed by key {key}"))
                    .unwrap_or_default()
            ),
        });
    }

    fn lines(&self) -> Vec<String> {
        let read = self.data_bytes.saturating_add(self.zero_bytes);
        let rate = read as f64 / self.seconds.max(0.001);
        let disks = match self.disks {
            1 => "1 disk".to_owned(),
            n => format!("{n} disks"),
        };
        vec![
            format!(
                "{disks} of {}: {} used, {} zero, {} free",
                human_bytes(self.size),
                human_bytes(self.data_bytes),
                human_bytes(self.zero_bytes),
                human_bytes(self.free_bytes)
            ),
            format!(
                "{} were new and take {}; {} were stored before",
                human_bytes(self.stored.new_bytes),
                human_bytes(self.stored.stored_bytes),
                human_bytes(self.stored.known_bytes)
            ),
            format!("{:.1} s, {}/s", self.seconds, human_bytes(rate as u64)),
        ]
    }
}
