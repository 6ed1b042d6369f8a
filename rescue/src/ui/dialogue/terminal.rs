//! What the dialogue needs of whatever the operator sits at.

use super::screen::{Answer, Notice, Screen};
use crate::event::Sink;

/// Rings when something happens that the screen does not show yet.
pub trait Bell {
    /// Waits for it, or for something to read on standard input, no longer than
    /// `limit`.
    ///
    /// # Errors
    /// When it cannot wait; the operator is asked without it then.
    fn wait(&self, limit: Option<std::time::Duration>) -> std::io::Result<Rung>;
}

/// Why [`Bell::wait`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// The operator typed, or is gone.
    Typed,
    /// Something happened.
    News,
    /// Neither, for as long as was asked.
    Nothing,
}

/// A screen and a keyboard, or lines of text.
pub trait Terminal {
    /// Shows what is asked, and waits for an answer that it allows.
    fn ask(&mut self, screen: &Screen) -> Answer;

    /// Says that the next question takes a moment ("Looking for disks ...").
    fn busy(&mut self, what: &str);

    /// Tells something that is to be seen with the next question.
    fn tell(&mut self, notice: Notice);

    /// Shows the events of long work while it is done.
    fn watch(&mut self, title: &str, work: &mut dyn FnMut(&dyn Sink));

    /// Gives the terminal away for as long as `program` runs on it.
    fn lend(&mut self, program: &mut dyn FnMut());
}
