//! Whether the four hives are of one machine.

use std::collections::BTreeSet;
use std::fmt;

use super::fact::{self, Fact, Source};
use super::lsa::{self, Closed, LsaKeys};
use super::policy::Policy;
use super::secrets::{KEYS, MACHINE};
use super::sid::Sid;
use super::system::{Role, System};

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be.
    Holds,
    /// It is not, and how.
    Fails(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What should be so, as a sentence.
    pub what: &'static str,
    /// Whether it is.
    pub outcome: Outcome,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Holds => write!(f, "{}: yes", self.what),
            Outcome::Fails(how) => write!(f, "{}: NO, {how}", self.what),
            Outcome::Unknown(why) => write!(f, "{}: not known, {why}", self.what),
        }
    }
}

/// What the checks are made of.
pub(super) struct Evidence<'e, 'h> {
    pub(super) machine: &'e Fact<Sid>,
    pub(super) policy: &'e Policy,
    pub(super) profiles: &'e Fact<Vec<Sid>>,
    pub(super) role: &'e Fact<Role>,
    pub(super) system: &'e System<'h>,
    pub(super) security: &'e Source<'h>,
}

impl Evidence<'_, '_> {
    pub(super) fn checks(&self) -> Vec<Check> {
        let check = |what, outcome| Check { what, outcome };
        let mut checks = vec![
            check("SAM and SECURITY have one machine SID", self.one_sid()),
            check(
                "profiles are of this machine or its domain",
                self.own_profiles(),
            ),
        ];
        let (opens, password) = self.opens();
        checks.push(check("SYSTEM opens the secrets of SECURITY", opens));
        let has_password = fact::bytes(self.security, MACHINE, "") != Fact::Absent;
        let joined = self.policy.joined.known() == Some(&true);
        if joined || has_password {
            checks.push(check("the machine account's password opens", password));
        }
        checks
    }

    fn one_sid(&self) -> Outcome {
        if self.role.known() == Some(&Role::DomainController) {
            let why = "a domain controller's accounts are in NTDS.dit".to_owned();
            return Outcome::Unknown(why);
        }
        match (self.machine, &self.policy.accounts.sid) {
            (Fact::Known(sam), Fact::Known(policy)) if sam == policy => Outcome::Holds,
            (Fact::Known(sam), Fact::Known(policy)) => {
                Outcome::Fails(format!("SAM says {sam}, SECURITY {policy}"))
            }
            (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => Outcome::Unknown(why.clone()),
            (Fact::Absent, _) => Outcome::Unknown("SAM has no machine SID".to_owned()),
            (_, Fact::Absent) => Outcome::Unknown("SECURITY has no machine SID".to_owned()),
        }
    }

    /// Accounts of trusted domains have profiles, too, and so had those of a
    /// former domain: others than the expected prove nothing.
    fn own_profiles(&self) -> Outcome {
        let sids = match self.profiles {
            Fact::Known(sids) => sids,
            Fact::Unknown(why) => return Outcome::Unknown(why.clone()),
            Fact::Absent => return Outcome::Unknown("SOFTWARE has no ProfileList".to_owned()),
        };
        let of: BTreeSet<Sid> = sids
            .iter()
            .filter_map(Sid::split)
            .map(|(of, _)| of)
            .collect();
        let own = [self.machine, &self.policy.primary.sid];
        let own: Vec<&Sid> = own.into_iter().filter_map(Fact::known).collect();
        if own.is_empty() {
            return Outcome::Unknown("neither machine nor domain SID is known".to_owned());
        }
        let others = of.iter().filter(|sid| !own.contains(sid));
        let others: Vec<String> = others.map(Sid::to_string).collect();
        let any = of.iter().any(|sid| own.contains(&sid));
        match (others.is_empty(), any) {
            (true, true) => Outcome::Holds,
            (true, false) => Outcome::Unknown("there are no profiles of accounts".to_owned()),
            (false, _) => {
                let which = others.join(", ");
                Outcome::Unknown(format!("some are of another domain or machine: {which}"))
            }
        }
    }

    /// Whether the LSA's keys open, and with them the machine account's password.
    fn opens(&self) -> (Outcome, Outcome) {
        let no = |why: String| (Outcome::Unknown(why.clone()), Outcome::Unknown(why));
        let keys = match self.keys() {
            Ok(keys) => keys,
            Err(Outcome::Fails(how)) => {
                let why = "SYSTEM does not open SECURITY".to_owned();
                return (Outcome::Fails(how), Outcome::Unknown(why));
            }
            Err(Outcome::Unknown(why)) => return no(why),
            Err(Outcome::Holds) => return no("not looked at".to_owned()),
        };
        let stored = fact::bytes(self.security, &format!("{MACHINE}\\CurrVal"), "");
        let password = match stored {
            Fact::Unknown(why) => Outcome::Unknown(why),
            Fact::Absent => Outcome::Fails("there is none".to_owned()),
            Fact::Known(stored) => match keys.secret_len(&stored) {
                Ok(len) if is_password(len) => Outcome::Holds,
                Ok(len) => Outcome::Fails(format!("a password has no {len} bytes")),
                Err(Closed::Form) => Outcome::Unknown("its form is not known".to_owned()),
                Err(Closed::Key) => Outcome::Fails("the LSA's keys do not open it".to_owned()),
            },
        };
        (Outcome::Holds, password)
    }

    fn keys(&self) -> Result<LsaKeys, Outcome> {
        let stored = match fact::bytes(self.security, KEYS, "") {
            Fact::Known(stored) => stored,
            Fact::Unknown(why) => return Err(Outcome::Unknown(why)),
            Fact::Absent => {
                let old = fact::bytes(self.security, "Policy\\PolSecretEncryptionKey", "");
                let why = match old {
                    Fact::Known(_) => "SECURITY has the form of Windows XP, which is not read",
                    _ => "SECURITY has no Policy\\PolEKList",
                };
                return Err(Outcome::Unknown(why.to_owned()));
            }
        };
        // 2 and 3: somebody types the boot key, or brings it on a floppy disk.
        let kept = self.system.number("Control\\Lsa", "SecureBoot");
        if let Some(how @ (2 | 3)) = kept.known() {
            let why = format!("the boot key is not kept in SYSTEM (SecureBoot is {how})");
            return Err(Outcome::Unknown(why));
        }
        let boot = match lsa::boot_key(self.system) {
            Fact::Known(boot) => boot,
            Fact::Unknown(why) => return Err(Outcome::Unknown(why)),
            Fact::Absent => return Err(Outcome::Unknown("SYSTEM has no boot key".to_owned())),
        };
        LsaKeys::open(&boot, &stored).map_err(|closed| match closed {
            Closed::Form => Outcome::Unknown("the form of PolEKList is not known".to_owned()),
            Closed::Key => {
                let how = "the boot key of SYSTEM does not open SECURITY: they are of two \
                           machines, or one is damaged";
                Outcome::Fails(how.to_owned())
            }
        })
    }
}

/// UTF-16: Windows itself makes passwords of 240 bytes, others may be shorter.
fn is_password(bytes: usize) -> bool {
    bytes.is_multiple_of(2) && (2..=512).contains(&bytes)
}
