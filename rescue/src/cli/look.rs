//! `rescue look`

use anyhow::Context as _;

use super::Context;
use crate::identity::look;

/// Look for a system, for the process at the other end of standard input; see
/// the module `identity::look`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    look::run().context("looking for a system for another process")
}
