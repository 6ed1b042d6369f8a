//! `imagebuilder uki`: kernel, initramfs and command line in one program for
//! UEFI, signed with the user's own key, so that Secure Boot covers all of it.
//!
//! systemd's stub starts it; objcopy puts the sections in, sbsign signs.
//! Sources: the Unified Kernel Image specification (UAPI group) for the sections;
//! the UEFI specification, section 32.4.1, for the signature list.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use object::read::pe::PeFile64;
use object::{Object, ObjectSection};
use x509_parser::pem::parse_x509_pem;

use crate::cli::UkiArgs;
use crate::content::{Content, step};
use crate::grub::QUIET;
use crate::publish::{Unfinished, publish};
use crate::summary::Summary;
use crate::xorriso::{run as run_tool, tool};

/// Sections start at multiples of this in memory.
const PAGE: u64 = 4096;

/// EFI_CERT_X509_GUID as it lies in memory.
const X509: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];

/// Builds the image that `args` describe.
pub(crate) fn run(args: &UkiArgs) -> Result<()> {
    let started = Instant::now();
    let signing = args.key.as_deref().zip(args.certificate.as_deref());
    let der = signing.map(|(_, file)| certificate(file)).transpose()?;
    let path = args.stub.clone();
    let path = path.unwrap_or_else(|| args.build.boot_parts.join("efi/linuxx64.efi.stub"));
    let stub = fs::read(&path).with_context(|| {
        format!(
            "reading systemd's stub {} (scripts/boot-parts brings it)",
            path.display()
        )
    })?;
    let content = Content::gather(&args.build, None)?;
    step("writing the unified kernel image");
    let folder = args.out.parent().filter(|p| !p.as_os_str().is_empty());
    let work =
        tempfile::tempdir_in(folder.unwrap_or(Path::new("."))).context("making a work folder")?;
    let unsigned = work.path().join("unsigned.efi");
    assemble(
        &path,
        &stub,
        &content,
        &args.build.cmdline,
        work.path(),
        &unsigned,
    )?;
    let finished = match signing {
        None => unsigned,
        Some((key, certificate)) => {
            let signed = work.path().join("signed.efi");
            let mut command = tool("sbsign");
            command.arg("--key").arg(key).arg("--cert").arg(certificate);
            command.arg("--output").arg(&signed).arg(&unsigned);
            run_tool(command, "sbsigntool")?;
            signed
        }
    };
    if let Some(der) = der {
        let write = |extension: &str, bytes: &[u8]| {
            let file = args.out.with_extension(extension);
            fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))
        };
        write("cer", &der)?;
        write("esl", &signature_list(&der)?)?;
    }
    publish(Unfinished(finished), &args.out)?;
    let summary = Summary::of(&args.out, &content, started)?;
    summary.print(args.build.json)
}

/// Puts the sections into the stub.
fn assemble(
    path: &Path,
    stub: &[u8],
    content: &Content,
    words: &str,
    work: &Path,
    out: &Path,
) -> Result<()> {
    let words = format!("{QUIET} {words}");
    let mut initramfs = Vec::new();
    for layer in &content.layers {
        initramfs.extend_from_slice(&layer.packed);
        initramfs.resize(initramfs.len().next_multiple_of(4), 0);
    }
    let sections: [(&str, &[u8]); 3] = [
        (".cmdline", words.trim_end().as_bytes()),
        (".initrd", &initramfs),
        (".linux", &content.parts.kernel.bytes),
    ];
    let mut command = tool("objcopy");
    let mut at = end(stub).with_context(|| format!("{} is no stub", path.display()))?;
    for (name, bytes) in sections {
        let file = work.join(name.trim_start_matches('.'));
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        command
            .arg("--add-section")
            .arg(format!("{name}={}", file.display()));
        command
            .arg("--change-section-vma")
            .arg(format!("{name}={at:#x}"));
        at = behind(at, bytes.len() as u64).context("the parts are too large for one image")?;
    }
    command.arg(path).arg(out);
    run_tool(command, "binutils")
}

/// The first free page behind everything in the program `stub`.
fn end(stub: &[u8]) -> Result<u64> {
    let pe = PeFile64::parse(stub)?;
    let ends = pe.sections().map(|s| behind(s.address(), s.size()));
    let ends: Option<Vec<u64>> = ends.collect();
    let ends = ends.context("its sections reach beyond all memory")?;
    ends.into_iter().max().context("it has no sections")
}

fn behind(at: u64, size: u64) -> Option<u64> {
    at.checked_add(size)?.checked_next_multiple_of(PAGE)
}

/// The certificate in a PEM file, as it is enrolled.
fn certificate(file: &Path) -> Result<Vec<u8>> {
    let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let wanted = || format!("{} is no certificate in PEM form", file.display());
    let (_, pem) = parse_x509_pem(&text).with_context(wanted)?;
    pem.parse_x509().with_context(wanted)?;
    Ok(pem.contents)
}

/// An EFI_SIGNATURE_LIST of one certificate, whose owner is nobody in particular.
fn signature_list(der: &[u8]) -> Result<Vec<u8>> {
    let size = |more: usize| u32::try_from(der.len().saturating_add(more));
    let (Ok(all), Ok(entry)) = (size(44), size(16)) else {
        bail!("the certificate is too large");
    };
    let mut out = X509.to_vec();
    for word in [all, 0, entry] {
        out.extend(word.to_le_bytes());
    }
    out.extend([0; 16]);
    out.extend(der);
    Ok(out)
}
