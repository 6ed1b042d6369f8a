//! What is known of long work: made of events, drawn now and then.

use std::collections::VecDeque;
use std::time::Duration;

use crate::event::{Event, Part, Phase};
use crate::ui::pace::{Pace, summary};
use crate::ui::text::name;

/// Rates kept for the graph: one a second.
const RATES: usize = 512;
/// The rate is taken over this long.
const SECOND: Duration = Duration::from_secs(1);
/// Messages kept for the screen; the log has all.
const MESSAGES: usize = 8;
/// Parts kept: no table has more partitions.
const PARTS: usize = 1024;

/// Long work as far as it has told of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// Phases that are over, and what they did.
    pub(super) ended: Vec<(&'static str, String)>,
    /// The phase that runs.
    pub(super) running: Option<Running>,
    /// What notes and warnings were told last.
    pub(super) messages: VecDeque<String>,
}

/// A phase that runs.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) phase: Phase,
    pub(super) total: Option<u64>,
    pub(super) pace: Pace,
    pub(super) parts: Vec<(Part, u64)>,
    /// Bytes in each second, the newest last.
    pub(super) rates: VecDeque<u64>,
    began: Duration,
    counted: (Duration, u64),
}

impl Progress {
    /// Takes an event that came `now`.
    pub(super) fn take(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Phase { phase, total } => {
                self.end(now);
                self.running = Some(Running::begin(*phase, *total, now));
            }
            Event::Done { .. } | Event::Failed { .. } => self.end(now),
            Event::Progress { done } => {
                if let Some(running) = &mut self.running {
                    running.progress(*done, now);
                }
            }
            Event::Parts { parts } => {
                if let Some(running) = &mut self.running {
                    let parts = parts.iter().take(PARTS);
                    running.parts = parts.map(|part| (part.clone(), 0)).collect();
                }
            }
            Event::Part { index, done } => {
                let parts = self.running.as_mut().map(|r| &mut r.parts);
                if let Some((_, known)) = parts.and_then(|p| p.get_mut(*index)) {
                    *known = *done;
                }
            }
            _ => {}
        }
        if let Some(text) = message(event) {
            self.messages.push_back(text);
            let excess = self.messages.len().saturating_sub(MESSAGES);
            self.messages.drain(..excess);
        }
    }

    /// Lets time pass: a second in which nothing was done counts, too.
    pub(super) fn tick(&mut self, now: Duration) {
        if let Some(running) = &mut self.running {
            running.count(running.pace.done(), now);
        }
    }

    fn end(&mut self, now: Duration) {
        if let Some(running) = self.running.take() {
            let took = now.saturating_sub(running.began);
            let did = match running.pace.done() {
                0 => "done".to_owned(),
                done => summary(done, took),
            };
            self.ended.push((name(running.phase), did));
        }
    }
}

impl Running {
    fn begin(phase: Phase, total: Option<u64>, now: Duration) -> Self {
        Self {
            phase,
            total: total.filter(|total| *total > 0),
            pace: Pace::start(total, now),
            parts: Vec::new(),
            rates: VecDeque::new(),
            began: now,
            counted: (now, 0),
        }
    }

    fn progress(&mut self, done: u64, now: Duration) {
        self.pace.observe(done, now);
        self.count(done, now);
    }

    fn count(&mut self, done: u64, now: Duration) {
        let (then, before) = self.counted;
        let passed = now.saturating_sub(then);
        if passed < SECOND {
            return;
        }
        let rate = done.saturating_sub(before) as f64 / passed.as_secs_f64();
        self.rates.push_back(rate as u64);
        let excess = self.rates.len().saturating_sub(RATES);
        self.rates.drain(..excess);
        self.counted = (now, done);
    }

    /// How much is done, of 1000.
    pub(super) fn permille(&self) -> u64 {
        self.total
            .map_or(0, |total| permille(self.pace.done(), total))
    }
}

/// `done` of `total`, of 1000.
pub(super) fn permille(done: u64, total: u64) -> u64 {
    if total == 0 {
        return 1000;
    }
    let (done, total) = (u128::from(done.min(total)), u128::from(total));
    u64::try_from(done * 1000 / total).unwrap_or(1000)
}

/// An event that belongs in the log, in words.
pub(super) fn message(event: &Event) -> Option<String> {
    let text = crate::ui::text::sentence(event);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_taken_once_a_second_and_stalls_show() {
        let mut progress = Progress::default();
        let ms = Duration::from_millis;
        let writing = Event::Phase {
            phase: Phase::Writing,
            total: Some(100 << 20),
        };
        progress.take(&writing, ms(0));
        for tick in 1..=8u64 {
            let done = tick * (10 << 20) / 4;
            progress.take(&Event::Progress { done }, ms(tick * 250));
        }
        progress.tick(ms(3000));
        let running = progress.running.as_ref().unwrap();
        assert_eq!(running.rates, [10 << 20, 10 << 20, 0]);
        assert_eq!(running.permille(), 200);
        progress.take(
            &Event::Done {
                summary: "x".into(),
            },
            ms(4000),
        );
        let (name, did) = &progress.ended[0];
        assert_eq!(
            (*name, did.as_str()),
            ("Writing", "20.0 MiB in 4 s, 5.0 MiB/s")
        );
        assert_eq!(progress.messages, ["done: x\n"]);
    }

    #[test]
    fn nothing_is_kept_without_end() {
        let mut progress = Progress::default();
        for n in 0..100 {
            progress.take(
                &Event::Note {
                    text: n.to_string(),
                },
                Duration::ZERO,
            );
        }
        assert_eq!(progress.messages.len(), MESSAGES);
        assert_eq!(permille(u64::MAX, 1), 1000);
        assert_eq!(permille(5, 0), 1000, "a part without bytes is done");
    }
}
