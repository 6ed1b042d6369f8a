//! `imagebuilder pxe`: a folder that TFTP and HTTP servers hand out.
//!
//! | machine | starts |
//! |---|---|
//! | BIOS | `undionly.kpxe` (iPXE) by TFTP, `boot.ipxe`, the rest by HTTP |
//! | UEFI, with or without Secure Boot | `bootx64.efi` (shim) by TFTP, then GRUB |
//! | UEFI HTTP boot | `rescue.iso` (`--iso`), which the firmware keeps in memory |
//!
//! shim loads `grubx64.efi` from where it came itself; that GRUB (Debian's
//! signed grubnet) reads `grub/grub.cfg` there, by TFTP only: it has no HTTP. So
//! HTTP boot takes the ISO.

mod text;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::cli::PxeArgs;
use crate::content::{Content, step};
use crate::publish::{Unfinished, publish};
use crate::stage::Stage;
use crate::summary::Summary;
use crate::{grub, kernel_words};

/// By this file a tree is known as one of ours, which may be replaced.
const MARK: &str = "README.txt";

/// Builds the tree that `args` asks for and prints what it is.
pub(crate) fn run(args: &PxeArgs) -> Result<()> {
    let started = Instant::now();
    may_be_replaced(&args.out)?;
    let build = &args.build;
    let content = Content::gather(build, None)?;
    step("writing the tree");
    let stage = Stage::beside(&args.out, build.source_date_epoch)?;
    fill(&stage, &content, &build.cmdline)?;
    if let Some(iso) = &args.iso {
        let bytes = fs::read(iso).with_context(|| format!("reading {}", iso.display()))?;
        stage.file("rescue.iso", &bytes)?;
    }
    stage.seal()?;
    // What is there was made by this command; it is whole until it goes.
    if args.out.exists() {
        let old = stage.work().join("old");
        fs::rename(&args.out, &old)
            .with_context(|| format!("moving {} away", args.out.display()))?;
    }
    publish(Unfinished(stage.iso()), &args.out)?;
    Summary::of_tree(&args.out, &content, started)?.print(build.json)
}

/// Nothing but a tree of ours is ever removed.
fn may_be_replaced(out: &Path) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(out.join(MARK)).unwrap_or_default();
    ensure!(
        text.starts_with(text::FIRST_LINE),
        "{} exists and was not made by this command: name another folder, or remove it",
        out.display()
    );
    Ok(())
}

fn fill(stage: &Stage, content: &Content, cmdline: &str) -> Result<()> {
    let parts = &content.parts;
    let Some(net) = &parts.net else {
        bail!(
            "the boot parts have no grubnetx64.efi or undionly.kpxe: run scripts/boot-parts, and \
             give --boot-parts the folder it prints"
        );
    };
    for (path, bytes) in content.boot_files() {
        stage.file(&path, bytes)?;
    }
    stage.file("bootx64.efi", &parts.shim.bytes)?;
    stage.file("grubx64.efi", &net.grub.bytes)?;
    stage.file("mmx64.efi", &parts.mok_manager.bytes)?;
    stage.file("undionly.kpxe", &net.ipxe.bytes)?;
    let layers = content.layer_paths();
    let grub = grub::net_menu(&layers, cmdline)?;
    stage.file("grub/grub.cfg", grub.as_bytes())?;
    stage.file("grub/grubenv", &kernel_words::block("")?)?;
    stage.file("boot.ipxe", text::ipxe(&layers, cmdline)?.as_bytes())?;
    if let Some(config) = &parts.config {
        stage.file("rescue.toml", &config.bytes)?;
    }
    for (name, bytes) in text::FILES {
        stage.file(name, bytes.as_bytes())?;
    }
    stage.executable("serve.sh")
}
