//! Dispatch only: PID 1 supervises, everything else is the command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        rescue::init::run()
    } else {
        rescue::cli::run()
    }
}
