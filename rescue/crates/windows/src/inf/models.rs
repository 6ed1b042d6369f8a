//! `[Manufacturer]` and the sections of models it names: which devices a
//! package is for.

use super::error::{Result, shown};
use super::file::{Inf, Line};
use super::target::{Arch, Decoration, Fit, Target};

/// A device that a package is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Who made it, to be read by people.
    pub manufacturer: String,
    /// The same as it is written, with `%strings%`.
    pub raw_manufacturer: String,
    /// What it is, to be read by people.
    pub description: String,
    /// The same as it is written, with `%strings%`.
    pub raw_description: String,
    /// The section that installs it, without decorations.
    pub install: String,
    /// Ids of devices that it is made for; may be empty.
    pub hardware_id: String,
    /// Ids of devices that it works with, too.
    pub compatible_ids: Vec<String>,
    /// Where it stands.
    pub line: u32,
}

impl Inf {
    /// The models for this Windows, in the order of the file.
    ///
    /// # Errors
    /// When `[Manufacturer]` is missing, has decorations that are none, or names
    /// more than 20,000 models.
    pub fn models(&self, target: &Target) -> Result<Vec<Model>> {
        let Some(section) = self.section("Manufacturer") else {
            return Err(self.error(0, "file", "a section [Manufacturer]", "none"));
        };
        let mut models = Vec::new();
        for line in &section.lines {
            let Some(name) = self.models_section(line, target)? else {
                continue;
            };
            let lines = self.section(&name).map(|section| section.lines.as_slice());
            let lines = lines.unwrap_or_default().iter();
            models.extend(lines.filter_map(|entry| model(line, entry)));
            self.limit(line, models.len())?;
        }
        Ok(models)
    }

    /// The section of models that fits best: the highest version and build that
    /// are not above the target's, then what names product, suite, architecture.
    /// Windows does not fall back to the next one when that section is empty
    /// (which is how packages exclude versions), nor do we.
    fn models_section(&self, line: &Line, target: &Target) -> Result<Option<String>> {
        // A line without "=" is both, its key and its section.
        let base = line.value(0);
        if base.is_empty() {
            return Ok(None);
        }
        let mut best: Option<(Fit, String)> = None;
        let undecorated = Decoration::default().fit(target);
        if let Some(fit) = undecorated.filter(|_| target.arch == Arch::X86) {
            best = Some((fit, base.to_owned()));
        }
        for text in line.values.iter().skip(1).filter(|text| !text.is_empty()) {
            let Some(decoration) = Decoration::parse(text) else {
                let what = "decoration in [Manufacturer]";
                let expected = "NT[architecture][.version…]";
                return Err(self.error(line.number, what, expected, shown(text)));
            };
            let fit = decoration.fit(target);
            if let Some(fit) = fit.filter(|fit| best.as_ref().is_none_or(|(best, _)| fit > best)) {
                best = Some((fit, format!("{base}.{text}")));
            }
        }
        Ok(best.map(|(_, name)| name))
    }
}

fn model(manufacturer: &Line, entry: &Line) -> Option<Model> {
    let own = |line: &Line, raw: bool| {
        let key = if raw { &line.raw_key } else { &line.key };
        let text = key.as_deref().unwrap_or_else(|| line.value(0));
        text.to_owned()
    };
    entry.key.as_ref()?;
    let ids = entry.values.iter().skip(2);
    let ids = ids.map(|id| id.trim().to_owned());
    Some(Model {
        manufacturer: own(manufacturer, false),
        raw_manufacturer: own(manufacturer, true),
        description: own(entry, false),
        raw_description: own(entry, true),
        install: entry.value(0).to_owned(),
        hardware_id: entry.value(1).trim().to_owned(),
        compatible_ids: ids.filter(|id| !id.is_empty()).collect(),
        line: entry.number,
    })
}

#[cfg(test)]
mod tests {
    use super::super::target::Product;
    use super::*;

    const TEXT: &str = "[Manufacturer]\n%M% = Models, NTx86, NTamd64, NTamd64.6.2, \
        NTamd64.10.0...17763, NTarm64\n[Models.NTamd64]\n%D% = seven, PCI\\A, PCI\\B,, PCI\\C\n\
        [models.ntAMD64.6.2]\n[Models.NTamd64.10.0...17763]\nTen = ten,,PCI\\B\n\
        [Models.NTx86]\nx = x86, PCI\\A\n[Strings]\nM=Maker\nD=Device\n";

    fn installs(arch: Arch, major: u32, minor: u32, build: u32) -> Vec<Model> {
        let inf = Inf::parse("a.inf", TEXT.as_bytes(), Inf::ENGLISH).unwrap();
        let product = Product::Workstation;
        let target = Target {
            arch,
            major,
            minor,
            build,
            product,
            suite: 0,
        };
        inf.models(&target).unwrap()
    }

    #[test]
    fn the_models_of_the_best_decoration_count() {
        let models = installs(Arch::Amd64, 6, 1, 7601);
        let [model] = models.as_slice() else {
            panic!("{models:?}")
        };
        assert_eq!(
            (model.install.as_str(), model.hardware_id.as_str()),
            ("seven", "PCI\\A")
        );
        assert_eq!(model.compatible_ids, ["PCI\\B", "PCI\\C"]);
        assert_eq!(
            (model.manufacturer.as_str(), model.raw_description.as_str()),
            ("Maker", "%D%")
        );
        assert_eq!(installs(Arch::Amd64, 6, 3, 9600), []);
        assert_eq!(installs(Arch::Amd64, 10, 0, 17134), []);
        let ten = installs(Arch::Amd64, 10, 0, 20348);
        assert_eq!(
            (ten[0].install.as_str(), ten[0].hardware_id.as_str()),
            ("ten", "")
        );
        assert_eq!(installs(Arch::X86, 6, 1, 7601)[0].install, "x86");
        assert_eq!(installs(Arch::Arm64, 10, 0, 20348), []);
    }

    #[test]
    fn a_wrong_decoration_is_told() {
        let text = b"[Manufacturer]\nM = Models, NTfoo64\n";
        let inf = Inf::parse("a.inf", text, Inf::ENGLISH).unwrap();
        let product = Product::Server;
        let target = Target {
            arch: Arch::Amd64,
            major: 10,
            minor: 0,
            build: 1,
            product,
            suite: 0,
        };
        let said = inf.models(&target).unwrap_err().to_string();
        assert!(
            said.starts_with("a.inf, line 2: decoration in [Manufacturer]"),
            "{said}"
        );
    }
}
