//! `rescue show`

use super::Context;

/// Show one image: its machine, disks, partitions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
