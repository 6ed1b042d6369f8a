//! Sealed text: JSON followed by a line with its checksum.
//!
//! `config` and manifests are the only objects whose names are not their
//! hashes; the last line takes the name's place. It is frozen for all format
//! versions, so that damage is told from "newer" before anything is parsed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The newest format version this program reads and writes.
pub const FORMAT: u32 = 0;

const KEY: &[u8] = b"blake3 ";
/// Key, 64 digits, line feed.
const SEAL_LEN: usize = KEY.len() + 64 + 1;

#[derive(serde::Deserialize)]
struct Versions {
    min_reader: u32,
}

/// `value` as canonical JSON (keys sorted, no blanks), sealed.
pub(crate) fn seal<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let invalid = |e: serde_json::Error| Error::Invalid {
        reason: e.to_string(),
    };
    // Through `Value`, whose maps are sorted by key.
    let value = serde_json::to_value(value).map_err(invalid)?;
    let mut bytes = serde_json::to_vec(&value).map_err(invalid)?;
    bytes.push(b'\n');
    let digest = blake3::hash(&bytes);
    bytes.extend_from_slice(KEY);
    bytes.extend_from_slice(digest.to_hex().as_bytes());
    bytes.push(b'\n');
    Ok(bytes)
}

/// Checks the seal and the version, then parses.
pub(crate) fn unseal<T: DeserializeOwned>(object: &str, bytes: &[u8]) -> Result<T> {
    let body = checked_body(object, bytes)?;
    let broken =
        |e: serde_json::Error| Error::damaged(object, 0, "well-formed fields", e.to_string());
    let versions: Versions = serde_json::from_slice(body).map_err(broken)?;
    if versions.min_reader > FORMAT {
        return Err(Error::Newer {
            object: object.to_owned(),
            found: versions.min_reader,
            supported: FORMAT,
        });
    }
    serde_json::from_slice(body).map_err(broken)
}

fn checked_body<'a>(object: &str, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let cut = bytes.len().checked_sub(SEAL_LEN);
    let Some((body, seal)) = cut.and_then(|cut| bytes.split_at_checked(cut)) else {
        return Err(Error::damaged(
            object,
            bytes.len() as u64,
            format!("at least {SEAL_LEN} bytes"),
            format!("{}", bytes.len()),
        ));
    };
    let digest = blake3::hash(body).to_hex();
    let expected = format!("blake3 {digest}\n");
    if seal == expected.as_bytes() {
        return Ok(body);
    }
    Err(Error::damaged(
        object,
        body.len() as u64,
        format!("the checksum line \"{}\"", expected.trim_end()),
        format!("\"{}\"", String::from_utf8_lossy(seal).escape_default()),
    ))
}
