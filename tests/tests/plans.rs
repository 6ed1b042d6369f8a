//! Plans from a web server: one per machine, followed once, its end reported.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Nic, NicModel, Vm};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tests::rescue::code;
use tests::{Sample, Web, blank_disk, boot_files, fact, outcome, scratch};

const LIMIT: Duration = Duration::from_secs(120);

fn plan(web: &Web) -> String {
    let url = web.url_for_guest();
    format!(
        "[restore]\nfrom = \"{url}/repository\"\nthen = \"poweroff\"\nverify = true\ndiscard = true\n\
         on-failure = \"poweroff\"\n[target]\nserial = \"T\"\n\
         [once]\nclaim = \"{url}/claim/1\"\n[report]\nurl = \"{url}/report\"\n"
    )
}

fn boot(folder: &Path, web: &Web, target: &Path) -> Result<Vm> {
    let (kernel, initrd) = boot_files(folder)?;
    let words = format!(
        "console=ttyS0 rootfstype=ramfs quiet rescue.ui=line rescue.config={}/plans/",
        web.url_for_guest()
    );
    let disk = Disk::raw(target).bus(Bus::VirtioBlk).serial("T");
    let machine = Machine::new(Firmware::Bios)
        .memory_mib(256)
        .kernel(kernel, Some(initrd), &words)
        .nic(Nic::new(NicModel::Virtio))
        .disk(disk.never_boots())
        .events();
    Ok(machine.start()?)
}

fn last_report(web: &Web) -> Result<Value> {
    let posts = web.posts();
    let report = posts
        .iter()
        .rfind(|p| p.path == "/report")
        .context("a report")?;
    Ok(serde_json::from_str(&report.body)?)
}

#[test]
fn vm_a_plan_of_this_machine_is_followed_once_and_reported() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let plans = folder.path().join("plans");
    fs::create_dir(&plans)?;
    let web = Web::serve(folder.path())?;
    fs::write(plans.join("default.toml"), plan(&web))?;
    web.answer_post("/claim/1", 200);
    web.answer_post("/report", 200);
    web.answer_post("/report", 200);
    let target = folder.path().join("target.raw");
    blank_disk(&target, 64 << 20)?;

    let mut vm = boot(folder.path(), &web, &target)?;
    let found = vm.wait_event("the plan", LIMIT, fact("unattended"))?;
    let origin = found["value"]["origin"].as_str().unwrap_or_default();
    ensure!(origin.ends_with("/plans/default.toml"), "{found}");
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["event"] == "done", "{end}");
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "it should switch off"
    );
    let report = last_report(&web)?;
    ensure!(
        report["outcome"] == "restored" && report["code"] == 0,
        "{report}"
    );
    let mac = report["machine"]["macs"][0].as_str().unwrap_or_default();
    ensure!(mac.len() == 17, "its names are told: {report}");
    let restored = fs::read(&target)?;
    let source = fs::read(&sample.disk)?;
    let (from, to) = (1 << 20, 16 << 20);
    ensure!(
        restored[from..to] == source[from..to],
        "the data is another"
    );

    // A second machine, or the same one with a new disk: the token is used up.
    blank_disk(&target, 64 << 20)?;
    let mut vm = boot(folder.path(), &web, &target)?;
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["code"] == code::ALREADY_RESTORED, "{end}");
    let told = end["error"].as_str().unwrap_or_default();
    ensure!(
        told.contains("token was used") && told.contains("new token"),
        "{told}"
    );
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "on-failure says so"
    );
    ensure!(last_report(&web)?["outcome"] == "not-needed", "reported");
    ensure!(
        fs::read(&target)?.iter().all(|b| *b == 0),
        "nothing was written"
    );
    Ok(())
}
