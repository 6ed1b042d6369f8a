//! Load options: what `Boot####` variables hold (UEFI 2.10, 3.1.3).
//!
//! Attributes (u32), the length of all paths in bytes (u16), a title (UTF-16 with
//! a NUL), the paths, and bytes that are the loader's own. The first path leads to
//! the loader.

use crate::bytes::{Reader, put_text};
use crate::{DevicePath, Error, LARGEST};

/// `LOAD_OPTION_ACTIVE`: firmware starts it when its turn comes.
pub const ACTIVE: u32 = 1;

/// One way to start the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOption {
    /// [`ACTIVE`] and others.
    pub attributes: u32,
    /// The title in the firmware's menu: UTF-16 without the NUL.
    pub title: Vec<u16>,
    /// Where the loader is.
    pub path: DevicePath,
    /// Further paths, as bytes.
    pub more_paths: Vec<u8>,
    /// What is handed to the loader.
    pub data: Vec<u8>,
}

impl LoadOption {
    /// One that firmware starts.
    #[must_use]
    pub fn active(title: &str, path: DevicePath, data: Vec<u8>) -> Self {
        let units = title.encode_utf16().filter(|unit| *unit != 0);
        Self {
            attributes: ACTIVE,
            title: units.collect(),
            path,
            more_paths: Vec::new(),
            data,
        }
    }

    /// Reads the value of a `Boot####` variable.
    ///
    /// # Errors
    /// [`Error`], with the byte where it goes wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > LARGEST {
            return Err(too_long("a load option", bytes.len(), LARGEST));
        }
        let mut reader = Reader::new(bytes);
        let attributes = reader.u32("a load option's attributes")?;
        let len = reader.u16("the length of a load option's paths")?;
        let title = reader.text("a load option's title")?;
        let paths = reader.take(usize::from(len), "a load option's paths")?;
        let (path, more_paths) = DevicePath::parse(paths)?;
        Ok(Self {
            attributes,
            title,
            path,
            more_paths: more_paths.to_vec(),
            data: reader.rest().to_vec(),
        })
    }

    /// The value of a `Boot####` variable.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the paths have more than 64 KiB, or all of it more
    /// than [`LARGEST`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut paths = self.path.to_bytes()?;
        paths.extend(&self.more_paths);
        let len = u16::try_from(paths.len());
        let most = usize::from(u16::MAX);
        let len = len.map_err(|_| too_long("a load option's paths", paths.len(), most))?;
        let mut out = self.attributes.to_le_bytes().to_vec();
        out.extend(len.to_le_bytes());
        put_text(&mut out, &self.title);
        out.extend(paths);
        out.extend(&self.data);
        match out.len() <= LARGEST {
            true => Ok(out),
            false => Err(too_long("a load option", out.len(), LARGEST)),
        }
    }

    /// The title as text; what is no Unicode is shown as such.
    #[must_use]
    pub fn title(&self) -> String {
        String::from_utf16_lossy(&self.title)
    }

    /// Whether firmware starts it when its turn comes.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.attributes & ACTIVE != 0
    }
}

const fn too_long(what: &'static str, found: usize, most: usize) -> Error {
    Error::TooLong { what, found, most }
}
