//! Events as lines of text: for pipes, logs, serial consoles.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pace::{Pace, summary};
use crate::event::{Event, Phase, Sink};

/// Plain lines, a progress line now and then.
#[derive(Debug)]
pub struct Lines<W> {
    started: Instant,
    every: Duration,
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    out: W,
    phase: Option<Running>,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    phase: Phase,
    pace: Pace,
    began: Duration,
    printed: Duration,
}

impl<W: Write + Send> Lines<W> {
    /// Writes to `out`; a progress line at most once in `every`.
    pub fn new(out: W, every: Duration) -> Self {
        Self {
            started: Instant::now(),
            every,
            state: Mutex::new(State { out, phase: None }),
        }
    }

    fn take(&self, event: &Event, now: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = state.render(event, now, self.every);
        // A terminal that went away must not stop a restore.
        let _ = state.out.write_all(text.as_bytes());
        let _ = state.out.flush();
    }
}

impl<W> State<W> {
    /// What `event` adds to the output: nothing, or whole lines.
    fn render(&mut self, event: &Event, now: Duration, every: Duration) -> String {
        match event {
            Event::Phase { phase, total } => {
                let ended = self.end_phase(now);
                self.phase = Some(Running {
                    phase: *phase,
                    pace: Pace::start(*total, now),
                    began: now,
                    printed: now,
                });
                format!("{ended}{}", heading(*phase, *total))
            }
            Event::Progress { done } => self.progress(*done, now, every),
            Event::Done { .. } | Event::Failed { .. } => {
                let ended = self.end_phase(now);
                format!("{ended}{}", sentence(event))
            }
            other => sentence(other),
        }
    }

    fn progress(&mut self, done: u64, now: Duration, every: Duration) -> String {
        let Some(running) = &mut self.phase else {
            return String::new();
        };
        if now.saturating_sub(running.printed) < every {
            return String::new();
        }
        running.pace.observe(done, now);
        running.printed = now;
        format!("  {}\n", running.pace.line())
    }

    fn end_phase(&mut self, now: Duration) -> String {
        match self.phase.take() {
            Some(r) => ended(r.phase, r.pace.done(), now.saturating_sub(r.began)),
            None => String::new(),
        }
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn emit(&self, event: Event) {
        self.take(&event, self.started.elapsed());
    }
}

/// What a phase did, as a line; nothing when it told no progress.
pub(super) fn ended(phase: Phase, done: u64, took: Duration) -> String {
    match done {
        0 => String::new(),
        _ => format!(
            "  {}: {}\n",
            name(phase).to_lowercase(),
            summary(done, took)
        ),
    }
}

/// The line a phase begins with.
pub(super) fn heading(phase: Phase, total: Option<u64>) -> String {
    match total.filter(|t| *t > 0) {
        Some(total) => format!("{}: {}\n", name(phase), disk::human_bytes(total)),
        None => format!("{}\n", name(phase)),
    }
}

/// The phase in words.
pub(super) fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Planning => "Planning",
        Phase::Capturing => "Capturing",
        Phase::Arming => "Opening the target",
        Phase::Writing => "Writing",
        Phase::Verifying => "Verifying",
        Phase::Adapting => "Adapting",
        Phase::Activating => "Making it bootable",
    }
}

/// Events that are sentences, as whole lines; the others as nothing.
pub(super) fn sentence(event: &Event) -> String {
    match event {
        Event::Note { text } => format!("{text}\n"),
        Event::Warning { text } => format!("warning: {text}\n"),
        Event::Done { summary } => format!("done: {summary}\n"),
        Event::Failed { error, .. } => super::failure(error),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(events: &[(u64, Event)]) -> String {
        let lines = Lines::new(Vec::new(), Duration::from_secs(2));
        for (ms, event) in events {
            lines.take(event, Duration::from_millis(*ms));
        }
        let state = lines.state.into_inner().unwrap();
        String::from_utf8(state.out).unwrap()
    }

    fn progress(mib: u64) -> Event {
        Event::Progress { done: mib << 20 }
    }

    #[test]
    fn a_restore_reads_as_lines() {
        let writing = Event::Phase {
            phase: Phase::Writing,
            total: Some(100 << 20),
        };
        let warning = Event::Warning {
            text: "partition 2 was captured whole".into(),
        };
        let done = Event::Done {
            summary: "the disk carries web1".into(),
        };
        let text = play(&[
            (0, writing),
            (500, progress(5)),
            (2000, progress(20)),
            (2500, warning),
            (3000, progress(30)),
            (4000, progress(40)),
            (5000, done),
        ]);
        assert_eq!(
            text,
            "Writing: 100.0 MiB\n  \
             20.0 MiB of 100.0 MiB (20%), 10.0 MiB/s, 8 s left\n\
             warning: partition 2 was captured whole\n  \
             40.0 MiB of 100.0 MiB (40%), 10.0 MiB/s, 6 s left\n  \
             writing: 40.0 MiB in 5 s, 8.0 MiB/s\n\
             done: the disk carries web1\n"
        );
    }

    #[test]
    fn a_failure_names_its_causes_line_by_line() {
        let failed = Event::Failed {
            error: "restoring web1\nreading pack ab12\nconnection refused".into(),
            code: 14,
        };
        assert_eq!(
            play(&[(0, failed)]),
            "error: restoring web1\n  because: reading pack ab12\n  \
             because: connection refused\n"
        );
    }

    #[test]
    fn progress_without_a_phase_says_nothing() {
        assert_eq!(play(&[(9000, progress(1))]), "");
    }
}
