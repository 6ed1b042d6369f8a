//! The unattended plan: a TOML file that says what to restore where.

use std::str::FromStr;

use serde::Deserialize;

pub mod address;
pub mod key;
pub mod lun;
pub mod pem;
pub mod place;
pub mod secret;
pub mod share;
pub mod size;

pub use address::Address;
pub use key::{Key, Keys};
pub use pem::Pem;
pub use place::Place;
pub use secret::Secret;
pub use size::Size;

use crate::network::{Network, Proxy};
use crate::text::{self, Wrong};

/// No plan is larger than this many bytes.
pub const LARGEST: u64 = 64 << 10;

/// What an unattended restore does. See docs/UNATTENDED.md.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What is restored.
    pub restore: Restore,
    /// Onto which disk.
    pub target: Target,
    /// What makes sure that it is done once.
    pub once: Option<Once>,
    /// Who is told how it ended.
    pub report: Option<ReportTo>,
    /// How the network is reached; counts over what the medium says.
    #[serde(default)]
    pub network: Network,
}

/// A restore that a server must allow first, and allows once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Once {
    /// Asked (POST) right before the first write; the answer must be a yes.
    pub claim: Address,
}

/// Who is told how a restore ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReportTo {
    /// Gets the report (POST, JSON).
    pub url: Address,
}

/// What is restored, and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Restore {
    /// The repository.
    pub from: Place,
    /// The authority that signed an https:// server's certificate: the text of
    /// a PEM file, or its path.
    pub ca: Option<Pem>,
    /// The certificate to show to servers that ask who is there.
    pub client_cert: Option<Pem>,
    /// Its key.
    pub client_key: Option<Pem>,
    /// Only images that one of these keys signed count: the text of a public
    /// key, or the path of its file, or a list of them.
    pub trust_key: Option<Keys>,
    /// The proxy through which web servers are reached; counts over that of `[network]`.
    pub proxy: Option<Proxy>,
    /// "latest", a name, or an id.
    #[serde(default = "latest")]
    pub image: String,
    /// Which disk of an image of several.
    pub disk: Option<u32>,
    /// Read everything back afterwards.
    #[serde(default)]
    pub verify: bool,
    /// Tell the disk first that it holds nothing.
    #[serde(default)]
    pub discard: bool,
    /// Begin again even if an interrupted restore could be continued.
    #[serde(default)]
    pub start_over: bool,
    /// Whether the systems in the image are changed so that they start on this hardware.
    #[serde(default)]
    pub adapt: Adapt,
    /// Whether the firmware gets boot entries for the disk.
    #[serde(default)]
    pub boot_entries: Adapt,
    /// Whether a disk is changed for the firmware that starts this machine.
    #[serde(default)]
    pub firmware: Firmware,
    /// A folder with unpacked drivers for Windows.
    pub drivers: Option<Place>,
    /// Of encrypted (LUKS) volumes, whose systems are adapted, too.
    #[serde(default)]
    pub passphrases: Vec<Secret>,
    /// Restore even what will not start on this hardware.
    #[serde(default)]
    pub force: bool,
    /// What the machine does when all went well.
    #[serde(default)]
    pub then: Then,
    /// What the machine does when it did not.
    #[serde(default)]
    pub on_failure: OnFailure,
}

fn latest() -> String {
    "latest".to_owned()
}

/// Whether systems are adapted to the hardware, or the firmware is told of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adapt {
    /// On the medium, which runs on the hardware that is meant.
    #[default]
    Auto,
    /// Yes.
    Yes,
    /// No: everything stays as it was captured.
    No,
}

impl FromStr for Adapt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err("auto, yes and no are known".to_owned()),
        }
    }
}

/// For which firmware a disk is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// For this machine's, where systems are adapted to its hardware.
    #[default]
    Auto,
    /// For the one that started it before.
    Keep,
    /// For UEFI.
    Uefi,
    /// For a BIOS.
    Bios,
}

impl FromStr for Firmware {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "keep" => Ok(Self::Keep),
            "uefi" => Ok(Self::Uefi),
            "bios" => Ok(Self::Bios),
            _ => Err("auto, keep, uefi and bios are known".to_owned()),
        }
    }
}

/// What the machine does at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Wait for somebody.
    #[default]
    Wait,
    /// Show the shell.
    Shell,
    /// Start again, from the restored disk if the firmware prefers it.
    Reboot,
    /// Switch off.
    Poweroff,
}

/// What the machine does after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Stay reachable: the dialogue, and SSH where keys were given.
    #[default]
    Wait,
    /// Switch off. (Never start again: that would be for ever.)
    Poweroff,
}

/// The disk: whatever is given must hold, and for one disk only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Target {
    /// Its serial number.
    pub serial: Option<String>,
    /// Its world-wide name.
    pub wwn: Option<String>,
    /// Its path: "/dev/nvme0n1". Names of disks may change between boots.
    pub path: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// At least this large.
    pub min_size: Option<Size>,
    /// At most this large.
    pub max_size: Option<Size>,
    /// There must be no other disk it could be.
    #[serde(default)]
    pub only_disk: bool,
}

impl Target {
    /// Whether it says anything at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it names one disk of all there are in the world.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.serial.is_some() || self.wwn.is_some()
    }
}

/// Why a file is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is no TOML, or a key is wrong.
    #[error("{place}: {what}")]
    Wrong {
        /// File and line.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// Nothing says which disk is meant.
    #[error(
        "{file}: [target] does not say which disk: give `serial`, `wwn`, `path`, `model`, \
         a size, or `only-disk = true`"
    )]
    NoTarget {
        /// Which file.
        file: String,
    },
    /// It is larger than a plan can be.
    #[error("{file} has {size} bytes: a plan has at most {LARGEST}")]
    TooLarge {
        /// Which file.
        file: String,
        /// Its size in bytes.
        size: u64,
    },
}

/// Reads the plan in `text`; `file` is its name for messages.
///
/// # Errors
/// [`PlanError`], with the line it is about.
pub fn parse(file: &str, text: &str) -> Result<Plan, PlanError> {
    let wrong = |wrong: Wrong| PlanError::Wrong {
        place: wrong.place,
        what: wrong.what,
    };
    let plan: Plan = text::read(file, text).map_err(wrong)?;
    plan.network.check(file, text).map_err(wrong)?;
    if plan.target.is_empty() {
        return Err(PlanError::NoTarget {
            file: file.to_owned(),
        });
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: &str = r#"
[restore]
from = "label:RESCUE/backup"
image = "web1"
disk = 0
verify = true
then = "poweroff"

[target]
serial = "S1"
min-size = "100 GiB"
"#;

    #[test]
    fn a_full_plan_is_read() {
        let plan = parse("rescue.toml", FULL).unwrap();
        assert_eq!(plan.restore.image, "web1");
        assert_eq!(plan.restore.then, Then::Poweroff);
        assert!(plan.restore.verify);
        assert_eq!(plan.target.serial.as_deref(), Some("S1"));
        assert_eq!(plan.target.min_size, Some(Size(100 << 30)));
    }

    #[test]
    fn the_example_of_the_document_is_a_plan() {
        let document = include_str!("../../../../../docs/UNATTENDED.md");
        let example = document.split("```toml\n").nth(1).unwrap();
        let example = example.split("```").next().unwrap().replace("\n# ", "\n");
        let plan = parse("docs/UNATTENDED.md", &example).unwrap();
        assert_eq!(plan.restore.disk, Some(0));
        assert_eq!(plan.target.max_size, Some(Size(2_000_000_000_000)));
        assert!(plan.target.only_disk && plan.target.wwn.is_some());
    }

    #[test]
    fn what_is_left_out_is_safe() {
        let text = "[restore]\nfrom = \"http://h/r\"\n[target]\nonly-disk = true\n";
        let plan = parse("x", text).unwrap();
        assert_eq!(plan.restore.image, "latest");
        assert_eq!(plan.restore.then, Then::Wait);
        assert!(!plan.restore.verify && plan.restore.disk.is_none());
    }

    fn refused(from: &str, to: &str) -> String {
        parse("rescue.toml", &FULL.replace(from, to))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let text = refused("image =", "imgae =");
        assert!(
            text.starts_with("rescue.toml, line 4: unknown field `imgae`"),
            "{text}"
        );
        assert!(text.contains("`image`"), "{text}");
        let text = refused("\"poweroff\"", "\"explode\"");
        assert!(text.starts_with("rescue.toml, line 7:"), "{text}");
        assert!(text.contains("`reboot`"), "{text}");
        let text = refused("100 GiB", "100 gallons");
        assert!(
            text.contains("line 11") && text.contains("gallons"),
            "{text}"
        );
        let text = refused("label:RESCUE/backup", "ftp://x");
        assert!(
            text.contains("line 3") && text.contains("ftp://x"),
            "{text}"
        );
        assert!(refused("[target]", "[tarte]").contains("`tarte`"));
        assert!(refused("verify = true", "verify = ").contains("line 6"));
        let text = refused("serial = \"S1\"\nmin-size = \"100 GiB\"", "");
        assert!(text.contains("which disk"), "{text}");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*", cut in 0usize..200, junk in "\\PC{0,6}") {
            let _ = parse("x", &text);
            let mut broken = FULL.to_owned();
            broken.insert_str(cut.min(FULL.len()), &junk);
            let _ = parse("x", &broken);
        }
    }
}
