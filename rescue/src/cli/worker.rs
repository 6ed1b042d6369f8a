//! `rescue worker`

use anyhow::Context as _;

use super::Context;
use crate::init::role::{self, Request, Role};
use crate::init::work::{self, Plans};
use crate::init::{clock, devices, network, prompt, site, ssh};

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
        Role::Site => site::run(),
        Role::Devices => devices::run(),
        Role::Network => network::run(),
        Role::Clock => clock::run(),
        Role::Main => end_with(work::run(Plans::Followed)?),
        Role::Dialogue => end_with(work::run(Plans::Ignored)?),
        Role::Prompt => end_with(prompt::run()?),
        Role::Ssh => ssh::run(),
        Role::Session => ssh::session(),
        Role::Shell => Err(role::become_shell()).context("starting the medium's shell"),
    }
}

/// Ends this process so that PID 1 knows what is wanted.
fn end_with(request: Request) -> ! {
    std::process::exit(i32::from(request as u8))
}
