//! Which load options have to change when a disk was restored.
//!
//! Those of other disks, of the network and of the firmware itself stay, whatever
//! they are. Of the restored disk's own, those that lead nowhere go: the partition
//! lies elsewhere now, or has no such file.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ACTIVE, BootNumber, DevicePath, HardDrive, LoadOption};

/// What the firmware has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// `BootOrder`.
    pub order: Vec<BootNumber>,
    /// `Boot####`, as far as they are understood.
    pub options: BTreeMap<BootNumber, LoadOption>,
    /// The numbers of those that are not.
    pub unknown: BTreeSet<BootNumber>,
}

/// A loader that the firmware should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its title in the firmware's menu.
    pub title: String,
    /// The partition that it is on.
    pub partition: HardDrive,
    /// Its path there: `\EFI\debian\shimx64.efi`.
    pub file: String,
    /// What is handed to it.
    pub data: Vec<u8>,
}

/// The restored disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoredDisk {
    /// Its partitions.
    pub partitions: Vec<HardDrive>,
    /// Files that options lead to and that are known not to be on their partition.
    pub absent: Vec<(HardDrive, String)>,
    /// Partitions of other disks that are in the machine. What leads nowhere here may
    /// be theirs, where they are named like one of this disk's (a copy of it).
    pub elsewhere: Vec<HardDrive>,
    /// Its loaders, the one that is to be tried first in front.
    pub wanted: Vec<Wanted>,
    /// Whether new options come last in the order: it may not be the disk that the machine
    /// is to start from.
    pub last: bool,
}

/// Why an option of the restored disk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Its partition lies elsewhere now.
    Moved,
    /// Its partition has no such file.
    Gone,
    /// Another one is the same.
    Double,
}

/// What is done, in this order: options are put, then the order is written, then
/// stale ones are removed. Whenever that ends, no number in the order leads nowhere
/// that did not before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Options to write.
    pub put: Vec<(BootNumber, LoadOption)>,
    /// The number of each loader that is wanted, in the order of these.
    pub numbers: Vec<BootNumber>,
    /// The new order; `None` when it stays.
    pub order: Option<Vec<BootNumber>>,
    /// Options to remove.
    pub remove: Vec<(BootNumber, Stale)>,
    /// Those that would be removed, but may be another disk's.
    pub kept: Vec<BootNumber>,
}

impl Changes {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.order.is_none() && self.remove.is_empty()
    }
}

/// There is no free number: all 65536 are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the firmware has no number left for a boot entry")]
pub struct NoNumber;

impl Known {
    /// What makes the firmware start `disk`. New options come first in the order; one
    /// that is there already keeps its place.
    ///
    /// # Errors
    /// [`NoNumber`].
    pub fn changes(&self, disk: &RestoredDisk) -> Result<Changes, NoNumber> {
        let (stale, shared) = self.stale(disk);
        let mut taken: BTreeSet<BootNumber> = self.options.keys().copied().collect();
        taken.extend(&self.unknown);
        taken.extend(&self.order);
        let mut changes = Changes::default();
        for wanted in &disk.wanted {
            let number = match self.same(wanted, &stale) {
                Some((number, option)) => {
                    if !option.is_active() {
                        let mut option = option.clone();
                        option.attributes |= ACTIVE;
                        changes.put.push((number, option));
                    }
                    number
                }
                None => {
                    let number = free(&taken).ok_or(NoNumber)?;
                    taken.insert(number);
                    changes.put.push((number, wanted.option()));
                    number
                }
            };
            changes.numbers.push(number);
        }
        let order = self.new_order(&changes.numbers, &stale, disk.last);
        changes.order = (order != self.order).then_some(order);
        changes.remove = stale.into_iter().collect();
        changes.kept = shared;
        Ok(changes)
    }

    /// Whether the firmware tries `option`, and as which in its order.
    fn rank(&self, number: BootNumber) -> usize {
        let place = self.order.iter().position(|n| *n == number);
        place.unwrap_or(usize::MAX)
    }

    /// What is stale, and what would be if it could not be another disk's.
    fn stale(&self, disk: &RestoredDisk) -> (BTreeMap<BootNumber, Stale>, Vec<BootNumber>) {
        let mut stale = BTreeMap::new();
        let mut shared = Vec::new();
        let mut kept: Vec<&LoadOption> = Vec::new();
        let mut numbers: Vec<BootNumber> = self.options.keys().copied().collect();
        // Of two that are the same, the one that is tried first stays.
        numbers.sort_by_key(|number| (self.rank(*number), *number));
        for number in numbers {
            let Some(option) = self.options.get(&number) else {
                continue;
            };
            let Some((at, file)) = option.path.file() else {
                continue;
            };
            match disk.is_stale(at, &file) {
                Some(Some(_)) if disk.is_elsewhere(at) => shared.push(number),
                Some(Some(why)) => drop(stale.insert(number, why)),
                Some(None) if kept.iter().any(|other| is_same(other, option)) => {
                    stale.insert(number, Stale::Double);
                }
                Some(None) => kept.push(option),
                None => {}
            }
        }
        (stale, shared)
    }

    /// An option that leads to the very file. (One that also names the controller is
    /// none: the disk may hang elsewhere now.)
    fn same(
        &self,
        wanted: &Wanted,
        stale: &BTreeMap<BootNumber, Stale>,
    ) -> Option<(BootNumber, &LoadOption)> {
        let options = self
            .options
            .iter()
            .map(|(number, option)| (*number, option));
        options
            .filter(|(number, option)| !stale.contains_key(number) && wanted.is_led_to_by(option))
            .min_by_key(|(number, option)| (!option.is_active(), self.rank(*number), *number))
    }

    fn new_order(
        &self,
        numbers: &[BootNumber],
        stale: &BTreeMap<BootNumber, Stale>,
        last: bool,
    ) -> Vec<BootNumber> {
        let fresh = numbers.iter().filter(|number| !self.order.contains(number));
        let fresh: Vec<BootNumber> = fresh.copied().collect();
        let (first, then) = match last {
            true => (&self.order, &fresh),
            false => (&fresh, &self.order),
        };
        let mut order: Vec<BootNumber> = Vec::new();
        for number in first.iter().chain(then) {
            if !stale.contains_key(number) && !order.contains(number) {
                order.push(*number);
            }
        }
        order
    }
}

impl Wanted {
    fn path(&self) -> DevicePath {
        DevicePath::to_file(self.partition, &self.file)
    }

    /// Whether `option` leads to it, in the short form.
    #[must_use]
    pub fn is_led_to_by(&self, option: &LoadOption) -> bool {
        is_same_path(&option.path, &self.path())
    }

    fn option(&self) -> LoadOption {
        LoadOption::active(&self.title, self.path(), self.data.clone())
    }
}

impl RestoredDisk {
    /// Whether another disk has a partition of that name.
    fn is_elsewhere(&self, at: HardDrive) -> bool {
        self.elsewhere.iter().any(|there| there.is_named_as(&at))
    }

    /// `None` for what is on another disk; otherwise why it is stale, if it is.
    fn is_stale(&self, at: HardDrive, file: &str) -> Option<Option<Stale>> {
        let mut partitions = self.partitions.iter();
        let here = partitions.find(|here| here.is_named_as(&at))?;
        let gone =
            |(partition, name): &(HardDrive, String)| partition == here && is_same_file(name, file);
        Some(if *here != at {
            // What nothing replaces may still start it: firmware knows partitions by GUID.
            let again = |wanted: &Wanted| is_same_file(&wanted.file, file);
            let again = self.wanted.iter().any(again);
            again.then_some(Stale::Moved)
        } else if self.absent.iter().any(gone) {
            Some(Stale::Gone)
        } else {
            None
        })
    }
}

/// Whether two names are the same file on FAT.
#[must_use]
pub fn is_same_file(one: &str, other: &str) -> bool {
    let plain = |path: &str| path.replace('/', "\\").to_lowercase();
    plain(one) == plain(other)
}

fn is_same_path(one: &DevicePath, other: &DevicePath) -> bool {
    let ends = (one.file(), other.file());
    match ends {
        (Some((at, file)), Some((other_at, other_file))) => {
            one.0.len() == other.0.len() && at == other_at && is_same_file(&file, &other_file)
        }
        _ => false,
    }
}

fn is_same(one: &LoadOption, other: &LoadOption) -> bool {
    let rest = |o: &LoadOption| (o.attributes, o.title.clone(), o.data.clone());
    is_same_path(&one.path, &other.path)
        && rest(one) == rest(other)
        && one.more_paths == other.more_paths
}

fn free(taken: &BTreeSet<BootNumber>) -> Option<BootNumber> {
    let mut all = (0..=u16::MAX).map(BootNumber);
    all.find(|number| !taken.contains(number))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
