//! The initramfs layers of a medium.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use initramfs::{
    BaseLayer, Class, Closure, DEFAULT_LIST, DEFAULT_TOOLS, Firmware, Level, MediumInfo,
    ModuleTree, Selection, Tree, compress, driver_layer, firmware_layer, tools_layer, wrap,
};

use crate::parts::{Parts, sha256};
use crate::squashfs;

/// File name below /boot of the layer that holds the site area.
pub(crate) const SITE: &str = "site.cpio";
/// Path of the site area in that layer.
pub(crate) const AREA: &str = "etc/rescue/site.area";

/// A layer, packed.
#[derive(Debug)]
pub(crate) struct Layer {
    /// File name below /boot.
    pub(crate) name: &'static str,
    pub(crate) packed: Vec<u8>,
    /// Bytes before compression.
    pub(crate) unpacked: usize,
}

/// The drivers before they are packed, and what there is to say of them.
#[derive(Debug)]
pub(crate) struct Drivers {
    content: initramfs::Drivers,
    pub(crate) sha256: String,
    /// Modules and bytes by class.
    pub(crate) classes: BTreeMap<Class, (usize, usize)>,
    /// Names of the list that this kernel has not.
    pub(crate) absent: Vec<String>,
    /// Soft dependencies that name nothing, as "module: dependency".
    pub(crate) unresolved: Vec<String>,
    /// Names of the firmware files that they may ask for.
    pub(crate) firmware: BTreeSet<String>,
}

/// Selects the modules of `parts` by the list in the file `list`.
pub(crate) fn drivers(parts: &Parts, list: Option<&Path>, mtime: u32) -> Result<Drivers> {
    let tree = ModuleTree::open(&parts.modules).with_context(|| {
        format!(
            "reading modules (depmod must have run in {})",
            parts.modules.display()
        )
    })?;
    tree.check_kernel(&parts.kernel_version)?;
    let selection = match list {
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("reading the module list {}", path.display()))?;
            Selection::from_list(&path.display().to_string(), &text, &tree)?
        }
        None => Selection::from_list("modules.list", DEFAULT_LIST, &tree)?,
    };
    let closure = Closure::of(&selection, &tree)?;
    let content = driver_layer(&parts.kernel_version, &closure, &tree)?;
    Ok(Drivers {
        sha256: sha256(&content.tree.to_cpio(mtime)?),
        classes: classes(&closure, &content.tree, &parts.kernel_version),
        absent: selection.absent,
        unresolved: closure.unresolved,
        firmware: content.firmware.iter().map(|(_, f)| f.clone()).collect(),
        content,
    })
}

fn classes(closure: &Closure, layer: &Tree, kernel: &str) -> BTreeMap<Class, (usize, usize)> {
    let mut out: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
    for module in closure.modules.values() {
        let node = layer.get(&format!("lib/modules/{kernel}/{}", module.path));
        let size = match node {
            Some(initramfs::Node::File { data, .. }) => data.len(),
            _ => 0,
        };
        let entry = out.entry(module.class.clone()).or_default();
        *entry = (entry.0.saturating_add(1), entry.1.saturating_add(size));
    }
    out
}

/// The base layer with `binary` as /init, and what it must know and have
/// before it can open the other layers.
pub(crate) fn base(
    binary: &[u8],
    medium: &MediumInfo,
    drivers: &Drivers,
    mtime: u32,
    level: Level,
) -> Result<Layer> {
    let base = BaseLayer {
        binary,
        medium,
        index: &drivers.content.index,
        absent: &drivers.content.absent,
        early: &drivers.content.early,
    };
    pack("base.cpio.zst", &base.tree()?.to_cpio(mtime)?, level)
}

/// The layer that `imagebuilder customize` writes to: an empty area of `capacity`
/// bytes. It is not compressed, so that it can be changed where it lies.
pub(crate) fn site(capacity: u64, mtime: u32) -> Result<Layer> {
    let area = site::area::write(capacity, &site::Contents::default())
        .with_context(|| format!("reserving {capacity} bytes for the site (--site-area)"))?;
    let mut tree = Tree::new();
    tree.file(AREA, 0o600, area)?;
    let packed = tree.to_cpio(mtime)?;
    Ok(Layer {
        name: SITE,
        unpacked: packed.len(),
        packed,
    })
}

impl Drivers {
    /// The drivers layer, packed.
    pub(crate) fn pack(&self, mtime: u32, level: u8) -> Result<Layer> {
        mounted("drivers", "drivers.cpio", &self.content.tree, mtime, level)
    }
}

/// The layer of programs that are not ours; none when the boot parts hold none.
pub(crate) fn tools(parts: &Parts, mtime: u32, level: u8) -> Result<Option<Layer>> {
    let Some(root) = &parts.tools else {
        return Ok(None);
    };
    let applets = parts.applets.lines().collect::<Vec<_>>();
    let mut tree = tools_layer(DEFAULT_TOOLS, root, &applets)
        .with_context(|| format!("gathering the programs in {}", root.display()))?;
    tree.file(
        "usr/share/rescue/packages.txt",
        0o644,
        parts.packages.clone(),
    )?;
    grub_for_bios(&mut tree, &parts.grub_pc)?;
    mounted("tools", "tools.cpio", &tree, mtime, level).map(Some)
}

/// What a restore makes a core of for a Linux that has no GRUB for a BIOS: of the folder
/// `grub_pc`, what the usual menus need.
fn grub_for_bios(tree: &mut Tree, grub_pc: &Path) -> Result<()> {
    let read = |name: &str| {
        let path = grub_pc.join(name);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    };
    let text = |name| anyhow::Ok(String::from_utf8_lossy(&read(name)?).into_owned());
    let (moddep, commands) = (text("moddep.lst")?, text("command.lst")?);
    let has = |name: &str| grub_pc.join(format!("{name}.mod")).is_file();
    let choice = grub::Choice::new(&grub::Menu::default(), &moddep, &commands, &has);
    let modules = choice.modules.iter().map(|name| format!("{name}.mod"));
    let base = grub::Set::BASE.into_iter().map(str::to_owned);
    for name in base.chain(modules) {
        tree.file(&format!("usr/lib/grub/i386-pc/{name}"), 0o644, read(&name)?)?;
    }
    Ok(())
}

/// The firmware that `drivers` may ask for, as far as `folders` have it.
pub(crate) fn firmware(drivers: &Drivers, folders: &[PathBuf]) -> Result<Firmware> {
    let found = firmware_layer(folders, &drivers.firmware).context("gathering firmware")?;
    if let (Some(first), true) = (folders.first(), found.found.is_empty()) {
        bail!(
            "--firmware {}: it has none of the {} files that the medium's modules may ask for, \
             like {}: name the folder that is laid out as /lib/firmware",
            first.display(),
            drivers.firmware.len(),
            drivers.firmware.first().map_or("", String::as_str)
        );
    }
    Ok(found)
}

/// The layer with that firmware; none when there is none.
pub(crate) fn pack_firmware(found: &Firmware, mtime: u32, level: u8) -> Result<Option<Layer>> {
    if found.found.is_empty() {
        return Ok(None);
    }
    mounted("firmware", "firmware.cpio", &found.tree, mtime, level).map(Some)
}

/// A layer that is mounted, not unpacked: `tree` in a packed file system.
fn mounted(name: &str, file: &'static str, tree: &Tree, mtime: u32, level: u8) -> Result<Layer> {
    let packed = squashfs::pack(tree, mtime, level).with_context(|| format!("packing {name}"))?;
    Ok(Layer {
        name: file,
        packed: wrap(name, packed)?.to_cpio(mtime)?,
        unpacked: tree.iter().map(|(_, node)| size(node)).sum(),
    })
}

fn size(node: &initramfs::Node) -> usize {
    match node {
        initramfs::Node::File { data, .. } => data.len(),
        _ => 0,
    }
}

fn pack(name: &'static str, cpio: &[u8], level: Level) -> Result<Layer> {
    Ok(Layer {
        name,
        packed: compress(cpio, level).with_context(|| format!("packing {name}"))?,
        unpacked: cpio.len(),
    })
}
