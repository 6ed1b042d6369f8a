//! Where plans come from: the address on the kernel command line, a file
//! system labelled RESCUE, the medium's site area, the medium; in this order.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

use super::machine::Names;
use super::plan::{LARGEST, Plan, PlanError, parse};
use crate::init::cmdline::Cmdline;
use crate::init::network::STATE;
use crate::init::places;
use crate::init::site;
use crate::init::state::Board;
use crate::init::volumes::{self, LABEL, Volume};
use crate::web::Access;

/// Where the plan is that was put into the medium by `imagebuilder customize`.
const IN_AREA: &str = "the plan in the medium's site area";

/// The file's name wherever it is searched.
const FILE: &str = "rescue.toml";

/// Where the kernel tells what the firmware says of the machine.
pub(super) const DMI: &str = "/sys/class/dmi/id";

/// A plan as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where, for people.
    pub origin: String,
    /// What it says.
    pub text: String,
}

/// Whether the kernel command line asks for the dialogue whatever there is.
#[must_use]
pub fn is_switched_off(cmdline: &Cmdline) -> bool {
    cmdline.value("rescue.config") == Some("none")
}

/// Every plan there is now, the one that counts first.
///
/// # Errors
/// When the command line names one that cannot be had: another one must not
/// take its place.
pub fn gather(cmdline: &Cmdline, volumes: &[Volume]) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    if let Some(address) = cmdline.value("rescue.config") {
        found.push(
            fetch(address).with_context(|| format!("fetching the unattended plan {address}"))?,
        );
    }
    let labelled = places::labelled(volumes, LABEL);
    for volume in &labelled {
        found.extend(on(volume)?);
    }
    let origin = IN_AREA.to_owned();
    let customized = read(Path::new(site::PLAN))?;
    found.extend(customized.map(|text| Found { origin, text }));
    for volume in places::medium_volumes(volumes) {
        if !labelled.contains(&volume) {
            found.extend(on(volume)?);
        }
    }
    Ok(found)
}

/// The plan in the root of `volume`.
fn on(volume: &Volume) -> anyhow::Result<Option<Found>> {
    let text = read(&volumes::mount(volume)?.join(FILE))?;
    Ok(text.map(|text| Found {
        origin: format!("{FILE} on {}", volume.describe()),
        text,
    }))
}

/// The plan that `address` has for this machine: the first there is of
/// [`Names::addresses`].
fn fetch(address: &str) -> anyhow::Result<Found> {
    places::resolve(&super::Place::Http(address.to_owned()))?;
    let names = Names::of(
        &Board::system().read(STATE).unwrap_or_default(),
        Path::new(DMI),
    );
    let tried = names.addresses(address);
    for address in &tried {
        if let Some(text) = fetch_one(address)? {
            return Ok(Found {
                origin: address.clone(),
                text,
            });
        }
    }
    if tried.is_empty() {
        bail!("this machine's firmware does not tell what the address asks for");
    }
    bail!(
        "the server has no plan for this machine; asked for:\n{}",
        tried.join("\n")
    )
}

/// The text at `address`; `None` when the server says there is none.
fn fetch_one(address: &str) -> anyhow::Result<Option<String>> {
    let named = address
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('/'));
    let Some((_, name)) = named.filter(|(_, name)| !name.is_empty()) else {
        bail!("expected http://server/folder/ or http://server/folder/{FILE} (or https://)");
    };
    let folder = address.strip_suffix(name).unwrap_or(address);
    match store::open(folder.trim_end_matches('/'), &Access::default().web()?)?.get(name, LARGEST) {
        Ok(bytes) => Ok(Some(String::from_utf8(bytes).context("it is no text")?)),
        Err(store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The file at `path`; `None` when there is none.
fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("opening {}", path.display())),
    };
    let size = file.metadata().map_or(0, |m| m.len());
    if size > LARGEST {
        return Err(PlanError::TooLarge {
            file: path.display().to_string(),
            size,
        }
        .into());
    }
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .with_context(|| format!("reading {}", path.display()))?;
    Ok(Some(text))
}

/// The plan that counts, where it is from, and what else is to be said.
///
/// # Errors
/// When the one that counts is wrong: no other may take its place.
pub fn pick(found: &[Found]) -> Result<Option<(Plan, String, Vec<String>)>, PlanError> {
    let Some((first, others)) = found.split_first() else {
        return Ok(None);
    };
    let plan = parse(&first.origin, &first.text)?;
    let mut notes = Vec::new();
    for other in others {
        if parse(&other.origin, &other.text).as_ref() != Ok(&plan) {
            notes.push(format!(
                "two different plans were found: {} counts, {} is left alone",
                first.origin, other.origin
            ));
        }
    }
    Ok(Some((plan, first.origin.clone(), notes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(origin: &str, serial: &str) -> Found {
        Found {
            origin: origin.into(),
            text: format!("[restore]\nfrom = \"/r\"\n[target]\nserial = \"{serial}\"\n"),
        }
    }

    #[test]
    fn the_first_counts_and_another_is_named() {
        let (plan, origin, notes) = pick(&[found("a", "1"), found("b", "2")]).unwrap().unwrap();
        assert_eq!(
            (plan.target.serial.as_deref(), origin.as_str()),
            (Some("1"), "a")
        );
        assert_eq!(
            notes,
            ["two different plans were found: a counts, b is left alone"]
        );
        let (_, _, notes) = pick(&[found("a", "1"), found("b", "1")]).unwrap().unwrap();
        assert!(notes.is_empty(), "the same plan twice is no conflict");
        assert!(pick(&[]).unwrap().is_none());
    }

    #[test]
    fn a_wrong_plan_is_not_passed_over() {
        let wrong = Found {
            origin: "a".into(),
            text: "x".into(),
        };
        assert!(pick(&[wrong, found("b", "1")]).is_err());
    }

    #[test]
    fn files_are_read_with_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(read(&path).unwrap(), None);
        fs::write(&path, "x = 1").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("x = 1"));
        fs::write(&path, vec![b' '; 70_000]).unwrap();
        assert!(read(&path).is_err());
    }
}
