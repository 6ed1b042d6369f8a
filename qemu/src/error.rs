//! What can go wrong with a virtual machine.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A machine could not be started, or did not do what was waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program or firmware file of the host is not installed.
    #[error("{what} not found; install the package {package}")]
    Missing {
        /// The file or program.
        what: String,
        /// Debian's package that has it.
        package: &'static str,
    },
    /// The machine as described cannot exist.
    #[error("this machine cannot be built: {0}")]
    Impossible(String),
    /// A file of the host could not be used.
    #[error("{doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// QEMU itself ended before the machine ran.
    #[error("QEMU did not start: {stderr}\ncommand: {command}")]
    NotStarted {
        /// What QEMU printed.
        stderr: String,
        /// The whole command line.
        command: String,
    },
    /// Time ran out.
    #[error("waited {} s for {waited_for}; the console ends with:\n{console}", limit.as_secs())]
    TimedOut {
        /// What was waited for.
        waited_for: String,
        /// How long, after stretching.
        limit: Duration,
        /// Last lines of the console.
        console: String,
    },
    /// The machine ended while something else was waited for.
    #[error("the machine ended ({exit}) while waiting for {waited_for}; {log}")]
    Ended {
        /// What was waited for.
        waited_for: String,
        /// How it ended.
        exit: String,
        /// QEMU's own messages and the last lines of the console.
        log: String,
    },
    /// The guest's kernel panicked.
    #[error("the guest panicked while waiting for {waited_for}; the console ends with:\n{console}")]
    Panicked {
        /// What was waited for.
        waited_for: String,
        /// Last lines of the console.
        console: String,
    },
    /// QMP refused a command.
    #[error("QEMU refused the command {command}: {reason}")]
    Refused {
        /// The QMP command.
        command: String,
        /// QEMU's description.
        reason: String,
    },
    /// Bytes could not be sent to the guest or the monitor.
    #[error("writing to the machine's {port} port")]
    Send {
        /// Which port.
        port: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}
