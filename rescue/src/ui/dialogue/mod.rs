//! The dialogue: choose an image, choose a disk, see the plan, confirm it,
//! watch, read the report. Which question comes when is decided here alone;
//! what it looks like is up to the [`Terminal`].

mod choose;
mod decide;
mod drivers;
mod encrypted;
mod first;
mod screen;
mod settings;
mod terminal;
#[cfg(test)]
pub(super) mod tests;
mod world;

pub use screen::{Answer, Asks, Field, FieldKind, Item, Notice, Screen, Typed, Until};
pub use terminal::{Bell, Rung, Terminal};
pub use world::{
    Choice, Converts, DiskLine, Filled, Form, ImageLine, Left, Next, Overview, Place, Planned,
    Stopped, TargetLine, World,
};

/// How the dialogue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Start the machine again.
    Reboot,
    /// Switch it off.
    PowerOff,
    /// Follow the plan for an unattended restore that is there now.
    Plan(Operator),
    /// Nobody is there any more.
    Gone,
}

/// Whether somebody has begun to choose. A plan that comes later must not
/// take the machine out of their hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Nobody has: plans are followed as they come.
    Silent,
    /// Somebody has: plans are offered.
    Choosing,
}

/// Where the dialogue begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the first screen.
    First(Operator),
    /// After a restore, with its report: what the machine does next.
    Finished(String),
}

/// Where the dialogue is; each step knows what was chosen before it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Welcome(Operator),
    Links,
    Link(Form),
    Repository,
    Address,
    PlaceForm(Form),
    Image(String),
    ImageDisk(String, String),
    Target(String, String, u32),
    Passphrase(Choice),
    Plan(Choice),
    Drivers(Choice),
    Confirm(Choice),
    Restore(Choice),
    Failed(Choice, Next),
    Finished(String),
    End(Ending),
}

/// Runs the dialogue.
pub fn run(terminal: &mut dyn Terminal, world: &mut dyn World, start: Start) -> Ending {
    let mut talk = Talk { terminal, world };
    let mut step = match start {
        Start::First(operator) => Step::Welcome(operator),
        Start::Finished(report) => Step::Finished(report),
    };
    loop {
        step = match step {
            Step::End(ending) => return ending,
            step => talk.take(step),
        };
    }
}

/// Both sides of the dialogue.
struct Talk<'a> {
    terminal: &'a mut dyn Terminal,
    world: &'a mut dyn World,
}

/// What the steps decide on: what every step does the same way is dealt with
/// already.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Item(usize),
    Text(String),
    Form(Vec<String>),
    Again,
    Back,
    End(Ending),
}

impl Talk<'_> {
    /// Takes one step; the answer is the next.
    fn take(&mut self, step: Step) -> Step {
        match step {
            Step::Welcome(operator) => self.welcome(operator),
            Step::Links => self.links(),
            Step::Link(form) => self.link(form),
            Step::Repository => self.repository(),
            Step::Address => self.address(),
            Step::PlaceForm(form) => self.place_form(form),
            Step::Image(location) => self.image(location),
            Step::ImageDisk(location, image) => self.image_disk(location, image),
            Step::Target(location, image, disk) => self.target(location, image, disk),
            Step::Passphrase(choice) => self.passphrase(choice),
            Step::Plan(choice) => self.plan(choice),
            Step::Drivers(choice) => self.drivers(choice),
            Step::Confirm(choice) => self.confirm(choice),
            Step::Restore(choice) => self.restore(choice),
            Step::Failed(choice, next) => self.failed(choice, next),
            Step::Finished(report) => self.finished(report),
            end @ Step::End(_) => end,
        }
    }

    fn ask(&mut self, screen: &Screen) -> Said {
        match self.terminal.ask(screen) {
            Answer::Item(at) if is_usable(screen, at) => Said::Item(at),
            Answer::Item(_) | Answer::Again => Said::Again,
            Answer::Text(text) => Said::Text(text),
            Answer::Form(values) => Said::Form(values),
            Answer::Back => Said::Back,
            Answer::Shell => self.shell(),
            Answer::Gone => Said::End(Ending::Gone),
        }
    }

    /// Runs the shell on the operator's terminal; most come back to the same
    /// question.
    fn shell(&mut self) -> Said {
        let mut left = Ok(Left::Back);
        let world = &mut *self.world;
        self.terminal.lend(&mut || left = world.shell());
        match left {
            Ok(Left::Back) => Said::Again,
            Ok(Left::Reboot) => Said::End(Ending::Reboot),
            Ok(Left::PowerOff) => Said::End(Ending::PowerOff),
            Err(error) => {
                self.sorry(&error);
                Said::Again
            }
        }
    }

    /// Shows why something did not work.
    fn sorry(&mut self, error: &anyhow::Error) {
        self.terminal.tell(Notice::Error(super::chain(error)));
    }

    fn note(&mut self, text: &str) {
        self.terminal.tell(Notice::Note(text.to_owned()));
    }
}

/// Whether a menu has an item at `at` that can be chosen: no terminal is
/// trusted with that.
fn is_usable(screen: &Screen, at: usize) -> bool {
    match &screen.asks {
        Asks::Menu(items, _) => items.get(at).is_some_and(|item| item.unusable.is_none()),
        Asks::Form(_) => false,
    }
}
