//! The plan, its confirmation, the restore, and what to do when it stops.

use super::*;
use crate::inventory::StartedBy;

/// What is chosen below a plan.
#[derive(Debug, Clone, Copy)]
enum Go {
    On,
    ReadBack,
    StartOver,
    Drivers,
    Keep,
    Convert,
}

const PLAN_HELP: &str = "\
The disk becomes bootable only at the very end. If the power fails before, choose the same \
again: it goes on where it stopped.
Reading everything back finds a disk, a cable or a memory that does not keep what it is given.
A disk that a BIOS started is converted, where that can be done, when UEFI started this machine. Kept \
as it was it starts here only when the firmware is set to BIOS (legacy, CSM). When a BIOS started this \
machine, a Linux that UEFI started is made to start by a BIOS, too, where that can be done.";

impl Talk<'_> {
    pub(super) fn plan(&mut self, mut choice: Choice) -> Step {
        let back = Step::Target(choice.location.clone(), choice.image.clone(), choice.disk);
        self.terminal.busy("Making the plan ...");
        let planned = match self.world.plan(&choice) {
            Ok(planned) => planned,
            Err(error) => {
                self.sorry(&error);
                // Another folder may do.
                return match choice.drivers.take() {
                    Some(_) => Step::Drivers(choice),
                    None => back,
                };
            }
        };
        let (goes, items): (Vec<Go>, Vec<Item>) = ways_on(&planned).into_iter().unzip();
        let screen = Screen {
            id: "plan",
            title: "Plan",
            body: planned.text,
            heading: "This is the plan; nothing was written yet.".to_owned(),
            asks: Asks::Menu(items, Typed::Refused),
            help: PLAN_HELP.to_owned(),
            until: Until::Answered,
        };
        match self.ask(&screen) {
            Said::Item(at) => match goes.get(at) {
                Some(Go::Drivers) => Step::Drivers(choice),
                Some(go @ (Go::Keep | Go::Convert)) => {
                    choice.keep = matches!(go, Go::Keep);
                    Step::Plan(choice)
                }
                Some(go) => {
                    choice.verify = matches!(go, Go::ReadBack);
                    choice.start_over |= matches!(go, Go::StartOver);
                    Step::Confirm(choice)
                }
                None => Step::Plan(choice),
            },
            Said::Again => Step::Plan(choice),
            Said::Back | Said::Text(_) | Said::Form(_) => back,
            Said::End(ending) => Step::End(ending),
        }
    }

    pub(super) fn confirm(&mut self, choice: Choice) -> Step {
        let wanted = choice.target.confirmation();
        match self.ask(&confirm_screen(&choice, &wanted)) {
            Said::Form(values) if values == [wanted.as_str()] => Step::Restore(choice),
            Said::Form(_) | Said::Text(_) => {
                self.note("That is something else. Nothing was written.");
                Step::Confirm(choice)
            }
            Said::Again => Step::Confirm(choice),
            Said::Back | Said::Item(_) => Step::Plan(choice),
            Said::End(ending) => Step::End(ending),
        }
    }

    pub(super) fn restore(&mut self, choice: Choice) -> Step {
        let title = format!("{} goes to {}", choice.image, choice.target.path.display());
        let mut outcome = None;
        let world = &mut *self.world;
        self.terminal.watch(&title, &mut |sink| {
            outcome = Some(world.restore(&choice, sink));
        });
        match outcome {
            Some(Ok(report)) => Step::Finished(report),
            Some(Err(stopped)) => {
                self.sorry(&stopped.error);
                Step::Failed(choice, stopped.next)
            }
            // The terminal would not do it: nothing has begun.
            None => Step::Plan(choice),
        }
    }

    pub(super) fn failed(&mut self, choice: Choice, next: Next) -> Step {
        let again = match next {
            Next::Begins => "Try again: nothing was written",
            Next::Continues => "Try again: it goes on where it stopped",
            Next::StartsOver => "Try again: it writes everything again",
        };
        let mut goes = vec![again];
        if next == Next::Continues {
            goes.push("Start over: write everything again");
        }
        let over = goes.len() > 1;
        goes.extend(["Choose another disk", "Rescue shell", "Power off"]);
        let screen = failed_screen(&goes, next);
        let said = match self.ask(&screen) {
            // The others keep their places where nothing can start over.
            Said::Item(at) if !over && at > 0 => Said::Item(at.saturating_add(1)),
            said => said,
        };
        let start_over = |choice: Choice, start_over| Choice {
            start_over,
            ..choice
        };
        match said {
            Said::Item(0) => Step::Plan(start_over(choice, next == Next::StartsOver)),
            Said::Item(1) => Step::Plan(start_over(choice, true)),
            Said::Item(2) | Said::Back => Step::Target(choice.location, choice.image, choice.disk),
            Said::Item(3) => match self.shell() {
                Said::End(ending) => Step::End(ending),
                _ => Step::Failed(choice, next),
            },
            Said::Item(_) => Step::End(Ending::PowerOff),
            Said::End(ending) => Step::End(ending),
            Said::Again | Said::Text(_) | Said::Form(_) => Step::Failed(choice, next),
        }
    }
}

fn ways_on(planned: &Planned) -> Vec<(Go, Item)> {
    let item = |go, text: &str| (go, Item::usable(text));
    let give = "Give a folder of drivers: without one this Windows will not start here";
    let mut ways = Vec::new();
    if planned.lacks_driver {
        ways.push(item(Go::Drivers, give));
    }
    ways.extend([
        item(Go::On, "Go on: every chunk is checked before it is written"),
        item(
            Go::ReadBack,
            "Go on, and read everything back afterwards (takes longer)",
        ),
    ]);
    if planned.resumes {
        ways.push(item(
            Go::StartOver,
            "Start over: forget what the interrupted restore has written",
        ));
    }
    ways.extend(match planned.converts {
        Converts::Nothing => None,
        Converts::For(StartedBy::Uefi | StartedBy::Uefi32) => Some(item(
            Go::Keep,
            "Do not convert the disk for UEFI: keep it as a BIOS starts it",
        )),
        Converts::For(StartedBy::Bios) => Some(item(
            Go::Keep,
            "Do not make the disk start by a BIOS: keep it as UEFI starts it",
        )),
        Converts::Kept(StartedBy::Uefi | StartedBy::Uefi32) => {
            Some(item(Go::Convert, "Convert the disk for UEFI after all"))
        }
        Converts::Kept(StartedBy::Bios) => {
            Some(item(Go::Convert, "Make the disk start by a BIOS after all"))
        }
    });
    ways
}

fn confirm_screen(choice: &Choice, wanted: &str) -> Screen {
    let what = match choice.target.serial {
        Some(_) => "serial number",
        None => "path (it tells no serial number)",
    };
    let path = choice.target.path.display();
    let over = match choice.start_over {
        true => "What an interrupted restore has written is written again.\n",
        false => "",
    };
    Screen {
        id: "confirm",
        title: "Confirm",
        body: format!("{path} will be erased.\n{over}"),
        heading: format!("Type its {what} to confirm: {wanted}"),
        asks: Asks::Form(vec![Field::text("confirmation", "", "")]),
        help: "Only what is shown, letter by letter, starts the restore. Nothing was written \
               yet; going back leads to the plan."
            .to_owned(),
        until: Until::Answered,
    }
}

fn failed_screen(goes: &[&str], next: Next) -> Screen {
    let help = match next {
        Next::Begins => "Nothing was written to the disk.",
        Next::Continues => {
            "The disk does not boot in this state, and does not pretend to. What was written \
             stays valid: the same restore continues there."
        }
        Next::StartsOver => {
            "What is on the disk now cannot be continued: there is no journal of it, or it must \
             not be trusted. The same restore writes everything again."
        }
    };
    Screen {
        id: "failed",
        title: "It stopped",
        body: String::new(),
        heading: "The restore stopped. What now?".to_owned(),
        asks: Asks::Menu(
            goes.iter().copied().map(Item::usable).collect(),
            Typed::Refused,
        ),
        help: help.to_owned(),
        until: Until::Answered,
    }
}
