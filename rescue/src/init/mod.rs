//! PID 1 of the rescue medium.

use std::process::ExitCode;

/// Runs as process 1; returns only on a failure nothing can be done about.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::FAILURE
}
