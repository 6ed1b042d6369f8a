//! Whose signatures count: the keys of the command line or the plan, and those
//! that the site put into its medium.
//!
//! The medium's keys are the site's word, and a plan may come from a server:
//! it can narrow them down, never add to them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use image::{Image, PublicKey, Repository, Signed, TrustedKeys};
use store::Store;

use crate::event::{Event, Sink};
use crate::init::site;
use crate::unattended::plan::{Key, Restore};

/// No file of a key is larger than this many bytes.
const LARGEST: u64 = 16 << 10;
/// Where the site area has keys.
const IN_AREA: &str = "keys/";

/// Whose images are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Trust {
    /// Only images signed by this key count (a minisign .pub file); give it again for more keys.
    #[arg(long, value_name = "FILE")]
    pub trust_key: Vec<Key>,
}

impl From<&Restore> for Trust {
    fn from(wanted: &Restore) -> Self {
        let keys = wanted.trust_key.as_ref().map(|keys| keys.as_slice());
        Self {
            trust_key: keys.unwrap_or_default().to_vec(),
        }
    }
}

/// Why no image can be believed, before any was looked at.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// What the medium was given cannot be read.
    #[error(
        "the medium's site area is damaged: it cannot be told whose images it trusts, so no plan \
         is followed by itself. Restore in the dialogue, name `trust-key` in the plan, or write \
         the area again with imagebuilder customize"
    )]
    Unknown,
    /// The medium was given keys, and one of them cannot be used.
    #[error("the medium's key {} cannot be used, so no image can be checked", .path.display())]
    OfMedium {
        /// Which.
        path: PathBuf,
        /// Why.
        source: anyhow::Error,
    },
    /// A key that the medium does not have.
    #[error(
        "key {key} is not among those that this medium trusts ({trusted}): a plan or --trust-key \
         can choose among them, not add to them. `imagebuilder customize --trust-key` adds one"
    )]
    NotOfMedium {
        /// The one that was given.
        key: image::KeyId,
        /// Those of the medium.
        trusted: String,
    },
}

impl Trust {
    /// Whether a plan may be followed that nobody watches: not on a medium whose
    /// keys cannot be known, unless it names some itself.
    ///
    /// # Errors
    /// [`TrustError::Unknown`].
    pub fn unwatched(&self) -> Result<(), TrustError> {
        self.unwatched_on(&site::current())
    }

    fn unwatched_on(&self, site: &site::Site) -> Result<(), TrustError> {
        match site.damaged && self.trust_key.is_empty() {
            true => Err(TrustError::Unknown),
            false => Ok(()),
        }
    }

    /// The repository in `store`, which from now on reads only images that are
    /// believed; all of them, where no key is trusted.
    ///
    /// # Errors
    /// [`TrustError`], a key that cannot be read, and those of
    /// [`Repository::open`].
    pub fn open(&self, store: Arc<dyn Store>) -> anyhow::Result<Repository> {
        let keys = self.keys(Path::new(site::FOLDER), &site::current().files)?;
        let repository = Repository::open(store)?;
        Ok(match keys {
            Some(keys) => repository.trusting(keys),
            None => repository,
        })
    }

    /// The keys that count; `files` are the names of what the area in `folder` holds.
    fn keys(&self, folder: &Path, files: &[String]) -> anyhow::Result<Option<TrustedKeys>> {
        let of_medium = of_medium(folder, files)?;
        let given: Vec<PublicKey> = self.trust_key.iter().map(read).collect::<Result<_, _>>()?;
        let (Some(trusted), false) = (&of_medium, given.is_empty()) else {
            return Ok(of_medium.or(TrustedKeys::new(given)));
        };
        if let Some(key) = given.iter().find(|key| !trusted.contains(key)) {
            let ids: Vec<String> = trusted.ids().map(|id| id.to_string()).collect();
            return Err(TrustError::NotOfMedium {
                key: key.id(),
                trusted: ids.join(", "),
            }
            .into());
        }
        Ok(TrustedKeys::new(given))
    }
}

/// The keys of the site area. It lists what it holds, so that a key that could
/// not be unpacked is missed.
fn of_medium(folder: &Path, files: &[String]) -> Result<Option<TrustedKeys>, TrustError> {
    let names = files.iter().filter(|name| name.starts_with(IN_AREA));
    let keys = names.map(|name| {
        let path = folder.join(name);
        read(&Key::File(path.clone())).map_err(|source| TrustError::OfMedium { path, source })
    });
    Ok(TrustedKeys::new(keys.collect::<Result<_, _>>()?))
}

fn read(key: &Key) -> anyhow::Result<PublicKey> {
    match key {
        Key::Text(text) => PublicKey::parse(text).context("reading the key to trust"),
        Key::File(path) => {
            let text = read_text(path)?;
            PublicKey::parse(&text).with_context(|| format!("reading the key {}", path.display()))
        }
    }
}

/// The text of a file of a key.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    file.take(LARGEST.saturating_add(1))
        .read_to_string(&mut text)
        .with_context(|| format!("reading {}", path.display()))?;
    anyhow::ensure!(
        text.len() as u64 <= LARGEST,
        "{} is no key: it is larger than {LARGEST} bytes",
        path.display()
    );
    Ok(text)
}

/// Tells who vouches for the image that is about to be used.
pub fn tell(image: &Image, sink: &dyn Sink) {
    let id = &image.id;
    let note = |text| Event::Note { text };
    let event = match &image.signed {
        Signed::No => return,
        Signed::Trusted(key) => note(format!(
            "image {id} is signed by key {key}, which is trusted"
        )),
        Signed::Unchecked(key) => note(format!(
            "image {id} says that key {key} signed it; that was not checked, because no key is \
             trusted here (--trust-key)"
        )),
        Signed::Unreadable(why) => Event::Warning {
            text: format!("the signature of image {id} cannot be read: {why}"),
        },
    };
    sink.emit(event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::SecretKey;

    fn public(number: u8) -> PublicKey {
        let key = SecretKey::generate(&[number; 40]).unwrap();
        key.public().clone()
    }

    fn given(keys: &[u8]) -> Trust {
        let key = |number: &u8| Key::Text(public(*number).to_text());
        Trust {
            trust_key: keys.iter().map(key).collect(),
        }
    }

    /// A medium with keys of these numbers, and the names of its files.
    fn medium(keys: &[u8]) -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        let mut files = vec!["site.toml".to_owned()];
        for number in keys {
            let name = format!("keys/{number}.pub");
            std::fs::write(folder.path().join(&name), public(*number).to_text()).unwrap();
            files.push(name);
        }
        (folder, files)
    }

    fn ids(keys: Option<TrustedKeys>) -> Vec<image::KeyId> {
        keys.iter().flat_map(TrustedKeys::ids).collect()
    }

    #[test]
    fn the_mediums_keys_count_by_themselves() {
        let (folder, files) = medium(&[1, 2]);
        let keys = given(&[]).keys(folder.path(), &files).unwrap();
        assert_eq!(ids(keys), [public(1).id(), public(2).id()]);
        let (folder, files) = medium(&[]);
        assert_eq!(given(&[]).keys(folder.path(), &files).unwrap(), None);
        let keys = given(&[3]).keys(folder.path(), &files).unwrap();
        assert_eq!(ids(keys), [public(3).id()]);
    }

    #[test]
    fn a_plan_chooses_among_the_mediums_keys_and_adds_none() {
        let (folder, files) = medium(&[1, 2]);
        let keys = given(&[2]).keys(folder.path(), &files).unwrap();
        assert_eq!(ids(keys), [public(2).id()]);
        let error = given(&[2, 3]).keys(folder.path(), &files).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&public(3).id().to_string()), "{said}");
        let error: &TrustError = error.downcast_ref().unwrap();
        assert!(matches!(error, TrustError::NotOfMedium { .. }));
    }

    #[test]
    fn a_plans_keys_count() {
        let key = public(4).to_text();
        let key = key.lines().nth(1).unwrap();
        let text =
            format!("[restore]\nfrom = \"/r\"\ntrust-key = \"{key}\"\n[target]\nserial = \"S\"\n");
        let plan = crate::unattended::plan::parse("p", &text).unwrap();
        let trust = Trust::from(&plan.restore);
        let keys = trust.keys(Path::new("/no/medium"), &[]).unwrap();
        assert_eq!(ids(keys), [public(4).id()]);
    }

    #[test]
    fn a_key_of_the_medium_that_cannot_be_used_opens_nothing() {
        let (folder, files) = medium(&[1, 2]);
        let path = folder.path().join("keys/2.pub");
        std::fs::write(&path, "no key").unwrap();
        let error = given(&[]).keys(folder.path(), &files).unwrap_err();
        assert!(format!("{error:#}").contains("2.pub"), "{error:#}");
        std::fs::remove_file(&path).unwrap();
        let error = given(&[1]).keys(folder.path(), &files).unwrap_err();
        assert!(
            error.is::<TrustError>(),
            "not unpacked is not the same as not given"
        );
    }

    #[test]
    fn a_medium_whose_keys_cannot_be_known_follows_no_plan_by_itself() {
        let damaged = site::Site {
            damaged: true,
            ..site::Site::default()
        };
        let open = Trust::default();
        assert!(open.unwatched_on(&site::Site::default()).is_ok());
        let error = open.unwatched_on(&damaged).unwrap_err().to_string();
        assert!(error.contains("`trust-key` in the plan"), "{error}");
        let named = Trust {
            trust_key: vec![Key::File("a.pub".into())],
        };
        assert!(named.unwatched_on(&damaged).is_ok());
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let (folder, _) = medium(&[]);
        let file = folder.path().join("a.pub");
        std::fs::write(&file, "x".repeat(20_000)).unwrap();
        let trust = |path: &Path| Trust {
            trust_key: vec![Key::File(path.to_owned())],
        };
        let error = trust(&file).keys(folder.path(), &[]).unwrap_err();
        assert!(format!("{error:#}").contains("larger than"), "{error:#}");
        let error = trust(Path::new("/no/such"))
            .keys(folder.path(), &[])
            .unwrap_err();
        assert!(format!("{error:#}").contains("/no/such"), "{error:#}");
    }
}
