//! The process that does the work: the unattended plan when there is one,
//! else the dialogue.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::arrival;
use super::cmdline::Cmdline;
use super::devices::{self, Devices};
use super::grow;
use super::plans::{Arrivals, Known};
use super::port::{self, Both, Port};
use super::role::Request;
use super::state::Board;
use super::told::{in_full, tell, tell_controllers, tell_disks};
use super::world::Here;
use crate::event::{Event, Sink};
use crate::exit::{self, Code};
use crate::inventory;
use crate::ui::dialogue::{self, Ending, Notice, Operator, Start, Terminal};
use crate::ui::mode::{self, Given, Mode};
use crate::ui::say;
use crate::unattended::find::{self, Found};
use crate::unattended::{self, Plan, Then};

/// How long drivers may take before the first screen comes anyway.
const DRIVERS: Duration = Duration::from_secs(90);

/// What is done about unattended plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plans {
    /// The one that counts is followed.
    Followed,
    /// The operator is asked, whatever plan there is.
    Ignored,
}

/// Runs until the operator or the plan wants something of PID 1.
///
/// # Errors
/// When the operator is gone; anything else is told and survived.
pub fn run(plans_are: Plans) -> anyhow::Result<Request> {
    let board = Board::system();
    say("looking for disks ...\n");
    let settled = |board: &Board| board.read::<Devices>(devices::STATE).filter(|d| d.settled);
    if board
        .wait_for(DRIVERS, settled)
        .context("waiting for drivers")?
        .is_none()
    {
        say("warning: drivers are still looking at their hardware\n");
    }
    let port = Port::current();
    let cmdline = Cmdline::current();
    let known = Known::new(board, cmdline.clone());
    let bell = Arrivals::new(&known)?;
    let mut terminal = mode::terminal(wanted(&cmdline), &port, &bell);
    let leave = talk(plans_are, &cmdline, &known, &mut *terminal, &port);
    drop(terminal);
    let leave = leave?;
    say(&leave.text);
    Ok(leave.request)
}

/// The interface that is wanted and fits.
fn wanted(cmdline: &Cmdline) -> Mode {
    let word = cmdline.value("rescue.ui").map(str::to_owned);
    let word = word.or_else(|| port::fw_cfg("ui"));
    Given::here(word.map(|word| word.trim_end_matches('\0').trim().to_owned())).mode()
}

/// What PID 1 is to do, and what stays on the screen meanwhile.
#[derive(Debug)]
struct Leave {
    request: Request,
    text: String,
}

impl From<Request> for Leave {
    fn from(request: Request) -> Self {
        let text = String::new();
        Self { request, text }
    }
}

fn talk(
    plans_are: Plans,
    cmdline: &Cmdline,
    known: &Known,
    terminal: &mut dyn Terminal,
    port: &Port,
) -> anyhow::Result<Leave> {
    let mut stage = Stage {
        known,
        terminal,
        port,
    };
    let mut start = Start::First(Operator::Choosing);
    if plans_are == Plans::Followed && !find::is_switched_off(cmdline) {
        if cmdline.value("rescue.config").is_none() {
            arrival::wait(&mut |text| stage.terminal.busy(text))?;
        }
        if let Some(told) = grow::medium() {
            if let Event::Note { text } | Event::Warning { text } = &told {
                stage.terminal.tell(Notice::Note(text.clone()));
            }
            stage.port.emit(told);
        }
        let first = Start::First(Operator::Silent);
        stage.terminal.busy("Looking for an unattended plan ...");
        match stage.obey(known.all(), first) {
            ControlFlow::Break(leave) => return Ok(leave),
            ControlFlow::Continue(next) => start = next,
        }
    }
    let mut world = Here::new(port, known);
    loop {
        let operator = match dialogue::run(stage.terminal, &mut world, start) {
            Ending::Reboot => return Ok(Request::Reboot.into()),
            Ending::PowerOff => return Ok(Request::PowerOff.into()),
            Ending::Gone => anyhow::bail!("the terminal is gone"),
            Ending::Plan(operator) => operator,
        };
        match stage.obey(known.fresh(), Start::First(operator)) {
            ControlFlow::Break(leave) => return Ok(leave),
            ControlFlow::Continue(next) => start = next,
        }
    }
}

/// Where plans are followed: in front of whoever may be there.
struct Stage<'a> {
    known: &'a Known,
    terminal: &'a mut dyn Terminal,
    port: &'a Port,
}

impl Stage<'_> {
    /// Follows the plan that counts among `found`, and puts all of them aside:
    /// what PID 1 is to do then, or where the dialogue begins (`first` unless a
    /// restore succeeded).
    fn obey(
        &mut self,
        found: anyhow::Result<Vec<Found>>,
        first: Start,
    ) -> ControlFlow<Leave, Start> {
        let plan = found.and_then(|found| {
            self.known.put_aside(&found);
            Ok(find::pick(&found)?)
        });
        match plan {
            Ok(Some((plan, origin, notes))) => {
                self.begin(&origin, &notes);
                self.follow(&plan, &origin, first)
            }
            Ok(None) => ControlFlow::Continue(first),
            Err(error) => {
                self.failed(&error);
                ControlFlow::Continue(first)
            }
        }
    }

    /// Tells which plan is followed.
    fn begin(&mut self, origin: &str, notes: &[String]) {
        for text in notes {
            let text = text.clone();
            self.terminal.tell(Notice::Note(format!("warning: {text}")));
            self.port.emit(Event::Warning { text });
        }
        let text = format!("unattended restore, as {origin} says");
        self.port.emit(Event::Note { text });
        if let Ok(disks) = inventory::disks() {
            tell_disks(self.port, &disks);
        }
        let devices: Option<Devices> = Board::system().read(devices::STATE);
        tell_controllers(self.port, &devices.unwrap_or_default());
        self.port.fact("unattended", json!({"origin": origin}));
    }

    /// Follows a plan; the answer is that of [`Stage::obey`].
    fn follow(&mut self, plan: &Plan, origin: &str, first: Start) -> ControlFlow<Leave, Start> {
        let title = format!("Unattended restore, as {origin} says");
        let (mut outcome, mut then, port) = (None, Then::Wait, self.port);
        self.terminal.watch(&title, &mut |screen| {
            let sink = Both(screen, port);
            let started = Instant::now();
            let ended = unattended::run::follow(plan, &sink);
            then = unattended::run::afterwards(&plan.restore, ended.as_ref().err());
            match &ended {
                Ok((report, others)) => {
                    in_full(report, others, screen);
                    tell(port, report);
                }
                Err(error) => tell_failure(port, error),
            }
            let result = ended.as_ref().map(|(report, _)| report);
            let seconds = started.elapsed().as_secs_f64();
            unattended::run::tell_server(plan, origin, result, seconds, &sink);
            outcome = Some(ended);
        });
        let (text, next) = match outcome {
            Some(Ok((report, others))) => {
                let text = crate::ui::report::screen(&report, &others);
                (text.clone(), Start::Finished(text))
            }
            Some(Err(error)) => {
                let text = self.stopped(&error);
                (text, first)
            }
            None => (String::new(), first),
        };
        let request = match then {
            Then::Shell => Request::Prompt,
            Then::Reboot => Request::Reboot,
            Then::Poweroff => Request::PowerOff,
            Then::Wait => return ControlFlow::Continue(next),
        };
        let text = format!("\n{text}");
        ControlFlow::Break(Leave { request, text })
    }

    /// Tells everybody that there is no plan to follow, and why.
    fn failed(&mut self, error: &anyhow::Error) {
        tell_failure(self.port, error);
        self.stopped(error);
    }

    /// Tells the operator why a plan was not followed to its end; that, in words.
    fn stopped(&mut self, error: &anyhow::Error) -> String {
        let text = if exit::classify(error) == Code::AlreadyRestored {
            "Nothing was done, so that this machine does not restore itself for ever."
        } else {
            "The unattended restore stopped; this is the dialogue instead."
        };
        let error = Notice::Error(crate::ui::chain(error));
        let all = format!("{}{text}\n", error.text());
        self.terminal.tell(error);
        self.terminal.tell(Notice::Note(text.to_owned()));
        all
    }
}

/// Tells a failure with its exit code.
pub(super) fn tell_failure(sink: &dyn Sink, error: &anyhow::Error) {
    sink.emit(Event::Failed {
        error: crate::ui::chain(error),
        code: exit::classify(error) as u8,
    });
}
