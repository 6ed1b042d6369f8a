//! The restore engine: plan, arm, write, verify, activate.
//!
//! Each stage is a type that consumes the one before, because a wrong order
//! destroys data: [`Plan`] wrote nothing; [`Armed`] has the target for itself
//! and has cleared its old table; [`Written`] has all data on it;
//! [`Verified`] knows that it is right; [`Adapted`] has what the hardware
//! needs; [`Adapted::activate`] lets the disk become bootable. [`execute`] does all of it.
//!
//! A failure at any point before the last write leaves a disk that does not
//! pretend to boot, and a journal on it: the same restore continues there.

mod activate;
mod adapted;
mod answers;
mod arm;
mod carries;
mod convert;
mod engine;
mod error;
mod esp;
mod journal;
mod options;
mod plan;
mod pool;
mod preflight;
mod refusal;
mod report;
mod summary;
mod systems;
mod target;
#[cfg(test)]
mod tests;
mod units;
mod verify;
mod watched;
mod withheld;

use std::sync::Arc;
use std::time::Instant;

pub use answers::{Answer, Answers, Verdict};
pub use carries::{Carried, already_carries};
pub use error::{Error, Left};
pub use options::{Adapt, Discard, Options, Resume, Verify};
pub use plan::{Plan, pick_disk, plan};
pub use refusal::{NotConfirmed, PickError, PlanError, Reason, Refusal};
pub use report::{Checked, Report};
pub use summary::{PartitionLine, Summary};
pub(crate) use target::{OpenTarget, Target};

use crate::boot_entries;
use crate::event::{Event, Phase, Sink};
use crate::identity::{Compared, Looker};
use crate::volumes::Passphrases;
use journal::Journal;

/// What every stage carries along.
struct Session {
    plan: Plan,
    target: Arc<dyn Target>,
    journal: Journal,
    report: Report,
    began: Instant,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("plan", &self.plan)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// The target is opened exclusively and its old table is gone.
#[derive(Debug)]
pub struct Armed(Session);

/// All data is on the target, on stable storage.
#[derive(Debug)]
pub struct Written(Session);

/// What is on the target is right, as far as it was asked to be checked.
#[derive(Debug)]
pub struct Verified(Session);

/// The systems on it have what they need on this hardware.
#[derive(Debug)]
pub struct Adapted(Session);

/// Does everything the plan says.
///
/// # Errors
/// Whatever stops it; see [`Error`].
pub fn execute(plan: Plan, sink: &dyn Sink) -> Result<Report, Error> {
    let verify = plan.options.verify;
    let written = plan.arm(sink)?.write(sink)?;
    let verified = match verify {
        Verify::ReadBack => written.verify(sink)?,
        Verify::No => written.without_verify(),
    };
    verified.adapt(sink)?.activate(sink)
}

impl Session {
    /// Looks at the disk as it will start: the systems on it must be those of
    /// the image, with everything that makes them themselves.
    fn check_identity(&mut self, sink: &dyn Sink) -> Result<Option<Compared>, Error> {
        let Some(expected) = &self.plan.identity else {
            return Ok(None);
        };
        let device: Arc<dyn disk::ReadAt> = self.target.clone();
        let disk = self.plan.disk_as_named();
        let none = Passphrases::default();
        let passphrases = match &self.plan.options.adapt {
            Adapt::To { passphrases, .. } => passphrases,
            Adapt::No => &none,
        };
        let compared = expected.compare(&Looker::default(), &device, &disk, passphrases);
        if !compared.changes.is_empty() {
            return Err(Error::Identity {
                target: self.plan.target.path.clone(),
                changes: compared.changes.join("; "),
            });
        }
        let unknown = compared.unknown.iter();
        let unknown = unknown.map(|t| format!("Not compared with the captured machine: {t}"));
        let notes = compared.notes.iter().cloned();
        for text in unknown.chain(notes) {
            self.report.warnings.push(text.clone());
            sink.emit(Event::Warning { text });
        }
        self.report.same.clone_from(&compared.same);
        Ok(Some(compared))
    }

    fn answer(&mut self, compared: Option<&Compared>) {
        let mut answers = Answers::new(&self.plan, compared, &self.report.warnings);
        let (boot, lines) = (&self.report.boot.lines, &mut answers.will_boot.lines);
        let after_first = lines.len().min(1);
        lines.splice(after_first..after_first, boot.iter().cloned());
        self.report.answers = answers;
    }

    /// Tells the firmware of the disk; it is whole, whatever comes of that.
    fn make_boot_entries(&mut self, sink: &dyn Sink) {
        let (plan, device) = (&self.plan, self.target.clone());
        let device: Arc<dyn disk::ReadAt> = device;
        let wish = &plan.options.boot_entries;
        let told = boot_entries::make(
            wish,
            &device,
            plan.disk.sector_size,
            &plan.families,
            &plan.target,
        );
        for text in &told.warnings {
            if !self.report.warnings.contains(text) {
                self.report.warnings.push(text.clone());
                sink.emit(Event::Warning { text: text.clone() });
            }
        }
        self.report.boot = told;
    }
}

impl Armed {
    /// Writes the image's data, but for what is withheld.
    ///
    /// # Errors
    /// The repository's or the target's; progress stays in the journal.
    pub fn write(self, sink: &dyn Sink) -> Result<Written, Error> {
        let Self(mut session) = self;
        let total = Some(session.plan.summary.work_bytes());
        sink.emit(Event::Phase {
            phase: Phase::Writing,
            total,
        });
        let target = Arc::clone(&session.target);
        let counts = engine::write(&session.plan, &*target, &mut session.journal, sink)?;
        if session.report.resumed {
            adapted::take_back(&session.plan, &*target)?;
        }
        session.report.fetched_bytes = counts.fetched;
        session.report.handled_bytes = counts.handled;
        session.report.skipped_bytes = counts.skipped;
        session.report.write_seconds = session.began.elapsed().as_secs_f64();
        Ok(Written(session))
    }
}

impl Written {
    /// Reads back everything that was written, and compares.
    ///
    /// # Errors
    /// [`Error::Mismatch`], or the repository's or the target's.
    pub fn verify(self, sink: &dyn Sink) -> Result<Verified, Error> {
        let Self(mut session) = self;
        let began = Instant::now();
        sink.emit(Event::Phase {
            phase: Phase::Verifying,
            total: Some(session.plan.summary.work_bytes()),
        });
        verify::read_back(&session.plan, &*session.target, sink)?;
        session.report.checked = Checked::ReadBack;
        session.report.verify_seconds = began.elapsed().as_secs_f64();
        Ok(Verified(session))
    }

    /// Goes on without reading back.
    #[must_use]
    pub fn without_verify(self) -> Verified {
        Verified(self.0)
    }
}

impl Verified {
    /// Changes what the plan changes for the hardware, and reads that back.
    ///
    /// # Errors
    /// The target's; [`Error::Mismatch`] when it reads back otherwise.
    pub fn adapt(self, sink: &dyn Sink) -> Result<Adapted, Error> {
        let Self(mut session) = self;
        let plan = &session.plan;
        let (patches, esp) = (adapted::total(plan), esp::total(plan));
        let total = patches.saturating_add(esp);
        if total > 0 {
            sink.emit(Event::Phase {
                phase: Phase::Adapting,
                total: Some(total),
            });
            adapted::write(plan, &*session.target, sink)?;
            esp::write(plan, &*session.target, sink, patches)?;
        }
        session.report.adapted.clone_from(&plan.adaptation.lines);
        Ok(Adapted(session))
    }
}

impl Adapted {
    /// Writes what was withheld, in the order of docs/architecture.md, and
    /// makes the kernel see the disk.
    ///
    /// # Errors
    /// The target's; [`Error::Mismatch`] when the table reads back wrongly,
    /// [`Error::Identity`] when a system on it is not what it was.
    pub fn activate(self, sink: &dyn Sink) -> Result<Report, Error> {
        let Self(mut session) = self;
        let total = activate::total(&session.plan);
        sink.emit(Event::Phase {
            phase: Phase::Activating,
            total: Some(total),
        });
        activate::run(&session.plan, &*session.target, sink)?;
        if let Err(error) = session.target.reread_table() {
            let text = format!(
                "The kernel still sees the old partitions of {} ({error}); a reboot shows the \
                 new ones.",
                session.plan.target.path.display()
            );
            session.report.warnings.push(text.clone());
            sink.emit(Event::Warning { text });
        }
        let compared = session.check_identity(sink)?;
        session.make_boot_entries(sink);
        session.answer(compared.as_ref());
        session.report.seconds = session.began.elapsed().as_secs_f64();
        Ok(session.report)
    }
}
