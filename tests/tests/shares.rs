//! Repositories on file servers and on an NTFS disk: a real Samba and a real NFS
//! server, in one start of the medium, told at its prompt.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine, Nic, NicModel, Vm};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tests::lab::{Lab, Server};
use tests::{Sample, blank_disk, make_ntfs, medium, scratch};

const PATIENCE: Duration = Duration::from_secs(20);
/// The lab's loopback, as QEMU's own network shows it to the guest.
const SERVER: &str = "10.0.2.2";
/// With what a mount option has to escape.
const PASSWORD: &str = "a,b=c d";
const IN_ADDRESS: &str = "a%2Cb%3Dc%20d";

/// Shares `repository` as `backups`, for user root with [`PASSWORD`].
fn samba(lab: &Lab, folder: &Path, repository: &Path) -> Result<Server> {
    let own = folder.join("samba");
    fs::create_dir(&own)?;
    let (own, shared) = (own.display(), repository.display());
    let config = format!(
        "[global]\nserver role = standalone server\nprivate dir = {own}\nlock directory = {own}\n\
         state directory = {own}\ncache directory = {own}\npid directory = {own}\n\
         ncalrpc dir = {own}/ncalrpc\npassdb backend = smbpasswd:{own}/passwd\n\
         smb ports = 445\ndisable netbios = yes\nload printers = no\nmap to guest = never\n\
         rpc start on demand helpers = no\n\
         [backups]\npath = {shared}\nread only = yes\nforce user = root\n"
    );
    let file = folder.join("smb.conf");
    fs::write(&file, config)?;
    // Samba sets groups, which a namespace of one user does not allow; and when it
    // ends, it ends its process group, which must not be the test's.
    let script = format!(
        "export LD_PRELOAD=libuid_wrapper.so UID_WRAPPER=1 UID_WRAPPER_ROOT=1; \
         printf '%s\\n%s\\n' '{PASSWORD}' '{PASSWORD}' | smbpasswd -c '{0}' -s -a root && \
         exec setsid smbd -F --no-process-group --debug-stdout -d 1 -s '{0}'",
        file.display()
    );
    let server = lab.start(&["sh", "-c", &script])?;
    server
        .wait_for("smbd version", Duration::from_secs(20))
        .context("Samba (packages samba, libuid-wrapper)")?;
    Ok(server)
}

/// Exports `repository` as `/backups`.
fn ganesha(lab: &Lab, folder: &Path, repository: &Path) -> Result<Server> {
    let own = folder.join("ganesha");
    fs::create_dir(&own)?;
    // It does not follow "..".
    let shared = repository.canonicalize()?;
    let (own, shared) = (own.display(), shared.display());
    let config = format!(
        "NFS_CORE_PARAM {{ NFS_Protocols = 4; NFS_Port = 2049; Enable_NLM = false; \
         Enable_RQUOTA = false; Plugins_Dir = /usr/lib/x86_64-linux-gnu/ganesha; }}\n\
         NFSv4 {{ Graceless = true; RecoveryRoot = \"{own}\"; }}\n\
         EXPORT {{ Export_Id = 1; Path = \"{shared}\"; Pseudo = /backups; Access_Type = RO; \
         Squash = No_Root_Squash; SecType = sys; Protocols = 4; FSAL {{ Name = VFS; }} }}\n"
    );
    let file = folder.join("ganesha.conf");
    fs::write(&file, config)?;
    let (file, pid) = (file.display().to_string(), format!("{own}/pid"));
    let words = [
        "ganesha.nfsd",
        "-F",
        "-L",
        "STDOUT",
        "-f",
        &file,
        "-p",
        &pid,
    ];
    let server = lab.start_as_root(&words)?;
    server
        .wait_for("NFS SERVER INITIALIZED", Duration::from_secs(20))
        .context("nfs-ganesha (packages nfs-ganesha, nfs-ganesha-vfs)")?;
    Ok(server)
}

fn answer(vm: &mut Vm, question: &str, answer: &str) -> Result<()> {
    let asked = vm.wait_event(question, PATIENCE, |event| {
        event["value"]["question"] == question
    });
    asked.with_context(|| vm.console())?;
    vm.send(&format!("{answer}\n"))?;
    Ok(())
}

/// Restores from `place` onto the disk with the serial number `serial`, the `item`th
/// of those that are shown; from the question for the repository to the report.
fn restore(vm: &mut Vm, place: &str, item: &str, serial: &str) -> Result<()> {
    for (question, said) in [
        ("repository", place),
        ("image", "1"),
        ("target", item),
        ("plan", "1"),
        ("confirm", serial),
    ] {
        answer(vm, question, said)?;
    }
    Ok(())
}

fn same(sample: &Sample, target: &Path) -> Result<()> {
    let (source, target) = (fs::read(&sample.disk)?, fs::read(target)?);
    let (from, to) = (1 << 20, 30 << 20);
    ensure!(source[from..to] == target[from..to], "the data is another");
    Ok(())
}

#[test]
fn vm_restores_from_samba_nfs_and_ntfs() -> Result<()> {
    let folder = scratch()?;
    let sample = Sample::captured(folder.path(), 32)?;
    let (first, second) = (folder.path().join("a.raw"), folder.path().join("b.raw"));
    blank_disk(&first, 64 << 20)?;
    blank_disk(&second, 64 << 20)?;
    let (third, windows) = (folder.path().join("c.raw"), folder.path().join("ntfs.raw"));
    blank_disk(&third, 64 << 20)?;
    let lab = Lab::new()?;
    let samba = samba(&lab, folder.path(), &sample.repository)?;
    let nfs = match Lab::has_root() {
        true => Some(ganesha(&lab, folder.path(), &sample.repository)?),
        false => None,
    };
    let disk = |file: &Path, serial: &str| {
        let disk = Disk::raw(file).bus(Bus::VirtioBlk).serial(serial);
        disk.never_boots()
    };
    match Lab::has_root() {
        true => make_ntfs(&windows, "WINDOWS", &sample.repository)?,
        false => blank_disk(&windows, 64 << 20)?,
    }
    let machine = Machine::new(Firmware::Bios)
        .memory_mib(512)
        .cdrom(medium()?)
        .nic(Nic::new(NicModel::Virtio))
        .disk(disk(&first, "FIRST"))
        .disk(disk(&second, "SECOND"))
        .disk(disk(&third, "THIRD"))
        .disk(disk(&windows, "USB"))
        .inside(&lab.enter());
    let mut vm = machine.events().interface("line").start()?;

    answer(&mut vm, "first-screen", "1")?;
    for wrong in [
        format!("smb://root:wrong@{SERVER}/backups"),
        format!("smb://{SERVER}/backups"),
        format!("smb://root:{IN_ADDRESS}@{SERVER}/nothing"),
        format!("smb://root:{IN_ADDRESS}@{SERVER}:447/backups"),
        format!("nfs://{SERVER}:2050/backups"),
    ] {
        answer(&mut vm, "repository", &wrong)?;
    }
    let right = format!("smb://root:{IN_ADDRESS}@{SERVER}/backups");
    restore(&mut vm, &right, "1", "FIRST").with_context(|| samba.said())?;
    match &nfs {
        Some(nfs) => {
            answer(&mut vm, "finished", "3")?;
            answer(&mut vm, "first-screen", "1")?;
            answer(&mut vm, "repository", &format!("nfs://{SERVER}/nothing"))?;
            let right = format!("nfs://{SERVER}/backups");
            restore(&mut vm, &right, "2", "SECOND").with_context(|| nfs.said())?;
        }
        None => println!("skipped: NFS: nfs-ganesha opens files by handle, which needs root"),
    }
    if nfs.is_some() {
        let name = sample.repository.file_name().context("a name")?;
        let right = format!("label:WINDOWS/{}", name.to_string_lossy());
        answer(&mut vm, "finished", "3")?;
        answer(&mut vm, "first-screen", "1")?;
        restore(&mut vm, &right, "3", "THIRD")?;
    } else {
        println!("skipped: NTFS: filling the disk for the test needs root");
    }
    answer(&mut vm, "finished", "2")?;
    let exit = vm.wait_exit(PATIENCE)?;
    ensure!(exit == Exit::PoweredOff, "it should power off: {exit}");
    same(&sample, &first)?;
    let console = one_line(&vm.console());
    let mut told = vec![
        "user name or password are wrong",
        "the server takes no guests",
        "the server has no share of that name",
        "10.0.2.2 does not answer",
    ];
    if nfs.is_some() {
        same(&sample, &second)?;
        same(&sample, &third)?;
        told.push("the server has no such export or folder");
    }
    for words in told {
        ensure!(console.contains(words), "no {words:?} in:\n{console}");
    }
    Ok(())
}

/// As it would be without breaks of lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
