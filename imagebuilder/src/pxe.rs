//! `imagebuilder pxe`
use crate::cli::PxeArgs;
use anyhow::{Result, bail};
pub(crate) fn run(_a: &PxeArgs) -> Result<()> {
    bail!("x")
}
