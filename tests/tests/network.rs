//! Networks without DHCP: VLANs, bonds, IPv6, proxies.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Nic, NicModel, Vm};
use serde_json::{Value, json};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests::lab::{ADDRESS, Lab, Server, TAP};
use tests::rescue::{code, rescue};
use tests::switch::{Switch, TRUNKS};
use tests::{Sample, Web, blank_disk, boot_files, make_volume, outcome, phase, scratch};

const LIMIT: Duration = Duration::from_secs(60);
const START: Duration = Duration::from_secs(20);
/// The proxy's user and password.
const USER: &str = "me";
const PASSWORD: &str = "secret";

/// The medium's kernel and initramfs with these words, and a blank disk with the
/// serial number T.
fn machine(folder: &Path, words: &str) -> Result<Machine> {
    let target = folder.join("target.raw");
    blank_disk(&target, 64 << 20)?;
    let (kernel, initrd) = boot_files(folder)?;
    let words = format!("console=ttyS0 quiet rescue.ui=line {words}");
    let disk = Disk::raw(target).bus(Bus::VirtioBlk).serial("T");
    let machine = Machine::new(Firmware::Bios).memory_mib(512).events();
    Ok(machine
        .kernel(kernel, Some(initrd), &words)
        .disk(disk.never_boots()))
}

fn same(sample: &Sample, folder: &Path) -> Result<()> {
    let (source, target) = (
        fs::read(&sample.disk)?,
        fs::read(folder.join("target.raw"))?,
    );
    let (from, to) = (1 << 20, 30 << 20);
    ensure!(source[from..to] == target[from..to], "the data is another");
    Ok(())
}

/// A `network` fact that says `wanted` of the link `name`.
fn link(name: &str, wanted: impl Fn(&Value) -> bool) -> impl FnMut(&Value) -> bool {
    let name = name.to_owned();
    move |event| event["name"] == "network" && wanted(&event["value"]["links"][&name])
}

fn has(link: &Value, address: &str, origin: &str) -> bool {
    let addresses = link["addresses"].as_array();
    addresses.is_some_and(|all| {
        all.iter().any(|a| {
            let text = a["address"].as_str().unwrap_or_default();
            text.starts_with(address) && a["origin"] == origin
        })
    })
}

const BOND: &str = "
[[network.bond]]
name = \"bond0\"
members = [\"52:54:00:12:34:56\", \"52:54:00:12:34:57\"]
mode = \"active-backup\"
vlan = 42
addresses = \"10.0.2.77/24\"
gateway = \"10.0.2.2\"
";

/// Two cards at a switch that carries nothing but VLAN 42, as one bond; the cable of
/// the card that works is pulled in the middle of the restore.
#[test]
fn vm_a_static_address_on_a_vlan_on_a_bond_survives_a_pulled_cable() -> Result<()> {
    let scratch = scratch()?;
    let folder = scratch.path();
    let sample = Sample::captured(folder, 64)?;
    let web = Web::serve(folder)?;
    // So slow that a cable can be pulled in the middle.
    web.set_pace(2 << 20);
    let plan = format!(
        "[restore]\nfrom = \"{}/repository\"\nthen = \"poweroff\"\n[target]\nserial = \"T\"\n{BOND}",
        web.url_for_guest()
    );
    let content = folder.join("volume");
    fs::create_dir(&content)?;
    fs::write(content.join("rescue.toml"), plan)?;
    let volume = folder.join("volume.raw");
    make_volume(&volume, "RESCUE", &content, 8)?;
    let switch = Switch::new()?;
    let access = switch.access();
    let access: Vec<&str> = access.iter().map(String::as_str).collect();
    let mut machine = machine(folder, "")?.arguments(&access);
    for number in 0..TRUNKS {
        machine = machine.nic(Nic::new(NicModel::Virtio).wire(switch.trunk(number)));
    }
    let volume = Disk::raw(volume).bus(Bus::VirtioBlk).never_boots();
    let mut vm = machine.disk(volume.throw_away_writes()).start()?;

    let set = |link: &Value| link["carrier"] == true && has(link, "10.0.2.77", "set");
    vm.wait_event("the address", LIMIT, link("bond0.42", set))
        .with_context(|| vm.console())?;
    vm.wait_event("writing", LIMIT, phase("writing"))?;
    vm.wait_event("some progress", LIMIT, |e| {
        e["event"] == "progress" && e["done"].as_u64().is_some_and(|done| done > 0)
    })?;
    let (works, waits) = match switch.tagged(0) > switch.tagged(1) {
        true => (0, 1),
        false => (1, 0),
    };
    let (before, sent) = (switch.tagged(waits), web.bytes());
    vm.qmp(
        "set_link",
        json!({"name": format!("net{works}"), "up": false}),
    )?;
    let pulled = |link: &Value| link["carrier"] == false && link["part_of"] == "bond0";
    vm.wait_event(
        "the pulled cable",
        LIMIT,
        link(&format!("eth{works}"), pulled),
    )?;
    web.set_pace(0);
    let end = vm.wait_event("the outcome", LIMIT, outcome())?;
    ensure!(end["event"] == "done", "{end}");
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "it should switch off"
    );
    let (frames, bytes) = (switch.tagged(waits) - before, web.bytes() - sent);
    ensure!(bytes > 4 << 20, "only {bytes} bytes were left to restore");
    ensure!(
        frames > 100,
        "only {frames} frames came over the other card"
    );
    same(&sample, folder)
}

/// DNS and router advertisements, no DHCP.
fn dnsmasq(lab: &Lab) -> Result<Server> {
    let interface = format!("--interface={TAP}");
    let words = [
        "dnsmasq",
        // In a namespace with but one user it cannot become another.
        "--no-daemon",
        "--leasefile-ro",
        "--log-facility=-",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        &interface,
        "--enable-ra",
        "--dhcp-range=fd77::,ra-only,64,1h",
        // It would name its fe80:: address, at which it does not listen.
        "--dhcp-option=option6:dns-server,[fd77::1]",
        // Else it refuses to say that there is no IPv4 address.
        "--local=/lab/",
        "--host-record=repo.lab,fd77::1",
    ];
    let server = lab.start(&words)?;
    server
        .wait_for("router advertisement on fd77::", START)
        .context("dnsmasq (package dnsmasq-base)")?;
    Ok(server)
}

/// Serves `root` on both of the lab's addresses; prints each request.
fn nginx(lab: &Lab, folder: &Path, root: &Path) -> Result<Server> {
    let own = folder.join("nginx");
    fs::create_dir(&own)?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind}; ", own.display()))
        .concat();
    let config = format!(
        "daemon off; master_process off; user root; pid nginx.pid; error_log stderr notice; events {{}}\n\
         http {{ access_log /dev/stdout; {temporary}\n\
         server {{ listen [fd77::1]:80; listen {ADDRESS}:80; root {}; }} }}\n",
        root.display()
    );
    fs::write(own.join("nginx.conf"), config)?;
    let own = own.display().to_string();
    let server = lab.start(&["nginx", "-p", &own, "-e", "stderr", "-c", "nginx.conf"])?;
    server
        .wait_for("RLIMIT_NOFILE", START)
        .context("nginx (package nginx-light)")?;
    Ok(server)
}

/// The configuration of a proxy that asks for a password.
fn tinyproxy(folder: &Path, listen: &str, port: u16) -> Result<String> {
    let file = folder.join("tinyproxy.conf");
    let config = format!(
        "Port {port}\nListen {listen}\nTimeout 60\nMaxClients 50\nLogLevel Info\n\
         BasicAuth {USER} {PASSWORD}\n"
    );
    fs::write(&file, config)?;
    Ok(file.display().to_string())
}

fn answer(vm: &mut Vm, question: &str, answer: &str) -> Result<()> {
    let asked = vm.wait_event(question, LIMIT, |event| {
        event["value"]["question"] == question
    });
    asked.with_context(|| vm.console())?;
    vm.send(&format!("{answer}\n"))?;
    Ok(())
}

/// A machine whose network has no DHCP server: it begins with what the kernel command
/// line says and what a router advertises, is set at the dialogue, and restores
/// from a server that only the proxy can reach.
#[test]
fn vm_the_operator_sets_ipv6_and_a_proxy() -> Result<()> {
    let scratch = scratch()?;
    let folder = scratch.path();
    let sample = Sample::captured(folder, 32)?;
    let lab = Lab::new()?;
    let dns = dnsmasq(&lab)?;
    let web = nginx(&lab, folder, folder)?;
    let config = tinyproxy(folder, "fd77::1", 8888)?;
    let proxy = lab.start(&["tinyproxy", "-d", "-c", &config])?;
    proxy
        .wait_for("Accepting connections", START)
        .context("tinyproxy (package tinyproxy-bin)")?;
    let mut vm = machine(folder, "rescue.ip=10.99.0.9/24,link=eth0")?
        .nic(Nic::new(NicModel::Virtio).tap(TAP))
        .inside(&lab.enter())
        .start()?;
    let begun = |link: &Value| has(link, "10.99.0.9", "set") && has(link, "fd77::", "router");
    vm.wait_event("the first addresses", LIMIT, link("eth0", begun))
        .with_context(|| dns.said())?;

    // Over IPv6, by a name that the router's name server knows.
    answer(&mut vm, "first-screen", "1")?;
    answer(&mut vm, "repository", "http://repo.lab/repository")?;
    answer(&mut vm, "image", "b")?;
    answer(&mut vm, "repository", "b")?;
    web.has_said("GET /repository/")?;

    answer(&mut vm, "first-screen", "5")?;
    answer(&mut vm, "network", "1")?;
    for value in ["static", "fd77::7/64", "fd77::1", "", ""] {
        answer(&mut vm, "link", value)?;
    }
    let set = |link: &Value| has(link, "fd77::7", "set") && !has(link, "10.99.0.9", "set");
    vm.wait_event("the new address", LIMIT, link("eth0", set))?;
    answer(&mut vm, "network", "2")?;
    let url = format!("http://{USER}:{PASSWORD}@repo.lab:8888");
    answer(&mut vm, "proxy", &url)?;
    answer(&mut vm, "network", "b")?;
    answer(&mut vm, "first-screen", "1")?;
    answer(
        &mut vm,
        "repository",
        &format!("http://{ADDRESS}/repository"),
    )?;
    for (question, said) in [
        ("image", "1"),
        ("target", "1"),
        ("plan", "1"),
        ("confirm", "T"),
    ] {
        answer(&mut vm, question, said).with_context(|| proxy.said())?;
    }
    answer(&mut vm, "finished", "2").with_context(|| proxy.said())?;
    ensure!(
        vm.wait_exit(LIMIT)? == Exit::PoweredOff,
        "it should switch off"
    );
    proxy.has_said(&format!("CONNECT {ADDRESS}:80"))?;
    let told = format!("{}{:?}", vm.console(), vm.events());
    let shown = told.matches(PASSWORD).count();
    ensure!(shown == 0, "the password was shown {shown} times:\n{told}");
    same(&sample, folder)
}

/// A proxy on the loopback; it ends with this.
struct Proxy {
    child: Child,
    port: u16,
}

impl Proxy {
    fn start(folder: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = tinyproxy(folder, "127.0.0.1", port)?;
        let mut child = Command::new("tinyproxy")
            .args(["-d", "-c", &config])
            .stdout(fs::File::create(folder.join("tinyproxy.log"))?)
            .stderr(Stdio::null())
            .spawn()
            .context("running tinyproxy (package tinyproxy-bin)")?;
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait()?.is_some();
            ensure!(
                !ended && started.elapsed() < START,
                "tinyproxy does not start"
            );
            sleep(Duration::from_millis(20));
        }
        Ok(Self { child, port })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn host_a_repository_is_reached_through_a_proxy_or_not() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let web = Web::serve(&sample.repository)?;
    let proxy = Proxy::start(folder.path())?;
    let verify = |from: &str, proxy: &str| {
        let words = ["verify", "--from", from, "--proxy", proxy];
        rescue(&words.map(AsRef::as_ref))
    };
    let url = |user: &str| format!("http://{user}127.0.0.1:{}", proxy.port);
    verify(&web.url(), &url("me:secret@"))?.succeeded()?;
    let log = fs::read_to_string(folder.path().join("tinyproxy.log"))?;
    let connected = format!("CONNECT {}", web.url().trim_start_matches("http://"));
    ensure!(log.contains(&connected), "no {connected:?} in:\n{log}");

    let requests = web.requests();
    let wrong = [
        "the proxy wants another user and password",
        "through the proxy",
    ];
    let refused = verify(&web.url(), &url("me:wrong@"))?;
    let refused = refused.failed_with(code::REPOSITORY, &wrong)?;
    ensure!(!refused.said().contains("me:wrong"), "{}", refused.said());
    verify(&web.url(), &url(""))?.failed_with(code::REPOSITORY, &wrong)?;
    let gone = verify(&web.url(), "http://127.0.0.1:9")?;
    gone.failed_with(code::REPOSITORY, &["through the proxy http://127.0.0.1:9"])?;
    ensure!(
        web.requests() == requests,
        "nothing may go around the proxy"
    );
    verify(&web.url(), "127.0.0.1:9")?.failed_with(2, &["always http://"])?;
    Ok(())
}
