//! Whether SYSTEM opens what SECURITY keeps: the secrets of the local security
//! authority, as Windows has kept them since Vista.
//!
//! The boot key is in the classes of four keys of SYSTEM. With it `PolEKList`
//! is decrypted, which holds the LSA's keys; with one of them, `$MACHINE.ACC`
//! and the other secrets. (Facts as in the comments of impacket's `secretsdump`, and
//! checked on a domain machine's hives.)
//!
//! A stored secret: 0 version (u32, 1, big-endian), 4 GUID of its key, 0x14
//! algorithm (u32: 3 is AES-256), 0x18 flags, 0x1C salt (32 bytes), then blocks
//! of 16 bytes, each encrypted alone with SHA-256(key, 1000 times the salt).
//! Decrypted: length (u32), 12 bytes, as many bytes as the length says, at most
//! 16 more. Nothing else tells a wrong key: then the length makes no sense.
//!
//! `PolEKList` decrypted: 4 GUID of the key in use, 24 how many keys (u32); from
//! 28 on of each its GUID, algorithm, length in bytes (u32 each) and the key.
//!
//! What is decrypted here is looked at and forgotten.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
use hive::Key;
use sha2::{Digest, Sha256};

use super::fact::Fact;
use super::system::System;

/// The keys whose classes are the boot key, in this order.
const KEYS: [&str; 4] = ["JD", "Skew1", "GBG", "Data"];
/// Which byte of the classes comes where.
const ORDER: [usize; 16] = [8, 5, 4, 2, 11, 9, 13, 3, 0, 6, 1, 12, 14, 10, 15, 7];
const AES_256: u32 = 3;
const SALT: usize = 0x1c;
const BLOCKS: usize = SALT + 32;
const BLOCK: usize = 16;
/// A secret's length before it, and what is between.
const HEADER: usize = 16;
/// Where the list of keys begins, and what is before each key.
const LIST: usize = 28;
const ENTRY: usize = 24;

/// A key: no `Debug`, no `Display`.
pub(super) struct Secret<const N: usize>(pub(super) [u8; N]);

/// The boot key of a SYSTEM hive.
pub(super) fn boot_key(system: &System<'_>) -> Fact<Secret<16>> {
    let path = system.path("Control\\Lsa");
    path.then(|path| {
        let hive = match system.source() {
            Ok(hive) => hive,
            Err(why) => return Fact::Unknown(why.clone()),
        };
        let mut mixed = Vec::new();
        for name in KEYS {
            let path = format!("{path}\\{name}");
            let class = hive.key(&path).map_err(|e| e.to_string());
            match class.and_then(|key| class_of(&key)) {
                Ok(bytes) => mixed.extend(bytes),
                Err(why) => return Fact::Unknown(format!("the boot key: {path}: {why}")),
            }
        }
        let ordered = ORDER.map(|at| mixed.get(at).copied().unwrap_or_default());
        Fact::Known(Secret(ordered))
    })
}

/// The 4 bytes that a class of 8 hexadecimal digits stands for.
fn class_of(key: &Key<'_>) -> Result<[u8; 4], String> {
    let class = key.class().map_err(|e| e.to_string())?;
    let class = class.ok_or("it has no class")?;
    let digits = class.units().iter().map(|unit| {
        let digit = char::from_u32((*unit).into())?.to_digit(16)?;
        u8::try_from(digit).ok()
    });
    let digits: Option<Vec<u8>> = digits.collect();
    match digits.as_deref() {
        Some([a, b, c, d, e, f, g, h]) => Ok([a << 4 | b, c << 4 | d, e << 4 | f, g << 4 | h]),
        _ => Err("its class is not 8 hexadecimal digits".to_owned()),
    }
}

/// Why a secret was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// It has not the form of a secret.
    Form,
    /// The key is not its key.
    Key,
}

/// The LSA's keys, with their GUIDs.
pub(super) struct LsaKeys(Vec<([u8; 16], Secret<32>)>);

impl LsaKeys {
    /// Those that `PolEKList` keeps.
    pub(super) fn open(boot: &Secret<16>, stored: &[u8]) -> Result<Self, Closed> {
        let opened = open(&boot.0, stored)?;
        let mut rest = opened.get(LIST..).unwrap_or_default();
        let mut keys = Vec::new();
        while let (Some(guid), Some(key)) = (rest.first_chunk(), rest.get(ENTRY..)) {
            let len = rest.get(20..).and_then(|len| len.first_chunk());
            let len = len.map_or(usize::MAX, |len| u32::from_le_bytes(*len) as usize);
            let Some((key, after)) = key.split_at_checked(len) else {
                break;
            };
            if let Ok(key) = key.try_into() {
                keys.push((*guid, Secret(key)));
            }
            rest = after;
        }
        match keys.is_empty() {
            true => Err(Closed::Key),
            false => Ok(Self(keys)),
        }
    }

    /// Bytes of the secret that `stored` keeps.
    pub(super) fn secret_len(&self, stored: &[u8]) -> Result<usize, Closed> {
        let guid = stored.get(4..20).ok_or(Closed::Form)?;
        let key = self.0.iter().find(|(of, _)| of == guid);
        let (_, key) = key.ok_or(Closed::Key)?;
        open(&key.0, stored).map(|opened| opened.len())
    }
}

fn open(key: &[u8], stored: &[u8]) -> Result<Vec<u8>, Closed> {
    let (Some(head), Some(salt), Some(blocks)) = (
        stored.get(..SALT),
        stored.get(SALT..BLOCKS),
        stored.get(BLOCKS..),
    ) else {
        return Err(Closed::Form);
    };
    let algorithm = head.get(0x14..).and_then(|rest| rest.first_chunk());
    let is_aes = algorithm.is_some_and(|bytes| u32::from_le_bytes(*bytes) == AES_256);
    if !head.starts_with(&[0, 0, 0, 1]) || !is_aes || blocks.len() % BLOCK != 0 || blocks.is_empty()
    {
        return Err(Closed::Form);
    }
    let mut hash = Sha256::new();
    hash.update(key);
    for _ in 0..1000 {
        hash.update(salt);
    }
    let derived: [u8; 32] = hash.finalize().into();
    let cipher = Aes256::new(&Array::from(derived));
    let mut plain = Vec::with_capacity(blocks.len());
    for block in blocks.chunks_exact(BLOCK) {
        let mut bytes = [0; BLOCK];
        bytes.copy_from_slice(block);
        let mut block = Array::from(bytes);
        cipher.decrypt_block(&mut block);
        plain.extend(<[u8; BLOCK]>::from(block));
    }
    let len = plain.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let secret = len.and_then(|len| plain.get(HEADER..)?.get(..len as usize));
    let room = plain.len().saturating_sub(HEADER);
    let secret = secret.filter(|secret| room - secret.len() <= BLOCK);
    secret.map(<[u8]>::to_vec).ok_or(Closed::Key)
}
