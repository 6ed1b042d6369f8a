//! `drill`: proves that an image comes back, in throw-away virtual machines.
//!
//! The medium restores it there as it would on a real machine; what was restored is
//! started and has to prove itself. docs/DRILL.md is the manual.

#![forbid(unsafe_code)]

mod agent;
mod args;
mod clock;
mod drill;
mod html;
mod identity;
mod image;
mod medium;
mod picture;
mod profile;
mod proof;
mod reason;
mod report;
mod repository;
mod say;
mod serve;
mod start;
mod unlock;

use anyhow::{Context, Result, ensure};
use args::{Args, Inner};
use clap::Parser;
use clock::Moment;
use image::Image;
use profile::Profile;
use qemu::Accel;
use report::{ImageFacts, MediumFacts, Report, Verdict};
use repository::Repository;
use say::{Event, Say};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.inner {
        Some(Inner::Serve { file }) => served(file).map(|()| 0),
        None if args.list_hardware => list().map(|()| 0),
        None => run(&args),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("drill: {error:#}");
            ExitCode::from(Verdict::NotRun.code())
        },
        ExitCode::from,
    )
}

fn served(file: &Path) -> Result<()> {
    let repository = Repository::saved(file)?;
    let (input, output) = (std::io::stdin(), std::io::stdout());
    serve::serve(&*repository.open()?, repository.folder(), input, output)
}

fn list() -> Result<()> {
    for (profile, text) in Profile::built_in() {
        let profile = profile?;
        println!("--- {}.toml\n{}", profile.name, text.trim_end());
        println!();
    }
    Ok(())
}

fn run(args: &Args) -> Result<u8> {
    let begun = Instant::now();
    let moment = Moment::now();
    let say = Say::new(args.json);
    let profiles: Vec<Profile> = args
        .hardware
        .iter()
        .map(|name| Ok(Profile::named(name)?.with_processors(args.processors)))
        .collect::<Result<_>>()?;
    let from = args.from.as_deref().context("--from is missing")?;
    let repository = Repository::new(from, &args.reach)?;
    let rescue = beside("rescue", args.rescue.as_deref(), true)?;
    let medium = beside("rescue.iso", args.medium.as_deref(), false)?;
    let wanted = args.image.as_deref().context("which image?")?;
    let location = repository.open()?.location();
    let image = Image::shown(&rescue, wanted, &repository, &args.trust_key)?;
    let medium_facts = MediumFacts::of(&medium)?;
    let report_folder = report_folder(args, &image, moment)?;
    let passphrases = unlock::Passphrases::read(&args.passphrase_file)?;
    let accel = Accel::best();
    let setting = drill::Setting {
        args,
        image: &image,
        repository: &repository,
        medium: &medium,
        rescue: &rescue,
        passphrases: &passphrases,
        accel,
        say: &say,
    };
    say.tell(&Event::Begin {
        image: &image.id,
        name: &image.name,
        hardware: &args.hardware,
        accelerator: accelerator(accel),
    });
    let drills: Vec<report::Drill> = profiles.iter().map(|p| drill::run(&setting, p)).collect();
    let verdicts: Vec<Verdict> = drills.iter().map(|d| d.verdict).collect();
    let verdict = Verdict::of(&verdicts);
    let limit = Duration::from_secs(args.limit.into()).saturating_mul(accel.scale());
    let report = Report {
        v: report::VERSION,
        drill: env!("CARGO_PKG_VERSION"),
        begun: moment.rfc3339(),
        seconds: begun.elapsed().as_secs_f64(),
        verdict,
        code: verdict.code(),
        image: ImageFacts::new(&image, &location),
        medium: medium_facts,
        accelerator: accelerator(accel),
        wait_for: args.wait_for.iter().map(proof::Proof::name).collect(),
        limit: limit.as_secs(),
        drills,
    };
    report.write(&report_folder)?;
    let count = |wanted| verdicts.iter().filter(|v| **v == wanted).count();
    say.tell(&Event::End {
        passed: count(Verdict::Passed),
        failed: count(Verdict::Failed),
        not_run: count(Verdict::NotRun),
        code: verdict.code(),
        report: &report_folder.join("report.html").display().to_string(),
    });
    Ok(verdict.code())
}

fn accelerator(accel: Accel) -> &'static str {
    match accel {
        Accel::Kvm => "kvm",
        Accel::Tcg => "tcg",
    }
}

/// The file that was named, or the one called `name` beside this program, one folder
/// up, or (programs) in PATH.
fn beside(name: &str, named: Option<&Path>, program: bool) -> Result<PathBuf> {
    if let Some(named) = named {
        ensure!(named.is_file(), "{} is no file", named.display());
        return named
            .canonicalize()
            .with_context(|| format!("finding {}", named.display()));
    }
    let own = std::env::current_exe().context("finding this program")?;
    let folders = own.ancestors().skip(1).take(2).map(Path::to_owned);
    let path = std::env::var_os("PATH").filter(|_| program);
    let path = path.unwrap_or_default();
    let places = folders.chain(std::env::split_paths(&path));
    let mut files = places.map(|folder| folder.join(name));
    let option = name.strip_suffix(".iso").map_or("rescue", |_| "medium");
    files.find(|file| file.is_file()).with_context(|| {
        format!(
            "{name} is not beside this program, nor one folder up: say where it is by --{option}"
        )
    })
}

/// Made before anything else takes time.
fn report_folder(args: &Args, image: &Image, moment: Moment) -> Result<PathBuf> {
    let folder = match &args.report {
        Some(folder) => folder.clone(),
        None => format!("drill-{}-{}", image.id, moment.compact()).into(),
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("making the report's folder {}", folder.display()))?;
    Ok(folder)
}
