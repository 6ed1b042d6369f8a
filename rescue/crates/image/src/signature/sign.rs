//! Signing, and looking for signatures, in a repository.

use super::{Distrust, KeyId, MAX_SIGNATURE, SecretKey, Signature, Signed, TrustedKeys};
use crate::manifest::MAX_MANIFEST;
use crate::{Error, Image, ImageId, Manifest, Repository, Result, Timestamp};

/// What to do about a signature by another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and fail.
    Keep,
    /// Put the new one in its place.
    Replace,
}

impl SecretKey {
    /// The signature to store beside `manifest`, the bytes of the manifest of
    /// `id`, checked.
    pub(crate) fn for_manifest(
        &self,
        id: &ImageId,
        manifest: &[u8],
        now: Timestamp,
    ) -> Result<String> {
        // As minisign words it, for tools that look for it.
        let comment = format!("timestamp:{}\tfile:{id}.man\thashed", now.unix());
        let text = self.sign(manifest, comment).to_text();
        // What cannot be verified must not be stored as a signature.
        let trusted = TrustedKeys::new(vec![self.public().clone()]);
        let judged = trusted.map(|keys| keys.judge(text.as_bytes(), manifest));
        match judged {
            Some(Ok(_)) => Ok(text),
            _ => Err(Error::Invalid {
                reason: format!(
                    "what key {} signed does not verify; is its file damaged?",
                    self.public().id()
                ),
            }),
        }
    }
}

impl Repository {
    /// What the signature of the manifest `bytes` of `id` tells.
    ///
    /// # Errors
    /// Where keys are trusted: [`Error::Untrusted`], or the store's own.
    pub(crate) fn signed(&self, id: &ImageId, bytes: &[u8]) -> Result<Signed> {
        let found = self.store().get(&id.signature_name(), MAX_SIGNATURE);
        let Some(trusted) = self.trusted() else {
            return Ok(match found {
                Ok(signature) => Signed::unchecked(&signature),
                Err(store::Error::NotFound { .. }) => Signed::No,
                Err(error) => Signed::Unreadable(error.to_string()),
            });
        };
        let judged = match found {
            Ok(signature) => trusted.judge(&signature, bytes),
            Err(store::Error::NotFound { .. }) => Err(Distrust::Unsigned),
            Err(error @ store::Error::TooLarge { .. }) => Err(Distrust::Unreadable {
                reason: error.to_string(),
            }),
            Err(error) => return Err(error.into()),
        };
        judged.map(Signed::Trusted).map_err(|why| Error::Untrusted {
            image: id.clone(),
            why,
        })
    }

    /// Signs an image that is there already. `false` when this key had signed
    /// it before.
    ///
    /// # Errors
    /// Those of [`Repository::load`]; [`Error::SignedAlready`], or the store's
    /// own.
    pub fn sign(
        &self,
        image: &Image,
        key: &SecretKey,
        now: Timestamp,
        existing: Existing,
    ) -> Result<bool> {
        let (id, store) = (&image.id, self.store());
        let manifest = store
            .get(&id.object_name(), MAX_MANIFEST)
            .map_err(Error::required)?;
        // Signed is what was looked at.
        if Manifest::from_bytes(id, &manifest)? != image.manifest {
            return Err(Error::Invalid {
                reason: format!("{} changed meanwhile", id.object_name()),
            });
        }
        let name = id.signature_name();
        // Before the old one goes, which is all there is.
        let text = key.for_manifest(id, &manifest, now)?;
        match store.get(&name, MAX_SIGNATURE) {
            Ok(found) if is_by(key, &found, &manifest) => return Ok(false),
            Ok(found) if existing == Existing::Keep => {
                return Err(Error::SignedAlready {
                    image: id.clone(),
                    signer: signer(&found),
                });
            }
            // An object of the same size counts as stored: it has to go first.
            Ok(_) | Err(store::Error::TooLarge { .. }) => store.delete(&name)?,
            Err(store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        store.put(&name, text.as_bytes())?;
        let stored = store.get(&name, MAX_SIGNATURE).map_err(Error::required)?;
        match stored == text.as_bytes() {
            true => Ok(true),
            false => Err(Error::damaged(
                &name,
                0,
                "what was just written",
                "other bytes",
            )),
        }
    }
}

fn is_by(key: &SecretKey, signature: &[u8], manifest: &[u8]) -> bool {
    let trusted = TrustedKeys::new(vec![key.public().clone()]);
    trusted.is_some_and(|keys| keys.judge(signature, manifest).is_ok())
}

fn signer(signature: &[u8]) -> Option<KeyId> {
    Signature::parse(signature).ok().map(|found| found.key)
}
