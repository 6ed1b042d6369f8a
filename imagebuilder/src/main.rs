//! `imagebuilder`: assembles the bootable medium, and says what is in one.
//!
//! `build` is the flow of `imagebuilder iso`: find the parts (`parts`), pack
//! the initramfs layers (`layers`), write the boot loaders' files (`grub`,
//! `esp`), lay everything out in a folder (`stage`) and have xorriso turn it
//! into one ISO (`xorriso`). `inspect` reads a finished ISO with nothing but
//! our own readers (`iso9660`), so that it can contradict the builder.
#![forbid(unsafe_code)]

mod build;
mod cli;
mod esp;
mod grub;
mod inspect;
mod iso9660;
mod kernel;
mod layers;
mod parts;
mod report;
mod stage;
mod xorriso;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let result = match cli::Cli::parse().command {
        cli::Command::Iso(args) => build::run(&args),
        cli::Command::Inspect(args) => inspect::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("imagebuilder: {error:#}");
            ExitCode::FAILURE
        }
    }
}
