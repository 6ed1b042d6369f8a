//! The technician's walk through the full-screen interface, in a real terminal: the
//! screens of docs/walk.md are those that it sees.

use anyhow::{Context, Result, ensure};
use image::Repository;
use qemu::{Bus, Disk, Exit, Firmware, Forward, Machine, Nic, NicModel, Vm};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::terminal::Terminal;
use tests::walk::{Seen, Step, same_as_documented, walk};
use tests::{
    Sample, TARGET, artefact, blank_disk, make_volume, medium, same_blocks, scratch, tool,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// As slow as an old disk, so that the restore can be watched.
const BYTES_A_SECOND: u64 = 6 << 20;

/// From the first screen to the plan.
const CHOOSING: &[Step<'_>] = &[
    Step {
        text: "The first screen says what this machine is and what is in it; what appears later \
               is added by itself. `?` explains every screen, and lists the keys.",
        question: "first-screen",
        shows: &[
            "This machine:",
            "/dev/sda",
            "Restore a machine onto this one",
        ],
        types: "?",
        key: "",
    },
    Step {
        text: "Help is one key away on every screen.",
        question: "",
        shows: &["Keys:", "rescue shell"],
        types: "",
        key: "Escape",
    },
    Step {
        text: "",
        question: "",
        shows: &["What is to be done?"],
        types: "1",
        key: "",
    },
    Step {
        text: "Repositories on disks and sticks are found by themselves. Others have an address, or a form to fill in.",
        question: "repository",
        shows: &["/backup on vda (ext4, labelled BACKUPS)"],
        types: "",
        key: "Enter",
    },
    Step {
        text: "The newest image is first.",
        question: "image",
        shows: &["Which image?", "sample"],
        types: "",
        key: "Enter",
    },
    Step {
        text: "Each disk is shown with its model, its serial number and what is on it now. One \
               that must not be overwritten cannot be chosen, and says why.",
        question: "target",
        shows: &[
            "EVERYTHING ON IT WILL BE LOST",
            TARGET,
            "it holds the repository",
        ],
        types: "",
        key: "Enter",
    },
    Step {
        text: "The plan says in words what would be done. Nothing was written yet.",
        question: "plan",
        shows: &["This is the plan; nothing was written yet.", "Go on"],
        types: "2",
        key: "",
    },
];

/// The confirmation.
const CONFIRMING: &[Step<'_>] = &[
    Step {
        text: "Only the disk's serial number starts the restore.",
        question: "confirm",
        shows: &["Type its serial number to confirm: RESCUE-TARGET"],
        types: "RESCUE-TARGE",
        key: "Enter",
    },
    Step {
        text: "Anything else does not.",
        question: "confirm",
        shows: &["That is something else. Nothing was written."],
        types: TARGET,
        key: "Enter",
    },
];

const FINISHED: &[Step<'_>] = &[Step {
    text: "The report says what was done, how it was checked, what was not done, and what to \
           think of before the machine starts.",
    question: "finished",
    shows: &["all read back", "Never run the original and this one"],
    types: "2",
    key: "",
}];

/// What is seen while the restore runs.
fn watch(vm: &mut Vm, terminal: &Terminal) -> Result<Seen> {
    vm.wait_event("half of it", PATIENCE, |event| {
        event["event"] == "progress" && event["done"].as_u64() > Some(40 << 20)
    })?;
    let shows = [
        "Writing:",
        "left",
        "Bytes a second",
        "partition 1",
        "Ctrl-C stops",
    ];
    let screen = terminal.wait_for(&shows, vm.stretched(PATIENCE))?;
    Ok(Seen {
        text: "While it runs: how far each partition is, how fast, and how long still.",
        screen,
    })
}

/// The machine of the walk: a disk that is slow, and one with the repository.
fn machine(iso: &Path, folder: &Path, sample: &Sample, target: &Path) -> Result<Machine> {
    let content = folder.join("volume");
    fs::create_dir(&content)?;
    fs::rename(&sample.repository, content.join("backup"))?;
    let volume = folder.join("volume.raw");
    make_volume(&volume, "BACKUPS", &content, 32)?;
    blank_disk(target, 96 << 20)?;
    let volume = Disk::raw(&volume).never_boots().throw_away_writes();
    let disk = Disk::raw(target).bus(Bus::Ahci).serial(TARGET);
    let machine = Machine::new(Firmware::Bios).memory_mib(512);
    Ok(machine.cdrom(iso).disk(disk).disk(volume).events())
}

/// Makes writing to the first disk slow.
fn slow_down(vm: &mut Vm) -> Result<()> {
    let blocks = vm.qmp("query-block", json!({}))?;
    let blocks = blocks.as_array().context("a list of disks")?;
    let target = blocks.iter().find(|block| {
        let file = block["inserted"]["file"].as_str().unwrap_or_default();
        file.ends_with("target.raw")
    });
    let id = &target.context("the target")?["qdev"];
    let none = json!({
        "id": id, "bps": 0, "bps_rd": 0, "bps_wr": BYTES_A_SECOND,
        "iops": 0, "iops_rd": 0, "iops_wr": 0,
    });
    vm.qmp("block_set_io_throttle", none)?;
    Ok(())
}

/// The whole walk; `open` sits down at the machine's interface.
fn take_the_walk(vm: &mut Vm, open: impl Fn() -> Result<Terminal>) -> Result<Vec<Seen>> {
    let terminal = open()?;
    let mut seen = walk(vm, &terminal, CHOOSING, PATIENCE)?;
    // Somebody else sits down, and sees nothing until a key draws everything.
    drop(terminal);
    let terminal = open()?;
    terminal.press("C-l")?;
    seen.extend(walk(vm, &terminal, CONFIRMING, PATIENCE)?);
    seen.push(watch(vm, &terminal)?);
    seen.extend(walk(vm, &terminal, FINISHED, PATIENCE)?);
    Ok(seen)
}

#[test]
fn vm_the_walk_over_a_serial_line() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 96)?;
    let target = folder.path().join("target.raw");
    // Socket names are short, and the scratch folder's may not be.
    let sockets = tempfile::tempdir()?;
    let console = sockets.path().join("console");
    let machine = machine(&medium()?, folder.path(), &sample, &target)?;
    let mut vm = machine.console_at(&console).start()?;
    slow_down(&mut vm)?;
    let connect = format!("socat -,raw,echo=0 UNIX-CONNECT:{}", console.display());
    let open = || Terminal::open(sockets.path(), (80, 24), &connect);
    let seen = take_the_walk(&mut vm, open)?;
    let exit = vm.wait_exit(PATIENCE)?;
    ensure!(exit == Exit::PoweredOff, "it should power off: {exit}");

    restored(folder.path(), &sample, &target)?;
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/walk.md");
    same_as_documented(&document, &seen)
}

/// Checks that `target` holds what the sample was captured from.
fn restored(folder: &Path, sample: &Sample, target: &Path) -> Result<()> {
    let store = store::DirStore::open(folder.join("volume/backup"))?;
    let repository = Repository::open(Arc::new(store))?;
    same_blocks(&repository, "sample", &sample.disk, target, &[]).map(drop)
}

/// A technician with keys of their own, and where to reach the machine.
struct Client {
    folder: PathBuf,
    port: u16,
}

impl Client {
    fn new(folder: &Path) -> Result<Self> {
        let client = Self {
            folder: folder.to_owned(),
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
        };
        for name in ["ours", "foreign", "host"] {
            let words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f"].map(OsStr::new);
            let file = client.file(name);
            tool(
                "openssh-client",
                &[&words[..], &[file.as_os_str()]].concat(),
            )?;
        }
        // The host is known by the key that the medium was given, and by no other.
        let key = fs::read_to_string(client.file("host.pub"))?;
        let known = format!("[127.0.0.1]:{} {key}", client.port);
        fs::write(client.file("known_hosts"), known)?;
        Ok(client)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The medium that lets us in.
    fn medium(&self) -> Result<PathBuf> {
        let iso = self.file("ssh.iso");
        let (ours, host) = (self.file("ours.pub"), self.file("host"));
        let words: [&OsStr; 9] = [
            &artefact("debug/imagebuilder")?.into_os_string(),
            "customize".as_ref(),
            &medium()?.into_os_string(),
            "--ssh-key".as_ref(),
            ours.as_os_str(),
            "--ssh-host-key".as_ref(),
            host.as_os_str(),
            "--out".as_ref(),
            iso.as_os_str(),
        ];
        tool("imagebuilder, as scripts/test builds it", &words)?;
        Ok(iso)
    }

    /// The words of `ssh` with the key `name`, as for a shell.
    fn words(&self, name: &str) -> Vec<String> {
        let known = self.file("known_hosts");
        let all = format!(
            "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes \
             -o ConnectTimeout=60 -o UserKnownHostsFile={} -i {} -p {} root@127.0.0.1",
            known.display(),
            self.file(name).display(),
            self.port
        );
        all.split_whitespace().map(str::to_owned).collect()
    }

    /// What `command` prints on the machine.
    fn run(&self, name: &str, command: &str) -> Result<String> {
        let mut words = self.words(name);
        words.push(command.to_owned());
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        tool("openssh-client", &words)
    }

    /// Waits until the machine lets us in.
    fn wait(&self, limit: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.run("ours", "true") {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > limit => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_secs(1)),
            }
        }
    }
}

#[test]
fn vm_the_walk_over_ssh_with_our_key_and_no_other() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 96)?;
    let target = folder.path().join("target.raw");
    let own = tempfile::tempdir()?;
    let client = Client::new(own.path())?;
    let machine = machine(&client.medium()?, folder.path(), &sample, &target)?;
    let nic = Nic::new(NicModel::Virtio).forward(Forward {
        host: client.port,
        guest: 22,
    });
    let mut vm = machine.nic(nic).start()?;
    slow_down(&mut vm)?;
    vm.wait_event("first-screen", PATIENCE, |event| {
        event["value"]["question"] == "first-screen"
    })?;
    client.wait(vm.stretched(PATIENCE))?;

    let refused = format!("{:#}", client.run("foreign", "true").unwrap_err());
    ensure!(refused.contains("Permission denied"), "{refused}");
    let disks = client.run("ours", "rescue inspect --json")?;
    ensure!(disks.contains(TARGET), "{disks}");
    // The shell and what is in it: busybox.
    let said = client.run("ours", "echo $((6 * 7)) | sed s/4/four/; id -un; exit 0")?;
    ensure!(said == "four2\nroot\n", "{said:?}");

    let command = client.words("ours").join(" ").replacen("ssh", "ssh -tt", 1);
    let terminal = Terminal::open(own.path(), (80, 24), &command)?;
    let limit = vm.stretched(PATIENCE);
    let first = terminal.wait_for(&["Restore a machine onto this one", "SHA256:"], limit)?;
    let file = client.file("host.pub").into_os_string();
    let words = ["ssh-keygen", "-l", "-f"].map(OsStr::new);
    let shown = tool("openssh-client", &[&words[..], &[&file]].concat())?;
    let shown = shown.split_whitespace().nth(1).context("a fingerprint")?;
    ensure!(first.contains(shown), "{shown} is not on\n{first}");
    walk(&mut vm, &terminal, CHOOSING, PATIENCE)?;
    walk(&mut vm, &terminal, CONFIRMING, PATIENCE)?;
    watch(&mut vm, &terminal)?;
    walk(&mut vm, &terminal, FINISHED, PATIENCE)?;
    let exit = vm.wait_exit(PATIENCE)?;
    ensure!(exit == Exit::PoweredOff, "it should power off: {exit}");
    restored(folder.path(), &sample, &target)
}
