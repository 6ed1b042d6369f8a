//! `rescue edit-volume`

use anyhow::Context as _;

use super::Context;
use crate::adapt::volume;

/// Put files on a file system, for the process at the other end of standard
/// input; see the module `adapt::volume`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args, _context: &Context) -> anyhow::Result<()> {
    volume::run().context("putting files on a volume for another process")
}
