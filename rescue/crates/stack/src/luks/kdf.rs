//! Hashes, and keys made of passphrases.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// More rounds than any machine is given: minutes. LUKS1 has no checksum over them.
const ROUNDS_CAP: u32 = 100_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Hash {
    /// By the name that LUKS uses.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(format!("the hash {other:?}")),
        }
    }

    /// Bytes of a digest.
    pub(super) fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    pub(super) fn of(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        fn digest<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut digest = D::new();
            for part in parts {
                digest.update(part);
            }
            digest.finalize().to_vec()
        }
        Zeroizing::new(match self {
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        })
    }
}

/// How a key is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kdf {
    Pbkdf2 {
        hash: Hash,
        salt: Vec<u8>,
        rounds: u32,
    },
    Argon2 {
        /// Argon2id; else Argon2i.
        id: bool,
        salt: Vec<u8>,
        passes: u32,
        /// In KiB.
        memory: u32,
        lanes: u32,
    },
}

impl Kdf {
    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::Pbkdf2 { .. } => 0,
            Self::Argon2 { memory, .. } => u64::from(*memory) << 10,
        }
    }

    /// `len` bytes of key; the error says what is wrong with the numbers, or that memory ran out.
    pub(super) fn derive(&self, secret: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>, String> {
        let mut key = Zeroizing::new(vec![0; len]);
        match self {
            Self::Pbkdf2 { rounds, .. } if !(1..=ROUNDS_CAP).contains(rounds) => {
                return Err(format!("{rounds} rounds of PBKDF2"));
            }
            Self::Pbkdf2 { hash, salt, rounds } => {
                let made = match hash {
                    Hash::Sha1 => {
                        pbkdf2::pbkdf2::<hmac::Hmac<Sha1>>(secret, salt, *rounds, &mut key)
                    }
                    Hash::Sha256 => {
                        pbkdf2::pbkdf2::<hmac::Hmac<Sha256>>(secret, salt, *rounds, &mut key)
                    }
                    Hash::Sha512 => {
                        pbkdf2::pbkdf2::<hmac::Hmac<Sha512>>(secret, salt, *rounds, &mut key)
                    }
                };
                made.map_err(|error| error.to_string())?;
            }
            Self::Argon2 {
                id,
                salt,
                passes,
                memory,
                lanes,
            } => {
                let numbers = Params::new(*memory, *passes, *lanes, Some(len));
                let numbers = numbers.map_err(|error| format!("its Argon2 numbers: {error}"))?;
                let mut blocks = Zeroizing::new(Vec::new());
                let count = numbers.block_count();
                blocks
                    .try_reserve_exact(count)
                    .map_err(|_| format!("{memory} KiB of memory, which there are not"))?;
                blocks.resize(count, Block::new());
                let kind = if *id {
                    Algorithm::Argon2id
                } else {
                    Algorithm::Argon2i
                };
                Argon2::new(kind, Version::V0x13, numbers)
                    .hash_password_into_with_memory(secret, salt, &mut key, &mut blocks[..])
                    .map_err(|error| format!("Argon2: {error}"))?;
            }
        }
        Ok(key)
    }
}
