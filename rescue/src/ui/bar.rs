//! A progress bar on a terminal that can redraw its line.
//!
//! The bar is there only while a phase tells progress, and its line is cleared
//! before anything else is printed: text and questions of others begin at the
//! left, on a line of their own.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::{ended, heading, sentence};
use crate::event::{Event, Phase, Sink};

const KNOWN: &str = "  [{bar:24}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const UNKNOWN: &str = "  {spinner} {bytes}, {bytes_per_sec}";

/// A heading per phase on standard error, a bar below it while there is
/// progress, and what was done when the phase is over.
#[derive(Debug, Default)]
pub struct Bar {
    current: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    phase: Phase,
    total: Option<u64>,
    began: Instant,
    done: u64,
    bar: Option<ProgressBar>,
}

impl Running {
    fn progress(&mut self, done: u64) {
        self.done = done;
        let total = self.total;
        self.bar
            .get_or_insert_with(|| draw(total))
            .set_position(done);
    }

    /// Shows whole lines where the bar was; it comes back below them.
    fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) if !text.is_empty() => bar.suspend(|| print(text)),
            _ => print(text),
        }
    }

    fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        print(&ended(self.phase, self.done, self.began.elapsed()));
    }
}

fn draw(total: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(5);
    let bar = ProgressBar::with_draw_target(total, target);
    let template = if total.is_some() { KNOWN } else { UNKNOWN };
    // The default style is shown should a template be wrong.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

impl Sink for Bar {
    fn emit(&self, event: Event) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Phase { phase, total } => {
                if let Some(running) = current.take() {
                    running.end();
                }
                print(&heading(phase, total));
                *current = Some(Running {
                    phase,
                    total,
                    began: Instant::now(),
                    done: 0,
                    bar: None,
                });
            }
            Event::Progress { done } => {
                if let Some(running) = current.as_mut() {
                    running.progress(done);
                }
            }
            ref end @ (Event::Done { .. } | Event::Failed { .. }) => {
                if let Some(running) = current.take() {
                    running.end();
                }
                print(&sentence(end));
            }
            ref other => match current.as_ref() {
                Some(running) => running.print(&sentence(other)),
                None => print(&sentence(other)),
            },
        }
    }
}

fn print(text: &str) {
    // Unlike `eprint!`: a terminal that went away must not stop a restore.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
