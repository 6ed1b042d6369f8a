//! `rescue restore`

use super::Context;

/// Bring an image back onto a disk.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
