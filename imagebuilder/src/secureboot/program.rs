//! One program of the boot chain: a PE file with its signatures.
//!
//! Source of the layout: Microsoft's PE format, "The Attribute Certificate Table"
//! (8-byte headers, entries at multiples of eight), and the comments of shim's
//! `cert.S` for `.vendor_cert` (four 32-bit words, then the certificate).

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier};
use object::pe::IMAGE_DIRECTORY_ENTRY_SECURITY;
use object::read::pe::PeFile64;
use object::{Object, ObjectSection};
use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode, SliceReader};
use x509_cert::name::Name;

use super::sbat::{self, Component, Level};

/// WIN_CERT_TYPE_PKCS_SIGNED_DATA
const PKCS: u16 = 2;

/// What a program says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Program {
    /// Path on the EFI partition or the medium.
    pub(crate) path: String,
    /// Who issued the certificates that its signatures were made with: whom the
    /// machine, or shim, has to trust.
    pub(crate) issuers: Vec<String>,
    pub(crate) sbat: Vec<Component>,
    /// Of shim: whom it trusts beside the firmware.
    pub(crate) vendor: Option<String>,
    /// Of shim: the revocations that it brings along.
    pub(crate) revocations: Option<Level>,
    /// Why nothing is known of it.
    pub(crate) problem: Option<String>,
}

impl Program {
    /// Reads the PE file `bytes`.
    pub(crate) fn read(path: &str, bytes: &[u8]) -> Self {
        let mut program = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        let pe = match PeFile64::parse(bytes) {
            Ok(pe) => pe,
            Err(error) => {
                program.problem = Some(format!("it is no program for UEFI: {error}"));
                return program;
            }
        };
        let section = |name: &str| pe.section_by_name(name).and_then(|s| s.data().ok());
        program.sbat = section(".sbat").map(sbat::components).unwrap_or_default();
        program.revocations = section(".sbatlevel").and_then(sbat::newest_level);
        program.vendor = section(".vendor_cert").and_then(vendor);
        // For this entry alone the address is one in the file.
        let table = pe.data_directory(IMAGE_DIRECTORY_ENTRY_SECURITY);
        let table = table.map(|entry| entry.address_range());
        let table = table.and_then(|(at, size)| {
            let at = usize::try_from(at).ok()?;
            bytes.get(at..at.checked_add(usize::try_from(size).ok()?)?)
        });
        match issuers(table.unwrap_or_default()) {
            Ok(issuers) => program.issuers = issuers,
            Err(why) => program.problem = Some(why),
        }
        program
    }

    /// Its generation of `component`.
    pub(crate) fn has(&self, component: &str) -> bool {
        self.sbat.iter().any(|own| own.name == component)
    }

    /// In a line.
    pub(crate) fn describe(&self) -> String {
        let signed = match &self.issuers[..] {
            [] => "not signed".to_owned(),
            issuers => format!("signed, by way of {}", issuers.join(" and ")),
        };
        let sbat: Vec<_> = self.sbat.iter().filter(|own| own.name != "sbat").collect();
        let sbat: Vec<_> = sbat
            .iter()
            .map(|own| format!("{} {}", own.name, own.generation))
            .collect();
        let sbat = match sbat.is_empty() {
            true => String::new(),
            false => format!("; SBAT: {}", sbat.join(", ")),
        };
        let problem = self.problem.as_ref();
        let problem = problem.map_or(String::new(), |why| format!(" ({why})"));
        format!("{}: {signed}{sbat}{problem}", self.path)
    }
}

/// The issuers named by all signatures of an attribute certificate table.
fn issuers(mut table: &[u8]) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    while table.len() > 8 {
        let (Some(size), Some(kind)) = (word(table, 0), table.get(6..8)) else {
            break;
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let content = table.get(8..size);
        let content = content.ok_or("an entry of its signature table is cut short")?;
        if kind == PKCS.to_le_bytes() {
            all.extend(signers(content).map_err(|e| format!("reading a signature: {e}"))?);
        }
        let next = size.checked_next_multiple_of(8).unwrap_or(usize::MAX);
        table = table.get(next..).unwrap_or_default();
    }
    Ok(all)
}

/// The issuers of one signature's certificates.
fn signers(pkcs7: &[u8]) -> x509_cert::der::Result<Vec<String>> {
    // Zero bytes may follow.
    let info = ContentInfo::decode(&mut SliceReader::new(pkcs7)?)?;
    let data = SignedData::from_der(&info.content.to_der()?)?;
    let names = data
        .signer_infos
        .0
        .iter()
        .filter_map(|info| match &info.sid {
            SignerIdentifier::IssuerAndSerialNumber(signer) => Some(common(&signer.issuer)),
            SignerIdentifier::SubjectKeyIdentifier(_) => None,
        });
    Ok(names.collect())
}

/// The subject of the certificate in shim's `.vendor_cert`.
fn vendor(section: &[u8]) -> Option<String> {
    let size = usize::try_from(word(section, 0)?).ok()?;
    let at = usize::try_from(word(section, 8)?).ok()?;
    let der = section.get(at..at.checked_add(size)?)?;
    let certificate = Certificate::from_der(der).ok()?;
    Some(common(&certificate.tbs_certificate.subject))
}

/// The common name of a distinguished one, or all of it.
fn common(name: &Name) -> String {
    let text = name.to_string();
    let found = text.split(',').find_map(|part| part.strip_prefix("CN="));
    found.map(str::to_owned).unwrap_or(text)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_program_is_told() {
        let program = Program::read("x.efi", b"MZ, but nothing behind it");
        assert!(program.problem.is_some() && program.issuers.is_empty());
        assert!(
            program
                .describe()
                .starts_with("x.efi: not signed (it is no program")
        );
    }

    #[test]
    fn a_table_that_is_cut_short_is_told() {
        let why = issuers(&[0xff, 0, 0, 0, 0, 2, 2, 0, 1, 2, 3]).unwrap_err();
        assert!(why.contains("cut short"), "{why}");
        assert!(issuers(&[11, 0, 0, 0, 0, 2, 2, 0, 1, 2, 3]).is_err());
        assert_eq!(issuers(&[]).unwrap(), [] as [String; 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = (issuers(&bytes), vendor(&bytes), Program::read("x", &bytes));
        }
    }
}
