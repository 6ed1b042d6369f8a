//! `rescue verify`

use super::Context;

/// Read and check every byte an image needs, or the whole repository.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
