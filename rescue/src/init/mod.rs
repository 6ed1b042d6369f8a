//! PID 1 of the rescue medium, and the processes it starts.
//!
//! PID 1 itself is small: it mounts what a Linux system needs, copies between
//! all consoles and one terminal, starts processes, and says what happened
//! when one died. The work is done by this same program in other [`role`]s,
//! each a process that may crash or be ended without taking PID 1 along:
//!
//! * `site` unpacks what the site put into the medium, and ends ([`site`]),
//! * `devices` loads drivers ([`devices`]),
//! * `network` brings links up as they are set, or by DHCP ([`network`]),
//! * `clock` asks time servers ([`clock`]),
//! * `ssh` lets operators in from elsewhere, when keys were given ([`ssh`]),
//! * `main` is the unattended restore or the dialogue.
//!
//! They tell each other how things stand through files ([`state`]), and
//! automation through the event [`port`].

mod arrival;
pub mod clock;
pub mod cmdline;
pub mod console;
mod controllers;
pub mod devices;
pub mod dhcp;
pub(crate) mod driver_folders;
mod firmware;
mod grow;
pub mod iscsi;
pub(crate) mod kernel_log;
pub mod layers;
pub mod modprobe;
pub mod modules;
pub mod mounts;
pub mod network;
mod network_forms;
pub mod place_forms;
pub mod places;
mod plans;
pub mod port;
pub mod prompt;
pub mod role;
mod share_errors;
pub mod shares;
pub mod site;
pub mod ssh;
pub mod state;
mod supervisor;
pub(crate) mod told;
pub mod volumes;
pub mod work;
pub mod world;

use std::process::ExitCode;
use std::time::Duration;

use cmdline::Cmdline;
use console::Consoles;
use role::Role;
use supervisor::Supervisor;

/// Runs as process 1. It never returns: the kernel would panic.
#[must_use]
pub fn run() -> ExitCode {
    let signals = sys::process::Signals::collect();
    let mut problems = mounts::mount_all();
    problems.extend(layers::mount_all());
    // (Where its module is still to come, who needs them tries again.)
    let _ = mounts::efi_variables();
    let cmdline = Cmdline::current();
    settle_kernel(&cmdline);
    let mut consoles = Consoles::open(&cmdline, port::path(&cmdline).as_deref());
    consoles.say(&format!(
        "\nrescue {} is starting\n",
        env!("CARGO_PKG_VERSION")
    ));
    for problem in problems {
        consoles.say(&format!("warning: {problem}\n"));
    }
    if let Some(problem) = site::set_up() {
        consoles.say(&format!("warning: {problem}\n"));
    }
    match signals {
        Ok(signals) => {
            let mut supervisor = Supervisor::new(signals, consoles);
            supervisor.start(Role::Devices);
            supervisor.start(Role::Network);
            supervisor.start(Role::Clock);
            if ssh::is_wanted() {
                supervisor.start(Role::Ssh);
            }
            supervisor.start(Role::Main);
            supervisor.run()
        }
        Err(error) => {
            consoles.say(&format!(
                "error: collecting signals: {error}; nothing can be done\n"
            ));
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
    }
}

/// What the kernel should do differently while we run. Nothing here is worth
/// stopping for.
fn settle_kernel(cmdline: &Cmdline) {
    // Never end PID 1 for want of memory; children undo this for themselves.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    let _ = sys::power::ask_before_ctrl_alt_del();
    let talkative = ["debug", "rescue.verbose"].iter().any(|w| cmdline.has(w));
    if !talkative && cmdline.value("loglevel").is_none() {
        // Errors only: warnings of drivers would tear the dialogue apart.
        let _ = std::fs::write("/proc/sys/kernel/printk", "4");
    }
}
