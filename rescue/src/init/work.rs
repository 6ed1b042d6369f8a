//! The process that does the work: the unattended plan when there is one,
//! else the dialogue.

use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::arrival;
use super::cmdline::Cmdline;
use super::devices::{self, Devices};
use super::port::{Both, Port};
use super::role::Request;
use super::state::Board;
use super::volumes;
use super::world::{Here, report_text, tell, tell_disks};
use crate::event::{Event, Sink};
use crate::exit::{self, Code};
use crate::inventory;
use crate::ui::dialogue::{self, Ending, Standard};
use crate::ui::say;
use crate::unattended::{self, Plan, Then, find};

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
    if plans_are == Plans::Followed && !find::is_switched_off(&cmdline) {
        if cmdline.value("rescue.config").is_none() {
            arrival::wait()?;
        }
        match plans(&cmdline, &sink) {
            Ok(Some(plan)) => {
                if let Some(request) = unattended(&plan, &sink, &port)? {
                    return Ok(request);
                }
            }
            Ok(None) => {}
            Err(error) => failed(&sink, &error),
        }
    }
    let mut world = Here::new(&sink, &port);
    ending(dialogue::run(&mut Standard::new(&sink), &mut world))
}

fn ending(ending: Ending) -> anyhow::Result<Request> {
    Ok(match ending {
        Ending::Reboot => Request::Reboot,
        Ending::PowerOff => Request::PowerOff,
        Ending::Prompt => Request::Prompt,
        Ending::Gone => anyhow::bail!("the terminal is gone"),
    })
}

/// The plan that counts.
fn plans(cmdline: &Cmdline, sink: &dyn Sink) -> anyhow::Result<Option<Plan>> {
    let found = find::gather(cmdline, &volumes::list())?;
    let Some((plan, origin, notes)) = find::pick(&found)? else {
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
    Ok(Some(plan))
}

/// Follows a plan; what PID 1 is to do then, or `None` when the operator is
/// to be asked.
fn unattended(plan: &Plan, sink: &dyn Sink, port: &Port) -> anyhow::Result<Option<Request>> {
    let outcome = unattended::run::follow(plan, sink);
    let then = unattended::run::afterwards(plan.restore.then, outcome.as_ref().err());
    match &outcome {
        Ok((report, others)) => {
            tell(port, report);
            say(&format!("\n{}", report_text(report, others)));
        }
        Err(error) => failed(sink, error),
    }
    match then {
        Then::Reboot => Ok(Some(Request::Reboot)),
        Then::Poweroff => Ok(Some(Request::PowerOff)),
        Then::Wait if outcome.is_ok() => {
            let mut world = Here::new(sink, port);
            ending(dialogue::finish(&mut Standard::new(sink), &mut world)).map(Some)
        }
        Then::Wait => Ok(None),
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
