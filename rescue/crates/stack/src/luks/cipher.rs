//! Ciphers of sectors, as dm-crypt names them: `aes-xts-plain64`.
//!
//! Facts: the kernel's `Documentation/admin-guide/device-mapper/dm-crypt.rst`.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256, Block};
use xts_mode::Xts128;

use super::kdf::Hash;

const BLOCK: usize = 16;

/// AES with its key.
enum Aes {
    Of128(Aes128),
    Of192(Aes192),
    Of256(Aes256),
}

impl Aes {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Self::Of128),
            24 => Aes192::new_from_slice(key).ok().map(Self::Of192),
            32 => Aes256::new_from_slice(key).ok().map(Self::Of256),
            _ => None,
        }
    }
    fn encrypt(&self, block: &mut Block) {
        match self {
            Self::Of128(aes) => aes.encrypt_block(block),
            Self::Of192(aes) => aes.encrypt_block(block),
            Self::Of256(aes) => aes.encrypt_block(block),
        }
    }
    fn decrypt(&self, block: &mut Block) {
        match self {
            Self::Of128(aes) => aes.decrypt_block(block),
            Self::Of192(aes) => aes.decrypt_block(block),
            Self::Of256(aes) => aes.decrypt_block(block),
        }
    }
}

enum Mode {
    Xts128(Box<Xts128<Aes128>>),
    Xts256(Box<Xts128<Aes256>>),
    Cbc(Box<Aes>),
}

/// How a sector's number becomes its initial vector.
enum Iv {
    /// The lower 32 bits.
    Plain,
    Plain64,
    /// Encrypted with a hash of the key.
    Essiv(Box<Aes>),
}

/// A cipher with its key.
pub(super) struct Cipher {
    mode: Mode,
    iv: Iv,
}

impl Cipher {
    /// `name` as dm-crypt has it; the error says what is not known here.
    pub(super) fn new(name: &str, key: &[u8]) -> Result<Self, String> {
        let unknown = || format!("the cipher {name:?} with {} bytes of key", key.len());
        let (mode, iv) = match name
            .strip_prefix("aes-")
            .ok_or_else(unknown)?
            .split_once('-')
        {
            Some(("xts", iv)) => (xts(key), iv),
            Some(("cbc", iv)) => (Aes::new(key).map(Box::new).map(Mode::Cbc), iv),
            _ => (None, ""),
        };
        let iv = match iv {
            "plain" => Some(Iv::Plain),
            "plain64" => Some(Iv::Plain64),
            "essiv:sha256" => Aes::new(&Hash::Sha256.of(&[key]))
                .map(Box::new)
                .map(Iv::Essiv),
            _ => None,
        };
        let both = mode.zip(iv).ok_or_else(unknown)?;
        Ok(Self {
            mode: both.0,
            iv: both.1,
        })
    }

    fn iv(&self, number: u64) -> Block {
        let mut iv = [0; BLOCK];
        let number = match self.iv {
            Iv::Plain => number & 0xffff_ffff,
            _ => number,
        };
        for (to, from) in iv.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        let mut iv = Block::from(iv);
        if let Iv::Essiv(aes) = &self.iv {
            aes.encrypt(&mut iv);
        }
        iv
    }

    /// Decrypts a sector, of a multiple of 16 bytes. `number` counts sectors of 512 bytes.
    pub(super) fn decrypt(&self, sector: &mut [u8], number: u64) {
        let iv = self.iv(number);
        match &self.mode {
            _ if sector.len() < BLOCK => {}
            Mode::Xts128(xts) => xts.decrypt_sector(sector, iv),
            Mode::Xts256(xts) => xts.decrypt_sector(sector, iv),
            Mode::Cbc(aes) => {
                let mut previous = iv;
                for bytes in sector.chunks_exact_mut(BLOCK) {
                    let Ok(block) = <&mut Block>::try_from(bytes) else {
                        return;
                    };
                    let encrypted = *block;
                    aes.decrypt(block);
                    xor(block, &previous);
                    previous = encrypted;
                }
            }
        }
    }

    /// Encrypts a sector, as [`Self::decrypt`] decrypts it.
    pub(super) fn encrypt(&self, sector: &mut [u8], number: u64) {
        let iv = self.iv(number);
        match &self.mode {
            _ if sector.len() < BLOCK => {}
            Mode::Xts128(xts) => xts.encrypt_sector(sector, iv),
            Mode::Xts256(xts) => xts.encrypt_sector(sector, iv),
            Mode::Cbc(aes) => {
                let mut previous = iv;
                for bytes in sector.chunks_exact_mut(BLOCK) {
                    let Ok(block) = <&mut Block>::try_from(bytes) else {
                        return;
                    };
                    xor(block, &previous);
                    aes.encrypt(block);
                    previous = *block;
                }
            }
        }
    }
}

/// XTS takes two keys, one behind the other.
fn xts(key: &[u8]) -> Option<Mode> {
    let (data, tweak) = key.split_at_checked(key.len() / 2)?;
    match key.len() {
        32 => {
            let pair = (
                Aes128::new_from_slice(data).ok()?,
                Aes128::new_from_slice(tweak).ok()?,
            );
            Some(Mode::Xts128(Box::new(Xts128::new(pair.0, pair.1))))
        }
        64 => {
            let pair = (
                Aes256::new_from_slice(data).ok()?,
                Aes256::new_from_slice(tweak).ok()?,
            );
            Some(Mode::Xts256(Box::new(Xts128::new(pair.0, pair.1))))
        }
        _ => None,
    }
}

fn xor(block: &mut Block, with: &Block) {
    for (to, from) in block.iter_mut().zip(with) {
        *to ^= from;
    }
}
