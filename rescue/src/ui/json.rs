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

/// `event` as one line of JSON, its newline included.
pub(crate) fn json_line(event: &Event) -> Option<Vec<u8>> {
    let line = Line {
        v: EVENTS_VERSION,
        event,
    };
    let mut text = serde_json::to_vec(&line).ok()?;
    text.push(b'\n');
    Some(text)
}

impl Sink for JsonLines {
    fn emit(&self, event: Event) {
        if let Some(text) = json_line(&event) {
            // A reader that went away must not stop a restore.
            let _ = std::io::stdout().lock().write_all(&text);
        }
    }
}
