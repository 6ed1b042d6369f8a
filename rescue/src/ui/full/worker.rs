//! Long work on one thread, its screen on another: neither waits for the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::device::Device;
use super::face::{Face, Touch};
use super::keys::Key;
use super::progress::{Progress, message};
use super::watch as screen;
use crate::event::{Event, Sink};

/// How often the screen is drawn.
const TICK: Duration = Duration::from_millis(250);
/// How soon a second Ctrl-C must follow the first.
const SURE: Duration = Duration::from_secs(5);
/// Messages that wait for the log.
const WAITING: usize = 1000;

/// What the work tells and the screen shows.
#[derive(Debug)]
struct Shared {
    began: Instant,
    state: Mutex<State>,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    progress: Progress,
    /// For the log.
    told: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Shared {
    fn emit(&self, event: Event) {
        let now = self.began.elapsed();
        let mut state = self.state();
        state.progress.take(&event, now);
        if let Some(text) = message(&event).filter(|_| state.told.len() < WAITING) {
            state.told.push(text);
        }
    }
}

/// Does `work`, and shows its events meanwhile.
pub(super) fn watch<D: Device>(face: &mut Face<D>, title: &str, work: &mut dyn FnMut(&dyn Sink)) {
    let shared = Shared {
        began: Instant::now(),
        state: Mutex::default(),
        over: AtomicBool::new(false),
    };
    let watched = thread::scope(|scope| {
        let name = thread::Builder::new().name("screen".to_owned());
        let watcher = name.spawn_scoped(scope, || look_on(face, title, &shared));
        // Without a thread for the screen the work is done all the same.
        let watched = watcher.is_ok();
        work(&shared);
        shared.over.store(true, Ordering::Release);
        watched
    });
    if !watched {
        face.keep("warning: no thread for the screen could be started\n");
    }
    take_told(face, &shared);
    for (phase, did) in &shared.state().progress.ended {
        face.keep(&format!("{phase}: {did}\n"));
    }
}

fn take_told<D: Device>(face: &mut Face<D>, shared: &Shared) {
    let told = std::mem::take(&mut shared.state().told);
    told.iter().for_each(|text| face.keep(text));
}

/// Draws until the work is over.
fn look_on<D: Device>(face: &mut Face<D>, title: &str, shared: &Shared) {
    let mut hint: Option<(&'static str, Instant)> = None;
    let mut log = None;
    while !shared.over.load(Ordering::Acquire) {
        take_told(face, shared);
        let progress = {
            let mut state = shared.state();
            state.progress.tick(shared.began.elapsed());
            state.progress.clone()
        };
        hint = hint.filter(|(_, since)| since.elapsed() < SURE);
        draw(face, title, &progress, hint.map(|(text, _)| text), &mut log);
        match face.touch(None, TICK) {
            Touch::Key(key) => press(face, key, &mut hint, &mut log),
            Touch::Nothing | Touch::News => face.repaint_now_and_then(),
            // Nobody looks on any more; the work goes on.
            Touch::Gone => thread::sleep(TICK),
        }
    }
}

fn draw<D: Device>(
    face: &mut Face<D>,
    title: &str,
    progress: &Progress,
    hint: Option<&str>,
    scroll: &mut Option<usize>,
) {
    let log = std::mem::take(&mut face.log);
    face.draw(|frame| match scroll {
        Some(scroll) => super::view::draw_log(frame, &log, scroll),
        None => screen::draw(frame, title, progress, hint),
    });
    face.log = log;
}

fn press<D: Device>(
    face: &mut Face<D>,
    key: Key,
    hint: &mut Option<(&'static str, Instant)>,
    log: &mut Option<usize>,
) {
    const STOP: &str = "Press Ctrl-C again to stop it. What was written stays and is continued.";
    const BUSY: &str = "Work is being done: the shell and going back come after it.";
    match (key, &mut *log) {
        (Key::Ctrl('c'), _) if hint.is_some_and(|(text, _)| text == STOP) => {
            face.canvas.backend_mut().leave();
            face.canvas.backend_mut().device.interrupt();
        }
        (Key::Ctrl('c'), _) => *hint = Some((STOP, Instant::now())),
        (Key::Up, Some(scroll)) => *scroll = scroll.saturating_sub(1),
        (Key::Down, Some(scroll)) => *scroll = scroll.saturating_add(1),
        (Key::PageUp, Some(scroll)) => *scroll = scroll.saturating_sub(10),
        (Key::PageDown, Some(scroll)) => *scroll = scroll.saturating_add(10),
        (Key::Char('l' | 'L') | Key::F(3), None) => *log = Some(usize::MAX),
        (_, Some(_)) => *log = None,
        (Key::Ctrl('l') | Key::Unknown, None) => face.repaint(),
        (_, None) => *hint = Some((BUSY, Instant::now())),
    }
}
