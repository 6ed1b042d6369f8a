//! Keys that images are signed with, and trusted by.

use std::fmt;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};
use data_encoding::BASE64;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::digest;
use super::text::{BadText, Lines, Signature, UNTRUSTED, take};

/// The eight random bytes by which keys and signatures find each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    /// As `minisign` shows it (which leaves out leading zeros).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is something else, or damaged.
    #[error(transparent)]
    Text(#[from] BadText),
    /// A secret key where the public one belongs.
    #[error("this is a secret key: give the public one (.pub), and keep this one where it was")]
    Secret,
    /// A public key where the secret one belongs.
    #[error("this is a public key: signing takes the secret one (.key)")]
    Public,
    /// It has a passphrase.
    #[error(
        "this key has a passphrase, which cannot be asked for here: take it off a copy of the \
         file (`minisign -C -W -s COPY`) and keep that copy safe, or make a key with \
         `rescue key new`"
    )]
    Encrypted,
    /// Its parts do not belong together.
    #[error("this key is damaged: its two halves do not belong together")]
    Damaged,
}

/// A key that is trusted: an image it signed counts.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: [u8; 32],
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

const SECRET_LEN: usize = 158;
const PUBLIC_LEN: usize = 42;

impl PublicKey {
    const FORM: &'static str = "a minisign public key, 56 characters that begin with RW";

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Reads a file of a public key, or its second line alone.
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut lines = Lines::of(text);
        if text.trim_start().starts_with(UNTRUSTED) {
            lines.comment(UNTRUSTED, "`untrusted comment:`")?;
        }
        let all = lines.base64(Self::FORM)?;
        if all.len() == SECRET_LEN {
            return Err(KeyError::Secret);
        }
        let mut bytes = &all[..];
        let kind: Option<[u8; 2]> = take(&mut bytes);
        let (id, key) = (take(&mut bytes), take(&mut bytes));
        let (Some(b"Ed"), Some(id), Some(key), []) = (kind.as_ref(), id, key, bytes) else {
            let found = format!("{} bytes of something else", all.len());
            return Err(lines.bad(Self::FORM, found).into());
        };
        lines.end()?;
        let id = KeyId(id);
        Ok(Self { id, key })
    }

    /// As the file to hand out.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bytes = [&b"Ed"[..], &self.id.0, &self.key].concat();
        let key = BASE64.encode(&bytes);
        format!("{UNTRUSTED} minisign public key {}\n{key}\n", self.id)
    }

    /// Whether this key signed `bytes`.
    pub(super) fn signed(&self, signature: &Signature, bytes: &[u8]) -> bool {
        self.verifies(&digest(bytes), &signature.over_digest)
    }

    /// Whether this key signed the comment of `signature`.
    pub(super) fn commented(&self, signature: &Signature) -> bool {
        let bytes = Signature::commented(&signature.over_digest, &signature.comment);
        self.verifies(&bytes, &signature.over_comment)
    }

    fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(message, signature).is_ok()
    }
}

/// A key that signs.
pub struct SecretKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public.id)
    }
}

impl SecretKey {
    const FORM: &'static str = "a minisign secret key, 212 characters that begin with RWQAAEIy";

    /// A new key from 40 random bytes.
    ///
    /// # Errors
    /// [`KeyError::Damaged`], which does not happen.
    pub fn generate(random: &[u8; 40]) -> Result<Self, KeyError> {
        let mut bytes = &random[..];
        let (Some(seed), Some(id)) = (take(&mut bytes), take(&mut bytes)) else {
            return Err(KeyError::Damaged);
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Damaged)?;
        Self::of(KeyId(id), seed, pair)
    }

    fn of(id: KeyId, seed: [u8; 32], pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let key = pair.public_key().as_ref().try_into();
        let key = key.map_err(|_| KeyError::Damaged)?;
        let public = PublicKey { id, key };
        Ok(Self { seed, pair, public })
    }

    /// What to trust it by.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Reads a file of a secret key without a passphrase.
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut lines = Lines::of(text);
        lines.comment(UNTRUSTED, "`untrusted comment:`")?;
        let all = lines.base64(Self::FORM)?;
        let mut bytes = &all[..];
        let head: Option<[u8; 6]> = take(&mut bytes);
        match (all.len(), head.as_ref()) {
            (SECRET_LEN, Some(b"Ed\0\0B2")) => {}
            (SECRET_LEN, Some(b"EdScB2")) => return Err(KeyError::Encrypted),
            (PUBLIC_LEN, Some([b'E', b'd', ..])) => return Err(KeyError::Public),
            (len, _) => {
                let found = format!("{len} bytes of something else");
                return Err(lines.bad(Self::FORM, found).into());
            }
        }
        lines.end()?;
        Self::body(bytes).ok_or(KeyError::Damaged)
    }

    /// What follows the first six bytes: salt, costs (for passphrases), id,
    /// seed, public half, checksum.
    fn body(mut bytes: &[u8]) -> Option<Self> {
        take::<48>(&mut bytes)?;
        let (id, seed, public) = (take(&mut bytes)?, take(&mut bytes)?, take(&mut bytes)?);
        let checksum: [u8; 32] = take(&mut bytes)?;
        let right = Self::checksum(&KeyId(id), &seed, &public);
        // minisign leaves it zero in a key that never had a passphrase.
        if checksum != right && checksum != [0; 32] {
            return None;
        }
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).ok()?;
        Self::of(KeyId(id), seed, pair).ok()
    }

    fn checksum(id: &KeyId, seed: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
        let mut hash = Blake2b::<U32>::new();
        for part in [&b"Ed"[..], &id.0, seed, public] {
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// As the file to keep: a secret, without a passphrase.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (id, public) = (&self.public.id, &self.public.key);
        let checksum = Self::checksum(id, &self.seed, public);
        let parts: [&[u8]; 6] = [b"Ed\0\0B2", &[0; 48], &id.0, &self.seed, public, &checksum];
        let key = BASE64.encode(&parts.concat());
        format!("{UNTRUSTED} rescue secret key {id}, without a passphrase: keep it safe\n{key}\n")
    }

    /// Signs `bytes` and the remark `comment`, which is one line.
    pub(super) fn sign(&self, bytes: &[u8], comment: String) -> Signature {
        let over_digest = self.raw(&digest(bytes));
        let over_comment = self.raw(&Signature::commented(&over_digest, &comment));
        Signature {
            key: self.public.id,
            over_digest,
            comment,
            over_comment,
        }
    }

    fn raw(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        let signature = self.pair.sign(message);
        // An Ed25519 signature has 64 bytes; one that had not would not verify.
        for (to, from) in out.iter_mut().zip(signature.as_ref()) {
            *to = *from;
        }
        out
    }
}
