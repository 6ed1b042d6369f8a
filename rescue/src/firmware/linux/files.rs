//! What a Linux has for UEFI, among its own files: GRUB, and the shim that Secure Boot
//! starts it by. Read in the process that looks.

use serde::{Deserialize, Serialize};

use super::grub;
use crate::adapt::base64;
use crate::files::{Files, FilesError};

/// No program is larger than this many bytes.
const PROGRAM: u64 = 16 << 20;
/// No text is larger than this many bytes.
const TEXT: u64 = 4 << 20;
/// Where Fedora and its relatives have them.
const ESP: &str = "/boot/efi/EFI";

/// Programs of one set.
struct Set {
    grub: String,
    /// Names of the shim, the first that is there counts; those of its key manager.
    shim: Vec<String>,
    manager: Vec<String>,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    #[serde(with = "base64")]
    pub(crate) bytes: Vec<u8>,
}

/// What UEFI can start the system by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Loaders {
    pub(crate) grub: Program,
    /// What Secure Boot knows the key of, and what that starts GRUB by.
    pub(crate) shim: Option<Program>,
    /// The shim's own program for keys.
    pub(crate) manager: Option<Program>,
    /// The folder in `/EFI` where this GRUB looks for its configuration: "debian".
    pub(crate) folder: String,
}

/// What was found in a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Starters {
    /// ID of os-release(5), and what it is like.
    pub(crate) ids: Vec<String>,
    /// The folder in `/boot` that has a grub.cfg: "grub".
    pub(crate) config: Option<String>,
    /// Whether its commands are of a BIOS only.
    pub(crate) for_bios: bool,
    pub(crate) loaders: Option<Loaders>,
    /// What its fstab says is the subvolume of the root.
    pub(crate) subvolume: Option<String>,
}

/// Looks among `files`.
pub(crate) fn look(files: &dyn Files) -> Result<Starters, FilesError> {
    let (mut found, _) = without_loaders(files)?;
    for set in sets(files)? {
        found.loaders = loaders(files, &set)?;
        if found.loaders.is_some() {
            break;
        }
    }
    Ok(found)
}

/// The same without its programs for UEFI; and GRUB's menu.
pub(super) fn without_loaders(files: &dyn Files) -> Result<(Starters, Option<String>), FilesError> {
    let mut found = Starters {
        ids: ids(files)?,
        ..Starters::default()
    };
    let mut menu = None;
    for folder in ["grub", "grub2"] {
        if let Some(text) = text(files, &format!("/boot/{folder}/grub.cfg"))? {
            found.config = Some(folder.to_owned());
            found.for_bios = grub::is_for_bios(&text);
            menu = Some(text);
            break;
        }
    }
    let tab = text(files, "/etc/fstab")?.unwrap_or_default();
    let entries = linux::fstab::entries(&tab);
    let root = linux::fstab::root(&entries);
    found.subvolume = root.and_then(|root| Some(root.subvolume()?.to_owned()));
    Ok((found, menu))
}

/// The sets that there may be: signed ones first.
fn sets(files: &dyn Files) -> Result<Vec<Set>, FilesError> {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let debian = Set {
        grub: "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed".to_owned(),
        shim: own(&[
            "/usr/lib/shim/shimx64.efi.signed",
            "/usr/lib/shim/shimx64.efi.signed.latest",
        ]),
        manager: own(&["/usr/lib/shim/mmx64.efi.signed", "/usr/lib/shim/mmx64.efi"]),
    };
    let mut sets = vec![debian];
    for folder in files.list(ESP)? {
        let path = |name: &str| format!("{ESP}/{folder}/{name}");
        if !folder.eq_ignore_ascii_case("boot") {
            sets.push(Set {
                grub: path("grubx64.efi"),
                shim: vec![path("shimx64.efi")],
                manager: vec![path("mmx64.efi")],
            });
        }
    }
    sets.push(Set {
        grub: "/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi".to_owned(),
        shim: Vec::new(),
        manager: Vec::new(),
    });
    Ok(sets)
}

/// The programs of `set`; none without a GRUB that says where it looks.
fn loaders(files: &dyn Files, set: &Set) -> Result<Option<Loaders>, FilesError> {
    let first = |names: &[String]| {
        let mut found = names.iter().map(|name| files.read(name, PROGRAM));
        let found = found.find_map(Result::transpose).transpose()?;
        Ok(found.map(|bytes| Program { bytes }))
    };
    let Some(bytes) = files.read(&set.grub, PROGRAM)? else {
        return Ok(None);
    };
    let Some(folder) = grub::folder(&bytes) else {
        return Ok(None);
    };
    Ok(Some(Loaders {
        folder: folder.to_owned(),
        shim: first(&set.shim)?,
        manager: first(&set.manager)?,
        grub: Program { bytes },
    }))
}

fn text(files: &dyn Files, path: &str) -> Result<Option<String>, FilesError> {
    let bytes = files.read(path, TEXT)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// ID and ID_LIKE of os-release(5).
fn ids(files: &dyn Files) -> Result<Vec<String>, FilesError> {
    let mut release = text(files, "/etc/os-release")?;
    if release.is_none() {
        release = text(files, "/usr/lib/os-release")?;
    }
    let release = release.unwrap_or_default();
    let value = |key: &str| {
        let mut values = release
            .lines()
            .filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        values.next().unwrap_or_default().trim_matches(['"', '\''])
    };
    let words = value("ID").split_whitespace();
    let words = words.chain(value("ID_LIKE").split_whitespace());
    Ok(words.take(10).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::files::Folder;

    fn write(root: &Path, files: &[(&str, &[u8])]) {
        for (path, bytes) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn found(root: &Path) -> Starters {
        look(&Folder::open(root).unwrap()).unwrap()
    }

    #[test]
    fn what_is_signed_comes_before_what_is_not() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(found(root), Starters::default());
        write(
            root,
            &[
                (
                    "etc/os-release",
                    b"NAME=x\nID=mint\nID_LIKE=\"ubuntu debian\"\n",
                ),
                ("etc/fstab", b"UUID=1 / btrfs subvol=/@root 0 0\n"),
                ("boot/grub2/grub.cfg", b"linux /vmlinuz\n"),
                (
                    "usr/lib/grub/x86_64-efi/monolithic/grubx64.efi",
                    b"M\0/EFI/debian\0",
                ),
            ],
        );
        let unsigned = found(root);
        assert_eq!(unsigned.ids, ["mint", "ubuntu", "debian"]);
        assert_eq!(unsigned.config.as_deref(), Some("grub2"));
        assert_eq!(unsigned.subvolume.as_deref(), Some("@root"));
        let loaders = unsigned.loaders.unwrap();
        assert_eq!((&*loaders.folder, loaders.shim), ("debian", None));
        write(
            root,
            &[
                ("boot/efi/EFI/BOOT/grubx64.efi", b"\0/EFI/no\0"),
                ("boot/efi/EFI/fedora/grubx64.efi", b"F\0/EFI/fedora\0"),
                ("boot/efi/EFI/fedora/shimx64.efi", b"shim"),
            ],
        );
        assert_eq!(found(root).loaders.unwrap().folder, "fedora");
        write(
            root,
            &[
                (
                    "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
                    b"S\0/EFI/ubuntu\0",
                ),
                ("usr/lib/shim/shimx64.efi.signed.latest", b"a shim"),
                ("usr/lib/shim/mmx64.efi", b"a manager"),
            ],
        );
        let loaders = found(root).loaders.unwrap();
        assert_eq!(loaders.folder, "ubuntu");
        assert_eq!(loaders.shim.unwrap().bytes, b"a shim");
        assert_eq!(loaders.manager.unwrap().bytes, b"a manager");
    }
}
