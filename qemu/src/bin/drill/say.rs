//! What the drill tells while it runs: lines for people, or JSON lines.

use serde::Serialize;
use serde_json::json;
use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// One thing that happened. Field names are part of the interface (docs/DRILL.md).
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// The drills begin.
    Begin {
        image: &'a str,
        name: &'a str,
        hardware: &'a [String],
        accelerator: &'a str,
    },
    /// A step of a drill begins.
    Step {
        hardware: &'a str,
        step: &'a str,
        text: &'a str,
    },
    /// Bytes of what the medium does now.
    Progress {
        hardware: &'a str,
        phase: &'a str,
        done: u64,
        total: Option<u64>,
    },
    Note {
        hardware: &'a str,
        text: &'a str,
    },
    Warning {
        hardware: &'a str,
        text: &'a str,
    },
    /// A drill is over.
    Verdict {
        hardware: &'a str,
        verdict: &'a str,
        reason: Option<&'a str>,
        seconds: f64,
    },
    /// All are over.
    End {
        passed: usize,
        failed: usize,
        not_run: usize,
        code: u8,
        report: &'a str,
    },
}

/// Lines without a terminal to redraw them: not more often.
const PACE: Duration = Duration::from_secs(10);
const REDRAW: Duration = Duration::from_millis(250);

/// Where it goes.
#[derive(Debug)]
pub(crate) struct Say {
    json: bool,
    redraws: bool,
    begun: Instant,
    last: Cell<Option<Instant>>,
    open: Cell<bool>,
}

impl Say {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            redraws: std::io::stdout().is_terminal(),
            begun: Instant::now(),
            last: Cell::new(None),
            open: Cell::new(false),
        }
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        if self.json {
            let mut line = json!(event);
            if let Some(fields) = line.as_object_mut() {
                fields.insert("v".to_owned(), 1.into());
                let seconds = (self.begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
                fields.insert("at".to_owned(), seconds.into());
            }
            return write(&format!("{line}\n"));
        }
        match event {
            Event::Progress {
                phase, done, total, ..
            } => self.progress(phase, *done, *total),
            other => {
                if self.open.take() {
                    write("\n");
                }
                self.last.set(None);
                self.line(&in_words(other));
            }
        }
    }

    fn line(&self, text: &str) {
        let seconds = self.begun.elapsed().as_secs();
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        // What an image or a guest says must not move the cursor.
        let text: String = text
            .chars()
            .map(|c| match c {
                '\n' => c,
                c if c.is_control() => '\u{fffd}',
                c => c,
            })
            .collect();
        let text = text.trim_end().replace('\n', "\n         ");
        write(&format!("{minutes:3}:{seconds:02}   {text}\n"));
    }

    fn progress(&self, phase: &str, done: u64, total: Option<u64>) {
        let pace = if self.redraws { REDRAW } else { PACE };
        let last = self.last.get();
        if last.is_some_and(|last| last.elapsed() < pace) {
            return;
        }
        self.last.set(Some(Instant::now()));
        let mib = done >> 20;
        let text = match total {
            Some(total) if total > 0 => {
                let percent = u128::from(done) * 100 / u128::from(total);
                format!("  {phase}: {mib} of {} MiB, {percent} %", total >> 20)
            }
            _ => format!("  {phase}: {mib} MiB"),
        };
        if self.redraws {
            self.open.set(true);
            write(&format!("\r         {text}\u{1b}[K"));
        } else {
            self.line(&text);
        }
    }
}

fn in_words(event: &Event<'_>) -> String {
    match event {
        Event::Begin {
            image,
            name,
            hardware,
            accelerator,
        } => format!(
            "drill of image {image} ({name}) on {}; {accelerator}",
            hardware.join(", ")
        ),
        Event::Step { hardware, text, .. } => format!("[{hardware}] {text}"),
        Event::Note { text, .. } => format!("  {text}"),
        Event::Warning { text, .. } => format!("  warning: {text}"),
        Event::Verdict {
            hardware,
            verdict,
            reason,
            seconds,
        } => {
            let verdict = verdict.to_uppercase().replace('-', " ");
            let reason = reason.map_or(String::new(), |r| format!(": {r}"));
            format!("[{hardware}] {verdict} after {seconds:.0} s{reason}")
        }
        Event::End {
            passed,
            failed,
            not_run,
            report,
            ..
        } => {
            let mut text = format!("{passed} passed, {failed} failed");
            if *not_run > 0 {
                text.push_str(&format!(", {not_run} could not be run"));
            }
            format!("{text}; report: {report}")
        }
        Event::Progress { .. } => String::new(),
    }
}

/// Nobody listens any more: the drill and its report go on.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}
