//! GRUB for a BIOS, as the folder `i386-pc` of its package has it: the Linux' own, read in
//! the process that looks, or this medium's.

use grub::{Choice, FILE_MOST, Menu, Set};
use serde::{Deserialize, Serialize};

use super::files::{Program, Starters, without_loaders};
use crate::files::{Files, FilesError};

/// Where packages have it: Debian, Ubuntu, Fedora and Arch; SUSE.
const FOLDERS: [&str; 3] = [
    "/usr/lib/grub/i386-pc",
    "/usr/share/grub2/i386-pc",
    "/usr/lib/grub2/i386-pc",
];
/// Bytes of all its files at most.
const MOST: u64 = 32 << 20;

/// What a core is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pc {
    /// Names and bytes.
    files: Vec<(String, Program)>,
    /// The modules in it.
    pub(crate) modules: Vec<String>,
    /// Commands of the menu that none of them has.
    pub(crate) lacks: Vec<String>,
}

/// What was found in a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForBios {
    /// What there is to know of it whatever starts it.
    pub(crate) starters: Starters,
    /// What its menu names.
    pub(crate) menu: Menu,
    /// Its own GRUB for a BIOS.
    pub(crate) own: Option<Pc>,
}

impl Pc {
    pub(super) fn set(&self) -> Set {
        let mut set = Set::default();
        for (name, file) in &self.files {
            set.add(name, file.bytes.clone());
        }
        set
    }
}

/// Looks among the `files` of a system.
pub(crate) fn look(files: &dyn Files) -> Result<ForBios, FilesError> {
    let (starters, menu) = without_loaders(files)?;
    let menu = menu.map_or_else(Menu::default, |text| Menu::parse(&text));
    Ok(ForBios {
        own: first(files, &menu)?,
        starters,
        menu,
    })
}

/// What `menu` needs of the first GRUB for a BIOS that is among `files`.
pub(super) fn first(files: &dyn Files, menu: &Menu) -> Result<Option<Pc>, FilesError> {
    for folder in FOLDERS {
        let found = read(files, folder, menu)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What `menu` needs of the GRUB in `folder`; none when there is none, or only parts of it.
pub(super) fn read(files: &dyn Files, folder: &str, menu: &Menu) -> Result<Option<Pc>, FilesError> {
    let names = files.list(folder)?;
    let has = |name: &str| names.iter().any(|there| there == name);
    if !Set::BASE.iter().all(|name| has(name)) {
        return Ok(None);
    }
    let text = |name: &str| -> Result<String, FilesError> {
        let bytes = files.read(&format!("{folder}/{name}"), FILE_MOST)?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    };
    let (moddep, commands) = (text("moddep.lst")?, text("command.lst")?);
    let is_module = |name: &str| has(&format!("{name}.mod"));
    let choice = Choice::new(menu, &moddep, &commands, &is_module);
    let mut pc = Pc {
        files: Vec::new(),
        lacks: choice.lacks.into_iter().map(str::to_owned).collect(),
        modules: choice.modules,
    };
    let modules = pc.modules.iter().map(|name| format!("{name}.mod"));
    let wanted = Set::BASE.into_iter().map(str::to_owned).chain(modules);
    let mut left = MOST;
    for name in wanted {
        let path = format!("{folder}/{name}");
        let Some(bytes) = files.read(&path, left.min(FILE_MOST))? else {
            // (Whoever makes the core misses it.)
            continue;
        };
        left = left.saturating_sub(bytes.len() as u64);
        pc.files.push((name, Program { bytes }));
    }
    Ok(Some(pc))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::files::Folder;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_grub_is_read_as_far_as_its_menu_needs_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let found = || look(&Folder::open(root).unwrap()).unwrap();
        assert_eq!(found(), ForBios::default());
        write(root, "boot/grub2/grub.cfg", "insmod special\nblscfg\n");
        let own = "usr/share/grub2/i386-pc";
        for name in &Set::BASE[1..] {
            write(root, &format!("{own}/{name}"), "x");
        }
        for name in ["normal", "special", "other"] {
            write(root, &format!("{own}/{name}.mod"), name);
        }
        assert_eq!(found().own, None, "boot.img is missing");
        write(root, &format!("{own}/boot.img"), "x");
        write(root, &format!("{own}/command.lst"), "x: other\n");
        write(root, &format!("{own}/moddep.lst"), "special: normal\n");
        let bios = found();
        assert_eq!(bios.menu, Menu::parse("insmod special\nblscfg\n"));
        let pc = bios.own.unwrap();
        assert_eq!(pc.lacks, ["blscfg"]);
        let set = pc.set();
        assert_eq!(set.get("special.mod").unwrap(), b"special");
        assert!(set.get("other.mod").is_err());
        assert!(pc.modules.iter().any(|name| name == "special"));
    }
}
