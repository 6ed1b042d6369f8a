//! Overwriting files of a finished medium where they lie.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::{Medium, Source};

impl Medium {
    /// Opens the medium again, to write.
    pub(crate) fn writer(&self) -> Result<Writer<'_>> {
        let source = match self.source {
            Some(_) => Some(Source::open_to_write(&self.path)?),
            None => None,
        };
        Ok(Writer {
            medium: self,
            source,
        })
    }
}

/// Overwrites files of a medium.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    medium: &'a Medium,
    source: Option<Source>,
}

impl Writer<'_> {
    /// Whether files can be replaced as a whole: in a folder.
    pub(crate) fn replaces(&self) -> bool {
        self.source.is_none()
    }

    /// Replaces a file of a folder by another one, at once.
    pub(crate) fn replace(&self, path: &str, bytes: &[u8]) -> Result<()> {
        ensure!(
            self.replaces(),
            "files of an ISO or a stick keep their size"
        );
        let target = self.medium.path.join(path);
        let context = || format!("replacing {}", target.display());
        let folder = target.parent().with_context(context)?;
        let mode = fs::metadata(&target).with_context(context)?.permissions();
        let mut new = tempfile::NamedTempFile::new_in(folder).with_context(context)?;
        std::io::Write::write_all(&mut new, bytes).with_context(context)?;
        new.as_file().set_permissions(mode).with_context(context)?;
        new.as_file().sync_all().with_context(context)?;
        new.persist(&target).with_context(context)?;
        Ok(())
    }

    /// Writes `bytes` over the file `path` from byte `at` of it, and returns once
    /// they are on the disk. Nothing else changes.
    pub(crate) fn overwrite(&self, path: &str, at: u64, bytes: &[u8]) -> Result<()> {
        let Some(source) = &self.source else {
            bail!("files of a folder are replaced");
        };
        let extents = self.medium.extents(path)?;
        let size: u64 = extents.iter().map(|extent| extent.len).sum();
        let end = at.checked_add(bytes.len() as u64);
        ensure!(
            end.is_some_and(|end| end <= size),
            "{path} has {size} bytes: {} at {at} do not fit",
            bytes.len()
        );
        let (mut skip, mut rest) = (at, bytes);
        for extent in &extents {
            if skip >= extent.len {
                skip -= extent.len;
                continue;
            }
            let room = usize::try_from(extent.len - skip)?.min(rest.len());
            let (piece, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            source
                .write_synced(piece, extent.start + skip)
                .with_context(|| format!("writing {path}"))?;
            (skip, rest) = (0, later);
        }
        Ok(())
    }
}
