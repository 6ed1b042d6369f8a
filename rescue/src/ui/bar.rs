//! A progress bar on a terminal that can redraw its line.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::{name, sentence};
use crate::event::{Event, Phase, Sink};

const KNOWN: &str = "{msg} [{bar:24}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "{msg} {spinner} {bytes}, {bytes_per_sec}";

/// One bar per phase on standard error; sentences above it.
#[derive(Debug, Default)]
pub struct Bar {
    current: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn begin(phase: Phase, total: Option<u64>) -> ProgressBar {
        let target = ProgressDrawTarget::stderr_with_hz(5);
        let bar = ProgressBar::with_draw_target(total, target);
        let template = if total.is_some() { KNOWN } else { UNKNOWN };
        // The default style is shown should a template be wrong.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(name(phase));
        bar
    }
}

impl Sink for Bar {
    fn emit(&self, event: Event) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Phase { phase, total } => {
                if let Some(bar) = current.take() {
                    bar.abandon();
                }
                *current = Some(Self::begin(phase, total));
            }
            Event::Progress { done } => {
                if let Some(bar) = current.as_ref() {
                    bar.set_position(done);
                }
            }
            ref end @ (Event::Done { .. } | Event::Failed { .. }) => {
                if let Some(bar) = current.take() {
                    bar.abandon();
                }
                print(&sentence(end));
            }
            ref other => {
                let text = sentence(other);
                match current.as_ref() {
                    Some(bar) if !text.is_empty() => bar.suspend(|| print(&text)),
                    _ => print(&text),
                }
            }
        }
    }
}

fn print(text: &str) {
    // Unlike `eprint!`: a terminal that went away must not stop a restore.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
