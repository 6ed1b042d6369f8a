//! A repository that a medium carries along, so that a machine can be restored
//! from the medium alone: found, listed, and compared with what was written.
//!
//! Nothing in it is understood here but the names of its objects
//! (docs/FORMAT.md §1): letters, digits, `.`, `-`, `_`, no part beginning with a
//! dot.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::cli::ImagesArgs;
use crate::parts::sha256;

/// Its folder on the medium: plans name it `medium:/images`.
pub(crate) const FOLDER: &str = "images";

/// No object is larger (packs end at 512 MiB), and no file of an ISO that is in
/// one piece could be.
const LARGEST: u64 = (4 << 30) - 2048;
/// How deep the folders of a repository nest: `packs/ab/<id>.pack`.
const DEEPEST: usize = 4;

/// The repository, as it was when it was listed.
#[derive(Debug)]
pub(crate) struct Images {
    /// Its folder, absolute.
    pub(crate) root: PathBuf,
    /// Sorted by name.
    pub(crate) objects: Vec<Object>,
}

/// A file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// "packs/ab/….pack"
    pub(crate) name: String,
    /// In bytes.
    pub(crate) size: u64,
}

/// What there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Size {
    /// Images: manifests.
    pub(crate) images: usize,
    pub(crate) objects: usize,
    pub(crate) bytes: u64,
}

impl Images {
    /// The repository that `args` name, if any.
    pub(crate) fn of(args: &ImagesArgs) -> Result<Option<Self>> {
        let open = |root: &PathBuf| {
            Self::open(root).with_context(|| format!("--repository {}", root.display()))
        };
        args.repository.as_ref().map(open).transpose()
    }

    fn open(root: &Path) -> Result<Self> {
        let root = root.canonicalize().context("it cannot be found")?;
        ensure!(
            root.join("config").is_file() && root.join("snap").is_dir(),
            "this is no repository, which has a file config and a folder snap: name the folder \
             that was given to `rescue capture --to`"
        );
        let mut objects = Vec::new();
        list(&root, "", 0, &mut objects)?;
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        let found = Self { root, objects };
        ensure!(
            found.size().images > 0,
            "the repository holds no image: capture one first"
        );
        Ok(found)
    }

    /// How much it is.
    pub(crate) fn size(&self) -> Size {
        let is_manifest = |o: &&Object| o.name.starts_with("snap/") && o.name.ends_with(".man");
        Size {
            images: self.objects.iter().filter(is_manifest).count(),
            objects: self.objects.len(),
            bytes: self.objects.iter().map(|o| o.size).sum(),
        }
    }

    /// Where an object is.
    pub(crate) fn path(&self, object: &Object) -> PathBuf {
        self.root.join(&object.name)
    }

    /// SHA-256 of names and sizes, and of the content of the few objects whose
    /// names do not follow from their content.
    pub(crate) fn sha256(&self) -> Result<String> {
        let mut text = String::new();
        for object in &self.objects {
            text.push_str(&format!("{} {}", object.name, object.size));
            if object.name == "config" || object.name.starts_with("snap/") {
                let bytes = fs::read(self.path(object));
                let bytes = bytes.with_context(|| format!("reading {}", object.name))?;
                text.push_str(&format!(" {}", sha256(&bytes)));
            }
            text.push('\n');
        }
        Ok(sha256(text.as_bytes()))
    }

    /// Compares every object with what `written` reads from the new medium.
    pub(crate) fn check<R: Read>(&self, written: impl Fn(&Object) -> Result<R>) -> Result<()> {
        for object in &self.objects {
            let check = || -> Result<()> {
                let mut source = File::open(self.path(object)).context("opening it")?;
                let mut copy = written(object)?;
                ensure!(
                    same(&mut source, &mut copy).context("reading it")?,
                    "what was written is not what is in the repository (was something \
                     captured meanwhile?): build the medium again"
                );
                Ok(())
            };
            check().with_context(|| format!("checking {FOLDER}/{}", object.name))?;
        }
        Ok(())
    }
}

/// What a repository consists of; whatever else lies beside it (the key that
/// signs, say) is not for the medium.
const TOP: [&str; 5] = ["config", "index", "meta", "packs", "snap"];

fn list(root: &Path, below: &str, depth: usize, out: &mut Vec<Object>) -> Result<()> {
    let folder = root.join(below);
    let context = || format!("listing {}", folder.display());
    for entry in fs::read_dir(&folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        // What has another name is no object: something temporary, `lost+found`.
        let Some(name) = entry
            .file_name()
            .to_str()
            .filter(|n| is_part(n) && (depth > 0 || TOP.contains(n)))
            .map(str::to_owned)
        else {
            continue;
        };
        let name = format!("{below}{name}");
        let about = fs::metadata(entry.path()).with_context(|| format!("reading {name}"))?;
        if about.is_dir() {
            ensure!(depth < DEEPEST, "{name}: no repository has folders so deep");
            list(root, &format!("{name}/"), depth + 1, out)?;
            continue;
        }
        ensure!(about.is_file(), "{name} is neither a file nor a folder");
        let size = about.len();
        if size > LARGEST {
            bail!("{name} has {size} bytes: no object of a repository is larger than {LARGEST}");
        }
        out.push(Object { name, size });
    }
    Ok(())
}

/// Whether `name` may be a part of an object's name.
fn is_part(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(good)
}

/// Whether both give the same bytes to their ends.
fn same(one: &mut impl Read, two: &mut impl Read) -> std::io::Result<bool> {
    const PIECE: u64 = 1 << 20;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    loop {
        a.clear();
        b.clear();
        let read = one.by_ref().take(PIECE).read_to_end(&mut a)?;
        two.by_ref().take(PIECE).read_to_end(&mut b)?;
        if a != b {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(root: &Path) {
        for folder in ["packs/ab", "snap"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (name, text) in [
            ("config", "{}"),
            ("packs/ab/ab12.pack", "data"),
            ("snap/1.man", "m"),
            ("snap/index.json", "i"),
            ("snap/.tmp-1-2-3", "half"),
            ("read me", "mine"),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
    }

    #[test]
    fn objects_are_listed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        repository(dir.path());
        let images = Images::open(dir.path()).unwrap();
        let names: Vec<_> = images.objects.iter().map(|o| o.name.as_str()).collect();
        let expected = [
            "config",
            "packs/ab/ab12.pack",
            "snap/1.man",
            "snap/index.json",
        ];
        assert_eq!(names, expected);
        let (images_are, objects, bytes) = (1, 4, 8);
        assert_eq!(
            images.size(),
            Size {
                images: images_are,
                objects,
                bytes
            }
        );
    }

    #[test]
    fn what_is_no_repository_or_empty_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("{:#}", Images::open(dir.path()).unwrap_err());
        assert!(
            text.contains("no repository") && text.contains("rescue capture"),
            "{text}"
        );
        repository(dir.path());
        fs::remove_file(dir.path().join("snap/1.man")).unwrap();
        let text = format!("{:#}", Images::open(dir.path()).unwrap_err());
        assert!(text.contains("holds no image"), "{text}");
    }

    #[test]
    fn another_image_gives_another_hash_and_a_wrong_copy_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        repository(dir.path());
        let images = Images::open(dir.path()).unwrap();
        let before = images.sha256().unwrap();
        fs::write(dir.path().join("snap/index.json"), "j").unwrap();
        assert_ne!(images.sha256().unwrap(), before);
        let written = |object: &Object| Ok(File::open(images.path(object))?);
        images.check(written).unwrap();
        let cut = |object: &Object| Ok(File::open(images.path(object))?.take(3));
        let text = format!("{:#}", images.check(cut).unwrap_err());
        assert!(
            text.contains("images/packs/ab/ab12.pack") && text.contains("again"),
            "{text}"
        );
    }
}
