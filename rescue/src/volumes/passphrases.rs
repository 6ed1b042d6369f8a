//! Passphrases of encrypted volumes.

use std::path::Path;

use anyhow::{Context as _, bail};
use stack::{Keys, Secret};

/// Passphrases that may open what is encrypted on a disk. They show themselves to
/// nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passphrases(Vec<Secret>);

/// cryptsetup reads no more of a key file by itself (its manual, "NOTES ON PASSPHRASE
/// PROCESSING": 8 MiB), and no passphrase at a prompt is longer than 512 bytes.
const MOST: u64 = 8 << 20;

impl Passphrases {
    /// These.
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        Self(texts.into_iter().map(secret).collect())
    }

    /// These, and `text`.
    #[must_use]
    pub fn with(mut self, text: &str) -> Self {
        self.0.push(Secret::new(text.as_bytes().to_vec()));
        self
    }

    /// Whether this is one of them.
    #[cfg(test)]
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.contains(&Secret::new(text.as_bytes().to_vec()))
    }

    /// What is in `files`: a line end at the end of one is no part of it.
    ///
    /// # Errors
    /// When one cannot be read, is empty, or is too large.
    pub fn read(files: &[impl AsRef<Path>]) -> anyhow::Result<Self> {
        let read = |file: &Path| {
            let shown = file.display();
            let size = std::fs::metadata(file).with_context(|| format!("cannot read {shown}"))?;
            if size.len() > MOST {
                bail!("{shown} has {} bytes, expected at most {MOST}", size.len());
            }
            let open = std::fs::File::open(file).with_context(|| format!("cannot read {shown}"))?;
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(open, MOST), &mut bytes)
                .with_context(|| format!("cannot read {shown}"))?;
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            if bytes.is_empty() {
                bail!("{shown} has no passphrase in it");
            }
            Ok(Secret::new(bytes))
        };
        let all = files.iter().map(|file| read(file.as_ref()));
        Ok(Self(all.collect::<anyhow::Result<_>>()?))
    }
}

impl Keys for Passphrases {
    fn for_luks(&self, _uuid: &str) -> Vec<Secret> {
        self.0.clone()
    }

    /// Half of what the machine has left.
    fn memory(&self) -> u64 {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemAvailable:"));
        let free = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        free.map_or(1 << 30, |kib| kib.saturating_mul(512))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_a_line_of_a_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        std::fs::write(&file, "correct horse\n").unwrap();
        let read = Passphrases::read(&[&file]).unwrap();
        assert_eq!(read, Passphrases::new(["correct horse"]));
        assert_eq!(read.for_luks("").len(), 1);
        assert!(!format!("{read:?}").contains("horse"));
        assert!(read.memory() > 1 << 20);
        std::fs::write(&file, "\n").unwrap();
        let error = Passphrases::read(&[&file]).unwrap_err().to_string();
        assert!(error.contains("no passphrase"), "{error}");
    }
}
