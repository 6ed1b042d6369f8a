//! What is filled in rather than chosen: the network, a share, an address.

use super::*;

/// A form as a screen.
fn screen(form: &Form, title: &'static str) -> Screen {
    Screen {
        id: form.id,
        title,
        body: String::new(),
        heading: form.heading.clone(),
        asks: Asks::Form(form.fields.clone()),
        help: form.help.clone(),
        until: Until::Answered,
    }
}

/// The form with `values` in it, so that nothing has to be typed twice.
fn refilled(mut form: Form, values: &[String]) -> Form {
    for (field, value) in form.fields.iter_mut().zip(values) {
        if field.kind != FieldKind::Secret {
            field.value.clone_from(value);
        }
    }
    form
}

const ADDRESS_HELP: &str = "\
https://server/folder              on a web server (or http://)
nfs://server/export/folder         on an NFS server
smb://user:password@server/share   on a Windows or Samba server
iscsi://server/TARGET/LUN/folder   on a disk of an iSCSI server
label:NAME/folder                  on the file system with that label
uuid:UUID/folder                   on the file system with that UUID
medium:/folder                     on this medium
/folder                            in this system";

impl Talk<'_> {
    /// The machine's links.
    pub(super) fn links(&mut self) -> Step {
        let overview = self.world.overview();
        let forms = self.world.network_forms();
        let items: Vec<Item> = forms.iter().map(|f| Item::usable(&f.offer)).collect();
        let heading = if items.is_empty() {
            "There is nothing that can be set: this machine has no wired link with a driver."
        } else {
            "Which link is to be set?"
        };
        let mut body = "The network now:\n".to_owned();
        for line in &overview.network {
            body.push_str(&format!("  {line}\n"));
        }
        let menu = Screen {
            id: "network",
            title: "Network",
            body,
            heading: heading.to_owned(),
            asks: Asks::Menu(items, Typed::Refused),
            help: "Without settings every wired link asks a DHCP server for its address. What is \
                   set here holds until the machine starts anew."
                .to_owned(),
            until: Until::Redrawn,
        };
        match self.ask(&menu) {
            Said::Item(at) => forms.into_iter().nth(at).map_or(Step::Links, Step::Link),
            Said::Back => Step::Welcome(Operator::Choosing),
            Said::End(ending) => Step::End(ending),
            Said::Again | Said::Text(_) | Said::Form(_) => Step::Links,
        }
    }

    pub(super) fn link(&mut self, form: Form) -> Step {
        match self.ask(&screen(&form, "Network")) {
            Said::Form(values) => match self.submitted(&form, &values) {
                Some(_) => Step::Links,
                None => Step::Link(refilled(form, &values)),
            },
            Said::Back => Step::Links,
            Said::End(ending) => Step::End(ending),
            Said::Again | Said::Text(_) | Said::Item(_) => Step::Link(form),
        }
    }

    pub(super) fn place_form(&mut self, form: Form) -> Step {
        match self.ask(&screen(&form, "Repository")) {
            Said::Form(values) => match self.submitted(&form, &values) {
                Some(Filled::Place(location)) => Step::Image(location),
                Some(Filled::Done(_)) => Step::Repository,
                None => Step::PlaceForm(refilled(form, &values)),
            },
            Said::Back => Step::Repository,
            Said::End(ending) => Step::End(ending),
            Said::Again | Said::Text(_) | Said::Item(_) => Step::PlaceForm(form),
        }
    }

    /// What a form led to; `None` when it did not work, and that was said.
    fn submitted(&mut self, form: &Form, values: &[String]) -> Option<Filled> {
        self.terminal.busy("One moment ...");
        match self.world.submit(form, values) {
            Ok(filled) => {
                if let Filled::Done(text) = &filled {
                    self.note(text);
                }
                Some(filled)
            }
            Err(error) => {
                self.sorry(&error);
                None
            }
        }
    }

    pub(super) fn address(&mut self) -> Step {
        let form = Form {
            id: "address",
            offer: String::new(),
            heading: "Where is the repository? It is the folder that `rescue capture --to` filled."
                .to_owned(),
            fields: vec![Field::text("address", "Address", "")],
            help: ADDRESS_HELP.to_owned(),
        };
        let mut asked = screen(&form, "Repository");
        asked.body = format!("An address is one of these:\n{ADDRESS_HELP}\n");
        match self.ask(&asked) {
            Said::Form(values) => match values.into_iter().next() {
                Some(typed) if !typed.trim().is_empty() => Step::Image(typed.trim().to_owned()),
                _ => Step::Repository,
            },
            Said::Back => Step::Repository,
            Said::End(ending) => Step::End(ending),
            Said::Again | Said::Text(_) | Said::Item(_) => Step::Address,
        }
    }
}
