//! The last step of writing an image: its signature, and the manifest.

use crate::objects::pack_name;
use crate::pack::check_end;
use crate::repository::Image;
use crate::session::{Session, Stats, StoredRegion};
use crate::{Error, Manifest, Repository, Result, SecretKey, Signed, Timestamp};

/// The listing for servers that cannot list: names of all manifests.
const LISTING: &str = "snap/index.json";

/// Everything of an image is stored but its manifest.
#[derive(Debug)]
pub struct Stored {
    repository: Repository,
    /// The regions, in the order they were written.
    pub regions: Vec<StoredRegion>,
    /// What was stored.
    pub stats: Stats,
    /// Damaged objects that were met and not relied on, in words.
    pub skipped: Vec<String>,
}

impl Stored {
    /// Checks that every new pack is there, whole to its end.
    pub(crate) fn check(session: Session, regions: Vec<StoredRegion>) -> Result<Self> {
        let store = session.repository.store();
        for (kind, id, size) in &session.new_packs {
            let name = pack_name(*kind, id);
            let found = store.size(&name).map_err(Error::required)?;
            if found != *size {
                return Err(Error::damaged(
                    &name,
                    found.min(*size),
                    format!("{size} bytes, as just written"),
                    format!("{found}"),
                ));
            }
            check_end(&**store, &name, found)?;
        }
        Ok(Self {
            regions,
            stats: session.stats,
            skipped: session.skipped,
            repository: session.repository,
        })
    }

    /// Stores the manifest: from now on the image exists.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a manifest that contradicts itself, or the
    /// store's own.
    pub fn commit(self, manifest: Manifest) -> Result<Image> {
        let bytes = manifest.to_bytes()?;
        self.put(manifest, &bytes, Signed::No)
    }

    /// As [`Stored::commit`], and signed with `key` at the moment `now`.
    ///
    /// # Errors
    /// As [`Stored::commit`].
    pub fn commit_signed(
        self,
        manifest: Manifest,
        key: &SecretKey,
        now: Timestamp,
    ) -> Result<Image> {
        let bytes = manifest.to_bytes()?;
        let signature = key.for_manifest(&manifest.id, &bytes, now)?;
        // First the signature: an image that is to be signed is never there
        // without it. A signature without a manifest is nothing.
        let name = manifest.id.signature_name();
        self.repository.store().put(&name, signature.as_bytes())?;
        self.put(manifest, &bytes, Signed::Unchecked(key.public().id()))
    }

    fn put(self, manifest: Manifest, bytes: &[u8], signed: Signed) -> Result<Image> {
        let store = self.repository.store();
        store.put(&manifest.id.object_name(), bytes)?;
        write_listing(&self.repository)?;
        Ok(Image {
            id: manifest.id.clone(),
            manifest,
            signed,
            passed_over: Vec::new(),
        })
    }
}

/// Renews the listing that a plain web server needs.
pub(crate) fn write_listing(repository: &Repository) -> Result<()> {
    let store = repository.store();
    let names: Vec<String> = repository
        .ids()?
        .iter()
        .filter_map(|id| id.object_name().strip_prefix("snap/").map(str::to_owned))
        .collect();
    let bytes = serde_json::to_vec(&names).map_err(|e| Error::Invalid {
        reason: e.to_string(),
    })?;
    // The one object that changes. An object of the same size counts as
    // stored, so one that differs has to go first.
    let old = store.get(LISTING, bytes.len() as u64);
    if old.is_ok_and(|old| old.len() == bytes.len() && old != bytes) {
        store.delete(LISTING)?;
    }
    Ok(store.put(LISTING, &bytes)?)
}
