//! `CopyFiles`: which files go where, and where they come from.

use super::error::{Result, shown};
use super::file::{Inf, Line, Section};
use super::number;
use super::target::Target;

/// A folder by its number ("dirid").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DirId(pub u32);

impl DirId {
    /// `\Windows\System32\drivers`.
    pub const DRIVERS: Self = Self(12);
    /// The folder of the package in the driver store (Windows 8.1 and later).
    pub const PACKAGE: Self = Self(13);

    /// The folder on the volume of Windows, from its root, where it is the same
    /// on every machine. `windows` is the name of the Windows folder.
    #[must_use]
    pub fn path(self, windows: &str) -> Option<String> {
        let below = match self.0 {
            10 => "",
            11 => r"\System32",
            12 => r"\System32\drivers",
            17 => r"\INF",
            18 => r"\Help",
            20 => r"\Fonts",
            50 => r"\System",
            24 | 30 => return Some(String::new()),
            _ => return None,
        };
        Some(format!("\\{windows}{below}"))
    }
}

/// A file or folder on the machine: a folder's number and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub dir: DirId,
    /// With `\`, none at its ends.
    pub path: String,
}

impl Place {
    /// Its path from the root of the volume, see [`DirId::path`].
    #[must_use]
    pub fn path_on_volume(&self, windows: &str) -> Option<String> {
        let dir = self.dir.path(windows)?;
        Some(match self.path.as_str() {
            "" => dir,
            path => format!("{dir}\\{path}"),
        })
    }

    /// The last part of its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('\\').next().unwrap_or(&self.path)
    }
}

/// A file to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFile {
    /// Its path below the folder of the INF, with `/`.
    pub source: String,
    pub to: Place,
    /// `COPYFLG_…`; nothing that matters on a machine that does not run.
    pub flags: u32,
    /// Where it stands.
    pub line: u32,
}

impl Inf {
    /// The files of a `CopyFiles` directive: `@file`, or sections of files.
    pub(crate) fn copy_files(&self, directive: &Line, target: &Target) -> Result<Vec<CopyFile>> {
        let mut files = Vec::new();
        for value in directive.values.iter().filter(|value| !value.is_empty()) {
            if let Some(name) = value.strip_prefix('@') {
                let to = self.place("", name, directive.number)?;
                let (source, line) = (self.source(name, target)?, directive.number);
                files.push(CopyFile {
                    source,
                    to,
                    flags: 0,
                    line,
                });
                continue;
            }
            let Some(section) = self.section(value) else {
                let what = "CopyFiles";
                let expected = "the name of a section";
                return Err(self.error(directive.number, what, expected, shown(value)));
            };
            self.limit(directive, files.len() + section.lines.len())?;
            for line in &section.lines {
                files.extend(self.copied_file(value, line, target)?);
            }
        }
        Ok(files)
    }

    fn copied_file(&self, section: &str, line: &Line, target: &Target) -> Result<Option<CopyFile>> {
        let name = line.value(0);
        if name.is_empty() {
            return Ok(None);
        }
        let from = match line.value(1) {
            "" => name,
            other => other,
        };
        Ok(Some(CopyFile {
            source: self.source(from, target)?,
            to: self.place(section, name, line.number)?,
            flags: number::parse(line.value(3)).unwrap_or(0),
            line: line.number,
        }))
    }

    /// Where the files of a section go, by `[DestinationDirs]`.
    fn place(&self, section: &str, name: &str, line: u32) -> Result<Place> {
        let dirs = self.section("DestinationDirs");
        let own = dirs.filter(|_| !section.is_empty());
        let own = own.and_then(|dirs| dirs.get(section));
        let dir = own.or_else(|| dirs.and_then(|dirs| dirs.get("DefaultDestDir")));
        let Some(dir) = dir else {
            let expected = format!("an entry for {section:?} or DefaultDestDir");
            return Err(self.error(line, "[DestinationDirs]", expected, "none"));
        };
        let Some(id) = number::parse(dir.value(0)) else {
            let (expected, found) = ("the number of a folder", shown(dir.value(0)));
            return Err(self.error(dir.number, "[DestinationDirs]", expected, found));
        };
        self.checked_place(DirId(id), &format!("{}\\{name}", dir.value(1)), line)
    }

    /// A path such as `%12%\viostor.sys`.
    pub(crate) fn parse_place(&self, text: &str, line: u32) -> Result<Place> {
        let number = text.strip_prefix('%').and_then(|text| text.split_once('%'));
        let place = number.and_then(|(id, path)| Some((DirId(number::parse(id)?), path)));
        let Some((dir, path)) = place else {
            let expected = "a path that begins with a folder's number, such as %12%\\name.sys";
            return Err(self.error(line, "path", expected, shown(text)));
        };
        self.checked_place(dir, path, line)
    }

    /// A path must not lead out of its folder, nor to a stream of a file.
    fn checked_place(&self, dir: DirId, path: &str, line: u32) -> Result<Place> {
        let parts: Vec<&str> = path
            .split(['\\', '/'])
            .filter(|part| !part.is_empty())
            .collect();
        let odd = |part: &&str| {
            [".", ".."].contains(part) || part.contains([':', '*', '?', '<', '>', '|', '"', '\0'])
        };
        if parts.iter().any(odd) || parts.is_empty() {
            let expected = "the name of a file below its folder";
            return Err(self.error(line, "path", expected, shown(path)));
        }
        let path = parts.join("\\");
        Ok(Place { dir, path })
    }

    /// Where a file of the package is, below the folder of the INF. What
    /// `[SourceDisksFiles]` does not list is taken to lie beside the INF.
    fn source(&self, name: &str, target: &Target) -> Result<String> {
        let entry = self.decorated("SourceDisksFiles", name, target);
        let (id, subdir) = entry.map_or(("", ""), |entry| (entry.value(0), entry.value(1)));
        let disk = self.decorated("SourceDisksNames", id, target);
        let disk_path = disk.map_or("", |disk| disk.value(3));
        let parts = [disk_path, subdir, name];
        let parts = parts.iter().flat_map(|part| part.split(['\\', '/']));
        let parts: Vec<&str> = parts
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") {
            let line = entry.map_or(0, |entry| entry.number);
            let (expected, found) = ("a path below the folder of the INF", parts.join("\\"));
            return Err(self.error(line, "source of a file", expected, shown(&found)));
        }
        Ok(parts.join("/"))
    }

    /// A line of a section that may be there for one architecture.
    fn decorated(&self, section: &str, key: &str, target: &Target) -> Option<&Line> {
        let own = self.section(&format!("{section}.{}", target.arch.name()));
        let line = |section: &'_ Section| section.lines.iter().position(|line| line.is(key));
        let both = [own, self.section(section)].into_iter().flatten();
        both.into_iter()
            .find_map(|section| section.lines.get(line(section)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target = Target::TEN;

    fn copied(directive: &str, rest: &str) -> Result<Vec<(String, String)>> {
        let text = format!("[i]\nCopyFiles={directive}\n{rest}");
        let inf = Inf::parse("a.inf", text.as_bytes(), Inf::ENGLISH)?;
        let files = inf.copy_files(&inf.section("i").unwrap().lines[0], &TARGET)?;
        let place = |place: Place| place.path_on_volume("Windows").unwrap();
        Ok(files
            .into_iter()
            .map(|file| (file.source, place(file.to)))
            .collect())
    }

    const REST: &str = "[DestinationDirs]\nDefaultDestDir=10,Sub\nF=12\n[F]\nnew.sys,a.sys,,2\n\
        b.sys\n[SourceDisksNames]\n1=Disk,,,\n2=\"Disk\",,,\\64\n[SourceDisksFiles.amd64]\n\
        A.sys=2,x64\n[SourceDisksFiles]\na.sys=1\nc.txt=1,docs\n";

    #[test]
    fn files_are_found_and_placed() {
        let files = copied("@c.txt, F", REST).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            files,
            [
                pair("docs/c.txt", r"\Windows\Sub\c.txt"),
                pair("64/x64/a.sys", r"\Windows\System32\drivers\new.sys"),
                pair("b.sys", r"\Windows\System32\drivers\b.sys"),
            ]
        );
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        let said = |directive: &str, rest: &str| copied(directive, rest).unwrap_err().to_string();
        assert!(said("G", REST).starts_with("a.inf, line 2: CopyFiles"));
        assert!(said("@a", "").contains("[DestinationDirs]: expected an entry"));
        let to = |name: &str| {
            said(
                &format!("@{name}"),
                "[DestinationDirs]\nDefaultDestDir=12\n",
            )
        };
        for name in ["..\\a.sys", "a:b", "C:\\a", "a\\."] {
            assert!(to(name).contains("below its folder"), "{name}");
        }
        let out = "[DestinationDirs]\nDefaultDestDir=12\n[SourceDisksFiles]\na=1,..\\..\n";
        assert!(said("@a", out).contains("below the folder of the INF"));
        let out = "[DestinationDirs]\nF=12\n[F]\na,..\\b\n";
        assert!(said("F", out).contains("below the folder of the INF"));
        assert!(said("@a", "[DestinationDirs]\nDefaultDestDir=x").contains("line 4"));
    }

    #[test]
    fn folders_have_numbers() {
        let inf = Inf::parse("a.inf", b"", Inf::ENGLISH).unwrap();
        let place = inf.parse_place(r"%13%\a.sys", 7).unwrap();
        assert_eq!((place.dir, place.name()), (DirId::PACKAGE, "a.sys"));
        assert_eq!(place.path_on_volume("Windows"), None);
        assert!(inf.parse_place(r"\SystemRoot\a.sys", 7).is_err());
        assert_eq!(DirId(30).path("W"), Some(String::new()));
    }
}
