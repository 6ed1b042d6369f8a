//! A finished medium, whatever its form: the files in it, by path, and the
//! means to overwrite one where it lies.
//!
//! Read with our own readers, so that neither root nor any tool is needed. The
//! size of a file never changes.

mod fat;
mod source;
mod writer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use disk::{Extent, ReadAt, SectorSize, read_table};
use serde::Serialize;

use crate::iso9660::{BootEntry, Hybrid, Iso, IsoFile, Platform, hybrid};
use fat::Fat;

pub(crate) use source::Source;
pub(crate) use writer::Writer;

/// GPT type "EFI system".
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// No file of a medium that is read whole is larger, in bytes.
const LARGEST: u64 = 1 << 30;

/// What a medium is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// An ISO, as a file or written to a stick.
    Iso,
    /// A disk with a GPT and an EFI system partition.
    Usb,
    /// A folder for network boot.
    Pxe,
}

impl Form {
    /// In words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Iso => "ISO",
            Self::Usb => "USB stick",
            Self::Pxe => "folder for network boot",
        }
    }
}

/// A finished medium.
#[derive(Debug)]
pub(crate) struct Medium {
    path: PathBuf,
    pub(crate) form: Form,
    /// Its file or device; a folder has none.
    source: Option<Source>,
    /// Size in bytes: an ISO's by its own account.
    pub(crate) size: u64,
    /// The volume id of an ISO.
    pub(crate) volume: Option<String>,
    /// Sizes of all files, by path ("boot/vmlinuz").
    pub(crate) files: BTreeMap<String, u64>,
    /// Those of the EFI system partition: on a stick the same.
    pub(crate) esp: BTreeMap<String, u64>,
    /// The ways it says it boots; a folder says nothing.
    pub(crate) boots: Boots,
    /// Where the files of an ISO are.
    on_iso: BTreeMap<String, Extent>,
    /// Where the EFI system partition is.
    fat: Option<Fat>,
}

/// The ways a medium says it boots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Boots {
    /// As CD, by El Torito.
    pub(crate) cd: Vec<BootEntry>,
    /// As disk, by its first sectors.
    pub(crate) disk: Option<Hybrid>,
}

impl Medium {
    /// Opens an ISO, the image of a stick, a stick, or a folder for network boot.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let found = if path.is_dir() {
            Self::folder(path)
        } else {
            Source::open(path).and_then(|source| Self::disk(path, source))
        };
        found.with_context(|| format!("reading the medium {}", path.display()))
    }

    fn new(path: &Path, form: Form) -> Self {
        Self {
            path: path.to_owned(),
            form,
            source: None,
            size: 0,
            volume: None,
            files: BTreeMap::new(),
            esp: BTreeMap::new(),
            boots: Boots::default(),
            on_iso: BTreeMap::new(),
            fat: None,
        }
    }

    fn folder(path: &Path) -> Result<Self> {
        let mut medium = Self::new(path, Form::Pxe);
        list(path, "", 0, &mut medium.files)?;
        ensure!(
            medium.files.contains_key("boot/vmlinuz"),
            "this folder has no boot/vmlinuz: name the folder that `imagebuilder pxe` made"
        );
        medium.size = medium.files.values().sum();
        Ok(medium)
    }

    fn disk(path: &Path, source: Source) -> Result<Self> {
        let mut medium = Self::new(path, Form::Iso);
        match Iso::open(&source) {
            Ok(iso) => {
                medium.size = iso.size;
                medium.volume = Some(iso.volume.clone());
                medium.on_iso = extents_of(&iso)?;
                let sizes = medium.on_iso.iter().map(|(p, e)| (p.clone(), e.len));
                medium.files = sizes.collect();
                medium.boots.cd = iso.boot_entries()?;
                medium.fat = esp_of_iso(&iso, &medium.boots.cd)?;
                medium.esp = medium.esp_files(&source)?;
            }
            Err(no_iso) => {
                medium.form = Form::Usb;
                medium.size = source.size();
                let fat = esp_of_disk(&source).with_context(|| format!("{no_iso:#}; nor"))?;
                medium.fat = Some(fat);
                medium.esp = medium.esp_files(&source)?;
                medium.files.clone_from(&medium.esp);
            }
        }
        medium.boots.disk = Some(hybrid(&source)?);
        medium.source = Some(source);
        Ok(medium)
    }

    fn esp_files(&self, source: &Source) -> Result<BTreeMap<String, u64>> {
        let files = self.fat.map(|fat| fat.files(source)).transpose();
        Ok(files
            .context("reading the EFI partition")?
            .unwrap_or_default())
    }

    /// The bytes of the file `path`; `None` when there is no such file.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let Some(size) = self.files.get(path) else {
            return Ok(None);
        };
        ensure!(*size <= LARGEST, "{path} has {size} bytes");
        if self.source.is_none() {
            let file = self.path.join(path);
            let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            return Ok(Some(bytes));
        }
        self.read_extents(path, &self.extents(path)?).map(Some)
    }

    /// The bytes of a file of the EFI system partition ("EFI/BOOT/BOOTX64.EFI").
    pub(crate) fn read_esp(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let (Some(fat), Some(source), Some(size)) = (self.fat, &self.source, self.esp.get(path))
        else {
            return Ok(None);
        };
        ensure!(*size <= LARGEST, "{path} has {size} bytes");
        self.read_extents(path, &fat.extents(source, path)?)
            .map(Some)
    }

    /// Where on the disk a file is.
    fn extents(&self, path: &str) -> Result<Vec<Extent>> {
        let missing = || format!("the medium has no {path}");
        match (self.form, self.fat, &self.source) {
            (Form::Iso, ..) => Ok(vec![*self.on_iso.get(path).with_context(missing)?]),
            (Form::Usb, Some(fat), Some(source)) => fat.extents(source, path),
            _ => bail!("files of a folder lie on no disk of their own"),
        }
    }

    fn read_extents(&self, path: &str, extents: &[Extent]) -> Result<Vec<u8>> {
        let source = self.source.as_ref().context("a folder is no disk")?;
        let mut bytes = Vec::new();
        for extent in extents {
            let mut piece = vec![0; usize::try_from(extent.len)?];
            source
                .read_exact_at(&mut piece, extent.start)
                .with_context(|| format!("reading {path} at byte {}", extent.start))?;
            bytes.append(&mut piece);
        }
        Ok(bytes)
    }
}

/// Where the files of an ISO are.
fn extents_of(iso: &Iso<&Source>) -> Result<BTreeMap<String, Extent>> {
    let place = |file: IsoFile| {
        let extent = Extent {
            start: file.offset,
            len: file.size,
        };
        (file.path, extent)
    };
    Ok(iso.files()?.into_iter().map(place).collect())
}

fn esp_of_iso(iso: &Iso<&Source>, entries: &[BootEntry]) -> Result<Option<Fat>> {
    let uefi = entries.iter().find(|e| e.platform == Platform::Uefi);
    let place = uefi.map(|entry| iso.boot_image_at(entry)).transpose()?;
    Ok(place.map(|(start, len)| Fat { start, len }))
}

fn esp_of_disk(source: &Source) -> Result<Fat> {
    let table = read_table(source, SectorSize::B512).context("it has no partition table either")?;
    let esp = table.partitions.iter().find(|p| p.type_id == ESP);
    let esp = esp.context("it has no EFI system partition")?;
    Ok(Fat {
        start: esp.start,
        len: esp.len,
    })
}

/// How deep folders of a tree may nest.
const DEEPEST: usize = 8;

fn list(root: &Path, below: &str, depth: usize, out: &mut BTreeMap<String, u64>) -> Result<()> {
    let folder = root.join(below);
    let context = || format!("listing {}", folder.display());
    for entry in fs::read_dir(&folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().with_context(context)?;
        if kind.is_dir() && depth < DEEPEST {
            list(root, &format!("{path}/"), depth + 1, out)?;
        } else if kind.is_file() {
            let size = entry.metadata().with_context(context)?.len();
            out.insert(path, size);
        }
    }
    Ok(())
}
