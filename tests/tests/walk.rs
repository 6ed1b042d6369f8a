//! The technician's walk through the full-screen interface, in a real terminal: the
//! screens of docs/walk.md are those that it sees.

use anyhow::{Context, Result, ensure};
use image::Repository;
use qemu::{Bus, Disk, Exit, Firmware, Machine, Vm};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tests::terminal::Terminal;
use tests::walk::{Seen, Step, same_as_documented, walk};
use tests::{Sample, TARGET, blank_disk, make_volume, medium, same_blocks, scratch};

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
        text: "Repositories on disks and sticks are found by themselves. Others have an address.",
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
    shows: &["read back and compared", "two machines with one identity"],
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
fn machine(folder: &Path, sample: &Sample, target: &Path) -> Result<Machine> {
    let content = folder.join("volume");
    fs::create_dir(&content)?;
    fs::rename(&sample.repository, content.join("backup"))?;
    let volume = folder.join("volume.raw");
    make_volume(&volume, "BACKUPS", &content, 32)?;
    blank_disk(target, 96 << 20)?;
    let volume = Disk::raw(&volume).never_boots().throw_away_writes();
    let disk = Disk::raw(target).bus(Bus::Ahci).serial(TARGET);
    let machine = Machine::new(Firmware::Bios).memory_mib(512);
    Ok(machine.cdrom(medium()?).disk(disk).disk(volume).events())
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
    let machine = machine(folder.path(), &sample, &target)?;
    let mut vm = machine.console_at(&console).start()?;
    slow_down(&mut vm)?;
    let connect = format!("socat -,raw,echo=0 UNIX-CONNECT:{}", console.display());
    let open = || Terminal::open(sockets.path(), (80, 24), &connect);
    let seen = take_the_walk(&mut vm, open)?;
    let exit = vm.wait_exit(PATIENCE)?;
    ensure!(exit == Exit::PoweredOff, "it should power off: {exit}");

    let store = store::DirStore::open(folder.path().join("volume/backup"))?;
    let repository = Repository::open(Arc::new(store))?;
    same_blocks(&repository, "sample", &sample.disk, &target, &[])?;
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/walk.md");
    same_as_documented(&document, &seen)
}
