//! Whether an image is to be believed.

use std::sync::Arc;

use super::{BadText, KeyId, PublicKey, Signature};

/// Keys of which one must have signed an image; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKeys(Arc<[PublicKey]>);

/// What is known of an image's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// It has none.
    No,
    /// It names this key. Nothing was checked: no key is trusted.
    Unchecked(KeyId),
    /// Made by this key, which is trusted, over exactly this manifest.
    Trusted(KeyId),
    /// There is something that cannot be read, and no key is trusted.
    Unreadable(String),
}

/// Why an image is not believed where keys are trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// It has no signature.
    #[error("it is not signed")]
    Unsigned,
    /// Another key made it.
    #[error("it is signed by key {signer}, and trusted is only {}", list(.trusted))]
    ForeignKey {
        /// The key that the signature names.
        signer: KeyId,
        /// Those that would do.
        trusted: Vec<KeyId>,
    },
    /// The key did not sign these bytes.
    #[error(
        "its manifest is not what key {signer} signed: the manifest or the signature was changed, \
         or belongs to another image"
    )]
    Mismatch {
        /// The key that the signature names.
        signer: KeyId,
    },
    /// The key did not sign the trusted comment.
    #[error("the trusted comment of its signature is not what key {signer} signed")]
    Comment {
        /// The key that the signature names.
        signer: KeyId,
    },
    /// It is no signature.
    #[error("its signature is damaged: {0}")]
    Damaged(#[from] BadText),
    /// It could not be had.
    #[error("its signature cannot be read: {reason}")]
    Unreadable {
        /// Why, in words.
        reason: String,
    },
}

fn list(keys: &[KeyId]) -> String {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.join(", ")
}

impl Distrust {
    /// What to do about it; to follow the reason.
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Unsigned => {
                "`rescue capture --sign-key` signs new images, `rescue sign` one whose origin you \
                 know"
            }
            Self::ForeignKey { .. } => "if that key is yours, trust it too",
            Self::Mismatch { .. } | Self::Comment { .. } | Self::Damaged(_) => {
                "take another image, or the repository's copy if there is one"
            }
            Self::Unreadable { .. } => "look after the repository",
        }
    }
}

impl TrustedKeys {
    /// These keys; `None` when there are none: nothing could be believed then.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Option<Self> {
        (!keys.is_empty()).then(|| Self(keys.into()))
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(PublicKey::id)
    }

    /// Whether `key` is one of them, by more than its id.
    #[must_use]
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    /// The key that signed `manifest`.
    pub(crate) fn judge(&self, signature: &[u8], manifest: &[u8]) -> Result<KeyId, Distrust> {
        let signature = Signature::parse(signature)?;
        let signer = signature.key;
        // Ids are eight bytes and anyone's choice: several keys may have one.
        let mut named = self.0.iter().filter(|key| key.id() == signer).peekable();
        if named.peek().is_none() {
            return Err(Distrust::ForeignKey {
                signer,
                trusted: self.ids().collect(),
            });
        }
        match named.find(|key| key.signed(&signature, manifest)) {
            Some(key) if key.commented(&signature) => Ok(signer),
            Some(_) => Err(Distrust::Comment { signer }),
            None => Err(Distrust::Mismatch { signer }),
        }
    }
}

impl Signed {
    /// What `signature` says of itself.
    pub(crate) fn unchecked(signature: &[u8]) -> Self {
        match Signature::parse(signature) {
            Ok(signature) => Self::Unchecked(signature.key),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}
