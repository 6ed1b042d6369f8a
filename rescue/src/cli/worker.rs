//! `rescue worker`

use super::Context;
use crate::init::role::{self, Role};
use crate::init::{devices, network};

/// A part of the rescue medium; PID 1 starts it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which part.
    #[arg(value_enum)]
    role: Role,
}

pub(crate) fn run(args: Args, _context: &Context) -> anyhow::Result<()> {
    args.role.settle_in();
    match args.role {
        Role::Devices => devices::run(),
        Role::Network => network::run(),
        Role::Main => anyhow::bail!("not built yet"),
        Role::Prompt => anyhow::bail!("not built yet"),
        Role::Shell => {
            Err(anyhow::Error::from(role::become_shell()).context("starting the medium's shell"))
        }
    }
}
