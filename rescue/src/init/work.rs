//! The process that does the work: the unattended plan when there is one,
//! else the dialogue.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::arrival;
use super::cmdline::Cmdline;
use super::devices::{self, Devices};
use super::plans::{Arrivals, Known};
use super::port::{Both, Port};
use super::role::Request;
use super::state::Board;
use super::world::{Here, report_text, tell, tell_disks};
use crate::event::{Event, Sink};
use crate::exit::{self, Code};
use crate::inventory;
use crate::ui::dialogue::{self, Ending, Operator, Start};
use crate::ui::line::{LineMode, Standard};
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
    let (text, port) = (crate::ui::text(), Port::current());
    let sink = Both(&*text, &port);
    let cmdline = Cmdline::current();
    let known = Known::new(board, cmdline.clone());
    let mut start = Start::First(Operator::Choosing);
    if plans_are == Plans::Followed && !find::is_switched_off(&cmdline) {
        if cmdline.value("rescue.config").is_none() {
            arrival::wait()?;
        }
        let first = Start::First(Operator::Silent);
        match obey(&known, known.all(), first, &sink, &port) {
            ControlFlow::Break(request) => return Ok(request),
            ControlFlow::Continue(next) => start = next,
        }
    }
    let bell = Arrivals::new(&known)?;
    let mut terminal = LineMode(Standard::new(&sink).with_bell(&bell));
    let mut world = Here::new(&port, &known);
    loop {
        let operator = match dialogue::run(&mut terminal, &mut world, start) {
            Ending::Reboot => return Ok(Request::Reboot),
            Ending::PowerOff => return Ok(Request::PowerOff),
            Ending::Gone => anyhow::bail!("the terminal is gone"),
            Ending::Plan(operator) => operator,
        };
        match obey(&known, known.fresh(), Start::First(operator), &sink, &port) {
            ControlFlow::Break(request) => return Ok(request),
            ControlFlow::Continue(next) => start = next,
        }
    }
}

/// Follows the plan that counts among `found`, and puts all of them aside: what
/// PID 1 is to do then, or where the dialogue begins (`first` unless a restore
/// succeeded).
fn obey(
    known: &Known,
    found: anyhow::Result<Vec<Found>>,
    first: Start,
    sink: &dyn Sink,
    port: &Port,
) -> ControlFlow<Request, Start> {
    let plan = found.and_then(|found| {
        known.put_aside(&found);
        pick(&found, sink)
    });
    match plan {
        Ok(Some((plan, origin))) => unattended(&plan, &origin, first, sink, port),
        Ok(None) => ControlFlow::Continue(first),
        Err(error) => {
            failed(sink, &error);
            ControlFlow::Continue(first)
        }
    }
}

/// The plan that counts.
fn pick(found: &[Found], sink: &dyn Sink) -> anyhow::Result<Option<(Plan, String)>> {
    let Some((plan, origin, notes)) = find::pick(found)? else {
        return Ok(None);
    };
    for text in notes {
        sink.emit(Event::Warning { text });
    }
    sink.emit(Event::Note {
        text: format!("unattended restore, as {origin} says"),
    });
    if let Ok(disks) = inventory::disks() {
        tell_disks(sink, &disks);
    }
    sink.emit(Event::Fact {
        name: "unattended".to_owned(),
        value: json!({"origin": origin}),
    });
    Ok(Some((plan, origin)))
}

/// Follows a plan; the answer is that of [`obey`].
fn unattended(
    plan: &Plan,
    origin: &str,
    first: Start,
    sink: &dyn Sink,
    port: &Port,
) -> ControlFlow<Request, Start> {
    let started = Instant::now();
    let outcome = unattended::run::follow(plan, sink);
    let then = unattended::run::afterwards(&plan.restore, outcome.as_ref().err());
    let next = match &outcome {
        Ok((report, others)) => {
            tell(port, report);
            let text = report_text(report, others);
            if then != Then::Wait {
                say(&format!("\n{text}"));
            }
            Start::Finished(text)
        }
        Err(error) => {
            failed(sink, error);
            first
        }
    };
    let result = outcome.as_ref().map(|(report, _)| report);
    let seconds = started.elapsed().as_secs_f64();
    unattended::run::tell_server(plan, origin, result, seconds, sink);
    match then {
        Then::Shell => ControlFlow::Break(Request::Prompt),
        Then::Reboot => ControlFlow::Break(Request::Reboot),
        Then::Poweroff => ControlFlow::Break(Request::PowerOff),
        Then::Wait => ControlFlow::Continue(next),
    }
}

fn failed(sink: &dyn Sink, error: &anyhow::Error) {
    tell_failure(sink, error);
    if exit::classify(error) == Code::AlreadyRestored {
        say("\nNothing was done, so that this machine does not restore itself for ever.\n");
    } else {
        say("\nThe unattended restore stopped; this is the dialogue instead.\n");
    }
}

/// Tells a failure with its exit code.
pub(super) fn tell_failure(sink: &dyn Sink, error: &anyhow::Error) {
    sink.emit(Event::Failed {
        error: crate::ui::chain(error),
        code: exit::classify(error) as u8,
    });
}
