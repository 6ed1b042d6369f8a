//! The first screen, and the last.

use super::*;

impl Overview {
    /// As lines.
    #[must_use]
    pub fn text(&self) -> String {
        let site = self.site.as_ref().map(|name| format!("Medium of {name}\n"));
        let mut text = format!(
            "rescue {}: brings captured machines back\n{}\nThis machine: {}\n",
            self.version,
            site.unwrap_or_default(),
            self.machine
        );
        let none = "no wired link with a driver";
        text.push_str(&section("Network:", &self.network, none));
        let mut disks = self.disks.clone();
        if self.looking {
            disks.push("looking for disks ...".to_owned());
        }
        text.push_str(&section("Disks:", &disks, "none that a driver knows"));
        for warning in &self.warnings {
            text.push_str(&format!("warning: {warning}\n"));
        }
        text
    }
}

fn section(heading: &str, lines: &[String], none: &str) -> String {
    let mut text = format!("{heading}\n");
    if lines.is_empty() {
        text.push_str(&format!("  {none}\n"));
    }
    for line in lines {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

const FIRST_HELP: &str = "\
This brings a machine that was captured with `rescue capture` back, onto this machine's disks. \
You choose the image and the disk; nothing is written before you have seen the plan and typed \
the disk's serial number.
A rescue.toml on a disk labelled RESCUE that is attached before anything was chosen here is \
followed without a question, and is offered later.";

const LAST_HELP: &str = "\
Take the medium out, or let the firmware prefer the disk, so that the machine starts the \
restored system and not this one.
Two machines with one identity must not run on one network: switch the old one off, or take it \
off the network, before the restored one starts.";

/// Where the first screen leads.
#[derive(Debug, Clone, Copy)]
enum Way {
    Restore,
    Shell,
    Reboot,
    PowerOff,
    Network,
    Plan,
}

impl Talk<'_> {
    pub(super) fn welcome(&mut self, operator: Operator) -> Step {
        let plan = self.world.unattended();
        if plan.is_some() && operator == Operator::Silent {
            return Step::End(Ending::Plan(operator));
        }
        let overview = self.world.overview();
        let mut ways = vec![
            (
                Way::Restore,
                Item::usable("Restore a machine onto this one"),
            ),
            (Way::Shell, Item::usable("Rescue shell")),
            (Way::Reboot, Item::usable("Reboot")),
            (Way::PowerOff, Item::usable("Power off")),
        ];
        if !self.world.network_forms().is_empty() {
            ways.push((Way::Network, Item::usable("Network settings")));
        }
        let offer = plan.map(|origin| Item::usable(format!("Follow the plan: {origin}")));
        ways.extend(offer.map(|item| (Way::Plan, item)));
        let (ways, items): (Vec<Way>, Vec<Item>) = ways.into_iter().unzip();
        let screen = Screen {
            id: "first-screen",
            title: "This machine",
            body: overview.text(),
            heading: "What is to be done?".to_owned(),
            asks: Asks::Menu(items, Typed::Refused),
            help: FIRST_HELP.to_owned(),
            until: Until::News,
        };
        match self.ask(&screen) {
            Said::Item(at) => match ways.get(at) {
                Some(Way::Restore) => Step::Repository,
                Some(Way::Shell) => match self.shell() {
                    Said::End(ending) => Step::End(ending),
                    _ => Step::Welcome(Operator::Choosing),
                },
                Some(Way::Reboot) => Step::End(Ending::Reboot),
                Some(Way::PowerOff) => Step::End(Ending::PowerOff),
                Some(Way::Network) => Step::Links,
                Some(Way::Plan) => Step::End(Ending::Plan(operator)),
                None => Step::Welcome(operator),
            },
            Said::End(ending) => Step::End(ending),
            Said::Text(_) | Said::Form(_) | Said::Back | Said::Again => Step::Welcome(operator),
        }
    }

    pub(super) fn finished(&mut self, report: String) -> Step {
        let items = [
            "Reboot (take the medium out first)",
            "Power off",
            "Restore another disk",
            "Rescue shell",
        ];
        let screen = Screen {
            id: "finished",
            title: "Report",
            body: report.clone(),
            heading: "What is to be done next?".to_owned(),
            asks: Asks::Menu(items.map(Item::usable).to_vec(), Typed::Refused),
            help: LAST_HELP.to_owned(),
            until: Until::Answered,
        };
        match self.ask(&screen) {
            Said::Item(0) => Step::End(Ending::Reboot),
            Said::Item(1) => Step::End(Ending::PowerOff),
            Said::Item(3) => match self.shell() {
                Said::End(ending) => Step::End(ending),
                _ => Step::Finished(report),
            },
            Said::End(ending) => Step::End(ending),
            Said::Again | Said::Text(_) | Said::Form(_) => Step::Finished(report),
            Said::Item(_) | Said::Back => Step::Welcome(Operator::Choosing),
        }
    }
}
