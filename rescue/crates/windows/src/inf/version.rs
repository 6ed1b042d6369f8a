//! `[Version]`: what the package is and of when.

use std::fmt;

use hive::FileTime;

use super::error::{Result, shown};
use super::file::{Inf, Section};
use super::target::Target;

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

impl Date {
    /// `mm/dd/yyyy`, also with `-`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(['/', '-']).map(str::trim);
        let (month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let year = parts.next()?.parse().ok()?;
        let real = (1601..=9999).contains(&year) && (1..=12).contains(&month);
        let date = Self { year, month, day };
        (real && parts.next().is_none() && (1..=date.days_of_month()).contains(&day))
            .then_some(date)
    }

    fn days_of_month(self) -> u8 {
        let by = |years| self.year.is_multiple_of(years);
        let leap = by(4) && (!by(100) || by(400));
        match self.month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// Midnight UTC of that day, as the driver database has it.
    #[must_use]
    pub fn file_time(self) -> FileTime {
        let years = u64::from(self.year).saturating_sub(1601);
        let mut days = years * 365 + years / 4 - years / 100 + years / 400;
        for month in 1..self.month {
            days += u64::from(Self { month, ..self }.days_of_month());
        }
        days += u64::from(self.day).saturating_sub(1);
        FileTime(days * 86400 * 10_000_000)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// `DriverVer`: a date, then a version. The order is that of the ranking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriverVer {
    pub date: Date,
    /// Major, minor, build, revision.
    pub version: [u16; 4],
}

impl fmt::Display for DriverVer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.version;
        write!(f, "{a}.{b}.{c}.{d} of {}", self.date)
    }
}

/// What `[Version]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Such as `SCSIAdapter`.
    pub class: String,
    /// The GUID of the class; what is written, with braces.
    pub class_guid: String,
    pub provider: String,
    pub driver_ver: DriverVer,
    /// The catalogue of signatures for this architecture, beside the INF.
    pub catalog: Option<String>,
}

impl Inf {
    /// Reads `[Version]`.
    ///
    /// # Errors
    /// When it is not there, is not for Windows NT, or a value in it that is
    /// needed cannot be read.
    pub fn version(&self, target: &Target) -> Result<Version> {
        let Some(section) = self.section("Version") else {
            return Err(self.error(0, "file", "a section [Version]", "none"));
        };
        let text = |key: &str| section.get(key).map_or("", |line| line.value(0)).to_owned();
        let signature = text("Signature");
        let known = ["$windows nt$", "$chicago$", "$windows 95$"];
        if !known.contains(&signature.to_lowercase().as_str()) {
            let expected = "\"$WINDOWS NT$\"";
            return Err(self.error(0, "Signature in [Version]", expected, shown(&signature)));
        }
        Ok(Version {
            class: text("Class"),
            class_guid: self.class_guid(section)?,
            provider: text("Provider"),
            driver_ver: self.driver_ver(section)?,
            catalog: catalog(section, target),
        })
    }

    fn class_guid(&self, section: &Section) -> Result<String> {
        let line = section.get("ClassGuid");
        let (number, text) = line.map_or((0, ""), |line| (line.number, line.value(0)));
        if parse_guid(text).is_none() {
            let expected = "a GUID in braces";
            return Err(self.error(number, "ClassGuid in [Version]", expected, shown(text)));
        }
        Ok(text.to_owned())
    }

    fn driver_ver(&self, section: &Section) -> Result<DriverVer> {
        let Some(line) = section.get("DriverVer") else {
            return Ok(DriverVer::default());
        };
        let bad = |expected, found| {
            let what = "DriverVer in [Version]";
            Err(self.error(line.number, what, expected, shown(found)))
        };
        let Some(date) = Date::parse(line.value(0)) else {
            return bad("a date, mm/dd/yyyy", line.value(0));
        };
        let mut version = [0; 4];
        let parts: Vec<&str> = line.value(1).split('.').collect();
        if line.value(1).is_empty() {
            return Ok(DriverVer { date, version });
        }
        for (to, part) in version.iter_mut().zip(&parts) {
            match part.trim().parse() {
                Ok(number) => *to = number,
                Err(_) => return bad("a version, w.x.y.z of 16 bits each", line.value(1)),
            }
        }
        match parts.len() {
            0..=4 => Ok(DriverVer { date, version }),
            _ => bad("a version of at most four numbers", line.value(1)),
        }
    }
}

/// `CatalogFile.NTamd64` counts before `CatalogFile.NT`, that before `CatalogFile`.
fn catalog(section: &Section, target: &Target) -> Option<String> {
    let own = format!("CatalogFile.NT{}", target.arch.name());
    let keys = [own.as_str(), "CatalogFile.NT", "CatalogFile"];
    let line = keys.into_iter().find_map(|key| section.get(key))?;
    Some(line.value(0).to_owned())
}

/// The bytes of a GUID as Windows keeps them: the first three numbers are
/// little-endian. Braces may be there or not.
#[must_use]
pub fn parse_guid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let parts: Vec<&str> = inner.unwrap_or(text).split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    if lengths != [8, 4, 4, 4, 12] || !parts.concat().bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(&parts.concat(), 16).ok()?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = number.to_be_bytes();
    let mut guid = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    guid.iter_mut()
        .skip(8)
        .zip(rest)
        .for_each(|(to, byte)| *to = byte);
    Some(guid)
}

/// A GUID in lower case with braces, from the bytes that Windows keeps.
#[must_use]
pub fn format_guid(guid: &[u8; 16]) -> String {
    let [d, c, b, a, f, e, h, g, i, j, rest @ ..] = guid;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{{{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-{g:02x}{h:02x}-{i:02x}{j:02x}-{rest}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target::TEN;

    fn version(text: &str) -> Result<Version> {
        let text = format!("[Version]\nSignature=\"$Windows NT$\"\n{text}");
        Inf::parse("a.inf", text.as_bytes(), Inf::ENGLISH)?.version(&TARGET)
    }

    const GUID: &str = "ClassGuid={4D36E97B-E325-11CE-BFC1-08002BE10318}\n";

    #[test]
    fn versions_are_read() {
        let text = format!(
            "{GUID}Class=SCSIAdapter\nProvider=P\nDriverVer=06/21/2006,6.3.9600.17095\n\
             CatalogFile=a.cat\nCatalogFile.nt=b.cat\ncatalogfile.ntAMD64=c.cat\nCatalogFile.NTx86=d.cat"
        );
        let version = version(&text).unwrap();
        assert_eq!(
            version.driver_ver.to_string(),
            "6.3.9600.17095 of 2006-06-21"
        );
        assert_eq!(version.catalog.as_deref(), Some("c.cat"));
        assert_eq!(
            (version.class.as_str(), version.provider.as_str()),
            ("SCSIAdapter", "P")
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let said = |text: &str| version(text).unwrap_err().to_string();
        assert!(said("ClassGuid={12}").starts_with("a.inf, line 3: ClassGuid in [Version]"));
        for ver in [
            "21/06/2006,1",
            "02/29/2001,1",
            "06/21/2006,1.2.3.70000",
            "1/1/2001,1.2.3.4.5",
        ] {
            let said = said(&format!("{GUID}DriverVer={ver}"));
            assert!(
                said.starts_with("a.inf, line 4: DriverVer in [Version]"),
                "{said}"
            );
        }
        let empty = Inf::parse("a.inf", b"[Version]", Inf::ENGLISH).unwrap();
        let said = empty.version(&TARGET).unwrap_err().to_string();
        assert!(said.contains("Signature"), "{said}");
    }

    #[test]
    fn dates_are_the_driver_databases() {
        // stornvme of Windows 8.1 and LSI_SAS, from their Version blobs.
        let time = |text: &str| Date::parse(text).unwrap().file_time();
        assert_eq!(time("06/21/2006"), FileTime(0x01c6_94c5_a38c_8000));
        assert_eq!(time("03/01/2000"), FileTime::from_unix(951_868_800));
        assert_eq!(time("12-31-2024"), FileTime::from_unix(1_735_603_200));
    }

    #[test]
    fn guids_come_back() {
        let text = "{4d36e97b-e325-11ce-bfc1-08002be10318}";
        let guid = parse_guid(text).unwrap();
        assert_eq!(guid[..6], [0x7b, 0xe9, 0x36, 0x4d, 0x25, 0xe3]);
        assert_eq!(format_guid(&guid), text);
        assert_eq!(parse_guid("{+d36e97b-e325-11ce-bfc1-08002be10318}"), None);
    }
}
