//! The command line.

use crate::profile::Start;
use crate::proof::Proof;
use crate::repository::Reach;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Prove that an image comes back: restore it into a throw-away virtual machine and start it.
///
/// The rescue medium itself does the restore, as it would on a real machine. Then
/// the result is started, and has to prove that it works: by a login prompt, an
/// open port, an answer of its QEMU guest agent, or a script of yours. Pictures,
/// times and the whole serial console go into a report.
///
/// Nothing of it touches a network: the machine is on one of its own, where only
/// the repository answers (while it is restored), and nobody (when it is started).
/// So the copy cannot meet the original. The repository is only read; one on a web
/// server is read by this program, on behalf of the machine.
#[derive(Debug, Parser)]
#[command(name = "drill", version, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_negates_reqs = true)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  drill latest --from /srv/backup
  drill web1 --from https://backup.example.net/web1 --ca site-ca.pem
  drill web1 --from /srv/backup --hardware dell-perc --hardware nvme
  drill web1 --from /srv/backup --wait-for port:22 --wait-for port:443
  drill web1 --from /srv/backup --wait-for script:./check-shop --forward 443
  drill --list-hardware

What --wait-for takes (give it again: all must hold):
  login         A login prompt on the first serial port (COM1, ttyS0); the default.
                The system has to have a console there (Linux: console=ttyS0). One that
                shows its prompt on the screen only cannot be proven by it: take port:,
                agent or script: then. The screen is in the report in any case.
  port:N        The system accepts a connection on TCP port N.
  agent         Its QEMU guest agent (package qemu-guest-agent) answers.
  facts         A line of JSON with \"event\":\"facts\" on the second serial port (ttyS1).
  text:WORDS    These words on the first serial port, or on a text screen.
  script:FILE   This program of yours ends with 0. It is started with the machine and finds
                DRILL_HARDWARE, DRILL_IMAGE and, for each --forward N, DRILL_PORT_N (the port
                of 127.0.0.1 that leads to port N of the system) in its environment.

Exit codes:
  0  every drill passed
  1  at least one drill failed: the image would not have come back, or not as itself
  2  the command line is wrong
  3  a drill could not be run (no such image, no QEMU, hardware that cannot start it), and
     none failed

A profile of your own is a file NAME.toml; --list-hardware shows those that are built in.")]
pub(crate) struct Args {
    /// "latest", a name (its newest image), or an id
    #[arg(required_unless_present = "list_hardware", value_name = "IMAGE")]
    pub(crate) image: Option<String>,

    /// The repository: a folder, http://SERVER/FOLDER or https://SERVER/FOLDER
    #[arg(long, required_unless_present = "list_hardware", value_name = "REPO")]
    pub(crate) from: Option<String>,

    #[command(flatten)]
    pub(crate) reach: Reach,

    /// A machine to restore onto, or a file NAME.toml with one; give it again for more
    #[arg(long, value_name = "PROFILE", num_args = 1.., default_value = "virtio")]
    pub(crate) hardware: Vec<String>,

    /// Show the built-in machines, as their files
    #[arg(long)]
    pub(crate) list_hardware: bool,

    /// What to start by; if not given what the image was started by, where the hardware has it
    #[arg(long, value_enum)]
    pub(crate) firmware: Option<Start>,

    /// How many processors each machine has, instead of what its file says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) processors: Option<u32>,

    /// What proves that it came up (see below); give it again for more
    #[arg(long, value_name = "PROOF", default_value = "login")]
    pub(crate) wait_for: Vec<Proof>,

    /// How long it may take to prove itself, in seconds, as for real hardware: where
    /// the processor's virtualisation cannot be used, eight times that
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) limit: u32,

    /// Lead a free port of 127.0.0.1 to this TCP port of the started system; give it again for more
    #[arg(long, value_name = "PORT")]
    pub(crate) forward: Vec<u16>,

    /// Folder for the report; if not given drill-IMAGE-TIME in this one
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,

    /// Versioned JSON lines instead of text (docs/DRILL.md)
    #[arg(long)]
    pub(crate) json: bool,

    /// Have the medium read everything back before it makes the disk bootable
    #[arg(long)]
    pub(crate) verify: bool,

    /// Have the medium restore even what it says will not start
    #[arg(long)]
    pub(crate) force: bool,

    /// A file with the passphrase of an encrypted (LUKS) volume: the system in it is adapted, and
    /// it is typed where the system asks for it on its first serial port; give it again for more
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Vec<PathBuf>,

    /// Only images signed by this key count (a minisign .pub file); give it again for more
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_key: Vec<PathBuf>,

    /// The rescue medium; if not given rescue.iso beside this program or one folder up
    #[arg(long, value_name = "ISO")]
    pub(crate) medium: Option<PathBuf>,

    /// The program rescue, which reads the repository; if not given the one beside this
    /// program, one folder up, or in PATH
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) rescue: Option<PathBuf>,

    /// Where the machine's disks are made, as large as what the image holds; they go afterwards
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub(crate) scratch: PathBuf,

    /// Leave the restored disks in the scratch folder and say where they are
    #[arg(long)]
    pub(crate) keep_disks: bool,

    #[command(subcommand)]
    pub(crate) inner: Option<Inner>,
}

/// What QEMU starts.
#[derive(Debug, Subcommand)]
pub(crate) enum Inner {
    /// Answer HTTP requests for a repository's objects on standard input and output.
    #[command(name = "serve-repository", hide = true)]
    Serve {
        /// The file that says which.
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults() {
        let args = parse("drill latest --from /repo").unwrap();
        assert_eq!(args.hardware, ["virtio"]);
        assert_eq!(args.wait_for, [Proof::Login]);
        assert_eq!(args.limit, 300);
        assert!(!args.force && !args.json);
    }

    #[test]
    fn several_of_a_kind() {
        let args = parse(
            "drill web1 --from /repo --hardware nvme ahci --hardware own.toml \
             --wait-for port:22 --wait-for script:./check",
        )
        .unwrap();
        assert_eq!(args.hardware, ["nvme", "ahci", "own.toml"]);
        assert_eq!(
            args.wait_for,
            [Proof::Port(22), Proof::Script("./check".into())]
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        for line in [
            "drill latest",
            "drill --from /repo",
            "drill x --from /repo --wait-for ssh",
            "drill x --from /repo --wait-for port:0",
            "drill x --from /repo --limit 0",
            "drill x --from /repo --processors 0",
            "drill x --from /repo --firmware coreboot",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert!(parse("drill --list-hardware").unwrap().list_hardware);
        let inner = parse("drill serve-repository /repo").unwrap().inner;
        assert!(matches!(inner, Some(Inner::Serve { .. })));
    }

    #[test]
    fn the_help_fits_a_terminal_and_has_the_exit_codes() {
        let help = Args::command()
            .term_width(100)
            .render_long_help()
            .to_string();
        assert!(help.contains("Exit codes:"));
        assert!(!help.contains("serve-repository"));
        let longest = help.lines().map(|line| line.chars().count()).max();
        assert!(longest.is_some_and(|longest| longest <= 100), "{longest:?}");
    }
}
