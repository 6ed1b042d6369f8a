//! What the dialogue needs to know and do, apart from talking.

use super::screen::Field;
use crate::event::Sink;
use crate::inventory::{Disk, StartedBy};
use crate::volumes::Passphrases;

/// What the first screen says about the machine. Lists are lines of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Of this program.
    pub version: String,
    /// Whose medium this is, where it says so.
    pub site: Option<String>,
    /// Vendor, model, serial number, how it was started.
    pub machine: String,
    /// Links and addresses; how to reach this machine.
    pub network: Vec<String>,
    /// The machine's disks.
    pub disks: Vec<String>,
    /// Drivers are still looking at their hardware.
    pub looking: bool,
    /// What does not work, and what to do about it.
    pub warnings: Vec<String>,
}

/// A repository the operator may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is, in words.
    pub title: String,
    /// Where it is, for [`World::images`].
    pub location: String,
}

/// An image the operator may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLine {
    /// Its id.
    pub id: String,
    /// "web1, captured 2025-11-22 04:28 UTC, 1 disk, 3.2 GiB of 40.0 GiB used".
    pub title: String,
    /// What machine it is of, a line each.
    pub details: Vec<String>,
    /// Why it cannot be chosen.
    pub unusable: Option<String>,
}

/// A disk of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLine {
    /// Its number.
    pub index: u32,
    /// Model, size, partitions.
    pub title: String,
}

/// A disk of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetLine {
    /// It.
    pub disk: Disk,
    /// What is on it now.
    pub holds: String,
    /// Why it cannot be chosen.
    pub unusable: Option<String>,
}

/// What was chosen so far: enough to plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Where the repository is.
    pub location: String,
    /// The image's id.
    pub image: String,
    /// The number of its disk.
    pub disk: u32,
    /// The disk of this machine.
    pub target: Disk,
    /// Whether everything is read back afterwards.
    pub verify: bool,
    /// Whether what an interrupted restore wrote is written again.
    pub start_over: bool,
    /// The folder of drivers that was given.
    pub drivers: Option<String>,
    /// For what is encrypted (LUKS); these show themselves to nobody.
    pub passphrases: Passphrases,
    /// Whether a disk that would be changed for this machine's firmware stays as it was.
    pub keep: bool,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// In words; whole lines.
    pub text: String,
    /// An interrupted restore would be continued.
    pub resumes: bool,
    /// A Windows has no driver for the disk's controller.
    pub lacks_driver: bool,
    /// What becomes of a disk that other firmware started.
    pub converts: Converts,
}

/// What becomes of a disk that other firmware started than this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Converts {
    /// It is none, or cannot be changed.
    #[default]
    Nothing,
    /// It is changed for that firmware.
    For(StartedBy),
    /// It is not, since the operator wants it so.
    Kept(StartedBy),
}

/// A restore that did not come to its end.
#[derive(Debug)]
pub struct Stopped {
    /// What stopped it.
    pub error: anyhow::Error,
    /// What the same restore does when it is begun again.
    pub next: Next,
}

/// What a restore does that is begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing was written.
    Begins,
    /// It goes on where it stopped: there is a journal on the target.
    Continues,
    /// It writes everything again: there is none, or it must not be believed.
    StartsOver,
}

/// A way to a repository, or a setting, that takes more than one line to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its name for automation; stable.
    pub id: &'static str,
    /// The line of the menu that leads to it.
    pub offer: String,
    /// What it is about.
    pub heading: String,
    /// What is filled in.
    pub fields: Vec<Field>,
    /// Shown when help is wanted.
    pub help: String,
}

/// What came of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// A repository, for [`World::images`].
    Place(String),
    /// It was done, and this is what to tell.
    Done(String),
}

/// How the operator left the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// To go on here.
    Back,
    /// To start the machine again.
    Reboot,
    /// To switch it off.
    PowerOff,
}

/// The machine, the repositories, the restore engine.
pub trait World {
    /// Where a plan for an unattended restore is that was not followed yet.
    fn unattended(&mut self) -> Option<String>;

    /// What this is and where it runs.
    fn overview(&mut self) -> Overview;

    /// Repositories that are there now.
    fn places(&mut self) -> Vec<Place>;

    /// Ways to repositories that are filled in: a share, a disk on the network.
    fn place_forms(&mut self) -> Vec<Form>;

    /// The network's settings: one form for each link.
    fn network_forms(&mut self) -> Vec<Form>;

    /// Does what a form of this world says; one value for each of its fields.
    ///
    /// # Errors
    /// What is wrong with the values, or does not work.
    fn submit(&mut self, form: &Form, values: &[String]) -> anyhow::Result<Filled>;

    /// What a repository holds, the newest image first.
    ///
    /// # Errors
    /// When there is no repository, or it cannot be read.
    fn images(&mut self, location: &str) -> anyhow::Result<Vec<ImageLine>>;

    /// The disks of an image.
    ///
    /// # Errors
    /// When the image cannot be read.
    fn disks(&mut self, location: &str, image: &str) -> anyhow::Result<Vec<DiskLine>>;

    /// The disks of this machine.
    ///
    /// # Errors
    /// When the kernel does not tell.
    fn targets(&mut self, location: &str) -> anyhow::Result<Vec<TargetLine>>;

    /// Folders of drivers that are there, but on `target`.
    fn driver_folders(&mut self, target: &Disk) -> Vec<Place>;

    /// What of the image's disk is encrypted (LUKS) and opened by none of the choice's
    /// passphrases, a line each; nothing where systems are not looked into anyway.
    ///
    /// # Errors
    /// When the image cannot be read.
    fn locked(&mut self, choice: &Choice) -> anyhow::Result<Vec<String>>;

    /// What restoring would do. Writes nothing.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn plan(&mut self, choice: &Choice) -> anyhow::Result<Planned>;

    /// Does it, and tells `sink` how it goes. The answer is what was done, and
    /// how it was checked.
    ///
    /// # Errors
    /// What stopped it.
    fn restore(&mut self, choice: &Choice, sink: &dyn Sink) -> Result<String, Stopped>;

    /// Runs the rescue shell on the operator's terminal.
    ///
    /// # Errors
    /// When there is none, or it cannot be started.
    fn shell(&mut self) -> anyhow::Result<Left>;
}
