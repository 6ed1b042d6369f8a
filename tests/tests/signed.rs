//! Signed images: minisign is the judge of keys and signatures, and what no
//! trusted key signed is not restored.

use anyhow::{Context, Result, ensure};
use qemu::{Bus, Disk, Exit, Firmware, Machine};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::rescue::{Run, code, rescue};
use tests::{Random, Sample, TARGET, artefact, blank_disk, make_volume, medium, scratch, tool};

/// Runs `rescue` with words and paths.
fn run(words: &[&dyn AsRef<OsStr>]) -> Result<Run> {
    let words: Vec<&OsStr> = words.iter().map(|word| (*word).as_ref()).collect();
    rescue(&words)
}

fn minisign(words: &[&dyn AsRef<OsStr>]) -> Result<String> {
    let mut line = vec![OsStr::new("minisign")];
    line.extend(words.iter().map(|word| (*word).as_ref()));
    tool("minisign", &line)
}

/// A pair of keys by `rescue key new`: secret, public.
fn new_key(folder: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
    let out = folder.join(name);
    run(&[&"key", &"new", &"--out", &out])?.succeeded()?;
    Ok((out.with_extension("key"), out.with_extension("pub")))
}

/// The manifests of a repository, oldest first.
fn manifests(repository: &Path) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(repository.join("snap"))?;
    let files: Result<Vec<PathBuf>, _> = files.map(|file| file.map(|f| f.path())).collect();
    let mut files = files?;
    files.retain(|path| path.extension().is_some_and(|end| end == "man"));
    files.sort();
    Ok(files)
}

fn signature_of(manifest: &Path) -> PathBuf {
    let mut name = manifest.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

fn capture(disk: &Path, repository: &Path, name: &str, more: &[&dyn AsRef<OsStr>]) -> Result<Run> {
    let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"capture", &disk, &"--to", &repository];
    words.extend([&"--name" as &dyn AsRef<OsStr>, &name]);
    words.extend(more);
    run(&words)?.succeeded()
}

#[test]
fn host_minisign_and_rescue_take_each_others_keys_and_signatures() -> Result<()> {
    let folder = scratch()?;
    let at = |name: &str| folder.path().join(name);
    let (secret, public) = new_key(folder.path(), "ours")?;
    let mode = |path: &Path| fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
    ensure!(mode(&secret)? == 0o600 && mode(&public)? == 0o644);
    let before = fs::read(&secret)?;
    run(&[&"key", &"new", &"--out", &at("ours")])?.failed_with(1, &["ours.key", "exists"])?;
    ensure!(fs::read(&secret)? == before, "a key was overwritten");
    minisign(&[&"-R", &"-s", &secret, &"-p", &at("again.pub")])?;
    let key_line = |path: &Path| -> Result<String> {
        let text = fs::read_to_string(path)?;
        Ok(text.lines().nth(1).context("a second line")?.to_owned())
    };
    ensure!(key_line(&at("again.pub"))? == key_line(&public)?);

    // What we sign, minisign verifies.
    let sample = Sample::captured(folder.path(), 32)?;
    fs::remove_dir_all(&sample.repository)?;
    let report = capture(
        &sample.disk,
        &sample.repository,
        "web1",
        &[&"--sign-key", &secret],
    )?;
    let signed_by = report.lines.iter().find(|line| line["name"] == "report");
    let signed_by = signed_by.map(|line| &line["value"]["signed_by"]);
    ensure!(signed_by.is_some_and(Value::is_string), "{signed_by:?}");
    let manifest = manifests(&sample.repository)?.remove(0);
    minisign(&[&"-V", &"-p", &public, &"-m", &manifest])?;

    // What minisign signs, we verify; with its keys, too.
    let (theirs, their_key) = (at("theirs.pub"), at("theirs.key"));
    minisign(&[&"-G", &"-W", &"-p", &theirs, &"-s", &their_key])?;
    let sign = |key: &Path, more: &[&dyn AsRef<OsStr>]| {
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"sign", &"web1", &"--to"];
        words.extend([&sample.repository as &dyn AsRef<OsStr>, &"--sign-key", &key]);
        words.extend(more);
        run(&words)
    };
    sign(&their_key, &[])?.failed_with(1, &["signed already", "--replace"])?;
    sign(&their_key, &[&"--replace"])?.succeeded()?;
    minisign(&[&"-V", &"-p", &theirs, &"-m", &manifest])?;
    let verify = |key: &Path| {
        let from = &sample.repository;
        run(&[&"verify", &"--from", from, &"--trust-key", &key])
    };
    verify(&theirs)?.succeeded()?;
    verify(&public)?.failed_with(code::UNTRUSTED, &["is signed by key"])?;
    minisign(&[&"-S", &"-W", &"-s", &secret, &"-m", &manifest])?;
    verify(&public)?.succeeded()?;
    // The old kind, and a key with a passphrase, are told what to do about.
    minisign(&[&"-S", &"-l", &"-W", &"-s", &secret, &"-m", &manifest])?;
    verify(&public)?.failed_with(code::UNTRUSTED, &["leave out `-l`"])?;
    sign(&public, &[])?.failed_with(1, &["takes the secret one"])?;
    verify(&secret)?.failed_with(1, &["give the public one"])?;
    Ok(())
}

fn seconds() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// A signed image, a later one without a signature, and a target with other bytes.
struct Case {
    folder: tempfile::TempDir,
    sample: Sample,
    public: PathBuf,
    secret: PathBuf,
    target: PathBuf,
    before: Vec<u8>,
}

impl Case {
    fn new() -> Result<Self> {
        let folder = scratch()?;
        let sample = Sample::captured(folder.path(), 32)?;
        let (secret, public) = new_key(folder.path(), "ours")?;
        let (repository, target) = (&sample.repository, folder.path().join("target.raw"));
        run(&[
            &"sign",
            &"sample",
            &"--to",
            repository,
            &"--sign-key",
            &secret,
        ])?
        .succeeded()?;
        // Ids tell seconds apart: the second image must be the newer one.
        let captured = seconds()?;
        while seconds()? <= captured {
            std::thread::sleep(Duration::from_millis(20));
        }
        capture(&sample.disk, repository, "newer", &[])?;
        let before = Random::seeded(1).bytes(32 << 20);
        fs::write(&target, &before)?;
        Ok(Self {
            sample,
            public,
            secret,
            target,
            before,
            folder,
        })
    }

    fn restore(&self, image: &str, keys: &[&Path]) -> Result<Run> {
        let (from, to) = (&self.sample.repository, &self.target);
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"restore", &image, &"--from", from];
        words.extend([&"--to" as &dyn AsRef<OsStr>, to, &"--yes"]);
        for key in keys {
            words.extend([&"--trust-key" as &dyn AsRef<OsStr>, key]);
        }
        run(&words)
    }

    /// Refused with these words, and nothing was written.
    fn refused(&self, image: &str, keys: &[&Path], words: &[&str]) -> Result<()> {
        self.restore(image, keys)?
            .failed_with(code::UNTRUSTED, words)?;
        ensure!(
            fs::read(&self.target)? == self.before,
            "the target was written to"
        );
        Ok(())
    }
}

/// The manifest as somebody would forge it: other bytes, and a checksum that fits.
fn forge(manifest: &Path) -> Result<()> {
    let text = fs::read_to_string(manifest)?;
    let (body, _) = text.rsplit_once("blake3 ").context("a seal")?;
    let body = body.replace("\"name\":\"sample\"", "\"name\":\"simple\"");
    ensure!(!text.starts_with(&body), "nothing was forged");
    let seal = blake3::hash(body.as_bytes()).to_hex();
    fs::write(manifest, format!("{body}blake3 {seal}\n"))?;
    Ok(())
}

#[test]
fn host_only_what_a_trusted_key_signed_is_restored() -> Result<()> {
    let case = Case::new()?;
    let (_, other) = new_key(case.folder.path(), "other")?;
    let (ours, theirs) = (case.public.as_path(), other.as_path());
    case.refused("newer", &[ours], &["it is not signed", "rescue sign"])?;
    case.refused("latest", &[ours], &["it is not signed"])?;
    case.refused(
        "sample",
        &[theirs],
        &["is signed by key", "trusted is only"],
    )?;

    let from = &case.sample.repository;
    let listed = run(&[&"images", &"--from", from, &"--trust-key", &ours])?.succeeded()?;
    let listed = &listed.lines[0]["images"];
    ensure!(listed[0]["signature"]["state"] == "trusted", "{listed}");
    ensure!(listed[1]["signature"]["state"] == "refused", "{listed}");
    let listed = run(&[&"images", &"--from", from])?.succeeded()?;
    let listed = &listed.lines[0]["images"];
    ensure!(listed[0]["signature"]["state"] == "unchecked", "{listed}");
    ensure!(listed[1]["signature"]["state"] == "none", "{listed}");

    let all = manifests(from)?;
    let (signature, manifest) = (signature_of(&all[0]), fs::read(&all[0])?);
    let good = fs::read(&signature)?;
    let mut flipped = good.clone();
    let at = good.iter().position(|b| *b == b'\n').context("a line")? + 40;
    flipped[at] = if good[at] == b'A' { b'B' } else { b'A' };
    fs::write(&signature, &flipped)?;
    case.refused(
        "sample",
        &[ours],
        &["manifest or the signature was changed"],
    )?;
    // A signature that belongs to another image.
    fs::write(signature_of(&all[1]), &good)?;
    case.refused("newer", &[ours], &["belongs to another image"])?;
    fs::remove_file(signature_of(&all[1]))?;
    fs::write(&signature, &good)?;
    forge(&all[0])?;
    case.refused(
        "simple",
        &[ours],
        &["manifest or the signature was changed"],
    )?;
    fs::write(&all[0], &manifest)?;
    fs::write(&signature, "half a si")?;
    case.refused("sample", &[ours], &["its signature is damaged", "line 1"])?;

    fs::write(&signature, &good)?;
    case.restore("sample", &[theirs, ours])?.succeeded()?;
    let (restored, source) = (fs::read(&case.target)?, fs::read(&case.sample.disk)?);
    let (from, to) = (1 << 20, 16 << 20);
    ensure!(
        restored[from..to] == source[from..to],
        "the data is another"
    );
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(120);

/// The medium with the key, and a plan for the latest image.
fn customised(case: &Case) -> Result<PathBuf> {
    let (iso, plan) = (
        case.folder.path().join("acme.iso"),
        case.folder.path().join("plan.toml"),
    );
    let text =
        format!("[restore]\nfrom = \"label:BACKUPS/backup\"\n[target]\nserial = \"{TARGET}\"\n");
    fs::write(&plan, text)?;
    let (builder, original) = (artefact("debug/imagebuilder")?, medium()?);
    let words: [&OsStr; 9] = [
        builder.as_os_str(),
        "customize".as_ref(),
        original.as_os_str(),
        "--trust-key".as_ref(),
        case.public.as_os_str(),
        "--plan".as_ref(),
        plan.as_os_str(),
        "--out".as_ref(),
        iso.as_os_str(),
    ];
    tool("imagebuilder, as scripts/test builds it", &words)?;
    Ok(iso)
}

#[test]
fn vm_a_medium_with_a_key_restores_signed_images_and_no_others() -> Result<()> {
    let case = Case::new()?;
    ensure!(case.secret.exists());
    let content = case.folder.path().join("volume");
    fs::create_dir(&content)?;
    fs::rename(&case.sample.repository, content.join("backup"))?;
    let volume = case.folder.path().join("volume.raw");
    make_volume(&volume, "BACKUPS", &content, 16)?;
    blank_disk(&case.target, 32 << 20)?;
    let volume = Disk::raw(&volume).never_boots().throw_away_writes();
    let disk = Disk::raw(&case.target).bus(Bus::VirtioBlk).serial(TARGET);
    let machine = Machine::new(Firmware::Bios).memory_mib(512);
    let machine = machine.cdrom(customised(&case)?).disk(disk).disk(volume);
    let mut vm = machine.events().interface("line").start()?;

    // The plan wants the latest image, which nobody signed.
    let failed = vm.wait_event("the refusal", LIMIT, |event| event["event"] == "failed")?;
    let said = failed["error"].as_str().unwrap_or_default();
    ensure!(failed["code"] == code::UNTRUSTED, "{failed}");
    ensure!(said.contains("it is not signed"), "{failed}");
    ensure!(
        fs::read(&case.target)?.iter().all(|b| *b == 0),
        "something was written"
    );

    let answers = [
        ("first-screen", "1"),
        ("repository", "1"),
        // The newest is not to be had; the one before is.
        ("image", "1"),
        ("image", "2"),
        ("target", "1"),
        ("plan", "1"),
        ("confirm", TARGET),
        ("finished", "2"),
    ];
    for (question, answer) in answers {
        vm.wait_event(question, LIMIT, |event| {
            event["value"]["question"] == question
        })?;
        vm.send(&format!("{answer}\n"))?;
    }
    let exit = vm.wait_exit(LIMIT)?;
    ensure!(exit == Exit::PoweredOff, "it should power off: {exit}");
    let console = vm.console();
    for shown in [
        "cannot be chosen: it is not signed",
        "That cannot be chosen: it is not signed",
        "which this medium trusts",
    ] {
        ensure!(
            console.contains(shown),
            "{shown:?} was not shown: {console}"
        );
    }
    let (restored, source) = (fs::read(&case.target)?, fs::read(&case.sample.disk)?);
    let (from, to) = (1 << 20, 16 << 20);
    ensure!(
        restored[from..to] == source[from..to],
        "the data is another"
    );
    Ok(())
}
