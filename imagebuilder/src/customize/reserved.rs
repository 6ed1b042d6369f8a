//! The places that a medium reserves for its site: the area, and the words for
//! the kernel.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use site::{AreaError, Contents, area};

use crate::kernel_words;
use crate::layers::{AREA, SITE};
use crate::medium::{Form, Medium, Writer};

/// The iPXE script of a folder for network boot.
const SCRIPT: &str = "boot.ipxe";

/// What the site area holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Area {
    /// Files; perhaps none.
    Holds(Contents),
    /// Nothing that can be believed; why.
    Damaged(String),
}

/// What a medium's reserved places hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) area: Area,
    /// Bytes of the area, packed.
    pub(crate) used: u64,
    /// The area's size in bytes.
    pub(crate) capacity: u64,
    /// More words for the kernel.
    pub(crate) words: String,
    /// The area's bytes.
    bytes: Vec<u8>,
}

impl Reserved {
    /// Reads them.
    pub(crate) fn read(medium: &Medium) -> Result<Self> {
        let (layer, at) = layer(medium)?;
        let bytes = layer.get(at).unwrap_or_default().to_vec();
        let area = match area::read(&bytes) {
            Ok(contents) => Area::Holds(contents.unwrap_or_default()),
            Err(error) => Area::Damaged(format!("{:#}", anyhow::Error::from(error))),
        };
        let block = env_block(medium);
        let words = medium.read(block)?.with_context(|| older(block))?;
        Ok(Self {
            area,
            used: area::used(&bytes).unwrap_or(0),
            capacity: bytes.len() as u64,
            words: kernel_words::of_block(&words).with_context(|| format!("reading {block}"))?,
            bytes,
        })
    }

    /// The same places, holding `contents` and `words`.
    pub(crate) fn with(&self, contents: &Contents, words: &str) -> Result<Self> {
        let bytes = match area::write(self.capacity, contents) {
            Err(error @ AreaError::Full { .. }) => Err(error).context(
                "this is too much for the medium's site area; build the medium with a larger one \
                 (--site-area 8MiB)",
            ),
            other => other.context("packing the site area"),
        }?;
        Ok(Self {
            area: Area::Holds(contents.clone()),
            used: area::used(&bytes).unwrap_or(0),
            capacity: self.capacity,
            words: words.to_owned(),
            bytes,
        })
    }

    /// Writes them to `medium`. The area's header comes last, so that an area that
    /// is half written is known to be.
    pub(crate) fn write(&self, medium: &Medium) -> Result<()> {
        let (mut layer, at) = layer(medium)?;
        let place = layer.get_mut(at.clone());
        let place = place.filter(|place| place.len() == self.bytes.len());
        place
            .context("the size of the medium's site area has changed")?
            .copy_from_slice(&self.bytes);
        let block = kernel_words::block(&self.words)?;
        let writer = medium.writer()?;
        if writer.replaces() {
            writer.replace(&path(), &layer)?;
            writer.replace(env_block(medium), &block)?;
            let script = medium.read(SCRIPT)?.with_context(|| older(SCRIPT))?;
            let script = String::from_utf8(script).context("boot.ipxe is no text")?;
            let script = kernel_words::in_ipxe(&script, &self.words)
                .with_context(|| format!("changing {SCRIPT}"))?;
            return writer.replace(SCRIPT, script.as_bytes());
        }
        self.overwrite(&writer, at.start as u64)?;
        writer.overwrite(env_block(medium), 0, &block)
    }

    fn overwrite(&self, writer: &Writer<'_>, at: u64) -> Result<()> {
        let (header, rest) = self
            .bytes
            .split_at_checked(area::HEADER)
            .context("the site area is smaller than its header")?;
        let behind = at.saturating_add(header.len() as u64);
        writer.overwrite(&path(), at, &[0; area::HEADER])?;
        writer.overwrite(&path(), behind, rest)?;
        writer.overwrite(&path(), at, header)
    }
}

fn path() -> String {
    format!("boot/{SITE}")
}

fn older(path: &str) -> String {
    format!(
        "the medium has no {path}: it was built before media could be customised; build it again"
    )
}

/// The layer with the area, and where the area is in it.
fn layer(medium: &Medium) -> Result<(Vec<u8>, Range<usize>)> {
    let path = path();
    let layer = medium.read(&path)?.with_context(|| older(&path))?;
    let at = initramfs::locate(&layer, AREA).with_context(|| format!("reading {path}"))?;
    let at = at.with_context(|| format!("{path} has no {AREA}"))?;
    ensure!(
        at.len() as u64 <= area::LARGEST,
        "{path}: an area of {} bytes",
        at.len()
    );
    Ok((layer, at))
}

/// Where GRUB's environment block is.
fn env_block(medium: &Medium) -> &'static str {
    match medium.form {
        Form::Iso | Form::Usb => "boot/grub/grubenv",
        Form::Pxe => "grub/grubenv",
    }
}
