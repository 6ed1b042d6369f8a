//! Bad inputs: each ends with its own exit code and a message that says what is
//! wrong, and the target is untouched where that can be known beforehand.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::rescue::{Run, code, rescue};
use tests::{Random, Sample, scratch};

/// A captured sample disk and a target full of other bytes.
struct Case {
    _folder: TempDir,
    sample: Sample,
    target: PathBuf,
    before: Vec<u8>,
}

const SIZE_MIB: u64 = 32;

impl Case {
    fn new() -> Result<Self> {
        let folder = scratch()?;
        let sample = Sample::captured(folder.path(), SIZE_MIB)?;
        let target = folder.path().join("target.raw");
        let case = Self {
            sample,
            target,
            before: Random::seeded(1).bytes(usize::try_from(SIZE_MIB << 20)?),
            _folder: folder,
        };
        fs::write(&case.target, &case.before)?;
        Ok(case)
    }

    fn restore(&self, image: &str, more: &[&str]) -> Result<Run> {
        let mut words: Vec<&OsStr> = vec![
            "restore".as_ref(),
            image.as_ref(),
            "--from".as_ref(),
            self.sample.repository.as_os_str(),
            "--to".as_ref(),
            self.target.as_os_str(),
            "--yes".as_ref(),
        ];
        words.extend(more.iter().map(OsStr::new));
        rescue(&words)
    }

    fn verify(&self) -> Result<Run> {
        rescue(&[
            "verify".as_ref(),
            "--from".as_ref(),
            self.sample.repository.as_os_str(),
        ])
    }

    fn target_is_untouched(&self) -> Result<()> {
        ensure!(
            fs::read(&self.target)? == self.before,
            "the target was written to"
        );
        Ok(())
    }

    /// What was written, if anything, does not pretend to be a system.
    fn target_does_not_boot(&self) -> Result<()> {
        let mut sector = [0; 512];
        File::open(&self.target)?.read_exact_at(&mut sector, 0)?;
        let same = sector == self.before[..512];
        ensure!(
            same || sector[510..] != [0x55, 0xaa],
            "the target has a boot signature"
        );
        Ok(())
    }

    /// Files of the repository whose path below it starts with `prefix`, largest first.
    fn objects(&self, prefix: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        collect(&self.sample.repository, &mut found)?;
        let root = &self.sample.repository;
        found.retain(|path| {
            let below = path.strip_prefix(root).unwrap_or(path);
            below.to_string_lossy().starts_with(prefix)
        });
        found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).map_or(0, |m| m.len())));
        ensure!(
            !found.is_empty(),
            "the repository has nothing called {prefix}…"
        );
        Ok(found)
    }

    fn object(&self, prefix: &str) -> Result<PathBuf> {
        let mut all = self.objects(prefix)?;
        Ok(all.remove(0))
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}

/// Turns one bit of byte `at` (from the end when negative) of `file`.
fn flip_bit(file: &Path, at: i64) -> Result<()> {
    let mut bytes = fs::read(file)?;
    let len = i64::try_from(bytes.len())?;
    let at = usize::try_from(at.rem_euclid(len))?;
    bytes[at] ^= 0x10;
    fs::write(file, bytes).with_context(|| format!("writing {}", file.display()))
}

#[test]
fn host_a_flipped_bit_in_stored_data_is_found() -> Result<()> {
    let case = Case::new()?;
    let pack = case.object("packs/")?;
    flip_bit(&pack, 500_000)?;
    let name = pack.file_stem().and_then(OsStr::to_str).context("a name")?;
    case.verify()?.failed_with(code::DAMAGED, &[&name[..8]])?;
    case.restore("sample", &[])?
        .failed_with(code::DAMAGED, &[&name[..8]])?;
    case.target_does_not_boot()
}

#[test]
fn host_a_flipped_bit_in_a_map_is_found_before_a_write() -> Result<()> {
    let case = Case::new()?;
    for pack in case.objects("meta/")? {
        flip_bit(&pack, 150)?;
    }
    case.verify()?
        .failed_with(code::DAMAGED, &["pack", "damaged"])?;
    case.restore("sample", &[])?
        .failed_with(code::DAMAGED, &["pack", "damaged"])?;
    case.target_is_untouched()
}

#[test]
fn host_a_flipped_bit_in_a_manifest_is_found_before_a_write() -> Result<()> {
    let case = Case::new()?;
    flip_bit(&case.object("snap/2")?, 200)?;
    case.verify()?.failed_with(code::DAMAGED, &["snap/"])?;
    case.restore("latest", &[])?
        .failed_with(code::DAMAGED, &["snap/"])?;
    case.target_is_untouched()
}

#[test]
fn host_a_truncated_pack_is_found() -> Result<()> {
    let case = Case::new()?;
    let pack = case.object("packs/")?;
    let file = File::options().write(true).open(&pack)?;
    file.set_len(fs::metadata(&pack)?.len() / 2)?;
    case.verify()?.failed_with(code::DAMAGED, &["pack"])?;
    case.restore("sample", &[])?
        .failed_with(code::DAMAGED, &["pack"])?;
    case.target_does_not_boot()
}

#[test]
fn host_a_missing_pack_is_found_before_a_write() -> Result<()> {
    let case = Case::new()?;
    let pack = case.object("packs/")?;
    fs::remove_file(&pack)?;
    case.verify()?.failed_with(code::MISSING, &["pack"])?;
    case.restore("sample", &[])?
        .failed_with(code::MISSING, &["pack"])?;
    case.target_is_untouched()
}

#[test]
fn host_a_smaller_target_is_refused_with_both_sizes() -> Result<()> {
    let mut case = Case::new()?;
    case.before
        .truncate(usize::try_from((SIZE_MIB << 20) - 512)?);
    fs::write(&case.target, &case.before)?;
    let sizes = [(SIZE_MIB << 20).to_string(), case.before.len().to_string()];
    let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
    case.restore("sample", &["--plan"])?
        .failed_with(code::TARGET_TOO_SMALL, &sizes)?;
    case.restore("sample", &[])?
        .failed_with(code::TARGET_TOO_SMALL, &sizes)?;
    case.target_is_untouched()
}

#[test]
fn host_a_plan_writes_nothing() -> Result<()> {
    let case = Case::new()?;
    case.restore("sample", &["--plan"])?.succeeded()?;
    case.target_is_untouched()
}

#[test]
fn host_a_wrong_image_name_is_told_what_there_is() -> Result<()> {
    let case = Case::new()?;
    case.restore("no-such-image", &[])?
        .failed_with(code::NO_SUCH_IMAGE, &["no-such-image", "sample"])?;
    case.target_is_untouched()
}

#[test]
fn host_a_repository_of_a_newer_version_is_refused() -> Result<()> {
    let case = Case::new()?;
    let config = case.object("config")?;
    let newer = newer_version(&fs::read(&config)?)?;
    fs::write(&config, newer)?;
    case.restore("sample", &[])?
        .failed_with(code::NEWER_FORMAT, &["newer"])?;
    case.target_is_untouched()
}

/// The same object as a future version would write it, its seal included.
fn newer_version(sealed: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(sealed)?;
    let (body, _seal) = text.split_once("blake3 ").context("a seal")?;
    let mut value: serde_json::Value = serde_json::from_str(body)?;
    for field in ["format", "min_reader"] {
        ensure!(value[field].is_u64(), "no {field} to raise in {body}");
        value[field] = 9999.into();
    }
    let newer = format!("{value}\n");
    let seal = blake3::hash(newer.as_bytes()).to_hex();
    Ok(format!("{newer}blake3 {seal}\n").into_bytes())
}

#[test]
fn host_a_target_that_holds_the_repository_is_refused() -> Result<()> {
    let mut case = Case::new()?;
    case.target = case.object("packs/")?;
    let size = fs::metadata(&case.target)?.len();
    File::options()
        .write(true)
        .open(&case.target)?
        .set_len(size.max(SIZE_MIB << 20))?;
    case.before = fs::read(&case.target)?;
    case.restore("sample", &[])?
        .failed_with(code::TARGET_PROTECTED, &["holds the repository"])?;
    case.target_is_untouched()
}
