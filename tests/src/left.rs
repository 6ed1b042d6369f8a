//! What an interrupted restore may leave on its target.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The state of a target after a restore was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Nothing was written.
    untouched: bool,
    /// The first sector ends with the boot signature.
    boot_signature: bool,
    /// A GPT header is at the first sector's neighbour, for either sector size.
    gpt: bool,
}

/// Looks at `target`, which held a copy of `old` before the restore.
///
/// # Errors
/// When either cannot be read.
pub fn left_behind(old: &Path, target: &Path) -> Result<Left> {
    let mut head = vec![0; 8192];
    let mut file = File::open(target).context("opening the target")?;
    file.read_exact(&mut head).context("reading the target")?;
    let gpt = [512, 4096]
        .iter()
        .any(|at| head[*at..].starts_with(b"EFI PART"));
    Ok(Left {
        untouched: same(old, target)?,
        boot_signature: head[510..512] == [0x55, 0xaa],
        gpt,
    })
}

fn same(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let n = one.read(&mut a)?;
        if n == 0 {
            return Ok(other.read(&mut b)? == 0);
        }
        if other.read_exact(&mut b[..n]).is_err() || a[..n] != b[..n] {
            return Ok(false);
        }
    }
}

impl Left {
    /// True for a disk that still is what it was, or that no firmware takes for a
    /// system.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.untouched || self.is_unbootable()
    }

    /// True when nothing was written.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.untouched
    }

    /// True when no firmware finds a system on it.
    #[must_use]
    pub fn is_unbootable(&self) -> bool {
        !self.boot_signature && !self.gpt
    }
}
