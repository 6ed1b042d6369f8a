//! A finished medium that a site has customised: it starts as before, with Secure
//! Boot, and does what it was given; what is damaged is told and not obeyed. Its
//! machine's clock is wrong: only with the time of the server that it names can it
//! trust anybody.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Nic, NicModel, Vm};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::builder::boot_parts;
use tests::{
    Asks, Authority, Sample, TimeServer, TlsServer, Valid, artefact, blank_disk, fact, medium,
    outcome, scratch, tool,
};

const LIMIT: Duration = Duration::from_secs(120);
/// The host, as QEMU's own network shows it to the guest.
const FROM_GUEST: &str = "10.0.2.2";

/// Drivers that the medium leaves out: one for a device that QEMU has, and what it
/// needs.
const DRIVERS: [&str; 2] = ["i6300esb.ko", "watchdog.ko"];

/// The medium with a configuration, an authority, a plan without one, a driver and words for the
/// kernel, in `folder`.
fn customised(
    folder: &Path,
    server: &TlsServer,
    authority: &Authority,
    time: &TimeServer,
) -> Result<PathBuf> {
    let files = [
        (
            "site.toml",
            format!(
                "name = \"ACME Recovery\"\nhostname = \"lifeboat\"\n\
                 time-servers = [\"{FROM_GUEST}:{}\"]\n",
                time.port()
            ),
        ),
        ("ca.pem", authority.certificate.clone()),
        (
            "plan.toml",
            format!(
                "[restore]\nfrom = \"{}\"\nthen = \"poweroff\"\n[target]\nserial = \"T\"\n",
                server.url(FROM_GUEST)
            ),
        ),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    let (builder, iso) = (artefact("debug/imagebuilder")?, folder.join("acme.iso"));
    let (original, file) = (medium()?, |name: &str| folder.join(name));
    let drivers = boot_parts()?.join("modules/kernel/drivers/watchdog");
    let [driver, needed] = DRIVERS.map(|name| drivers.join(name));
    let words: [&OsStr; 16] = [
        builder.as_os_str(),
        "customize".as_ref(),
        original.as_os_str(),
        "--config".as_ref(),
        &file("site.toml").into_os_string(),
        "--ca".as_ref(),
        &file("ca.pem").into_os_string(),
        "--plan".as_ref(),
        &file("plan.toml").into_os_string(),
        "--driver".as_ref(),
        driver.as_os_str(),
        needed.as_os_str(),
        // So talkative a kernel tells its command line and its drivers.
        "--kernel-args".as_ref(),
        "loglevel=7 rescue.customised=yes,[1]".as_ref(),
        "--out".as_ref(),
        iso.as_os_str(),
    ];
    tool("imagebuilder, as scripts/test builds it", &words)?;
    Ok(iso)
}

fn start(firmware: Firmware, iso: &Path, target: &Path) -> Result<Vm> {
    let disk = Disk::raw(target).bus(Bus::VirtioBlk).serial("T");
    let machine = Machine::new(firmware)
        .memory_mib(384)
        .cdrom(iso)
        .nic(Nic::new(NicModel::Virtio))
        .disk(disk.never_boots())
        .arguments(&["-device", "i6300esb"])
        // By this clock the server's certificate expired long ago.
        .clock("2095-01-01T00:00:00")
        .events();
    Ok(machine.start()?)
}

#[test]
fn vm_a_customised_medium_starts_with_secure_boot_and_a_damaged_area_is_not_obeyed() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let authority = Authority::new("ACME")?;
    let identity = authority.issue(&[FROM_GUEST], Valid::Now)?;
    let own = folder.path().join("nginx");
    let server = TlsServer::serve(&sample.repository, &own, &identity, Asks::Nobody, None)?;
    let target = folder.path().join("target.raw");
    blank_disk(&target, 32 << 20)?;
    let time = TimeServer::start()?;
    let iso = customised(folder.path(), &server, &authority, &time)?;

    let mut vm = start(Firmware::SecureBoot, &iso, &target)?;
    vm.wait_for(" rescue.customised=yes,[1]", LIMIT)?;
    let site = vm.wait_event("the site", LIMIT, fact("site"))?;
    ensure!(site["value"]["name"] == "ACME Recovery", "{site}");
    ensure!(site["value"]["hostname"] == "lifeboat", "{site}");
    // With Secure Boot, the kernel takes only a driver that the distribution signed.
    vm.wait_for("i6300ESB", LIMIT)?;
    let plan = vm.wait_event("the plan", LIMIT, fact("unattended"))?;
    let origin = plan["value"]["origin"].as_str().unwrap_or_default();
    ensure!(origin.contains("site area"), "{plan}");
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["event"] == "done", "{end}");
    let (events, mut is_clock) = (vm.events(), fact("clock"));
    let clock = events.iter().rfind(|event| is_clock(event));
    let clock = clock.with_context(|| format!("nobody asked for the time: {events:#?}"))?;
    let behind = clock["value"]["was_behind"].as_i64().context("no time")?;
    ensure!(behind < -10 * 365 * 86_400 && time.asked() > 0, "{clock}");
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "it should switch off"
    );
    let (restored, source) = (fs::read(&target)?, fs::read(&sample.disk)?);
    let (from, to) = (1 << 20, 16 << 20);
    ensure!(
        restored[from..to] == source[from..to],
        "the data is another"
    );

    damage(&iso)?;
    blank_disk(&target, 32 << 20)?;
    let mut vm = start(Firmware::Bios, &iso, &target)?;
    let site = vm.wait_event("the site", LIMIT, fact("site"))?;
    let problem = site["value"]["problems"][0].as_str().unwrap_or_default();
    ensure!(
        problem.contains("damaged") && problem.contains("customize"),
        "{site}"
    );
    ensure!(site["value"]["name"].is_null(), "none of it counts: {site}");
    vm.wait_event("the dialogue", LIMIT, fact("waiting-for-input"))?;
    ensure!(
        fs::read(&target)?.iter().all(|b| *b == 0),
        "nothing was written"
    );
    Ok(())
}

/// Changes one byte of what the area holds.
fn damage(iso: &Path) -> Result<()> {
    let mut bytes = fs::read(iso)?;
    let magic = b"RESCUE SITE AREA";
    let at = bytes.windows(magic.len()).position(|w| w == magic);
    let at = at.context("no site area")?.saturating_add(200);
    *bytes.get_mut(at).context("its content")? ^= 1;
    fs::write(iso, bytes)?;
    Ok(())
}
