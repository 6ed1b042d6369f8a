//! The restore: the medium is started beside blank disks and follows a plan.

use crate::args::Args;
use crate::drill::{CannotRun, Failed, Running, serial};
use crate::profile::firmware_name;
use crate::reason::Finder;
use crate::say::Event;
use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Nic, Vm};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// For the medium to start, as for real hardware.
const STARTS: Duration = Duration::from_secs(120);
/// For it to say nothing while it works.
const SILENCE: Duration = Duration::from_secs(300);
/// For it to switch off after its last word.
const OFF: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(500);
/// The folder of what the machine is told.
const PLAN: &str = "plan";
/// Where the guest finds the repository.
const PORT: u16 = 80;

/// Restores every disk of the image.
pub(crate) fn restore(drill: &mut Running<'_>) -> Result<()> {
    let disks: Vec<u32> = drill.setting.image.disks.iter().map(|d| d.index).collect();
    let several = disks.len() > 1;
    for index in disks {
        let firmware = firmware_name(drill.firmware);
        let of = if several {
            format!(" of disk {index}")
        } else {
            String::new()
        };
        drill.step(
            "restoring",
            &format!("the medium starts ({firmware}) and restores{of}; nobody at the keyboard"),
        );
        one_disk(drill, index)?;
    }
    Ok(())
}

/// What the machine is told, passwords and passphrases among it, goes before it starts
/// anything else: disks may be kept (`--keep-disks`).
fn one_disk(drill: &mut Running<'_>, index: u32) -> Result<()> {
    let outcome = restored(drill, index);
    let folder = drill.folder.join(PLAN);
    let gone = fs::remove_dir_all(&folder);
    outcome.and(gone.with_context(|| format!("removing {}", folder.display())))
}

fn restored(drill: &mut Running<'_>, index: u32) -> Result<()> {
    let folder = drill.folder.join(PLAN);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let volume = volume(drill, &folder, index)?;
    let repository = folder.join("repository.json");
    drill.setting.repository.save(&repository)?;
    let program = std::env::current_exe().context("finding this program")?;
    let command = [
        program.to_string_lossy().into_owned(),
        "serve-repository".to_owned(),
        repository.to_string_lossy().into_owned(),
    ];
    let nic = Nic::new(drill.profile.nic)
        .restricted()
        .serve(PORT, &command);
    let cd = match drill.profile.bus {
        Bus::Ide => Bus::Ide,
        _ => Bus::Ahci,
    };
    let plan = Disk::raw(&volume).bus(Bus::Usb).serial("DRILL-PLAN");
    let mut vm = drill
        .machine(false)
        .cdrom_on(drill.setting.medium, cd)
        .disk(plan.never_boots().throw_away_writes())
        .nic(nic)
        .events()
        .start()?;
    vm.expect_panic();
    let version = vm.qmp("query-version", Value::Null)?;
    drill.told.qemu = version["qemu"].as_object().map(|v| {
        let number = |key| v.get(key).and_then(Value::as_u64).unwrap_or_default();
        format!(
            "{}.{}.{}",
            number("major"),
            number("minor"),
            number("micro")
        )
    });
    let end = Watch::new(&vm).follow(drill, &mut vm)?;
    ensure_done(drill, &mut vm, &end)
}

/// The last word was "done", and the machine switches off.
fn ensure_done(drill: &mut Running<'_>, vm: &mut Vm, end: &Value) -> Result<()> {
    if end["event"] == "failed" {
        let error = end["error"].as_str().unwrap_or("no reason was given");
        let lines: Vec<String> = error.lines().map(str::to_owned).collect();
        return Err(Failed {
            reason: format!(
                "the medium did not restore it (code {}): {}",
                end["code"],
                lines.join(": ")
            ),
            evidence: lines,
        }
        .into());
    }
    if let Some(summary) = end["summary"].as_str() {
        drill.note(summary);
    }
    let exit = vm.wait_exit(OFF)?;
    ensure!(exit == Exit::PoweredOff, "instead of switching off: {exit}");
    Ok(())
}

/// What is kept in mind while the medium works.
struct Watch {
    phase: String,
    total: Option<u64>,
    heard: usize,
    finder: Finder,
    console: String,
    deadline: Instant,
}

impl Watch {
    fn new(vm: &Vm) -> Self {
        Self {
            phase: "starting".to_owned(),
            total: None,
            heard: 0,
            finder: Finder::default(),
            console: String::new(),
            deadline: Instant::now() + vm.stretched(STARTS),
        }
    }

    /// Until the medium's last word, or until it is clear that none will come.
    fn follow(mut self, drill: &mut Running<'_>, vm: &mut Vm) -> Result<Value> {
        let end = self.last_word(drill, vm);
        drill.told.console_of_restore.push_str(&self.console);
        // Whatever came of it, how it looked belongs into the report.
        let caption = match &end {
            Ok(Ok(end)) if end["event"] == "done" => "restored",
            _ => "the restore failed",
        };
        let at = drill.at();
        drop(drill.gallery.take(vm, at, caption, true));
        end?.map_err(|reason| {
            let found = self.finder.reason();
            let evidence = found.as_ref().map_or(Vec::new(), |f| f.evidence.clone());
            let detail = found.map_or(String::new(), |f| format!(": {}", f.sentence));
            Failed {
                reason: format!("{reason}{detail}"),
                evidence,
            }
            .into()
        })
    }

    /// The outer error is the harness', the inner one the restore's.
    fn last_word(&mut self, drill: &mut Running<'_>, vm: &mut Vm) -> Result<Result<Value, String>> {
        loop {
            match vm.next_event(TICK) {
                Ok(Some(event)) => {
                    self.deadline = Instant::now() + vm.stretched(SILENCE);
                    if matches!(event["event"].as_str(), Some("done" | "failed")) {
                        return Ok(Ok(event));
                    }
                    self.take(drill, vm, &event);
                }
                Ok(None) => {}
                Err(qemu::Error::Ended { exit, .. }) => {
                    return Ok(Err(format!(
                        "the machine ended in the middle of it ({exit})"
                    )));
                }
                Err(other) => return Err(other.into()),
            }
            if let Ok((text, heard)) = vm.listen(self.heard, Duration::ZERO) {
                self.heard = heard;
                self.finder.hear(&text);
                self.console.push_str(&text);
            }
            if self.finder.is_hosts_fault() {
                let reason = "the emulated timer stood still because this host is too busy: \
                              try again when it is not";
                return Err(CannotRun(reason.to_owned()).into());
            }
            if Instant::now() > self.deadline {
                let phase = &self.phase;
                return Ok(Err(format!("the medium fell silent ({phase})")));
            }
            if self.finder.is_fatal() && self.phase == "starting" {
                return Ok(Err("the medium did not start".to_owned()));
            }
        }
    }

    fn take(&mut self, drill: &mut Running<'_>, vm: &mut Vm, event: &Value) {
        match event["event"].as_str() {
            Some("phase") => {
                self.phase = event["phase"].as_str().unwrap_or_default().to_owned();
                self.total = event["total"].as_u64();
                let at = drill.at();
                drop(
                    drill
                        .gallery
                        .take(vm, at, &format!("medium: {}", self.phase), false),
                );
                drill.note(&format!("medium: {}", self.phase));
            }
            Some("progress") => drill.setting.say.tell(&Event::Progress {
                hardware: &drill.profile.name,
                phase: &self.phase,
                done: event["done"].as_u64().unwrap_or_default(),
                total: self.total,
            }),
            Some("warning") => drill.warn(event["text"].as_str().unwrap_or_default()),
            Some("fact") if event["name"] == "report" => {
                drill.told.take_restore(event["value"].clone());
            }
            Some("fact") if event["name"] == "first-screen" => {
                let at = drill.at();
                drop(
                    drill
                        .gallery
                        .take(vm, at, "the medium's first screen", false),
                );
            }
            _ => {}
        }
    }
}

/// A volume labelled RESCUE with the plan for disk `index`.
fn volume(drill: &Running<'_>, folder: &Path, index: u32) -> Result<PathBuf> {
    let content = folder.join("content");
    fs::create_dir(&content).context("making the plan's folder")?;
    let args = drill.setting.args;
    let mut keys = Vec::new();
    for key in &args.trust_key {
        let text = fs::read_to_string(key);
        keys.push(text.with_context(|| format!("reading the key {}", key.display()))?);
    }
    let text = plan(
        &drill.setting.image.id,
        index,
        &keys,
        drill.setting.passphrases.all(),
        args,
    );
    fs::write(content.join("rescue.toml"), text?).context("writing the plan")?;
    let file = folder.join("volume.raw");
    make_volume(&content, &file)?;
    Ok(file)
}

/// The plan: what the technician would answer.
fn plan(
    id: &str,
    disk: u32,
    trust: &[String],
    passphrases: &[String],
    args: &Args,
) -> Result<String> {
    let mut restore = toml::Table::new();
    let from = match PORT {
        80 => format!("http://{}", Nic::SERVED_AT),
        port => format!("http://{}:{port}", Nic::SERVED_AT),
    };
    restore.insert("from".to_owned(), from.into());
    restore.insert("image".to_owned(), id.into());
    restore.insert("disk".to_owned(), i64::from(disk).into());
    restore.insert("then".to_owned(), "poweroff".into());
    for (name, on) in [("verify", args.verify), ("force", args.force)] {
        if on {
            restore.insert(name.to_owned(), true.into());
        }
    }
    for (name, texts) in [("trust-key", trust), ("passphrases", passphrases)] {
        if !texts.is_empty() {
            restore.insert(name.to_owned(), texts.to_vec().into());
        }
    }
    let mut target = toml::Table::new();
    target.insert("serial".to_owned(), serial(disk).into());
    let mut all = toml::Table::new();
    all.insert("restore".to_owned(), restore.into());
    all.insert("target".to_owned(), target.into());
    toml::to_string(&all).context("writing the plan")
}

fn make_volume(content: &Path, file: &Path) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where distributions put it, which is not in everybody's PATH.
    folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let path = std::env::join_paths(folders).context("extending PATH")?;
    let mut command = Command::new("mke2fs");
    command
        .env("PATH", path)
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-L", "RESCUE", "-d"])
        .arg(content)
        .arg(file)
        .arg("8M");
    let output = command.output();
    let output = output.context("starting mke2fs (package e2fsprogs)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mke2fs failed: {}", said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_names_one_image_one_disk_one_target() {
        let args = ["drill", "x", "--from", "/repo", "--verify"];
        let args = <Args as clap::Parser>::try_parse_from(args).unwrap();
        let id = "20261126T224509Z-fe5b37ef";
        let keys = ["a \"key\"".to_owned()];
        let text = plan(id, 1, &keys, &["correct \"horse\"".to_owned()], &args);
        let plan: toml::Table = toml::from_str(&text.unwrap()).unwrap();
        let restore = plan["restore"].as_table().unwrap();
        assert_eq!(restore["from"].as_str(), Some("http://10.0.2.100"));
        assert_eq!(restore["image"].as_str(), Some("20261126T224509Z-fe5b37ef"));
        assert_eq!(restore["disk"].as_integer(), Some(1));
        assert_eq!(restore["verify"].as_bool(), Some(true));
        assert_eq!(restore.get("force"), None);
        let passphrase = restore["passphrases"][0].as_str();
        assert_eq!(passphrase, Some("correct \"horse\""));
        assert_eq!(restore["trust-key"][0].as_str(), Some("a \"key\""));
        assert_eq!(plan["target"]["serial"].as_str(), Some("DRILL-1"));
    }
}
