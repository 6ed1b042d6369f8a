//! Repositories on web servers that speak TLS with a private authority.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Nic, NicModel, Vm};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::rescue::{code, rescue};
use tests::{
    Asks, Authority, Sample, TlsServer, Valid, Web, blank_disk, boot_files, fact, outcome, phase,
    scratch,
};

const LIMIT: Duration = Duration::from_secs(120);
const HERE: &str = "127.0.0.1";
/// The host, as QEMU's own network shows it to the guest.
const FROM_GUEST: &str = "10.0.2.2";

/// Two authorities and a client's certificate on disk.
struct Site {
    ours: Authority,
    ca: PathBuf,
    other: PathBuf,
    client: (PathBuf, PathBuf),
}

fn site(folder: &Path) -> Result<Site> {
    let (ours, other) = (Authority::new("ours")?, Authority::new("other")?);
    let client = ours.issue(&["client"], Valid::Now)?;
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    Ok(Site {
        ca: write("ca.pem", &ours.certificate)?,
        other: write("other.pem", &other.certificate)?,
        client: (write("c.pem", &client.0)?, write("c.key", &client.1)?),
        ours,
    })
}

/// `rescue verify` of `url` with more words must fail, saying `words`.
fn refused(url: &str, more: &[&Path], words: &[&str]) -> Result<()> {
    let flags = ["--ca", "--client-cert", "--client-key"];
    let mut line = vec!["verify".as_ref(), "--from".as_ref(), url.as_ref()];
    for (flag, path) in flags.iter().zip(more) {
        line.extend([flag.as_ref(), path.as_os_str()]);
    }
    rescue(&line)?.failed_with(code::REPOSITORY, words)?;
    Ok(())
}

#[test]
fn host_a_server_is_trusted_or_refused_by_its_certificate() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let site = site(folder.path())?;
    let root = sample.repository.as_path();
    let serve = |name: &str, names: &[&str], valid, asks| {
        let identity = site.ours.issue(names, valid)?;
        TlsServer::serve(root, &folder.path().join(name), &identity, asks, None)
    };

    let good = serve("good", &[HERE], Valid::Now, Asks::For(&site.ours))?;
    let ((certificate, key), address) = (&site.client, good.url(HERE));
    let line: [&std::ffi::OsStr; 9] = [
        "verify".as_ref(),
        "--from".as_ref(),
        address.as_ref(),
        "--ca".as_ref(),
        site.ca.as_os_str(),
        "--client-cert".as_ref(),
        certificate.as_os_str(),
        "--client-key".as_ref(),
        key.as_os_str(),
    ];
    rescue(&line)?.succeeded()?;

    let signed_by_nobody = ["signed by nobody who is trusted here", "--ca FILE"];
    refused(&good.url(HERE), &[], &signed_by_nobody)?;
    refused(&good.url(HERE), &[&site.other], &signed_by_nobody)?;
    refused(&good.url(HERE), &[&site.ca], &["--client-cert"])?;
    refused(&good.url("localhost"), &[&site.ca], &["another name"])?;
    let old = serve("old", &[HERE], Valid::NoMore, Asks::Nobody)?;
    refused(
        &old.url(HERE),
        &[&site.ca],
        &["has expired", "clock says 20"],
    )?;
    let new = serve("new", &[HERE], Valid::NotYet, Asks::Nobody)?;
    refused(
        &new.url(HERE),
        &[&site.ca],
        &["not valid yet", "clock says 20"],
    )?;
    // A key where a certificate is expected, and no such file.
    refused_files(&good, key)
}

fn refused_files(server: &TlsServer, key: &Path) -> Result<()> {
    for (file, words) in [
        (key, "holds no certificate"),
        (Path::new("/no/such.pem"), "/no/such.pem"),
    ] {
        let url = server.url(HERE);
        rescue(&[
            "images".as_ref(),
            "--from".as_ref(),
            url.as_ref(),
            "--ca".as_ref(),
            file.as_os_str(),
        ])?
        .failed_with(1, &[words])?;
    }
    Ok(())
}

/// Boots the medium with the plan `text`, to restore onto `target`.
fn boot(folder: &Path, text: &str, target: &Path) -> Result<(Vm, Web)> {
    let plans = folder.join("plans");
    fs::create_dir_all(&plans)?;
    fs::write(plans.join("default.toml"), text)?;
    let web = Web::serve(folder)?;
    let (kernel, initrd) = boot_files(folder)?;
    let words = format!(
        "console=ttyS0 quiet rescue.ui=line rescue.config={}/plans/",
        web.url_for_guest()
    );
    let machine = Machine::new(Firmware::Bios)
        .memory_mib(512)
        .kernel(kernel, Some(initrd), &words)
        .nic(Nic::new(NicModel::Virtio))
        .disk(
            Disk::raw(target)
                .bus(Bus::VirtioBlk)
                .serial("T")
                .never_boots(),
        )
        .events();
    Ok((machine.start()?, web))
}

fn link(vm: &mut Vm, up: bool) -> Result<()> {
    vm.qmp("set_link", json!({"name": "net0", "up": up}))?;
    Ok(())
}

fn says(event: &str, words: &str) -> impl FnMut(&Value) -> bool {
    let (event, words) = (event.to_owned(), words.to_owned());
    move |value| {
        let text = value["text"].as_str().unwrap_or_default();
        value["event"] == event.as_str() && text.contains(&words)
    }
}

#[test]
fn vm_a_restore_over_tls_waits_until_the_cable_is_back() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 64)?;
    let site = site(folder.path())?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 64 << 20)?;
    let identity = site.ours.issue(&[FROM_GUEST], Valid::Now)?;
    let (own, asks) = (folder.path().join("nginx"), Asks::For(&site.ours));
    // So slow that a cable can be pulled in the middle.
    let pace = Some(128 << 10);
    let server = TlsServer::serve(&sample.repository, &own, &identity, asks, pace)?;
    let plan = format!(
        "[restore]\nfrom = \"{}\"\nverify = true\nthen = \"poweroff\"\nca = \"\"\"\n{}\"\"\"\n\
         client-cert = \"\"\"\n{}\"\"\"\nclient-key = \"\"\"\n{}\"\"\"\n[target]\nserial = \"T\"\n",
        server.url(FROM_GUEST),
        site.ours.certificate,
        fs::read_to_string(&site.client.0)?,
        fs::read_to_string(&site.client.1)?,
    );
    let (mut vm, _web) = boot(folder.path(), &plan, &target)?;
    vm.wait_event("writing", LIMIT, phase("writing"))?;
    vm.wait_event("some progress", LIMIT, |e| {
        e["event"] == "progress" && e["done"].as_u64().is_some_and(|done| done > 0)
    })?;
    link(&mut vm, false)?;
    vm.wait_event("the silence", LIMIT, says("warning", "does not answer"))?;
    let ended = vm
        .events()
        .iter()
        .any(|e| e["event"] == "done" || e["event"] == "failed");
    ensure!(!ended, "it should wait: {:?}", vm.events());
    link(&mut vm, true)?;
    vm.wait_event("an answer", LIMIT, says("note", "answers again"))?;
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["event"] == "done", "{end}");
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "it should switch off"
    );
    let (restored, source) = (fs::read(&target)?, fs::read(&sample.disk)?);
    let (from, to) = (1 << 20, 48 << 20);
    ensure!(
        restored[from..to] == source[from..to],
        "the data is another"
    );
    Ok(())
}

#[test]
fn vm_a_server_that_is_not_trusted_stops_the_plan_and_the_machine_stays_reachable() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let site = site(folder.path())?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 64 << 20)?;
    let identity = site.ours.issue(&[FROM_GUEST], Valid::Now)?;
    let own = folder.path().join("nginx");
    let server = TlsServer::serve(&sample.repository, &own, &identity, Asks::Nobody, None)?;
    let plan = format!(
        "[restore]\nfrom = \"{}\"\n[target]\nserial = \"T\"\n",
        server.url(FROM_GUEST)
    );
    let (mut vm, _web) = boot(folder.path(), &plan, &target)?;
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    let told = end["error"].as_str().context("an error")?;
    ensure!(end["code"] == code::REPOSITORY, "{end}");
    ensure!(
        told.contains("signed by nobody who is trusted here") && told.contains("`ca` in the plan"),
        "{told}"
    );
    vm.wait_event("the dialogue", LIMIT, fact("waiting-for-input"))?;
    ensure!(
        fs::read(&target)?.iter().all(|b| *b == 0),
        "nothing was written"
    );
    Ok(())
}
