//! Passphrases, and where they come from.

use std::fmt;

use zeroize::Zeroizing;

/// A passphrase, or the content of a key file. It is wiped when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// These bytes; a line's end at their end counts.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Passphrases for LUKS.
pub trait Keys {
    /// What to try on the volume with this UUID, one after another.
    fn for_luks(&self, uuid: &str) -> Vec<Secret>;

    /// Bytes of memory that making a key may take. Argon2 wants 1 GiB where
    /// cryptsetup chose it on a machine with enough; the default allows that.
    /// A caller that knows how much memory is free says so.
    fn memory(&self) -> u64 {
        1 << 30
    }
}

/// No passphrases: what is locked stays so.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn for_luks(&self, _uuid: &str) -> Vec<Secret> {
        Vec::new()
    }
}
