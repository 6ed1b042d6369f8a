//! Edits with reasons, warnings, refusals.

use std::fmt;

use hive::{Data, Hive, ValueType};

use super::machine::Machine;
use crate::drivers::{Device, Generation};

/// What is going to change, and what speaks against it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The driver of each controller.
    pub drivers: Vec<DriverFor>,
    /// The edits, in their order.
    pub edits: Vec<Planned>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why this Windows will not start; an operator who knows better may go on.
    pub refusals: Vec<Refusal>,
}

/// A controller and its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverFor {
    /// The controller.
    pub device: Device,
    /// Its service; `None` when this Windows has no driver.
    pub service: Option<String>,
}

/// An edit and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The edit.
    pub change: Change,
    /// Why, in plain words.
    pub why: String,
}

/// One edit of the hive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key goes, with all in it.
    DeleteKey {
        /// Its path.
        key: String,
    },
    /// A key comes.
    CreateKey {
        /// Its path.
        key: String,
    },
    /// A value is set.
    Set {
        /// The key's path.
        key: String,
        /// The value's name.
        value: String,
        /// Its type.
        kind: ValueType,
        /// Its data.
        data: Vec<u8>,
    },
    /// A value goes.
    DeleteValue {
        /// The key's path.
        key: String,
        /// The value's name.
        value: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeleteKey { key } => write!(f, "delete [\\{key}]"),
            Self::CreateKey { key } => write!(f, "create [\\{key}]"),
            Self::DeleteValue { key, value } => write!(f, "delete {value} of [\\{key}]"),
            Self::Set {
                key,
                value,
                kind,
                data,
            } => {
                write!(f, "set {value} of [\\{key}] to ")?;
                match Data::decode(*kind, data) {
                    Data::Dword(number) => write!(f, "{number:#x}"),
                    Data::Text(text) => write!(f, "{text:?}"),
                    Data::Lines(lines) => f.write_str(&lines.join(", ")),
                    _ => data.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
                }
            }
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.change, self.why)
    }
}

/// Why Windows will not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It knows no driver for the controller of its disk.
    #[error(
        "this Windows has no driver for the controller of its disk, {device}; supply {supply}, or \
         attach the disk to another controller"
    )]
    NoDriver {
        /// The controller.
        device: Device,
        /// The driver that is wanted.
        supply: &'static str,
    },
    /// It knows the driver, but does not have it.
    #[error(
        "the driver {service} of the disk's controller {device} is {missing}; supply {supply}, or \
         restore an image that has it"
    )]
    NoDriverFile {
        /// The controller.
        device: Device,
        /// Its service.
        service: String,
        /// "not a service of this Windows", or the file that is not there.
        missing: String,
        /// The driver that is wanted.
        supply: &'static str,
    },
    /// One of the drivers that every start needs is not there.
    #[error(
        "Windows cannot start without its driver {service}, which is {missing}; the image seems \
         to be damaged or not one of a whole Windows"
    )]
    NoBootDriver {
        /// Its service.
        service: &'static str,
        /// "not a service of this Windows", or the file that is not there.
        missing: String,
    },
}

/// A plan in the making.
pub(super) struct Planner<'a> {
    pub(super) system: &'a Hive,
    pub(super) machine: &'a Machine<'a>,
    pub(super) generation: Generation,
    pub(super) plan: Plan,
}

impl<'a> Planner<'a> {
    pub(super) fn new(system: &'a Hive, machine: &'a Machine<'a>, generation: Generation) -> Self {
        let plan = Plan::default();
        Self {
            system,
            machine,
            generation,
            plan,
        }
    }

    /// Adds an edit, once.
    pub(super) fn add(&mut self, change: Change, why: String) {
        if !self.plan.edits.iter().any(|old| old.change == change) {
            self.plan.edits.push(Planned { change, why });
        }
    }

    pub(super) fn warn(&mut self, warning: String) {
        if !self.plan.warnings.contains(&warning) {
            self.plan.warnings.push(warning);
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.plan.refusals.push(refusal);
    }
}
