//! What the medium is put together from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use initramfs::elf::Elf;
use sha2::{Digest, Sha256};

use crate::cli::BuildArgs;
use crate::kernel;

/// A file read whole, and where from.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
}

/// Every input, read and checked.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) rescue: Part,
    /// What `rescue --version` prints.
    pub(crate) rescue_version: String,
    pub(crate) kernel: Part,
    /// As `uname -r`.
    pub(crate) kernel_version: String,
    pub(crate) modules: PathBuf,
    pub(crate) shim: Part,
    pub(crate) grub_efi: Part,
    pub(crate) mok_manager: Part,
    /// Folder with GRUB's i386-pc modules.
    pub(crate) grub_pc: PathBuf,
    pub(crate) config: Option<Part>,
    /// For network boot, where the boot parts have it.
    pub(crate) net: Option<Net>,
    /// Folder with unpacked packages, where the boot parts have it.
    pub(crate) tools: Option<PathBuf>,
    /// What the busybox in it can do, a name a line.
    pub(crate) applets: String,
    /// Names and versions of all packages.
    pub(crate) packages: Vec<u8>,
}

/// What only machines that boot from the network start.
#[derive(Debug)]
pub(crate) struct Net {
    /// GRUB that reads on from where it came, signed.
    pub(crate) grub: Part,
    /// iPXE for the BIOS.
    pub(crate) ipxe: Part,
}

impl Parts {
    /// Finds, reads and checks everything that `args` names.
    pub(crate) fn gather(args: &BuildArgs) -> Result<Self> {
        let dir = &args.boot_parts;
        if !dir.join("efi").is_dir() {
            bail!(
                "{} holds no boot parts: run scripts/boot-parts and give --boot-parts \
                 the folder it prints",
                dir.display()
            );
        }
        let kernel_path = args.kernel.clone().unwrap_or_else(|| dir.join("kernel"));
        let kernel = Part::read(&kernel_path)?;
        let kernel_version = kernel::version(&kernel.bytes)
            .with_context(|| format!("reading the version of {}", kernel_path.display()))?;
        Ok(Self {
            rescue_version: rescue_version(&args.rescue)?,
            rescue: read_static(&args.rescue)?,
            kernel,
            kernel_version,
            modules: args.modules.clone().unwrap_or_else(|| dir.join("modules")),
            shim: Part::read(&dir.join("efi/shimx64.efi"))?,
            grub_efi: Part::read(&dir.join("efi/grubx64.efi"))?,
            mok_manager: Part::read(&dir.join("efi/mmx64.efi"))?,
            grub_pc: dir.join("grub/i386-pc"),
            config: args.config.as_deref().map(Part::read).transpose()?,
            net: Net::read(dir),
            tools: Some(dir.join("tools")).filter(|tools| tools.is_dir()),
            applets: fs::read_to_string(dir.join("applets")).unwrap_or_default(),
            packages: fs::read(dir.join("packages.txt")).unwrap_or_default(),
        })
    }

    /// Name and SHA-256 of each file that ends up on the medium.
    pub(crate) fn hashes(&self) -> BTreeMap<String, String> {
        let mut out: BTreeMap<_, _> = [
            ("rescue", &self.rescue),
            ("kernel", &self.kernel),
            ("shim", &self.shim),
            ("grub-efi", &self.grub_efi),
            ("mok-manager", &self.mok_manager),
        ]
        .map(|(name, part)| (name.to_owned(), sha256(&part.bytes)))
        .into();
        if let Some(config) = &self.config {
            out.insert("config".to_owned(), sha256(&config.bytes));
        }
        out
    }
}

impl Net {
    fn read(dir: &Path) -> Option<Self> {
        Some(Self {
            grub: Part::read(&dir.join("efi/grubnetx64.efi")).ok()?,
            ipxe: Part::read(&dir.join("ipxe/undionly.kpxe")).ok()?,
        })
    }
}

impl Part {
    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self { bytes })
    }
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of what is written to it.
#[derive(Debug, Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// In hex.
    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// PID 1 has no loader and no libraries to find: only a static binary runs.
fn read_static(path: &Path) -> Result<Part> {
    let part = Part::read(path).context("run scripts/build-static first")?;
    let name = path.display().to_string();
    let dynamic = Elf::parse(&name, &part.bytes)?.dynamic()?;
    if let Some(loader) = dynamic.interpreter {
        bail!(
            "{name} needs the loader {loader}, but PID 1 must be static: use scripts/build-static"
        );
    }
    Ok(part)
}

fn rescue_version(path: &Path) -> Result<String> {
    let absolute = fs::canonicalize(path)
        .with_context(|| format!("finding {}: run scripts/build-static first", path.display()))?;
    let output = std::process::Command::new(&absolute)
        .arg("--version")
        .output()
        .with_context(|| format!("running {} --version", path.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let word = text
        .lines()
        .next()
        .and_then(|line| line.split(' ').next_back());
    match word {
        Some(version) if output.status.success() && !version.is_empty() => Ok(version.to_owned()),
        _ => bail!("{} --version printed no version: {text:?}", path.display()),
    }
}
