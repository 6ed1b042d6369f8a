//! What stands against bringing this Windows back as itself, or has to be
//! known before.

use super::fact::{self, Fact, Source};
use super::system::{Role, System};

/// What the hives say of the state it was captured in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `SYSTEM\Setup\SystemSetupInProgress`: 0 but while it is being installed.
    pub setup_in_progress: Fact<u64>,
    /// `SYSTEM\Setup\SetupType`: 0 when a start is a start.
    pub setup_type: Fact<u64>,
    /// `SYSTEM\Setup\OOBEInProgress`: 0 but while the first user is being asked.
    pub oobe_in_progress: Fact<u64>,
    /// `SYSTEM\Setup\CmdLine`: what runs before anybody logs on, when `SetupType` says so.
    pub command: Fact<String>,
    /// `ImageState` of SOFTWARE: `IMAGE_STATE_COMPLETE`, or what sysprep left.
    pub image_state: Fact<String>,
    /// What it is for.
    pub role: Fact<Role>,
    /// `NTDS\Parameters\DSA Database file`: where a domain controller keeps its directory.
    pub directory: Fact<String>,
    /// `Lsa\MachineIdentityIsolation`: 1 or 2 when the machine's secret may be bound to the TPM.
    pub identity_isolation: Fact<u64>,
    /// Whether the hardware clock shows UTC (`RealTimeIsUniversal`); local time when not.
    pub utc_clock: Fact<bool>,
    /// "Pacific Standard Time".
    pub time_zone: Fact<String>,
    /// `Control\PortableOperatingSystem`: whether it is a Windows To Go.
    pub portable: Fact<bool>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// To be known.
    Note,
    /// Somebody has to decide.
    Warning,
}

/// Something to tell before a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What it is and what it means, in sentences.
    pub text: String,
    /// The same in at most 76 letters, for a screen that has little room.
    pub short: &'static str,
}

impl Condition {
    pub(super) fn read(system: &System<'_>, software: &Source<'_>) -> Self {
        let setup = |name| fact::number(system.source(), "Setup", name);
        let zone = "Control\\TimeZoneInformation";
        let state = "Microsoft\\Windows\\CurrentVersion\\Setup\\State";
        Self {
            setup_in_progress: setup("SystemSetupInProgress"),
            setup_type: setup("SetupType"),
            oobe_in_progress: setup("OOBEInProgress"),
            command: fact::text(system.source(), "Setup", "CmdLine"),
            image_state: fact::text(software, state, "ImageState"),
            role: Role::read(system),
            directory: system.text("Services\\NTDS\\Parameters", "DSA Database file"),
            identity_isolation: system.number("Control\\Lsa", "MachineIdentityIsolation"),
            utc_clock: system.number(zone, "RealTimeIsUniversal").map(|n| n != 0),
            time_zone: match system.text(zone, "TimeZoneKeyName") {
                Fact::Absent => system.text(zone, "StandardName"),
                found => found,
            },
            portable: system
                .number("Control", "PortableOperatingSystem")
                .map(|n| n != 0),
        }
    }

    /// What is not as in a Windows that simply runs.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut tell = |weight, text: String, short| {
            findings.push(Finding {
                weight,
                text,
                short,
            });
        };
        for (name, fact) in [
            ("SystemSetupInProgress", &self.setup_in_progress),
            ("SetupType", &self.setup_type),
            ("OOBEInProgress", &self.oobe_in_progress),
        ] {
            if let Some(number @ 1..) = fact.known() {
                tell(
                    Weight::Warning,
                    format!(
                        "It was captured while it was being set up ({name} is {number}): its next \
                         start goes on with that, and may give it another identity."
                    ),
                    "It was captured in mid-setup: it may become another machine at its start.",
                );
            }
        }
        if let Some(command) = self.command.known() {
            let text = format!("Its next start may run {command:?} before anybody logs on.");
            let short = "A command waits for its next start (Setup\\CmdLine).";
            tell(Weight::Warning, text, short);
        }
        if let Some(state) = self.image_state.known()
            && !state.eq_ignore_ascii_case("IMAGE_STATE_COMPLETE")
        {
            tell(
                Weight::Warning,
                format!(
                    "It was prepared with sysprep, or its installation did not end ({state}): its \
                     next start gives it a new identity."
                ),
                "It was prepared with sysprep: its next start makes another machine of it.",
            );
        }
        if self.portable.known() == Some(&true) {
            tell(
                Weight::Warning,
                "It is a Windows To Go: on other hardware it specialises itself anew.".to_owned(),
                "It is a Windows To Go: it may set itself up anew here.",
            );
        }
        if self.role.known() == Some(&Role::DomainController) || self.directory.known().is_some() {
            tell(
                Weight::Warning,
                "It is a domain controller: an old image of one may set the whole domain back \
                 (USN rollback). Restore it as your directory's recovery plan says."
                    .to_owned(),
                "Domain controller: an old image may set the whole domain back (USN rollback).",
            );
        }
        if let Some(mode @ 1..) = self.identity_isolation.known() {
            tell(
                Weight::Warning,
                format!(
                    "MachineIdentityIsolation is {mode}: the machine's secret may be bound to its \
                     TPM and not open on another board."
                ),
                "Its machine account may be bound to the old TPM (MachineIdentityIsolation).",
            );
        }
        if self.utc_clock.known() == Some(&true) {
            let text = "It takes the hardware clock for UTC.".to_owned();
            tell(Weight::Note, text, "It takes the hardware clock for UTC.");
        }
        findings
    }
}
