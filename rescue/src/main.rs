//! Dispatch only: PID 1 supervises, `modprobe` serves the kernel, everything
//! else is the command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use rescue::{cli, init};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    if std::process::id() == 1 {
        init::run()
    } else if init::modprobe::is_meant(&program) {
        init::modprobe::run(arguments.filter_map(|word| word.into_string().ok()))
    } else {
        cli::run()
    }
}
