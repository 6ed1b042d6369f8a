//! The dialogue: choose an image, choose a disk, see the plan, confirm it,
//! watch, read the report. In lines, for any terminal.

mod ask;
mod terminal;
#[cfg(test)]
mod tests;
mod world;

use crate::inventory::Disk;
use ask::{Answer, Item, Menu, Typed, line, menu};
use terminal::wrap;

pub use terminal::{Bell, Question, Reply, Rung, Standard, Terminal, Until};
pub use world::{Choice, DiskLine, ImageLine, Place, TargetLine, World};

/// How the dialogue ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Start the machine again.
    Reboot,
    /// Switch it off.
    PowerOff,
    /// Show the command prompt.
    Prompt,
    /// Follow the plan for an unattended restore that is there now.
    Plan(Operator),
    /// Nobody is there any more.
    Gone,
}

/// Whether somebody has begun to choose. A plan that comes later must not
/// take the machine out of their hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Nobody has: plans are followed as they come.
    Silent,
    /// Somebody has: plans are offered.
    Choosing,
}

/// Where the dialogue begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first screen.
    First(Operator),
    /// After a restore: what the machine does next.
    Finished,
}

/// Where the dialogue is; each step knows what was chosen before it.
#[derive(Debug, Clone)]
enum Step {
    Welcome(Operator),
    Repository,
    Image(String),
    ImageDisk(String, String),
    Target(String, String, u32),
    Plan(Choice),
    Confirm(Choice),
    Restore(Choice),
    Failed(Choice),
    Finished,
    End(Ending),
}

/// Runs the dialogue.
pub fn run(terminal: &mut dyn Terminal, world: &mut dyn World, start: Start) -> Ending {
    let mut step = match start {
        Start::First(operator) => Step::Welcome(operator),
        Start::Finished => Step::Finished,
    };
    loop {
        step = match step {
            Step::Welcome(operator) => welcome(terminal, world, operator),
            Step::Repository => repository(terminal, world),
            Step::Image(location) => image(terminal, world, location),
            Step::ImageDisk(location, image) => image_disk(terminal, world, location, image),
            Step::Target(location, image, disk) => target(terminal, world, location, image, disk),
            Step::Plan(choice) => plan(terminal, world, choice),
            Step::Confirm(choice) => confirm(terminal, choice),
            Step::Restore(choice) => restore(terminal, world, choice),
            Step::Failed(choice) => failed(terminal, choice),
            Step::Finished => finished(terminal),
            Step::End(ending) => return ending,
        };
    }
}

/// Shows why something did not work.
fn sorry(terminal: &mut dyn Terminal, error: &anyhow::Error) {
    terminal.show("\n");
    terminal.show(&wrap(&super::failure(&super::chain(error)), 0));
}

fn welcome(terminal: &mut dyn Terminal, world: &mut dyn World, operator: Operator) -> Step {
    let plan = world.unattended();
    if plan.is_some() && operator == Operator::Silent {
        return Step::End(Ending::Plan(operator));
    }
    let greeting = world.greeting();
    terminal.show(&greeting);
    let mut items = [
        "Restore a machine onto this one",
        "Command prompt",
        "Reboot",
        "Power off",
    ]
    .map(Item::usable)
    .to_vec();
    items.extend(plan.map(|origin| Item::usable(format!("Follow the plan: {origin}"))));
    match first_screen(terminal, &items) {
        Answer::Item(0) => Step::Repository,
        Answer::Item(1) => Step::End(Ending::Prompt),
        Answer::Item(2) => Step::End(Ending::Reboot),
        Answer::Item(3) => Step::End(Ending::PowerOff),
        Answer::Item(_) => Step::End(Ending::Plan(operator)),
        Answer::Gone => Step::End(Ending::Gone),
        Answer::News => {
            terminal.show("Disks came or went: looking again.\n");
            Step::Welcome(operator)
        }
        Answer::Text(_) | Answer::Back | Answer::Again => Step::Welcome(operator),
    }
}

fn first_screen(terminal: &mut dyn Terminal, items: &[Item]) -> Answer {
    let question = Menu {
        id: "first-screen",
        heading: "What is to be done?",
        items,
        help: "This brings a machine that was captured with `rescue capture` back, onto \
               this machine's disks. You choose the image and the disk; nothing is written \
               before you have seen the plan and typed the disk's serial number.\n\
               A rescue.toml on a disk labelled RESCUE that is attached before anything \
               was chosen here is followed without a question, and is offered later.\n\
               Enter shows this screen again, with what has changed.",
        text: Typed::Refused,
        until: Until::News,
    };
    menu(terminal, question)
}

fn repository(terminal: &mut dyn Terminal, world: &mut dyn World) -> Step {
    terminal.show("\nLooking for repositories ...\n");
    let places = world.places();
    let items: Vec<Item> = places.iter().map(|p| Item::usable(&p.title)).collect();
    let heading = if items.is_empty() {
        "No repository was found on this machine's disks. Type where it is:"
    } else {
        "Which repository? Choose one that was found, or type where it is:"
    };
    let answer = menu(
        terminal,
        Menu {
            id: "repository",
            heading,
            items: &items,
            help: "A repository is the folder that `rescue capture --to` filled. Type\n  \
                   http://server:port/folder for one on a web server,\n  \
                   label:NAME/folder for one on the file system with that label,\n  \
                   medium:/folder for one on this medium, or\n  \
                   /folder for one in this system.\n\
                   Attach a disk now if it is on one, then press Enter.",
            text: Typed::Taken,
            until: Until::Answered,
        },
    );
    match answer {
        Answer::Item(at) => match places.into_iter().nth(at) {
            Some(place) => Step::Image(place.location),
            None => Step::Repository,
        },
        Answer::Text(typed) => Step::Image(typed),
        Answer::Again | Answer::News => Step::Repository,
        Answer::Back => Step::Welcome(Operator::Choosing),
        Answer::Gone => Step::End(Ending::Gone),
    }
}

fn image(terminal: &mut dyn Terminal, world: &mut dyn World, location: String) -> Step {
    let images = match world.images(&location) {
        Ok(images) => images,
        Err(error) => {
            sorry(terminal, &error);
            return Step::Repository;
        }
    };
    if images.is_empty() {
        terminal.show("\nThis repository holds no image yet.\n");
        return Step::Repository;
    }
    let items: Vec<Item> = images
        .iter()
        .map(|i| Item {
            title: format!("{}\n{}", i.title, i.id),
            unusable: i.unusable.clone(),
        })
        .collect();
    let answer = menu(
        terminal,
        Menu {
            id: "image",
            heading: "Which image? The newest is first.",
            items: &items,
            help: "An image is one machine's disks at one moment; each is complete in itself. \
                   An image that is damaged or was made by a newer version cannot be chosen.",
            text: Typed::Refused,
            until: Until::Answered,
        },
    );
    match answer {
        Answer::Item(at) => match images.into_iter().nth(at) {
            Some(image) => Step::ImageDisk(location, image.id),
            None => Step::Image(location),
        },
        Answer::Again | Answer::News => Step::Image(location),
        Answer::Gone => Step::End(Ending::Gone),
        Answer::Back | Answer::Text(_) => Step::Repository,
    }
}

fn image_disk(
    terminal: &mut dyn Terminal,
    world: &mut dyn World,
    location: String,
    image: String,
) -> Step {
    let disks = match world.disks(&location, &image) {
        Ok(disks) => disks,
        Err(error) => {
            sorry(terminal, &error);
            return Step::Image(location);
        }
    };
    if let [only] = disks.as_slice() {
        return Step::Target(location, image, only.index);
    }
    let items: Vec<Item> = disks.iter().map(|d| Item::usable(&d.title)).collect();
    let answer = menu(
        terminal,
        Menu {
            id: "image-disk",
            heading: "This image has several disks. Which one is restored now?",
            items: &items,
            help: "The disks of an image are restored one after the other. Begin with the one \
                   the machine boots from.",
            text: Typed::Refused,
            until: Until::Answered,
        },
    );
    match answer {
        Answer::Item(at) => match disks.get(at) {
            Some(disk) => Step::Target(location, image, disk.index),
            None => Step::ImageDisk(location, image),
        },
        Answer::Again | Answer::News => Step::ImageDisk(location, image),
        Answer::Gone => Step::End(Ending::Gone),
        Answer::Back | Answer::Text(_) => Step::Image(location),
    }
}

fn target(
    terminal: &mut dyn Terminal,
    world: &mut dyn World,
    location: String,
    image: String,
    disk: u32,
) -> Step {
    let targets = match world.targets(&location) {
        Ok(targets) => targets,
        Err(error) => {
            sorry(terminal, &error);
            return Step::Image(location);
        }
    };
    let items: Vec<Item> = targets.iter().map(target_item).collect();
    let heading = if items.is_empty() {
        "This machine has no disk that a driver knows. Attach one and press Enter, or go back."
    } else {
        "Onto which disk? EVERYTHING ON IT WILL BE LOST."
    };
    let answer = menu(
        terminal,
        Menu {
            id: "target",
            heading,
            items: &items,
            help: "The whole disk is overwritten. The medium you booted from, the disk that \
                   holds the repository, and disks in use cannot be chosen. The disk must be \
                   at least as large as the captured one and have sectors of the same size.",
            text: Typed::Refused,
            until: Until::Answered,
        },
    );
    match answer {
        Answer::Item(at) => match targets.into_iter().nth(at) {
            Some(line) => Step::Plan(Choice {
                location,
                image,
                disk,
                target: line.disk,
                verify: false,
            }),
            None => Step::Target(location, image, disk),
        },
        Answer::Again | Answer::News => Step::Target(location, image, disk),
        Answer::Gone => Step::End(Ending::Gone),
        Answer::Back | Answer::Text(_) => Step::Image(location),
    }
}

fn target_item(line: &TargetLine) -> Item {
    let Disk { path, .. } = &line.disk;
    let what = line.disk.describe();
    Item {
        title: format!("{}  {what}\nnow: {}", path.display(), line.holds),
        unusable: line.unusable.clone(),
    }
}

fn plan(terminal: &mut dyn Terminal, world: &mut dyn World, mut choice: Choice) -> Step {
    let back = Step::Target(choice.location.clone(), choice.image.clone(), choice.disk);
    match world.plan(&choice) {
        Ok(text) => terminal.show(&format!("\n{}\n", wrap(&text, 0).trim_end())),
        Err(error) => {
            sorry(terminal, &error);
            return back;
        }
    }
    let items = [
        Item::usable("Go on: every chunk is checked before it is written"),
        Item::usable("Go on, and read everything back afterwards (takes longer)"),
    ];
    let answer = menu(
        terminal,
        Menu {
            id: "plan",
            heading: "This is the plan; nothing was written yet.",
            items: &items,
            help: "The disk becomes bootable only at the very end. If the power fails before, \
                   choose the same again: it goes on where it stopped.",
            text: Typed::Refused,
            until: Until::Answered,
        },
    );
    match answer {
        Answer::Item(at) => {
            choice.verify = at == 1;
            Step::Confirm(choice)
        }
        Answer::Again | Answer::News => Step::Plan(choice),
        Answer::Gone => Step::End(Ending::Gone),
        Answer::Back | Answer::Text(_) => back,
    }
}

fn confirm(terminal: &mut dyn Terminal, choice: Choice) -> Step {
    let wanted = choice.target.confirmation();
    let what = match choice.target.serial {
        Some(_) => "serial number",
        None => "path (it tells no serial number)",
    };
    terminal.show(&format!(
        "\n{} will be erased.\n",
        choice.target.path.display()
    ));
    let prompt = format!("Type its {what} to confirm: {wanted}\n> ");
    let help = "Only what is shown, letter by letter, starts the restore. `b` goes back to the \
                plan; nothing was written yet.";
    match line(terminal, "confirm", &prompt, help) {
        Answer::Text(typed) if typed == wanted => Step::Restore(choice),
        Answer::Text(_) => {
            terminal.show("That is something else. Nothing was written.\n");
            Step::Confirm(choice)
        }
        Answer::Back | Answer::Item(_) | Answer::Again | Answer::News => Step::Plan(choice),
        Answer::Gone => Step::End(Ending::Gone),
    }
}

fn restore(terminal: &mut dyn Terminal, world: &mut dyn World, choice: Choice) -> Step {
    terminal.show("\n");
    match world.restore(&choice) {
        Ok(report) => {
            terminal.show(&format!("\n{}", wrap(&report, 0)));
            Step::Finished
        }
        Err(error) => {
            sorry(terminal, &error);
            Step::Failed(choice)
        }
    }
}

fn failed(terminal: &mut dyn Terminal, choice: Choice) -> Step {
    let items = [
        Item::usable("Try again: it goes on where it stopped"),
        Item::usable("Choose another disk"),
        Item::usable("Command prompt"),
        Item::usable("Power off"),
    ];
    let answer = menu(
        terminal,
        Menu {
            id: "failed",
            heading: "The restore stopped. What now?",
            items: &items,
            help: "The disk does not boot in this state, and does not pretend to. What was \
                   written stays valid: the same restore continues there.",
            text: Typed::Refused,
            until: Until::Answered,
        },
    );
    match answer {
        Answer::Item(0) => Step::Plan(choice),
        Answer::Item(1) | Answer::Back | Answer::Text(_) => {
            Step::Target(choice.location, choice.image, choice.disk)
        }
        Answer::Item(2) => Step::End(Ending::Prompt),
        Answer::Item(_) => Step::End(Ending::PowerOff),
        Answer::Again | Answer::News => Step::Failed(choice),
        Answer::Gone => Step::End(Ending::Gone),
    }
}

fn finished(terminal: &mut dyn Terminal) -> Step {
    let items = [
        Item::usable("Reboot (take the medium out first)"),
        Item::usable("Power off"),
        Item::usable("Restore another disk"),
        Item::usable("Command prompt"),
    ];
    let answer = menu(
        terminal,
        Menu {
            id: "finished",
            heading: "What is to be done next?",
            items: &items,
            help: "Take the medium out, or let the firmware prefer the disk, so that the \
                   machine starts the restored system and not this one.",
            text: Typed::Refused,
            until: Until::Answered,
        },
    );
    match answer {
        Answer::Item(0) => Step::End(Ending::Reboot),
        Answer::Item(1) => Step::End(Ending::PowerOff),
        Answer::Item(3) => Step::End(Ending::Prompt),
        Answer::Gone => Step::End(Ending::Gone),
        Answer::Again | Answer::News => Step::Finished,
        Answer::Item(_) | Answer::Back | Answer::Text(_) => Step::Welcome(Operator::Choosing),
    }
}
