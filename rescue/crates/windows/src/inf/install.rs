//! The section that installs a device, with all that belongs to it.

use super::copy::CopyFile;
use super::error::{Result, shown};
use super::file::{Inf, Section};
use super::registry::Entry;
use super::service::Service;
use super::target::Target;

/// Sections needed by sections needed by sections.
const DEPTH_LIMIT: usize = 16;
/// Sections of one installation; those of Windows need a handful.
const PARTS_LIMIT: usize = 256;

/// What installing one device comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The section that was chosen, with its decoration.
    pub section: String,
    /// The package's own files; those of included INFs are Windows'.
    pub files: Vec<CopyFile>,
    /// `AddReg` and `DelReg`, below the key of the driver.
    pub registry: Vec<Entry>,
    /// Those of the section `.HW`, below the key of the device.
    pub hardware: Vec<Entry>,
    pub services: Vec<Service>,
    /// INFs that are named by `Include`.
    pub included: Vec<String>,
    /// Those of them that were not at hand, so what is needed from them is not in
    /// here. In-box drivers are set up by Windows itself.
    pub not_followed: Vec<String>,
}

impl Install {
    /// The service that drives the device.
    #[must_use]
    pub fn driver(&self) -> Option<&Service> {
        self.services.iter().find(|service| service.is_associated())
    }
}

impl Inf {
    /// Reads what installs the models that name `section`. `others` are INFs
    /// that an `Include` may mean, by their names.
    ///
    /// # Errors
    /// When the section is not there, or something it refers to cannot be read.
    pub fn install(&self, section: &str, target: &Target, others: &[&Self]) -> Result<Install> {
        let names = [
            format!("{section}.NT{}", target.arch.name()),
            format!("{section}.NT"),
            section.to_owned(),
        ];
        let Some(name) = names.into_iter().find(|name| self.section(name).is_some()) else {
            let expected = format!("a section [{section}], or one decorated with .NT…");
            return Err(self.error(0, "file", expected, "none"));
        };
        let mut gathered = Gathered::new(others);
        let base = gathered.parts(self, &name)?;
        let hardware = gathered.parts(self, &format!("{name}.HW"))?;
        let services = gathered.parts(self, &format!("{name}.Services"))?;
        Ok(Install {
            files: self.own_files(&base, target)?,
            registry: registry(&base)?,
            hardware: registry(&hardware)?,
            services: read_services(&services)?,
            section: name,
            included: gathered.included,
            not_followed: gathered.not_followed,
        })
    }

    fn own_files(&self, parts: &[Part<'_>], target: &Target) -> Result<Vec<CopyFile>> {
        let mut files = Vec::new();
        for (_, section) in parts.iter().filter(|(inf, _)| std::ptr::eq(*inf, self)) {
            for directive in section.all("CopyFiles") {
                files.extend(self.copy_files(directive, target)?);
                self.limit(directive, files.len())?;
            }
        }
        Ok(files)
    }
}

/// A section, and the INF it stands in.
type Part<'i> = (&'i Inf, &'i Section);

fn registry(parts: &[Part<'_>]) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (inf, section) in parts {
        entries.extend(inf.registry(section)?);
        if let Some(line) = section.lines.first() {
            inf.limit(line, entries.len())?;
        }
    }
    Ok(entries)
}

fn read_services(parts: &[Part<'_>]) -> Result<Vec<Service>> {
    let mut services = Vec::new();
    for (inf, section) in parts {
        for line in section.all("AddService") {
            services.extend(inf.service(line)?);
            let entries = services
                .iter()
                .map(|service: &Service| service.registry.len() + 1);
            inf.limit(line, entries.sum())?;
        }
    }
    Ok(services)
}

/// Follows `Include` and `Needs`.
struct Gathered<'i> {
    others: &'i [&'i Inf],
    included: Vec<String>,
    not_followed: Vec<String>,
}

impl<'i> Gathered<'i> {
    fn new(others: &'i [&'i Inf]) -> Self {
        Self {
            others,
            included: Vec::new(),
            not_followed: Vec::new(),
        }
    }

    /// A section and the ones it needs, each once. What is needed comes first:
    /// the section itself has the last word.
    fn parts<'a>(&mut self, inf: &'a Inf, name: &str) -> Result<Vec<Part<'a>>>
    where
        'i: 'a,
    {
        let mut parts = Vec::new();
        if let Some(section) = inf.section(name) {
            self.gather((inf, section), 0, &mut parts)?;
        }
        Ok(parts)
    }

    fn gather<'a>(&mut self, part: Part<'a>, depth: usize, into: &mut Vec<Part<'a>>) -> Result<()>
    where
        'i: 'a,
    {
        let (inf, section) = part;
        let same = |other: &Part<'_>| std::ptr::eq(other.1, section);
        if into.iter().any(same) {
            return Ok(());
        }
        if depth > DEPTH_LIMIT || into.len() > PARTS_LIMIT {
            let number = section.lines.first().map_or(0, |line| line.number);
            let expected = format!("at most {DEPTH_LIMIT} sections that need one another");
            return Err(inf.error(number, "Needs", expected, "more"));
        }
        let infs = self.include(inf, section);
        // Its place is taken now, so that sections may need one another in a circle.
        into.push(part);
        for line in section.all("Needs") {
            for name in line.values.iter().filter(|name| !name.is_empty()) {
                let found = infs.iter().find_map(|inf| Some((*inf, inf.section(name)?)));
                match found {
                    Some(found) => self.gather(found, depth + 1, into)?,
                    // It is in one of the INFs that are not at hand.
                    None if !self.not_followed.is_empty() => {}
                    None => {
                        let expected = "the name of a section";
                        return Err(inf.error(line.number, "Needs", expected, shown(name)));
                    }
                }
            }
        }
        let at = into.iter().position(same);
        if let Some(at) = at {
            let own = into.remove(at);
            into.push(own);
        }
        Ok(())
    }

    /// This INF and those that a section includes.
    fn include<'a>(&mut self, inf: &'a Inf, section: &Section) -> Vec<&'a Inf>
    where
        'i: 'a,
    {
        let mut infs = vec![inf];
        let names = section.all("Include").flat_map(|line| &line.values);
        for name in names.filter(|name| !name.is_empty()) {
            note(&mut self.included, name);
            let is_it = |other: &&&Inf| other.name().eq_ignore_ascii_case(name);
            match self.others.iter().find(is_it) {
                Some(other) => infs.push(other),
                None => note(&mut self.not_followed, name),
            }
        }
        infs
    }
}

fn note(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|other| other.eq_ignore_ascii_case(name)) {
        list.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target::TEN;

    fn inf(name: &str, text: &str) -> Inf {
        Inf::parse(name, text.as_bytes(), Inf::ENGLISH).unwrap()
    }

    const MACHINE: &str = "[MSI]\nAddReg=MSI.R\n[MSI.R]\nHKR,MSI,On,0x10001,1\n";

    #[test]
    fn the_decorated_section_counts() {
        let text = "[a]\n[a.NT]\nAddReg=r\n[a.NT.Services]\n[r]\nHKR,,x,,1\n";
        let install = |text: &str| inf("a.inf", text).install("a", &TARGET, &[]);
        let plain = install(text).unwrap();
        assert_eq!((plain.section.as_str(), plain.registry.len()), ("a.NT", 1));
        let decorated = install(&format!("{text}[a.ntAMD64]\n")).unwrap();
        assert_eq!(
            (decorated.section.as_str(), decorated.registry.len()),
            ("a.NTamd64", 0)
        );
        assert!(
            install("[b]")
                .unwrap_err()
                .to_string()
                .contains("a section [a]")
        );
    }

    #[test]
    fn includes_are_followed_or_told() {
        let text = "[a]\n[a.HW]\nInclude=machine.inf\nNeeds=MSI\nAddReg=own\n[own]\nHKR,,x,,1\n";
        let own = inf("a.inf", text);
        let alone = own.install("a", &TARGET, &[]).unwrap();
        assert_eq!(
            (alone.not_followed.as_slice(), alone.hardware.len()),
            (&["machine.inf".to_owned()][..], 1)
        );
        let machine = inf("inf/Machine.inf", MACHINE);
        let both = own.install("a", &TARGET, &[&machine]).unwrap();
        assert_eq!((both.not_followed.len(), both.included.len()), (0, 1));
        let names: Vec<_> = both.hardware.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["On", "x"]);
    }

    #[test]
    fn circles_end() {
        let text = "[a]\nNeeds=b\nAddReg=r\n[b]\nNeeds=a,b\nAddReg=r\n[r]\nHKR,,x,,1\n";
        assert_eq!(
            inf("a.inf", text)
                .install("a", &TARGET, &[])
                .unwrap()
                .registry
                .len(),
            2
        );
        let chain: String = (0..40)
            .map(|n| format!("[{n}]\nNeeds={}\n", n + 1))
            .collect();
        let said = inf("a.inf", &chain)
            .install("0", &TARGET, &[])
            .unwrap_err()
            .to_string();
        assert!(said.contains("at most 16 sections"), "{said}");
        let said = inf("a.inf", "[a]\nNeeds=b")
            .install("a", &TARGET, &[])
            .unwrap_err();
        assert_eq!(
            said.to_string(),
            "a.inf, line 2: Needs: expected the name of a section, found \"b\""
        );
    }
}
