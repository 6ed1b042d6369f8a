//! A folder of drivers for a Windows that has none for the disk's controller.

use super::*;

const DRIVERS_HELP: &str = "\
Windows has to have the driver of the disk's controller before it starts. Take the maker's package \
for this Windows, unpack it (.inf, .sys, .cat) into a folder called drivers on a stick, and attach \
that: folders of this name are found by themselves, and one on this medium or on a file system \
labelled RESCUE is used without being asked for.
Anywhere else it has an address:
  label:NAME/folder   uuid:UUID/folder   medium:/folder
  nfs://server/export/folder   smb://user:password@server/share   /folder";

impl Talk<'_> {
    pub(super) fn drivers(&mut self, choice: Choice) -> Step {
        self.terminal.busy("Looking for folders of drivers ...");
        let places = self.world.driver_folders(&choice.target);
        let mut items: Vec<Item> = places.iter().map(|p| Item::usable(&p.title)).collect();
        items.push(Item::usable("Somewhere else: type its address"));
        let heading = match places.is_empty() {
            true => "No folder called drivers was found. Where are unpacked drivers?",
            false => "Which folder of drivers? Choose one that was found, or say where it is:",
        };
        let screen = Screen {
            id: "drivers",
            title: "Drivers",
            body: String::new(),
            heading: heading.to_owned(),
            asks: Asks::Menu(items, Typed::Taken),
            help: DRIVERS_HELP.to_owned(),
            until: Until::Redrawn,
        };
        let from = |choice: Choice, place: String| {
            Step::Plan(Choice {
                drivers: Some(place),
                ..choice
            })
        };
        match self.ask(&screen) {
            Said::Item(at) => match places.into_iter().nth(at) {
                Some(place) => from(choice, place.location),
                None => self.typed_drivers(choice),
            },
            Said::Text(typed) => from(choice, typed),
            Said::Again | Said::Form(_) => Step::Drivers(choice),
            Said::Back => Step::Plan(choice),
            Said::End(ending) => Step::End(ending),
        }
    }

    fn typed_drivers(&mut self, choice: Choice) -> Step {
        let screen = Screen {
            id: "drivers-address",
            title: "Drivers",
            body: String::new(),
            heading: "Where is the folder of drivers?".to_owned(),
            asks: Asks::Form(vec![Field::text(
                "address",
                "Address",
                "label:RESCUE/drivers",
            )]),
            help: DRIVERS_HELP.to_owned(),
            until: Until::Answered,
        };
        match self.ask(&screen) {
            Said::Form(values) => match values.into_iter().next() {
                Some(typed) if !typed.trim().is_empty() => Step::Plan(Choice {
                    drivers: Some(typed.trim().to_owned()),
                    ..choice
                }),
                _ => Step::Drivers(choice),
            },
            Said::End(ending) => Step::End(ending),
            Said::Again | Said::Text(_) | Said::Item(_) | Said::Back => Step::Drivers(choice),
        }
    }
}
