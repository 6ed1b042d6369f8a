//! Doors for the fuzz targets in fuzz/: the parsers, without what guards them.
//!
//! Packs, pages and roots are normally reached through a hash; a fuzzer cannot
//! guess hashes, so it is let in behind them. Not for anyone else.

use store::{MemoryStore, Store};

use crate::check_pack::check_pack;
use crate::map::{PageBuilder, Root, parse_page};
use crate::objects::{PackKind, pack_name};
use crate::signature::Signature;
use crate::{Decoder, ImageId, Manifest, PackId, PublicKey, RepoId, SecretKey, Timestamp};

/// Parses a map page of `len` bytes; a page that parses is written and parsed
/// again, to the same entries.
pub fn page(bytes: &[u8], len: u64) {
    let len = len % crate::PAGE_SPAN + 1;
    let Ok(entries) = parse_page("page", bytes, 0, len) else {
        return;
    };
    let mut builder = PageBuilder::default();
    for entry in &entries {
        assert!(builder.push(entry.len, &entry.kind).is_ok());
    }
    let again = parse_page("page", &builder.to_bytes(), 0, len);
    assert_eq!(again.ok(), Some(entries));
}

/// Parses a map root of a region of `len` bytes, as [`page`] does.
pub fn root(bytes: &[u8], len: u64) {
    if let Ok(root) = Root::parse("root", bytes, len) {
        let again = root.to_bytes().map(|b| Root::parse("root", &b, len));
        assert_eq!(again.ok().and_then(Result::ok), Some(root));
    }
}

/// Checks bytes as if they were a pack.
pub fn pack(bytes: &[u8]) {
    let store = MemoryStore::default();
    let (id, repo) = (PackId::of(bytes), RepoId::from_bytes([0; 16]));
    let put = store.put(&pack_name(PackKind::Data, &id), bytes);
    if let (Ok(()), Ok(mut decoder)) = (put, Decoder::new()) {
        let faults = check_pack(&store, PackKind::Data, &id, &repo, &mut decoder);
        assert!(faults.is_ok());
    }
}

/// Parses a manifest whose checksum is right, whatever it says.
pub fn manifest(body: &[u8]) {
    let id = ImageId::new(Timestamp::from_unix(0), 0);
    let mut bytes = body.to_vec();
    bytes.push(b'\n');
    let seal = format!("blake3 {}\n", blake3::hash(&bytes));
    bytes.extend_from_slice(seal.as_bytes());
    if let Ok(manifest) = Manifest::from_bytes(&id, &bytes) {
        let again = manifest
            .to_bytes()
            .and_then(|b| Manifest::from_bytes(&id, &b));
        assert_eq!(again.ok(), Some(manifest));
    }
}

/// Reads any bytes as a signature and as both kinds of key; what is read is
/// written and read again, to the same.
pub fn signature(bytes: &[u8]) {
    if let Ok(signature) = Signature::parse(bytes) {
        let again = Signature::parse(signature.to_text().as_bytes());
        assert_eq!(again, Ok(signature));
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = PublicKey::parse(&text) {
        assert_eq!(PublicKey::parse(&key.to_text()), Ok(key));
    }
    if let Ok(key) = SecretKey::parse(&text) {
        let again = SecretKey::parse(&key.to_text());
        assert_eq!(again.ok().map(|k| k.to_text()), Some(key.to_text()));
    }
}
