//! The boot loaders on an EFI system partition, by where systems put them.

use crate::plan::is_same_file;

/// The folder, below `EFI`, of what firmware starts from a disk that it has no entry
/// for (UEFI 2.10, 3.5.1.1).
pub const FALLBACK_FOLDER: &str = "BOOT";
/// Its file, on x86 of 64 bits.
pub const FALLBACK_FILE: &str = "BOOTX64.EFI";
/// What shim's installer says of its files: UTF-16 lines of file, title, options,
/// description.
pub const TITLES_FILE: &str = "BOOTX64.CSV";
/// Where Windows has its loader, below `EFI`.
pub const WINDOWS_FOLDER: &str = "Microsoft/Boot";

const WINDOWS_FILE: &str = "bootmgfw.efi";
const WINDOWS_TITLE: &str = "Windows Boot Manager";
/// Folder, file, title: loaders that are not called as those of distributions.
const OTHERS: [(&str, &str, &str); 2] = [
    ("systemd", "systemd-bootx64.efi", "Linux Boot Manager"),
    ("refind", "refind_x64.efi", "rEFInd Boot Manager"),
];
/// What distributions have, the better first: shim starts with Secure Boot, too.
const DISTRIBUTION: [&str; 2] = ["shimx64.efi", "grubx64.efi"];
/// No title has more letters.
const TITLE_MOST: usize = 60;

/// A folder below `EFI` and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// "debian", "Microsoft/Boot".
    pub name: String,
    /// Names of files that are not empty.
    pub files: Vec<String>,
    /// What its [`TITLES_FILE`] holds, if it has one.
    pub titles: Option<Vec<u8>>,
}

/// What a loader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// Windows.
    Windows,
    /// Linux, and perhaps others by a menu.
    Linux,
}

/// A loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// As its own system calls it in the firmware's menu.
    pub title: String,
    /// `\EFI\debian\shimx64.efi`.
    pub file: String,
    /// What it starts.
    pub starts: Starts,
}

/// The loaders in `folders`: at most one of each, in the order of these.
#[must_use]
pub fn loaders(folders: &[Folder]) -> Vec<Loader> {
    folders.iter().filter_map(Folder::loader).collect()
}

/// The file in the fallback's place, `\EFI\BOOT\BOOTX64.EFI`.
#[must_use]
pub fn fallback(folders: &[Folder]) -> Option<String> {
    let named = |folder: &&Folder| folder.name.eq_ignore_ascii_case(FALLBACK_FOLDER);
    let mut folders = folders.iter().filter(named);
    folders.find_map(|folder| Some(folder.path(folder.has(FALLBACK_FILE)?)))
}

impl Folder {
    fn has(&self, file: &str) -> Option<&String> {
        let mut files = self.files.iter();
        files.find(|name| name.eq_ignore_ascii_case(file))
    }

    fn path(&self, file: &str) -> String {
        format!("\\EFI\\{}\\{file}", self.name.replace('/', "\\"))
    }

    fn loader(&self) -> Option<Loader> {
        let named = |name: &str| self.name.eq_ignore_ascii_case(name);
        let loader = |title: &str, file: &str, starts| {
            Some(Loader {
                title: title.to_owned(),
                file: self.path(self.has(file)?),
                starts,
            })
        };
        if named(FALLBACK_FOLDER) {
            return None;
        }
        if is_same_file(&self.name, WINDOWS_FOLDER) {
            return loader(WINDOWS_TITLE, WINDOWS_FILE, Starts::Windows);
        }
        for (folder, file, title) in OTHERS {
            if named(folder) {
                return loader(title, file, Starts::Linux);
            }
        }
        let file = DISTRIBUTION.iter().find(|file| self.has(file).is_some())?;
        let told = self.titles.as_deref().and_then(|text| title_of(text, file));
        loader(
            &told.unwrap_or_else(|| self.name.clone()),
            file,
            Starts::Linux,
        )
    }
}

/// What the lines in `text` call `file`.
fn title_of(text: &[u8], file: &str) -> Option<String> {
    let (units, _) = text.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let text = String::from_utf16(&units).ok()?;
    let text = text.trim_start_matches('\u{feff}');
    text.lines().find_map(|line| {
        let mut fields = line.split(',');
        let named = fields.next()?.trim().eq_ignore_ascii_case(file);
        let title = fields.next()?.chars().filter(|c| !c.is_control());
        let title: String = title.take(TITLE_MOST).collect();
        (named && !title.trim().is_empty()).then(|| title.trim().to_owned())
    })
}

/// What Windows has its own entry hand to its loader: which object of the boot store
/// to start from, and no path. (An entry without it starts, too.)
///
/// The structure is `WINDOWS_OS_OPTIONS` of the Windows headers, which ReactOS
/// repeats: `WINDOWS`, version 1, length of all, offset of a `FILE_PATH`, the options
/// as UTF-16; then that `FILE_PATH`: version 1, its length, type 4 (EFI), a device
/// path, here the node that ends one.
#[must_use]
pub fn windows_data() -> Vec<u8> {
    const OBJECT: &str = "BCDOBJECT={9dea862c-5cdd-4e70-acc1-f32b344d4795}\0";
    const PATH_AT: u32 = 0x78;
    const PATH_LEN: u32 = 0x10;
    let number = |n: u32| n.to_le_bytes();
    let mut out = b"WINDOWS\0".to_vec();
    out.extend(number(1));
    out.extend(number(PATH_AT + PATH_LEN));
    out.extend(number(PATH_AT));
    out.extend(OBJECT.encode_utf16().flat_map(u16::to_le_bytes));
    out.resize(PATH_AT as usize, 0);
    [1, PATH_LEN, 4].iter().for_each(|n| out.extend(number(*n)));
    out.extend([0x7f, 0xff, 4, 0]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, files: &[&str]) -> Folder {
        Folder {
            name: name.to_owned(),
            files: files.iter().map(|f| (*f).to_owned()).collect(),
            titles: None,
        }
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn each_system_s_loader_is_found_by_its_place() {
        let found = loaders(&[
            folder("Boot", &["bootx64.efi", "grubx64.efi"]),
            folder("MICROSOFT/boot", &["memtest.efi", "BOOTMGFW.EFI"]),
            folder("debian", &["grubx64.efi", "SHIMX64.EFI", "mmx64.efi"]),
            folder("ubuntu", &["grubx64.efi"]),
            folder("systemd", &["systemd-bootx64.efi"]),
            folder("Linux", &["6.1.efi"]),
            folder("Dell", &["diags.efi"]),
        ]);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|l| (l.title.as_str(), l.file.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "Windows Boot Manager",
                    "\\EFI\\MICROSOFT\\boot\\BOOTMGFW.EFI"
                ),
                ("debian", "\\EFI\\debian\\SHIMX64.EFI"),
                ("ubuntu", "\\EFI\\ubuntu\\grubx64.efi"),
                ("Linux Boot Manager", "\\EFI\\systemd\\systemd-bootx64.efi"),
            ]
        );
        let boot = [
            folder("debian", &["BOOTX64.EFI"]),
            folder("Boot", &["bootx64.efi"]),
        ];
        assert_eq!(fallback(&boot).as_deref(), Some("\\EFI\\Boot\\bootx64.efi"));
        assert_eq!(fallback(&boot[..1]), None);
    }

    #[test]
    fn a_title_comes_from_the_distribution_s_own_file() {
        let titled = |text: &[u8]| {
            let mut fedora = folder("fedora", &["shimx64.efi", "BOOTX64.CSV"]);
            fedora.titles = Some(text.to_vec());
            loaders(&[fedora]).remove(0).title
        };
        let line = "shimx64.efi,Fedora,,This is the boot entry for Fedora\n";
        assert_eq!(titled(&utf16(line)), "Fedora");
        for lines in [format!("\u{feff}{line}"), format!("mmx64.efi,No\r\n{line}")] {
            assert_eq!(titled(&utf16(&lines)), "Fedora");
        }
        for none in [
            utf16("shimx64.efi"),
            utf16("shimx64.efi,\u{7} ,"),
            vec![0xff],
            vec![0, 0xd8],
        ] {
            assert_eq!(titled(&none), "fedora");
        }
        let long = format!("shimx64.efi,{}", "x".repeat(500));
        assert_eq!(titled(&utf16(&long)).len(), TITLE_MOST);
    }

    /// Lengths and offsets are those of `WINDOWS_OS_OPTIONS` and `FILE_PATH`.
    #[test]
    fn the_data_of_windows_is_one_structure_of_136_bytes() {
        let data = windows_data();
        let number = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
        assert_eq!(
            (data.len(), number(8), number(12), number(16)),
            (136, 1, 136, 120)
        );
        assert_eq!((number(120), number(124), number(128)), (1, 16, 4));
        let object = "BCDOBJECT={9dea862c-5cdd-4e70-acc1-f32b344d4795}\0";
        assert_eq!(data[20..118], utf16(object));
    }
}
