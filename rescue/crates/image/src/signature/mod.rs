//! Signatures of manifests: who vouches for an image.
//!
//! A signature is an object beside the manifest, a file as `minisign` writes
//! it: Ed25519 over the BLAKE2b-512 of the manifest's bytes. The manifest
//! names everything else of the image by hash, so its signature covers every
//! byte that is restored.

mod key;
mod sign;
#[cfg(test)]
mod tests;
mod text;
mod trust;

pub use key::{KeyError, KeyId, PublicKey, SecretKey};
pub use sign::Existing;
pub use text::BadText;
pub use trust::{Distrust, Signed, TrustedKeys};

pub(crate) use text::Signature;

use blake2::{Blake2b512, Digest as _};

/// The largest signature that is read, in bytes; those that are written have
/// some 320.
pub(crate) const MAX_SIGNATURE: u64 = 16 << 10;

/// What is signed of `bytes`.
fn digest(bytes: &[u8]) -> [u8; 64] {
    Blake2b512::digest(bytes).into()
}
