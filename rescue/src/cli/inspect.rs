//! `rescue inspect`

use super::Context;

/// Show what is on a disk, or list the machine's disks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
