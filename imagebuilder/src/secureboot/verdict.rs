//! What the preflight means for machines, in sentences.

use super::program::Program;
use super::sbat::revoked;

/// The certificates that firmware trusts for what is not Windows.
const OLD: &str = "Microsoft Corporation UEFI CA 2011";
const NEW: &str = "Microsoft UEFI CA 2023";

/// All verdicts on the programs of a medium.
pub(super) fn all(programs: &[Program]) -> Vec<String> {
    let Some(shim) = programs.iter().find(|p| p.revocations.is_some()) else {
        return vec![
            "There is no shim: with Secure Boot on, a machine starts this medium only if its \
             firmware trusts the signer itself."
                .to_owned(),
        ];
    };
    let mut out = vec![trusted(shim)];
    out.extend(behind_shim(shim, programs));
    out.extend(generations(shim, programs));
    out.push(
        "Secured-core and some new machines have Microsoft's third-party certificate switched \
         off: they refuse every medium like this until it is allowed in the firmware's setup."
            .to_owned(),
    );
    out.push(
        "Not to be known from here: whether a machine's own list of forbidden hashes (dbx) names \
         one of these programs, or whether its SBAT level is newer."
            .to_owned(),
    );
    out
}

/// Which machines start shim.
fn trusted(shim: &Program) -> String {
    let by = |name: &str| shim.issuers.iter().any(|issuer| issuer == name);
    match (by(OLD), by(NEW)) {
        (true, true) => {
            format!("Machines that trust {OLD} or {NEW} start it: shim is signed by way of both.")
        }
        (true, false) => format!(
            "Machines that trust {OLD} start it. Those that trust only {NEW} refuse it: a newer \
             shim is needed for them."
        ),
        (false, true) => format!(
            "Machines that trust {NEW} start it. Those that trust only {OLD} (without a firmware \
             update of late) refuse it."
        ),
        (false, false) => "No machine starts it with Secure Boot on, unless the signer of its \
             shim was enrolled: it is not signed by way of Microsoft."
            .to_owned(),
    }
}

/// What shim would refuse to start.
fn behind_shim(shim: &Program, programs: &[Program]) -> Vec<String> {
    let Some(vendor) = &shim.vendor else {
        return vec!["Whom shim trusts could not be read.".to_owned()];
    };
    let refused = programs.iter().filter(|p| *p != shim);
    let refused = refused.filter(|p| !p.issuers.contains(vendor));
    refused
        .map(|p| {
            format!(
                "shim refuses {}: it trusts {vendor}, and that is not who signed it. Every \
                 machine with Secure Boot stops there.",
                p.path
            )
        })
        .collect()
}

/// What is revoked by the list that shim brings along.
fn generations(shim: &Program, programs: &[Program]) -> Vec<String> {
    let Some(level) = &shim.revocations else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for program in programs {
        for (own, needed) in revoked(&program.sbat, level) {
            out.push(format!(
                "Machines with SBAT level {} or newer refuse {}: it has {} {}, and {needed} is \
                 wanted.",
                level.date, program.path, own.name, own.generation
            ));
        }
        if program.has("grub") && program.sbat.is_empty() {
            out.push(format!("{} has no SBAT generations.", program.path));
        }
    }
    if out.is_empty() {
        out.push(format!(
            "Its generations are good for machines up to SBAT level {}, the newest that this shim \
             knows.",
            level.date
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sbat::{Component, Level};
    use super::*;

    fn program(path: &str, issuers: &[&str], component: &str, generation: u32) -> Program {
        let name = component.to_owned();
        Program {
            path: path.to_owned(),
            issuers: issuers.iter().map(|i| (*i).to_owned()).collect(),
            sbat: vec![Component { name, generation }],
            ..Program::default()
        }
    }

    fn chain(issuers: &[&str], grub: u32, grub_issuer: &str) -> String {
        let mut shim = program("shim", issuers, "shim", 4);
        shim.vendor = Some("Debian".to_owned());
        let (name, generation) = ("grub".to_owned(), 5);
        shim.revocations = Some(Level {
            date: "2025051000".to_owned(),
            components: vec![Component { name, generation }],
        });
        all(&[shim, program("grub", &[grub_issuer], "grub", grub)]).join("\n")
    }

    #[test]
    fn machines_that_refuse_the_medium_are_named() {
        let good = chain(&[OLD, NEW], 5, "Debian");
        assert!(good.contains("signed by way of both") && good.contains("level 2025051000"));
        assert!(
            !good.contains("refuse grub") && !good.contains("refuses grub"),
            "{good}"
        );
        let old = chain(&[OLD], 5, "Debian");
        assert!(
            old.contains(&format!("trust only {NEW} refuse it")),
            "{old}"
        );
        assert!(chain(&[NEW], 5, "Debian").contains(&format!("trust only {OLD}")));
        assert!(chain(&["ACME"], 5, "Debian").contains("No machine"));
        let revoked = chain(&[OLD], 4, "Debian");
        assert!(revoked.contains("newer refuse grub: it has grub 4, and 5 is wanted"));
        assert!(chain(&[OLD], 5, "Ubuntu").contains("shim refuses grub"));
        assert!(all(&[]).join("").contains("no shim"));
    }
}
