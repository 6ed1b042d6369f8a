//! What the engine tells and asks: typed events, rendered elsewhere.
//!
//! Nothing in the engine prints. It reports [`Event`]s to a [`Sink`]; the
//! renderers in [`crate::ui`] turn them into lines, progress bars or JSON.

use serde::Serialize;

/// The version of the JSON form; raised when a field changes its meaning.
pub const EVENTS_VERSION: u32 = 1;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A phase of the work begins; the one before it has ended.
    Phase {
        /// Which phase.
        phase: Phase,
        /// Bytes this phase will handle, when that is known.
        total: Option<u64>,
    },
    /// Bytes of the current phase that are done: absolute, not a difference.
    Progress {
        /// Bytes done.
        done: u64,
    },
    /// What the current phase is made of; told once, after [`Event::Phase`].
    Parts {
        /// In the order of the disk.
        parts: Vec<Part>,
    },
    /// Bytes of one part of the current phase that are done: absolute.
    Part {
        /// Which of [`Event::Parts`], from 0.
        index: usize,
        /// Bytes done.
        done: u64,
    },
    /// Something the operator should know, in a sentence.
    Note {
        /// The sentence.
        text: String,
    },
    /// Something the operator must know: it may change what they do.
    Warning {
        /// The sentence.
        text: String,
    },
    /// The work is over and succeeded; what is claimed here was checked.
    Done {
        /// One-line summary.
        summary: String,
    },
    /// The work is over and failed.
    Failed {
        /// The whole chain of causes, outermost first, one per line.
        error: String,
        /// The exit code this failure maps to (see [`crate::exit`]).
        code: u8,
    },
    /// A fact for automation: PID 1's state, the report of a restore.
    Fact {
        /// What the value is about ("boot", "network", "report", …).
        name: String,
        /// Its value.
        value: serde_json::Value,
    },
}

/// One part of a phase: a partition, or what lies around partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// "partition 2, ext4".
    pub title: String,
    /// Bytes to be done.
    pub total: u64,
}

/// The phases of capture, verify and restore, in the words of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reading tables, maps, inventories.
    Planning,
    /// Reading a disk into the repository.
    Capturing,
    /// Opening the target exclusively, clearing its old table.
    Arming,
    /// Writing data.
    Writing,
    /// Reading back, or reading a repository's objects.
    Verifying,
    /// Making the system fit the hardware.
    Adapting,
    /// Writing the table and boot sectors, last.
    Activating,
}

/// Where events go. Called from several threads.
pub trait Sink: Send + Sync {
    /// Takes one event; must not block for long.
    fn emit(&self, event: Event);
}

impl<S: Sink + ?Sized> Sink for &S {
    fn emit(&self, event: Event) {
        (**self).emit(event);
    }
}

impl<S: Sink + ?Sized> Sink for std::sync::Arc<S> {
    fn emit(&self, event: Event) {
        (**self).emit(event);
    }
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Sink for Silent {
    fn emit(&self, _event: Event) {}
}
