//! `rescue worker`

use super::Context;

/// The part of the rescue medium that does the work; PID 1 starts it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
