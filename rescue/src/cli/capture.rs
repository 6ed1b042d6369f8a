//! `rescue capture`

use super::Context;

/// Capture disks into a repository.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
