//! `imagebuilder`: assembles the bootable medium, and says what is in one.
//!
//! `content` is what every medium holds: the parts (`parts`) and the initramfs
//! layers (`layers`). `iso`, `usb` and `pxe` give it its three forms, with the
//! boot loaders' files (`grub`, `esp`); xorriso writes the ISO (`xorriso`). `inspect` reads a finished ISO with nothing but
//! our own readers (`iso9660`), so that it can contradict the builder.
#![forbid(unsafe_code)]

mod cli;
mod content;
mod customize;
mod esp;
mod grub;
mod images;
mod inspect;
mod iso;
mod iso9660;
mod kernel;
mod kernel_words;
mod layers;
mod medium;
mod parts;
mod publish;
mod pxe;
mod report;
mod secureboot;
mod squashfs;
mod stage;
mod summary;
mod uki;
mod usb;
mod xorriso;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let result = match cli::Cli::parse().command {
        cli::Command::Iso(args) => iso::run(&args),
        cli::Command::Usb(args) => usb::run(&args),
        cli::Command::Pxe(args) => pxe::run(&args),
        cli::Command::Customize(args) => customize::run(&args),
        cli::Command::Uki(args) => uki::run(&args),
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
