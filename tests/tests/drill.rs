//! `drill`, driven from outside: an image that comes back passes, one that does not
//! fails with its reason and a picture.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tests::guest::{Guest, PASSPHRASE};
use tests::rescue::capture;
use tests::{Patient, Web, artefact, is_left_out, medium, rescue_program, scratch, tool};

/// A disk that is captured, perhaps after something was broken on it.
struct Captured {
    folder: TempDir,
    disk: PathBuf,
}

/// What a run of `drill` came to.
#[derive(Debug)]
struct Drilled {
    code: Option<i32>,
    events: Vec<Value>,
    report: Value,
    page: String,
}

impl Captured {
    /// A copy of the patient's disk.
    fn copy_of(patient: &Patient) -> Result<Self> {
        let folder = scratch()?;
        let disk = folder.path().join("patient.raw");
        let words: [&OsStr; 4] = [
            "cp".as_ref(),
            "--sparse=always".as_ref(),
            patient.disk.as_os_str(),
            disk.as_os_str(),
        ];
        tool("coreutils", &words)?;
        Ok(Self { folder, disk })
    }

    /// Runs a command of debugfs on the second partition, which has the root; what it printed.
    fn debugfs(&self, request: &str) -> Result<String> {
        let table: [&OsStr; 3] = ["sfdisk".as_ref(), "--json".as_ref(), self.disk.as_os_str()];
        let table: Value = serde_json::from_str(&tool("fdisk", &table)?)?;
        let start = table["partitiontable"]["partitions"][1]["start"].as_u64();
        let offset = start.context("no second partition")? * 512;
        let file = format!("{}?offset={offset}", self.disk.display());
        let words = ["debugfs", "-w", "-R", request, &file];
        tool("e2fsprogs", &words.map(OsStr::new))
    }

    /// Drills with the repository as a folder.
    fn drill(&self, words: &[&str]) -> Result<Drilled> {
        let repository = self.captured()?;
        self.drill_from(repository.as_os_str(), words)
    }

    /// The repository with its image.
    fn captured(&self) -> Result<PathBuf> {
        let repository = self.folder.path().join("repository");
        capture(&self.disk, &repository, &["--name", "web1"])?;
        Ok(repository)
    }

    fn drill_from(&self, repository: &OsStr, words: &[&str]) -> Result<Drilled> {
        let report = self.folder.path().join("report");
        let output = Command::new(artefact("debug/drill")?)
            // (As all machines of the tests have: two of them run at a time.)
            .args(["web1", "--json", "--processors", "1", "--from"])
            .arg(repository)
            .arg("--report")
            .arg(&report)
            .arg("--scratch")
            .arg(self.folder.path())
            .arg("--rescue")
            .arg(rescue_program()?)
            .arg("--medium")
            .arg(medium()?)
            .args(words)
            .output()
            .context("starting drill")?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let events = lines.lines().map(serde_json::from_str);
        let text = fs::read_to_string(report.join("report.json")).with_context(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("no report; drill said:\n{lines}{errors}")
        })?;
        let told: Value = serde_json::from_str(&text)?;
        for picture in told["drills"][0]["pictures"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let file = picture["file"].as_str().context("a picture's file")?;
            is_png(&report.join(file))?;
        }
        Ok(Drilled {
            code: output.status.code(),
            events: events.collect::<Result<_, _>>().context("events")?,
            report: told,
            page: fs::read_to_string(report.join("report.html"))?,
        })
    }
}

fn is_png(file: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    ensure!(
        bytes.starts_with(b"\x89PNG"),
        "{} is no PNG",
        file.display()
    );
    Ok(())
}

impl Drilled {
    fn ended_with(&self, code: i32, verdict: &str) -> Result<()> {
        let drill = &self.report["drills"][0];
        ensure!(self.code == Some(code), "code {:?}: {drill:#}", self.code);
        ensure!(drill["verdict"] == *verdict, "{drill:#}");
        let end = self.events.last().context("no event")?;
        ensure!(end["event"] == "end" && end["code"] == code, "{end}");
        Ok(())
    }

    /// It failed while the restored system started, for a reason with these words, and
    /// a picture of it is in the page.
    fn failed_with(&self, words: &[&str]) -> Result<()> {
        self.ended_with(1, "failed")?;
        let drill = &self.report["drills"][0];
        let reason = drill["reason"].as_str().context("no reason")?;
        for word in words {
            ensure!(reason.contains(word), "no {word:?} in {reason}");
        }
        let pictures = drill["pictures"].as_array().context("no pictures")?;
        let last = pictures.last().context("no picture")?;
        ensure!(last["caption"] == "how it ended", "{last}");
        let shown = self
            .page
            .matches("src=\"data:image/png;base64,iVBOR")
            .count();
        ensure!(shown == pictures.len(), "{shown} of {}", pictures.len());
        Ok(())
    }
}

#[test]
fn vm_drill_of_the_demo_image_passes() -> Result<()> {
    let patient = Patient::named("uefi")?;
    let captured = Captured::copy_of(&patient)?;
    // On a web server: what the machine gets of it, it gets through the drill.
    let web = Web::serve(captured.captured()?)?;
    let proofs = ["--wait-for", "login", "--wait-for", "facts"];
    let words = [&["--hardware", "nvme"][..], &proofs].concat();
    let drilled = captured.drill_from(web.url().as_ref(), &words)?;
    drilled.ended_with(0, "passed")?;
    ensure!(
        drilled.report["image"]["repository"] == web.url(),
        "{}",
        drilled.report["image"]
    );
    let drill = &drilled.report["drills"][0];
    ensure!(drill["firmware"] == "UEFI", "{drill:#}");
    let compared = drill["compared"].as_array().context("compared")?;
    let ids: Vec<&Value> = drill["proofs"].as_array().into_iter().flatten().collect();
    ensure!(ids.len() == 2, "{ids:?}");
    // The machine itself told who it is, and the disk was compared before and after.
    let facts = ids.iter().find(|proof| proof["proof"] == "facts");
    let id = facts.context("facts")?["machine_id"].as_str();
    let was: Value = serde_json::from_str(&fs::read_to_string(artefact("patients/uefi.json")?)?)?;
    ensure!(id == was["machine_id"].as_str(), "{id:?}");
    for what in ["host name", "machine-id (disk 0, partition 2)"] {
        let found = compared.iter().find(|c| c["what"] == what);
        ensure!(found.context(what)?["same"] == true, "{compared:?}");
    }
    ensure!(drilled.page.contains("✓ passed"));
    Ok(())
}

/// The patient `name` without its kernel.
fn without_kernel(name: &str) -> Result<Drilled> {
    let captured = Captured::copy_of(&Patient::named(name)?)?;
    let listed = captured.debugfs("ls -p /boot")?;
    // Lines of "/inode/mode/uid/gid/name/size/".
    let names = listed.lines().filter_map(|line| line.split('/').nth(5));
    let kernels: Vec<&str> = names.filter(|n| n.starts_with("vmlinuz-")).collect();
    ensure!(kernels.len() == 1, "{listed}");
    captured.debugfs(&format!("rm /boot/{}", kernels[0]))?;
    captured.drill(&["--hardware", "ahci", "--force"])
}

#[test]
fn vm_drill_without_a_kernel_fails_with_what_grub_says() -> Result<()> {
    // Three minutes; CI has the drill that passes: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    without_kernel("uefi")?.failed_with(&[
        "GRUB could not load the kernel",
        "vmlinuz-",
        "not found",
    ])
}

/// GRUB started by a BIOS speaks on the text screen only, and wipes its errors away before
/// its prompt, faster than anybody reads: the medium says what is missing.
#[test]
fn vm_drill_without_a_kernel_fails_with_what_the_medium_foretold() -> Result<()> {
    // Another case of the test above: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    without_kernel("bios")?.failed_with(&[
        "it did not come up: GRUB",
        "the medium had foretold it: ",
        "/boot has no kernel",
    ])
}

/// What answers on TCP port 7, on whatever card, as files of the system.
const ANSWERS: [(&str, &str); 3] = [
    (
        "network/20-all.network",
        "[Match]\nType=ether\n[Network]\nDHCP=yes\n",
    ),
    (
        "system/echo.socket",
        "[Socket]\nListenStream=7\nAccept=yes\n",
    ),
    (
        "system/echo@.service",
        "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
    ),
];
/// What starts that.
const STARTS: [(&str, &str); 2] = [
    (
        "multi-user.target.wants/systemd-networkd.service",
        "/lib/systemd/system/systemd-networkd.service",
    ),
    (
        "sockets.target.wants/echo.socket",
        "/etc/systemd/system/echo.socket",
    ),
];
/// Asks it, through the port that the drill opened.
const ASKS: &str = r#"#!/bin/bash
set -eu
until exec 3<>"/dev/tcp/127.0.0.1/$DRILL_PORT_7"; do sleep 1; done
echo "$DRILL_HARDWARE" >&3
read -r -t 60 answer <&3
[ "$answer" = "$DRILL_HARDWARE" ]
"#;

/// Every controller, every card and every proof that no other test has.
#[test]
fn vm_drills_on_other_hardware_pass_by_every_proof() -> Result<()> {
    // Seven machines: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let captured = Captured::copy_of(&Patient::named("bios")?)?;
    for (path, text) in ANSWERS {
        let file = captured.folder.path().join("file");
        fs::write(&file, text)?;
        captured.debugfs(&format!("write {} /etc/systemd/{path}", file.display()))?;
    }
    for (link, target) in STARTS {
        let folder = link.split('/').next().context("a folder")?;
        // (It may be there.)
        captured.debugfs(&format!("mkdir /etc/systemd/system/{folder}"))?;
        captured.debugfs(&format!("symlink /etc/systemd/system/{link} {target}"))?;
    }
    let script = captured.folder.path().join("ask");
    fs::write(&script, ASKS)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let script = format!("script:{}", script.display());
    let hardware = "dell-perc hp-sas lsi-scsi ide hyper-v-like vmware vmware-e1000";
    let mut words = vec!["--firmware", "bios", "--forward", "7", "--hardware"];
    words.extend(hardware.split(' '));
    for proof in ["login", "port:7", "agent", &script] {
        words.extend(["--wait-for", proof]);
    }
    let drilled = captured.drill(&words)?;
    let drills = drilled.report["drills"].as_array().context("drills")?;
    let mut wrong = Vec::new();
    for (drill, name) in drills.iter().zip(hardware.split(' ')) {
        let (is, verdict) = (&drill["hardware"], &drill["verdict"]);
        println!("{is}: {verdict}, {} s", drill["seconds"]);
        let proofs = drill["proofs"].as_array().context("proofs")?.len();
        if *is != name || *verdict != "passed" || proofs != 4 {
            wrong.push(format!(
                "{is} {verdict}, {proofs} proofs: {}",
                drill["reason"]
            ));
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(drills.len() == 7, "{} drills", drills.len());
    drilled.ended_with(0, "passed")
}

#[test]
fn vm_drill_of_an_encrypted_image_wants_its_passphrase() -> Result<()> {
    // Another case: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let captured = Captured::copy_of(&Guest::Luks.patient()?)?;
    // On the hardware that it was made on: what is not looked into is not adapted, either.
    let without = captured.drill(&["--hardware", "ahci", "--firmware", "bios"])?;
    without.ended_with(3, "not-run")?;
    let reason = without.report["drills"][0]["reason"].as_str();
    let reason = reason.context("no reason")?;
    ensure!(reason.contains("--passphrase-file"), "{reason}");
    fs::remove_dir_all(captured.folder.path().join("repository"))?;
    let file = captured.folder.path().join("passphrase");
    fs::write(&file, format!("{PASSPHRASE}\n"))?;
    let file = file.to_str().context("a path of text")?;
    let words = ["--hardware", "nvme", "--firmware", "bios", "--keep-disks"];
    let with = captured.drill(&[&words[..], &["--passphrase-file", file]].concat())?;
    with.ended_with(0, "passed")?;
    // The plan that the machine got had it, and what is kept has not.
    ensure!(!with.page.contains(PASSPHRASE) && !with.report.to_string().contains(PASSPHRASE));
    // Not even beside the disks, where those are kept.
    let kept = fs::read_dir(captured.folder.path())?.filter_map(Result::ok);
    let mut kept = kept.filter(|e| e.file_name().to_string_lossy().starts_with("drill-"));
    let kept = kept.next().context("no disks were kept")?.path();
    ensure!(kept.join("disk0.raw").exists() && !kept.join("plan").exists());
    let compared = with.report["drills"][0]["compared"].to_string();
    ensure!(
        compared.contains("machine-id (disk 0, partition 4)"),
        "{compared}"
    );
    Ok(())
}

#[test]
fn vm_drill_with_a_wrong_uuid_in_fstab_fails_with_what_systemd_says() -> Result<()> {
    // Two minutes of waiting for a disk that never comes: for `scripts/test --all`.
    if is_left_out() {
        return Ok(());
    }
    let captured = Captured::copy_of(&Patient::named("uefi")?)?;
    let fstab = captured.debugfs("cat /etc/fstab")?;
    let file = captured.folder.path().join("fstab");
    let wrong = "UUID=0bad0bad-0bad-0bad-0bad-0bad0bad0bad /srv ext4 defaults 0 2";
    fs::write(&file, format!("{}\n{wrong}\n", fstab.trim_end()))?;
    captured.debugfs("rm /etc/fstab")?;
    captured.debugfs(&format!("write {} /etc/fstab", file.display()))?;
    captured.debugfs("mkdir /srv").ok();
    let drilled = captured.drill(&["--hardware", "virtio"])?;
    drilled.failed_with(&["emergency mode", "0bad"])
}
