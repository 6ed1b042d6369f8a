//! The data partition's filesystem: ext4, because the kernel can enlarge it
//! while it is in use, and because its journal survives a pulled stick.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::xorriso::{run, tool};

/// Its label: plans and repositories on it are found by that.
const LABEL: &str = "RESCUE";
/// Descriptors for this many blocks of 4 KiB have their place: 2 TiB.
const GROWS_TO: &str = "536870912";
/// In MiB. Growing writes all these descriptors in one transaction, which may
/// take a quarter of the journal: 256 blocks do not fit in one of 4 MiB.
const JOURNAL: &str = "size=8";

/// Where it goes, and what makes it the same each time.
#[derive(Debug)]
pub(super) struct Filesystem<'a> {
    /// In bytes, from the start of the image.
    pub(super) offset: u64,
    /// In bytes.
    pub(super) size: u64,
    /// Its UUID, and the seed of its folders' hashes.
    pub(super) uuid: &'a str,
    /// Seconds since 1970.
    pub(super) time: u32,
}

impl Filesystem<'_> {
    /// Makes it in the file `image`.
    pub(super) fn make(&self, image: &Path) -> Result<()> {
        let mut command = tool("mke2fs");
        command.args([
            "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-J", JOURNAL,
        ]);
        command.args(["-L", LABEL, "-U", self.uuid, "-E"]);
        command.arg(format!(
            "offset={},hash_seed={},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,\
             nodiscard,resize={GROWS_TO}",
            self.offset, self.uuid
        ));
        command.arg(image).arg(format!("{}k", self.size / 1024));
        // mke2fs of Debian 12 knows the first name, newer ones both.
        for name in ["E2FSPROGS_FAKE_TIME", "SOURCE_DATE_EPOCH"] {
            command.env(name, self.time.to_string());
        }
        with_sbin(&mut command);
        run(command, "e2fsprogs").context("making the data partition's filesystem")
    }
}

/// e2fsprogs are in /sbin, which is not on every user's path.
pub(super) fn with_sbin(command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
}
