//! Packages that Windows does not boot with: they are laid down, and Windows
//! installs them itself once it runs.

use super::edits::{Change, RegistryEdit};
use super::error::{Error, Result};
use super::files::FileCopy;
use super::first_boot::{FirstBoot, first_boot};
use super::plan::Machine;
use crate::control_sets;
use crate::inf::Candidate;

/// Where packages are laid down, from the Windows folder.
const FOLDER: &str = r"Drivers\rescue";
/// Files of one package; those of display drivers are some hundreds.
const FILES: usize = 2000;

/// A package that is laid down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// "e1000.inf: Ethernet Controller 11/20/2023, 1.2.3.4, by Maker".
    pub title: String,
    /// All of its folder.
    pub files: Vec<FileCopy>,
    /// Edits of `SOFTWARE`: Windows finds it when it looks for drivers.
    pub software: Vec<RegistryEdit>,
    /// Has Windows install it.
    pub first_boot: FirstBoot,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// Plans to lay down the package of a candidate, with all `files` of the folder of
/// drivers that are beside its INF or below: which of them Windows wants is for
/// Windows to say.
///
/// # Errors
/// When files are missing or too many, or a name is one that Windows or a script
/// would take for something else.
pub fn stage(candidate: &Candidate<'_>, files: &[String], machine: Machine<'_>) -> Result<Staged> {
    let inf = candidate.inf;
    let file = || inf.file().to_owned();
    if !candidate.missing.is_empty() {
        let missing = candidate.missing.clone();
        return Err(Error::Incomplete {
            file: file(),
            missing,
        });
    }
    if !inf.name().chars().all(is_plain) {
        return Err(Error::OddName { file: file() });
    }
    let control_sets = control_sets::all(machine.system)?;
    if control_sets.is_empty() {
        return Err(Error::NoControlSet);
    }
    let path = inf.file().replace('\\', "/");
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    let folder = format!(r"{FOLDER}\{}", name(above, inf.name()));
    let copies = copies(files, above, &format!(r"\{}\{folder}", machine.windows))
        .ok_or_else(|| Error::OddName { file: file() })?;
    if copies.len() > FILES {
        return Err(Error::TooMany {
            file: file(),
            count: copies.len(),
            most: FILES,
        });
    }
    let (version, model) = (&candidate.version, &candidate.model);
    let ver = version.driver_ver;
    let mut notes = Vec::new();
    if candidate.catalog.is_none() {
        notes.push(format!(
            "{}: it has no catalogue, so Windows will hardly install it",
            inf.file()
        ));
    }
    Ok(Staged {
        title: format!(
            "{}: {} {ver}, by {}",
            inf.file(),
            model.description,
            version.provider
        ),
        files: copies,
        software: vec![device_path(&folder)],
        first_boot: first_boot(
            machine.windows,
            &control_sets,
            format!(r"{folder}\{}", inf.name()),
        ),
        notes,
    })
}

/// `DevicePath` names folders, not what is below them.
pub(crate) fn device_path(folder: &str) -> RegistryEdit {
    RegistryEdit {
        key: r"Microsoft\Windows\CurrentVersion".to_owned(),
        change: Change::AddFolder("DevicePath".to_owned(), format!(r"%SystemRoot%\{folder}")),
    }
}

/// A name for the package's folder that is its own: made of the path of the folder it
/// comes from.
fn name(above: &str, inf: &str) -> String {
    let stem = inf.rsplit_once('.').map_or(inf, |(stem, _)| stem);
    let path = match above {
        "" => stem,
        above => above,
    };
    let plain = |c: char| if is_plain(c) && c != ' ' { c } else { '-' };
    let name: String = path.to_lowercase().chars().map(plain).collect();
    // Its end is what tells packages apart, and paths have to stay short.
    let skipped = name.chars().count().saturating_sub(64);
    let short: String = name.chars().skip(skipped).collect();
    format!("staged-{}", short.trim_matches(['.', '-']))
}

fn copies(files: &[String], above: &str, to: &str) -> Option<Vec<FileCopy>> {
    let mut out = Vec::new();
    for file in files {
        let Some(inside) = inside(file, above) else {
            continue;
        };
        let to = format!(r"{to}\{}", windows_path(inside)?);
        out.push(FileCopy {
            from: file.clone(),
            to,
        });
    }
    Some(out)
}

/// The path from the folder of the package. What lies in the uppermost folder is no
/// reason to take all folders.
fn inside<'f>(file: &'f str, above: &str) -> Option<&'f str> {
    match above {
        "" => (!file.contains('/')).then_some(file),
        above => file.strip_prefix(above)?.strip_prefix('/'),
    }
}

/// With `\`, when every name on it is one that Windows can have.
fn windows_path(path: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || r#"<>:"|?*\"#.contains(c);
    let good = |name: &str| !name.contains(odd) && !name.ends_with(['.', ' ']);
    path.split('/').all(good).then(|| path.replace('/', "\\"))
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || " ._-+()".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_the_folder_of_its_inf() {
        let files = ["net/a/x.inf", "net/a/sub/x.sys", "net/ab/y.sys", "top.inf"];
        let files = files.map(str::to_owned);
        let to = |above| {
            let found = copies(&files, above, r"\W").unwrap().into_iter();
            found.map(|copy| copy.to).collect::<Vec<_>>()
        };
        assert_eq!(to("net/a"), [r"\W\x.inf", r"\W\sub\x.sys"]);
        assert_eq!(to(""), [r"\W\top.inf"]);
        let odd = ["a/x:y".to_owned()];
        assert_eq!(copies(&odd, "a", ""), None);
    }

    #[test]
    fn names_are_plain_and_tell_packages_apart() {
        assert_eq!(name("Net/Intel E1", "e.inf"), "staged-net-intel-e1");
        assert_eq!(name("", "Top.inf"), "staged-top");
        let long = format!("{}/end", "x".repeat(200));
        assert!(name(&long, "e.inf").ends_with("-end") && name(&long, "e.inf").len() < 80);
    }
}
