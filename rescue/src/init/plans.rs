//! Which unattended plans there are now, and which were dealt with already.
//!
//! A plan is followed by itself once, however it ended: what it says is put on
//! the [`Board`] before its first step, so that neither a failure, nor the end
//! of a process, nor the same stick in another port begins it again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use sys::poll::{Interest, wait as wait_for_any};
use sys::watch::Watch;

use super::cmdline::Cmdline;
use super::devices::{self, Devices};
use super::mounts;
use super::state::Board;
use super::volumes::{self, Volume};
use crate::ui::dialogue::{Bell, Rung};
use crate::unattended::find::{self, Found};

/// The name of the texts of plans on the [`Board`].
const STATE: &str = "plans";

/// Plans, and the volumes they were looked for on.
#[derive(Debug)]
pub(super) struct Known {
    board: Board,
    cmdline: Cmdline,
    /// What there was when plans were looked for last.
    volumes: RefCell<Vec<Volume>>,
    /// What drivers were said to lack then.
    troubles: RefCell<Vec<String>>,
    done: RefCell<BTreeSet<String>>,
}

impl Known {
    pub(super) fn new(board: Board, cmdline: Cmdline) -> Self {
        let done = board.read(STATE).unwrap_or_default();
        Self {
            board,
            cmdline,
            volumes: RefCell::default(),
            troubles: RefCell::default(),
            done: RefCell::new(done),
        }
    }

    /// Every plan there is, the one that counts first.
    pub(super) fn all(&self) -> anyhow::Result<Vec<Found>> {
        find::gather(&self.cmdline, &self.look())
    }

    /// Those that nothing was done about yet. None when the command line names
    /// the plan: another one must not take its place.
    pub(super) fn fresh(&self) -> anyhow::Result<Vec<Found>> {
        let volumes = self.look();
        if self.cmdline.value("rescue.config").is_some() {
            return Ok(Vec::new());
        }
        Ok(self.without_done(find::gather(&self.cmdline, &volumes)?))
    }

    fn look(&self) -> Vec<Volume> {
        let volumes = volumes::list();
        self.volumes.borrow_mut().clone_from(&volumes);
        *self.troubles.borrow_mut() = self.troubles_now();
        volumes
    }

    fn without_done(&self, mut found: Vec<Found>) -> Vec<Found> {
        let done = self.done.borrow();
        found.retain(|plan| !done.contains(&plan.text));
        found
    }

    /// Puts on record that these are not to be followed by themselves again.
    pub(super) fn put_aside(&self, found: &[Found]) {
        let mut done = self.done.borrow_mut();
        done.extend(found.iter().map(|plan| plan.text.clone()));
        // This process remembers even if the next one cannot be told.
        let _ = self.board.publish(STATE, &*done);
    }

    /// Whether there are other volumes than before, or other troubles of drivers.
    fn changed(&self) -> bool {
        *self.volumes.borrow() != volumes::list() || *self.troubles.borrow() != self.troubles_now()
    }

    fn troubles_now(&self) -> Vec<String> {
        let devices: Devices = self.board.read(devices::STATE).unwrap_or_default();
        devices
            .missing
            .into_iter()
            .chain(devices.firmware)
            .collect()
    }
}

/// Rings when volumes come or go, or drivers lack something, while the operator is
/// waited for.
#[derive(Debug)]
pub(super) struct Arrivals<'a> {
    plans: &'a Known,
    watch: Watch,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(plans: &'a Known) -> anyhow::Result<Self> {
        let watch = Watch::folder(Path::new(mounts::STATE)).context("watching devices")?;
        Ok(Self { plans, watch })
    }
}

impl Bell for Arrivals<'_> {
    fn wait(&self, limit: Option<Duration>) -> std::io::Result<Rung> {
        let started = Instant::now();
        loop {
            self.watch.drain()?;
            if self.plans.changed() {
                return Ok(Rung::News);
            }
            let stdin = std::io::stdin();
            let fds = [stdin.as_fd(), self.watch.as_fd()];
            let interests = fds.map(|fd| Interest { fd, output: false });
            let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
            let ready = wait_for_any(&interests, left)?;
            if ready.first().is_some_and(|r| r.input || r.hangup) {
                return Ok(Rung::Typed);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Rung::Nothing);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Found {
        Found {
            origin: "rescue.toml on sdb1".into(),
            text: text.into(),
        }
    }

    #[test]
    fn what_was_dealt_with_is_not_fresh_in_the_next_process_either() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::at(folder.path());
        let plans = Known::new(board.clone(), Cmdline::default());
        assert_eq!(plans.without_done(vec![found("a")]), [found("a")]);
        plans.put_aside(&[found("a")]);
        let again = Found {
            origin: "rescue.toml on sdc1".into(),
            ..found("a")
        };
        let left = plans.without_done(vec![again.clone(), found("b")]);
        assert_eq!(left, [found("b")], "another port does not make it new");
        let next = Known::new(board, Cmdline::default());
        assert!(next.without_done(vec![again]).is_empty());
    }

    #[test]
    fn nothing_takes_the_place_of_what_the_command_line_names() {
        let folder = tempfile::tempdir().unwrap();
        for line in ["rescue.config=none", "rescue.config=http://x/y.toml"] {
            let plans = Known::new(Board::at(folder.path()), Cmdline::parse(line));
            assert_eq!(plans.fresh().unwrap(), []);
        }
    }
}
