//! A repository: finding and reading images.

use std::sync::Arc;

use store::Store;

use crate::commit::write_listing;
use crate::config::{CONFIG, Config, MAX_CONFIG};
use crate::manifest::MAX_MANIFEST;
use crate::objects::{PackKind, pack_name};
use crate::{
    DiskImage, DiskReader, Distrust, Error, ImageId, Manifest, PackId, Region, RegionMap, Result,
    Signed, Timestamp, TrustedKeys, seal,
};

/// A repository that was opened. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn Store>,
    config: Arc<Config>,
    trusted: Option<TrustedKeys>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("location", &self.store.location())
            .field("config", &self.config)
            .field("trusted", &self.trusted)
            .finish()
    }
}

/// An image that was found; its manifest is checked.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// What it consists of.
    pub manifest: Manifest,
    /// Who vouches for it. Where keys are trusted, one of them does.
    pub signed: Signed,
    /// Newer images that cannot be read and may have been meant, when this
    /// one was found by its name: tell the operator.
    pub passed_over: Vec<ImageId>,
}

impl Image {
    /// What is to be told of [`passed_over`](Self::passed_over), a sentence each.
    pub fn doubts(&self) -> impl Iterator<Item = String> {
        let sentence =
            |id| format!("image {id} is newer and cannot be read; it may be the one you mean");
        self.passed_over.iter().map(sentence)
    }
}

/// One line of the list of images.
#[derive(Debug, Clone)]
pub struct ImageSummary {
    /// Its id.
    pub id: ImageId,
    /// What its manifest says, or why it cannot be read.
    pub state: ImageState,
}

/// What is known of an image from its manifest.
#[derive(Debug, Clone)]
pub enum ImageState {
    /// The manifest is whole.
    Readable {
        /// The operator's name for it.
        name: String,
        /// When the capture began.
        created: Timestamp,
        /// The machine's host name.
        hostname: Option<String>,
        /// All that is known of the machine.
        machine: Box<crate::manifest::Machine>,
        /// The operating systems on its disks.
        systems: Vec<crate::System>,
        /// Number of disks.
        disks: usize,
        /// Bytes of all disks.
        size: u64,
        /// Bytes of all disks stored as data.
        data_bytes: u64,
        /// Who vouches for it; where keys are trusted and none of them does,
        /// why it cannot be restored.
        signed: std::result::Result<Signed, Distrust>,
    },
    /// The manifest cannot be used: damaged, or of a newer version.
    Unreadable {
        /// Why, in words.
        reason: String,
    },
}

impl Repository {
    /// Makes a new repository in an empty place.
    ///
    /// # Errors
    /// [`Error::AlreadyARepository`], or the store's own.
    pub fn create(store: Arc<dyn Store>, config: Config) -> Result<Self> {
        config.check()?;
        match store.size(CONFIG) {
            Err(store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                return Err(Error::AlreadyARepository {
                    location: store.location(),
                });
            }
        }
        if !store.list("snap/")?.is_empty() {
            return Err(Error::Missing {
                object: format!("{CONFIG} (there are images, so it was lost: restore it)"),
                location: store.location(),
            });
        }
        store.put(CONFIG, &seal::seal(&config)?)?;
        let repository = Self {
            store,
            config: Arc::new(config),
            trusted: None,
        };
        write_listing(&repository)?;
        Ok(repository)
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::Newer`], [`Error::Damaged`], or
    /// the store's own.
    pub fn open(store: Arc<dyn Store>) -> Result<Self> {
        let bytes = match store.get(CONFIG, MAX_CONFIG) {
            Ok(bytes) => bytes,
            Err(store::Error::NotFound { .. }) => {
                return Err(Error::NotARepository {
                    location: store.location(),
                });
            }
            Err(error) => return Err(Error::required(error)),
        };
        let config: Config = seal::unseal(CONFIG, &bytes)?;
        config.check()?;
        Ok(Self {
            store,
            config: Arc::new(config),
            trusted: None,
        })
    }

    /// The same, but from now on only images count that one of `keys` signed:
    /// any other is [`Error::Untrusted`].
    #[must_use]
    pub fn trusting(self, keys: TrustedKeys) -> Self {
        Self {
            trusted: Some(keys),
            ..self
        }
    }

    /// The keys of which one must have signed an image.
    #[must_use]
    pub fn trusted(&self) -> Option<&TrustedKeys> {
        self.trusted.as_ref()
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn location(&self) -> String {
        self.store.location()
    }

    /// What it is.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its objects live; packs are read from here.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The name in the store of a pack of data.
    #[must_use]
    pub fn pack_name(&self, id: &PackId) -> String {
        pack_name(PackKind::Data, id)
    }

    /// Ids of all images, oldest first.
    ///
    /// # Errors
    /// The store's own.
    pub fn ids(&self) -> Result<Vec<ImageId>> {
        let names = self.store.list("snap/")?;
        let mut ids: Vec<_> = names.iter().filter_map(|n| ImageId::of_object(n)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// All images, oldest first. One that cannot be read is listed as such.
    ///
    /// # Errors
    /// The store's own.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        self.ids()?.into_iter().map(|id| self.summary(id)).collect()
    }

    fn summary(&self, id: ImageId) -> Result<ImageSummary> {
        let state = match self.read(&id) {
            Ok((manifest, bytes)) => ImageState::Readable {
                signed: self.vouched(&id, &bytes),
                created: manifest.created,
                hostname: manifest.machine.hostname.clone(),
                machine: Box::new(manifest.machine.clone()),
                systems: manifest.systems.clone(),
                disks: manifest.disks.len(),
                size: manifest.size(),
                data_bytes: manifest.data_bytes(),
                name: manifest.name,
            },
            Err(error @ Error::Store(_)) => return Err(error),
            Err(error) => ImageState::Unreadable {
                reason: error.to_string(),
            },
        };
        Ok(ImageSummary { id, state })
    }

    /// As [`Repository::signed`], for a list: one signature that cannot be had
    /// does not hide the other images.
    fn vouched(&self, id: &ImageId, bytes: &[u8]) -> std::result::Result<Signed, Distrust> {
        self.signed(id, bytes).map_err(|error| match error {
            Error::Untrusted { why, .. } => why,
            other => Distrust::Unreadable {
                reason: other.to_string(),
            },
        })
    }

    /// The manifest, whoever signed it, and its bytes.
    fn read(&self, id: &ImageId) -> Result<(Manifest, Vec<u8>)> {
        let bytes = self
            .store
            .get(&id.object_name(), MAX_MANIFEST)
            .map_err(Error::required)?;
        Ok((Manifest::from_bytes(id, &bytes)?, bytes))
    }

    fn vouched_image(&self, id: &ImageId, manifest: Manifest, bytes: &[u8]) -> Result<Image> {
        Ok(Image {
            id: id.clone(),
            signed: self.signed(id, bytes)?,
            manifest,
            passed_over: Vec::new(),
        })
    }

    /// The image with exactly this id.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Damaged`], [`Error::Newer`],
    /// [`Error::Untrusted`], or the store's own.
    pub fn load(&self, id: &ImageId) -> Result<Image> {
        let (manifest, bytes) = self.read(id)?;
        self.vouched_image(id, manifest, &bytes)
    }

    /// The image an operator means: "latest", an id or the unique beginning
    /// of one, or a name (its newest image).
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::AmbiguousImage`], and those of
    /// [`Repository::load`]: the newest image being damaged, or signed by
    /// nobody who is trusted, is an error, not a reason to take an older one.
    pub fn image(&self, wanted: &str) -> Result<Image> {
        let ids = self.ids()?;
        if wanted == "latest" {
            return match ids.last() {
                Some(id) => self.load(id),
                None => Err(self.no_such_image(wanted)?),
            };
        }
        if let Some(id) = ids.iter().find(|id| id.as_str() == wanted) {
            return self.load(id);
        }
        if let Some(image) = self.newest_named(&ids, wanted)? {
            return Ok(image);
        }
        let matches: Vec<_> = ids
            .iter()
            .filter(|id| !wanted.is_empty() && id.as_str().starts_with(wanted))
            .collect();
        match matches.as_slice() {
            [] => Err(self.no_such_image(wanted)?),
            [id] => self.load(id),
            many => Err(Error::AmbiguousImage {
                wanted: wanted.to_owned(),
                matches: many.iter().map(|id| id.to_string()).collect(),
            }),
        }
    }

    fn newest_named(&self, ids: &[ImageId], name: &str) -> Result<Option<Image>> {
        let mut passed_over = Vec::new();
        for id in ids.iter().rev() {
            match self.read(id) {
                Ok((manifest, bytes)) if manifest.name == name => {
                    let mut image = self.vouched_image(id, manifest, &bytes)?;
                    image.passed_over = passed_over;
                    return Ok(Some(image));
                }
                Ok(_) => {}
                Err(error @ Error::Store(_)) => return Err(error),
                // Its name cannot be known: with trusted keys nothing older takes its place.
                Err(error) if self.trusted.is_some() => return Err(error),
                Err(_) => passed_over.push(id.clone()),
            }
        }
        Ok(None)
    }

    fn no_such_image(&self, wanted: &str) -> Result<Error> {
        let mut available: Vec<String> = self
            .images()?
            .into_iter()
            .map(|image| match image.state {
                ImageState::Readable { name, .. } => format!("{} ({name})", image.id),
                ImageState::Unreadable { .. } => format!("{} (unreadable)", image.id),
            })
            .collect();
        available.reverse();
        Ok(Error::NoSuchImage {
            wanted: wanted.to_owned(),
            location: self.location(),
            available,
        })
    }

    /// The map of a region.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Missing`], or the store's own.
    pub fn map(&self, region: &Region) -> Result<RegionMap> {
        RegionMap::open(self.store.clone(), region)
    }

    /// The disk as it was captured, for random access. Free space reads as
    /// zeros.
    ///
    /// # Errors
    /// As [`Repository::map`].
    pub fn read_at(&self, disk: &DiskImage) -> Result<DiskReader> {
        DiskReader::open(self, disk)
    }
}
