//! Which Windows is installed, as far as drivers care.

use hive::{Hive, Key, Result};

use super::target::{Arch, Product, Target};

impl Target {
    /// Reads it from the hives `SYSTEM` and `SOFTWARE`; `None` when they do not
    /// say. The suite is left at none: offline nothing tells it as numbers.
    ///
    /// # Errors
    /// When a hive is damaged where it is read.
    pub fn read(system: &Hive, software: &Hive) -> Result<Option<Self>> {
        let Some(current) = system.find("Select")?.map(|key| key.dword("Current")) else {
            return Ok(None);
        };
        let control = format!("ControlSet{:03}\\Control", current?.unwrap_or(1));
        let text = |path: &str, name: &str| match system.find(&format!("{control}\\{path}"))? {
            Some(key) => key.text(name),
            None => Ok(None),
        };
        let arch = text("Session Manager\\Environment", "PROCESSOR_ARCHITECTURE")?;
        let product = text("ProductOptions", "ProductType")?;
        let Some(version) = software.find("Microsoft\\Windows NT\\CurrentVersion")? else {
            return Ok(None);
        };
        let (numbers, build) = (numbers(&version)?, version.text("CurrentBuildNumber")?);
        let build = build.and_then(|text| text.parse().ok());
        let found = (arch.and_then(|text| arch_of(&text)), numbers, build);
        let (Some(arch), Some((major, minor)), Some(build)) = found else {
            return Ok(None);
        };
        Ok(Some(Self {
            arch,
            major,
            minor,
            build,
            product: product_of(product.as_deref()),
            suite: 0,
        }))
    }
}

/// Windows 10 and later have numbers; `CurrentVersion` stayed at 6.3 there.
fn numbers(version: &Key<'_>) -> Result<Option<(u32, u32)>> {
    if let Some(major) = version.dword("CurrentMajorVersionNumber")? {
        let minor = version.dword("CurrentMinorVersionNumber")?;
        return Ok(Some((major, minor.unwrap_or(0))));
    }
    let text = version.text("CurrentVersion")?.unwrap_or_default();
    let parts = text.split_once('.');
    Ok(parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?))))
}

fn arch_of(text: &str) -> Option<Arch> {
    let all = [Arch::X86, Arch::Amd64, Arch::Arm64];
    all.into_iter()
        .find(|arch| arch.name().eq_ignore_ascii_case(text))
}

fn product_of(text: Option<&str>) -> Product {
    match text.unwrap_or_default().to_lowercase().as_str() {
        "lanmannt" => Product::DomainController,
        "servernt" => Product::Server,
        _ => Product::Workstation,
    }
}
