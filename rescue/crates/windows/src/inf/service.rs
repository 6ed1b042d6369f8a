//! `AddService`: the driver as a service.

use super::copy::Place;
use super::error::{Result, shown};
use super::file::{Inf, Line, Section};
use super::number;
use super::registry::Entry;

/// `SPSVCINST_ASSOCSERVICE`: the service that drives the device itself.
const ASSOCIATED: u32 = 0x2;
/// Entries of one installation: sections may be named again and again, and a
/// small file would fill the memory.
pub(crate) const ENTRY_LIMIT: usize = 20_000;
/// `SERVICE_BOOT_START` to `SERVICE_DISABLED`.
const LAST_START: u32 = 4;

/// A service that a package installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    /// `SPSVCINST_…`.
    pub flags: u32,
    pub display_name: Option<String>,
    pub description: Option<String>,
    /// 1: a kernel driver.
    pub service_type: u32,
    /// 0: started by the boot loader, 1: by the kernel, 3: on demand.
    pub start: u32,
    /// 0: carry on when it fails, 1: and note it, 3: stop the machine.
    pub error_control: u32,
    pub binary: Place,
    /// Its group in the order of loading.
    pub group: Option<String>,
    pub dependencies: Vec<String>,
    /// On which devices it is started at boot although it starts on demand.
    pub boot_flags: Option<u32>,
    /// Below the key of the service.
    pub registry: Vec<Entry>,
    /// Where it stands.
    pub line: u32,
}

impl Service {
    /// Whether it drives the device, and is no filter or helper.
    #[must_use]
    pub fn is_associated(&self) -> bool {
        self.flags & ASSOCIATED != 0
    }
}

impl Inf {
    /// A line `AddService = name, [flags], section, …`; `None` for the one that
    /// says that the device needs no service.
    pub(crate) fn service(&self, line: &Line) -> Result<Option<Service>> {
        let name = line.value(0);
        if name.is_empty() {
            return Ok(None);
        }
        if name.contains(['\\', '/', '\0']) {
            let expected = "a name without \\ and /";
            return Err(self.error(line.number, "AddService", expected, shown(name)));
        }
        let flags = match line.value(1) {
            "" => 0,
            text => self.parsed(line, "flags of AddService", text)?,
        };
        let Some(section) = self.section(line.value(2)) else {
            let expected = "the section that describes the service";
            return Err(self.error(line.number, "AddService", expected, shown(line.value(2))));
        };
        self.described(line, flags, section).map(Some)
    }

    fn described(&self, line: &Line, flags: u32, section: &Section) -> Result<Service> {
        let text = |key: &str| section.get(key).map(|line| line.value(0).to_owned());
        let dependencies = section.all("Dependencies").flat_map(|line| &line.values);
        let start = self.number(section, "StartType")?;
        if start > LAST_START {
            let number = section.get("StartType").map_or(0, |line| line.number);
            return Err(self.error(number, "StartType", "0 to 4", start.to_string()));
        }
        let binary = self.needed(section, "ServiceBinary")?;
        Ok(Service {
            name: line.value(0).to_owned(),
            flags,
            display_name: text("DisplayName"),
            description: text("Description"),
            service_type: self.number(section, "ServiceType")?,
            start,
            error_control: self.number(section, "ErrorControl")?,
            binary: self.parse_place(binary.value(0), binary.number)?,
            group: text("LoadOrderGroup"),
            dependencies: dependencies
                .filter(|name| !name.is_empty())
                .cloned()
                .collect(),
            boot_flags: match section.get("BootFlags") {
                Some(line) => Some(self.parsed(line, "BootFlags", line.value(0))?),
                None => None,
            },
            registry: self.registry(section)?,
            line: line.number,
        })
    }

    /// What a section's `DelReg` and `AddReg` say, in the order Windows does it.
    pub(crate) fn registry(&self, section: &Section) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (key, is_delete) in [("DelReg", true), ("AddReg", false)] {
            for directive in section.all(key) {
                for name in directive.values.iter().filter(|name| !name.is_empty()) {
                    let Some(named) = self.section(name) else {
                        let expected = "the name of a section";
                        return Err(self.error(directive.number, key, expected, shown(name)));
                    };
                    let read = |line| match is_delete {
                        true => self.del_reg(line),
                        false => self.add_reg(line),
                    };
                    self.limit(directive, entries.len() + named.lines.len())?;
                    for line in &named.lines {
                        entries.push(read(line)?);
                    }
                }
            }
        }
        Ok(entries)
    }

    /// Refuses what grows without end.
    pub(crate) fn limit(&self, line: &Line, entries: usize) -> Result<()> {
        let expected = format!("at most {ENTRY_LIMIT} entries");
        match entries {
            0..=ENTRY_LIMIT => Ok(()),
            _ => Err(self.error(line.number, "directive", expected, entries.to_string())),
        }
    }

    fn needed<'s>(&self, section: &'s Section, key: &str) -> Result<&'s Line> {
        let first = section.lines.first().map_or(0, |line| line.number);
        section.get(key).ok_or_else(|| {
            let what = format!("[{}]", section.name);
            self.error(first, what, format!("a line {key}="), "none")
        })
    }

    fn number(&self, section: &Section, key: &str) -> Result<u32> {
        let line = self.needed(section, key)?;
        self.parsed(line, key, line.value(0))
    }

    fn parsed(&self, line: &Line, what: &str, text: &str) -> Result<u32> {
        number::parse(text).ok_or_else(|| self.error(line.number, what, "a number", shown(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::copy::DirId;
    use super::*;

    const SECTION: &str = "[S]\nServiceType=1\nStartType=0x0\nErrorControl=1\n\
        ServiceBinary=%12%\\a.sys\nLoadOrderGroup=SCSI miniport\nBootFlags=0x14\nAddReg=R\n\
        [R]\nHKR,Parameters,BusType,0x00010001,0x0000000A\n";

    fn service(line: &str, section: &str) -> Result<Option<Service>> {
        let text = format!("[i]\nAddService={line}\n{section}");
        let inf = Inf::parse("a.inf", text.as_bytes(), Inf::ENGLISH)?;
        inf.service(&inf.section("i").unwrap().lines[0])
    }

    #[test]
    fn a_service_is_read() {
        let service = service("vioscsi,2,s", SECTION).unwrap().unwrap();
        assert!(service.is_associated());
        assert_eq!(
            (service.service_type, service.start, service.error_control),
            (1, 0, 1)
        );
        assert_eq!(
            (service.binary.dir, service.binary.name()),
            (DirId::DRIVERS, "a.sys")
        );
        assert_eq!(service.group.as_deref(), Some("SCSI miniport"));
        assert_eq!(service.boot_flags, Some(0x14));
        assert_eq!(
            (service.registry[0].subkey.as_str(), service.registry.len()),
            ("Parameters", 1)
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(service(",2", SECTION), Ok(None));
        let said = |line: &str, section: &str| service(line, section).unwrap_err().to_string();
        assert!(said("a\\b,2,S", SECTION).contains("without \\"));
        assert!(said("a,x,S", SECTION).contains("flags of AddService: expected a number"));
        assert!(said("a,2,T", SECTION).contains("section that describes"));
        let without = SECTION.replace("ErrorControl=1\n", "");
        assert!(said("a,2,S", &without).contains("[S]: expected a line ErrorControl="));
        let odd = SECTION.replace("0x0\n", "9\n");
        assert!(said("a,2,S", &odd).starts_with("a.inf, line 5: StartType: expected 0 to 4"));
        let odd = SECTION.replace("AddReg=R", "AddReg=Q");
        assert!(said("a,2,S", &odd).contains("AddReg: expected the name of a section"));
    }
}
