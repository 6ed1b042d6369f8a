//! The passphrase of what is encrypted in an image, so that the Linux in it is adapted, too.

use super::*;

const PASSPHRASE_HELP: &str = "\
A Linux in an encrypted volume gets what it needs on this hardware only when the volume can be \
opened: with any of its passphrases. It stays encrypted as it is, and asks for its passphrase at \
every start as before.
The passphrase is kept in memory until the restore is over. It is written nowhere.
Without one, the volume comes back as it was captured. On the same hardware, or other hardware \
with the same kind of controller, that is enough.";

impl Talk<'_> {
    pub(super) fn passphrase(&mut self, choice: Choice) -> Step {
        let back = Step::Target(choice.location.clone(), choice.image.clone(), choice.disk);
        let locked = match self.world.locked(&choice) {
            Ok(locked) if locked.is_empty() => return Step::Plan(choice),
            Ok(locked) => locked,
            Err(error) => {
                self.sorry(&error);
                return back;
            }
        };
        match self.ask(&passphrase_screen(&locked)) {
            Said::Form(values) => match values.first().filter(|typed| !typed.is_empty()) {
                Some(typed) => self.tried(choice, &locked, typed),
                None => Step::Plan(choice),
            },
            Said::Again | Said::Text(_) | Said::Item(_) => Step::Passphrase(choice),
            Said::Back => back,
            Said::End(ending) => Step::End(ending),
        }
    }

    /// With what was typed, if it opens any of what is locked.
    fn tried(&mut self, choice: Choice, locked: &[String], typed: &str) -> Step {
        self.terminal.busy("Trying the passphrase ...");
        let with = Choice {
            passphrases: choice.passphrases.clone().with(typed),
            ..choice.clone()
        };
        match self.world.locked(&with) {
            // (There may be more in what it opens.)
            Ok(left) if left != locked => Step::Passphrase(with),
            Ok(_) => {
                self.note("This passphrase opens nothing. Nothing was written.");
                Step::Passphrase(choice)
            }
            Err(error) => {
                self.sorry(&error);
                Step::Passphrase(choice)
            }
        }
    }
}

fn passphrase_screen(locked: &[String]) -> Screen {
    let lines: String = locked.iter().map(|line| format!("  {line}\n")).collect();
    Screen {
        id: "passphrase",
        title: "Passphrase",
        body: format!("Encrypted in this image:\n{lines}"),
        heading:
            "With its passphrase, the Linux in there is adapted to this hardware. Left empty, \
                  it comes back as it was captured."
                .to_owned(),
        asks: Asks::Form(vec![Field::secret("passphrase", "Passphrase")]),
        help: PASSPHRASE_HELP.to_owned(),
        until: Until::Answered,
    }
}
