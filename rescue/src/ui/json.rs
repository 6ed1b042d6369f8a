//! Versioned JSON lines.

use std::io::Write;

use serde::Serialize;

use crate::event::{EVENTS_VERSION, Event, Sink};

/// One JSON object per event, one per line, on standard output.
#[derive(Debug, Clone, Copy)]
pub struct JsonLines;

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    #[serde(flatten)]
    event: &'a Event,
}

impl Sink for JsonLines {
    fn emit(&self, event: Event) {
        let line = Line {
            v: EVENTS_VERSION,
            event: &event,
        };
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            // A reader that went away must not stop a restore.
            let _ = std::io::stdout().lock().write_all(&text);
        }
    }
}
