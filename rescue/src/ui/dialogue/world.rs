//! What the dialogue needs to know and do, apart from talking.

use crate::inventory::Disk;

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
}

/// The machine, the repositories, the restore engine.
pub trait World {
    /// Where a plan for an unattended restore is that was not followed yet.
    fn unattended(&mut self) -> Option<String>;

    /// What this is and where it runs: lines for the first screen.
    fn greeting(&mut self) -> String;

    /// Repositories that are there now.
    fn places(&mut self) -> Vec<Place>;

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

    /// What restoring would do, in words. Writes nothing.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn plan(&mut self, choice: &Choice) -> anyhow::Result<String>;

    /// Does it. The answer is what was done, and how it was checked.
    ///
    /// # Errors
    /// What stopped it.
    fn restore(&mut self, choice: &Choice) -> anyhow::Result<String>;
}
