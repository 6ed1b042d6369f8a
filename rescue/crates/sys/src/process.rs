//! Children and signals of process 1.

use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It returned this code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Killed(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "{signal}"),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}

/// One child that has ended, if there is one; never waits.
///
/// # Errors
/// None but the kernel's own surprises: no children at all is `Ok(None)`.
pub fn reap() -> Result<Option<(u32, End)>> {
    loop {
        match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => return Ok(Some((id(pid), End::Exited(code)))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                return Ok(Some((id(pid), End::Killed(signal as i32))));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn id(pid: Pid) -> u32 {
    u32::try_from(pid.as_raw()).unwrap_or(0)
}

/// Asks process 1 to stop the machine, as [`Signals`] understands it.
///
/// # Errors
/// `EPERM` when we are not root.
pub fn ask_init(how: crate::power::Stop) -> Result<()> {
    let signal = match how {
        crate::power::Stop::Reboot => Signal::SIGINT,
        crate::power::Stop::PowerOff => Signal::SIGUSR2,
    };
    Ok(kill(Pid::from_raw(1), signal)?)
}

/// Interrupts this very process, as Ctrl-C at its terminal does.
///
/// # Errors
/// The kernel's own surprises.
pub fn interrupt_self() -> Result<()> {
    Ok(kill(Pid::this(), Signal::SIGINT)?)
}

/// Which signal process 1 got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A child ended.
    Child,
    /// Ctrl-Alt-Del, or someone wants a reboot.
    Reboot,
    /// Someone wants the power off (`kill -TERM 1`, an ACPI daemon).
    PowerOff,
}

/// Signals as something to wait for, instead of handlers.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks the signals process 1 answers and collects them. Call it before
    /// the first thread: threads inherit the mask. So do children: they call
    /// [`unblock_all`].
    ///
    /// # Errors
    /// The kernel's: `EMFILE`.
    pub fn collect() -> Result<Self> {
        let mut set = SigSet::empty();
        for signal in [
            Signal::SIGCHLD,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGUSR2,
            Signal::SIGHUP,
            Signal::SIGPIPE,
        ] {
            set.add(signal);
        }
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd })
    }

    /// The next signal that is there already.
    ///
    /// # Errors
    /// The kernel's own surprises.
    pub fn next(&self) -> Result<Option<Wake>> {
        while let Some(info) = self.fd.read_signal()? {
            match i32::try_from(info.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGCHLD)) => return Ok(Some(Wake::Child)),
                Ok(Ok(Signal::SIGINT)) => return Ok(Some(Wake::Reboot)),
                Ok(Ok(Signal::SIGTERM | Signal::SIGUSR2)) => return Ok(Some(Wake::PowerOff)),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Lets every signal through again: the first thing a child of process 1 does.
///
/// # Errors
/// The kernel's own surprises.
pub fn unblock_all() -> Result<()> {
    SigSet::empty().thread_set_mask()?;
    Ok(())
}

/// Ends the process `pid` at once.
///
/// # Errors
/// `ESRCH` when it is gone already.
pub fn kill_now(pid: u32) -> Result<()> {
    let pid = i32::try_from(pid).map_err(|_| Errno::ESRCH)?;
    if pid <= 1 {
        // 0 and -1 would mean whole groups of processes.
        return Err(Errno::EINVAL.into());
    }
    kill(Pid::from_raw(pid), Signal::SIGKILL)?;
    Ok(())
}

/// Ends the group of processes that the child `leader` was started as the head
/// of (`CommandExt::process_group(0)`), at once. Before it is waited for: after
/// that its number may be another's.
///
/// # Errors
/// `ESRCH` when all are gone already.
pub fn kill_group(leader: u32) -> Result<()> {
    let leader = i32::try_from(leader).map_err(|_| Errno::ESRCH)?;
    if leader <= 1 {
        return Err(Errno::EINVAL.into());
    }
    nix::sys::signal::killpg(Pid::from_raw(leader), Signal::SIGKILL)?;
    Ok(())
}

/// Whether the child `pid` has ended; it still has to be waited for.
///
/// # Errors
/// `ECHILD` when it is none of ours, or was waited for.
pub fn has_ended(pid: u32) -> Result<bool> {
    use nix::sys::wait::{Id, waitid};
    let pid = i32::try_from(pid).map_err(|_| Errno::ECHILD)?;
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let status = waitid(Id::Pid(Pid::from_raw(pid)), flags)?;
    Ok(status != WaitStatus::StillAlive)
}

/// The program that `command` starts is killed when the thread that starts it
/// ends, however it ends.
#[allow(unsafe_code)]
pub fn ends_with_starter(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let before = || Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?);
    // SAFETY: between fork and exec only prctl(2) is called; nothing is allocated or locked.
    unsafe { command.pre_exec(before) };
}

/// Whether this process is root, of the machine or of a namespace.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Asks every process but this one to end, or ends it.
///
/// # Errors
/// `ESRCH` when there is none. Refused (`EPERM`) in any process but 1.
pub fn end_all(gently: bool) -> Result<()> {
    if std::process::id() != 1 {
        return Err(Errno::EPERM.into());
    }
    let signal = if gently {
        Signal::SIGTERM
    } else {
        Signal::SIGKILL
    };
    kill(Pid::from_raw(-1), signal)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_read_well() {
        assert_eq!(End::Exited(3).to_string(), "exit code 3");
        assert_eq!(End::Killed(9).to_string(), "SIGKILL");
        assert_eq!(End::Killed(40).to_string(), "signal 40");
    }

    #[test]
    fn a_child_that_ended_is_seen_and_still_there() {
        use std::process::{Command, Stdio};
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(!has_ended(cat.id()).unwrap());
        drop(cat.stdin.take());
        while !has_ended(cat.id()).unwrap() {
            std::thread::yield_now();
        }
        assert!(cat.wait().unwrap().success());
        assert!(has_ended(cat.id()).is_err());
    }

    #[test]
    fn groups_of_processes_are_never_killed_by_accident() {
        assert!(kill_now(0).is_err());
        assert!(kill_now(1).is_err());
        assert!(kill_now(u32::MAX).is_err());
        assert!(kill_group(0).is_err());
        assert!(kill_group(1).is_err());
        assert!(kill_group(u32::MAX).is_err());
        assert!(end_all(true).is_err());
    }
}
