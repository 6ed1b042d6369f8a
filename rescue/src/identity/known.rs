//! What has to be known of a system that was brought back, in few words.

use serde::{Deserialize, Serialize};

const DAY: u64 = 24 * 60 * 60;

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    what: What,
    /// The warning that tells it in full, if there is one.
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    /// At most 76 letters, or a few more.
    Words(String),
    /// The password of the machine's account.
    Password {
        /// Seconds since 1970.
        changed: u64,
        /// Days after which Windows changes it; `None` when it never does.
        limit: Option<u64>,
    },
    /// The kind of the product key. (What it means depends on the machine.)
    Licence(String),
    /// There was a TPM.
    Tpm,
}

/// What it is told for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When the image was captured, in seconds since 1970.
    pub(crate) captured: u64,
    /// Now.
    pub(crate) now: u64,
    /// Whether this is another machine, as far as that is known.
    pub(crate) other_machine: bool,
    /// Whether this machine has a TPM, as far as that is known.
    pub(crate) has_tpm: Option<bool>,
}

impl Known {
    pub(crate) fn words(short: impl Into<String>, note: Option<&str>) -> Self {
        Self {
            what: What::Words(short.into()),
            note: note.map(str::to_owned),
        }
    }

    pub(crate) fn password(changed: u64, limit: Option<u64>, note: Option<&str>) -> Self {
        Self {
            what: What::Password { changed, limit },
            note: note.map(str::to_owned),
        }
    }

    pub(crate) fn licence(kind: &str) -> Self {
        Self {
            what: What::Licence(kind.to_owned()),
            note: None,
        }
    }

    pub(crate) const fn tpm() -> Self {
        Self {
            what: What::Tpm,
            note: None,
        }
    }

    /// The same of the system `title`.
    pub(crate) fn titled(mut self, title: &str) -> Self {
        self.note = self.note.map(|note| format!("{title}: {note}"));
        self
    }

    /// Every text put through `plain`.
    pub(crate) fn plain(mut self, plain: impl Fn(&str) -> String) -> Self {
        self.note = self.note.map(|note| plain(&note));
        self.what = match self.what {
            What::Words(words) => What::Words(plain(&words)),
            What::Licence(kind) => What::Licence(plain(&kind)),
            other => other,
        };
        self
    }

    /// Whether `warning` says it, too.
    pub(crate) fn is_told_by(&self, warning: &str) -> bool {
        self.note.as_deref() == Some(warning)
    }

    /// A sentence or two; `None` when it does not matter at that moment.
    pub(crate) fn tell(&self, at: Moment) -> Option<String> {
        match &self.what {
            What::Words(words) => Some(words.clone()),
            What::Password { changed, limit } => Some(password(*changed, *limit, at)),
            What::Licence(kind) => at.other_machine.then(|| licence(kind)),
            What::Tpm => {
                let other = at.other_machine || at.has_tpm == Some(false);
                other.then(|| tpm(at.has_tpm).to_owned())
            }
        }
    }
}

fn password(changed: u64, limit: Option<u64>, at: Moment) -> String {
    let age = |then: u64| then.checked_sub(changed).map(|seconds| seconds / DAY);
    let Some(now) = age(at.now) else {
        return "The machine account's password is of a time that this clock has not reached."
            .to_owned();
    };
    let captured = age(at.captured);
    let captured = captured.map_or_else(
        || "an unknown number of".to_owned(),
        |days| days.to_string(),
    );
    let ages = format!("Machine account's password: {captured} days old at capture, {now} now");
    match limit {
        Some(limit) if now > limit => {
            format!("{ages}; if the domain refuses it: Test-ComputerSecureChannel -Repair.")
        }
        _ => format!("{ages}."),
    }
}

fn licence(kind: &str) -> String {
    let kind_is = |start: &str| kind.to_ascii_lowercase().starts_with(start);
    match () {
        () if kind_is("oem:slp") || kind_is("oem:dm") => format!(
            "Activation: its licence ({kind}) belongs to the old machine; Windows will ask for one."
        ),
        () if kind_is("volume:gvlk") => {
            format!("Activation: by the company's KMS or directory, which it asks again ({kind}).")
        }
        () => format!("Activation: other hardware, Windows may ask for it again ({kind})."),
    }
}

const fn tpm(here: Option<bool>) -> &'static str {
    match here {
        Some(false) => {
            "Its TPM stayed behind, and there is none here: PINs and keys in it are lost."
        }
        _ => "Its TPM stayed behind: PINs (Windows Hello) and keys in it do not open here.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Moment = Moment {
        captured: 1000 * DAY,
        now: 1040 * DAY,
        other_machine: true,
        has_tpm: Some(true),
    };

    #[test]
    fn a_password_is_as_old_as_it_was_and_is() {
        let tell = |changed, limit| {
            let known = Known::password(changed * DAY, limit, None);
            known.tell(AT).unwrap()
        };
        let old = tell(990, Some(30));
        assert!(old.contains("10 days old at capture, 50 now; if"), "{old}");
        assert!(old.contains("-Repair"), "{old}");
        assert!(!tell(1010, Some(30)).contains("-Repair"));
        assert!(!tell(990, None).contains("-Repair"), "it never changes");
        assert!(tell(1041, None).contains("has not reached"));
        assert!(tell(1010, None).contains("an unknown number of days old at capture"));
    }

    #[test]
    fn what_is_bound_to_hardware_matters_on_other_hardware() {
        let same = Moment {
            other_machine: false,
            ..AT
        };
        assert_eq!(Known::licence("Retail").tell(same), None);
        assert_eq!(Known::tpm().tell(same), None);
        let told = Known::licence("OEM:DM").tell(AT).unwrap();
        assert!(told.contains("belongs to the old machine"), "{told}");
        assert!(
            Known::licence("Volume:GVLK")
                .tell(AT)
                .unwrap()
                .contains("KMS")
        );
        let none = Moment {
            has_tpm: Some(false),
            ..same
        };
        let told = Known::tpm().tell(none).unwrap();
        assert!(told.contains("there is none here"), "{told}");
    }
}
