//! Images that are signed: what is believed, what is refused, and what a
//! writer that stops half-way leaves.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{capture, names, noise, prepare, repository};
use image::{
    BLOCK, Config, Distrust, Error, Existing, Image, ImageState, Repository, SecretKey, Signed,
    Timestamp, TrustedKeys,
};
use store::{MemoryStore, Store};

fn key(number: u8) -> SecretKey {
    SecretKey::generate(&[number; 40]).unwrap()
}

fn trusting(repository: &Repository, key: &SecretKey) -> Repository {
    let keys = TrustedKeys::new(vec![key.public().clone()]).unwrap();
    repository.clone().trusting(keys)
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_795_690_102)
}

fn signed(repository: &Repository, name: &str, number: u32, key: &SecretKey) -> Image {
    let bytes = noise(3 * BLOCK as usize, number.into());
    let (stored, manifest) = prepare(repository, name, number, &[(&bytes, &[])]);
    stored.commit_signed(manifest, key, now()).unwrap()
}

fn unsigned(repository: &Repository, name: &str, number: u32) -> Image {
    let bytes = noise(3 * BLOCK as usize, number.into());
    capture(repository, name, number, &[(&bytes, &[])]).0
}

fn why<T: std::fmt::Debug>(result: Result<T, Error>) -> Distrust {
    match result {
        Err(Error::Untrusted { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_a_trusted_key_signed_is_read() {
    let (_, repository) = repository();
    let (ours, theirs) = (key(1), key(2));
    let good = signed(&repository, "good", 1, &ours);
    let foreign = signed(&repository, "foreign", 2, &theirs);
    let bare = unsigned(&repository, "bare", 3);
    let strict = trusting(&repository, &ours);
    let read = strict.load(&good.id).unwrap();
    assert_eq!(read.signed, Signed::Trusted(ours.public().id()));
    assert_eq!(read.manifest, good.manifest);
    let reason = why(strict.load(&foreign.id));
    assert!(
        matches!(reason, Distrust::ForeignKey { signer, .. } if signer == theirs.public().id())
    );
    assert_eq!(why(strict.load(&bare.id)), Distrust::Unsigned);
    // Without keys everything is read, and what it says is told.
    let told = |image: &Image| repository.load(&image.id).unwrap().signed;
    assert_eq!(told(&good), Signed::Unchecked(ours.public().id()));
    assert_eq!(told(&foreign), Signed::Unchecked(theirs.public().id()));
    assert_eq!(told(&bare), Signed::No);
}

#[test]
fn the_list_shows_what_cannot_be_restored_and_why() {
    let (_, repository) = repository();
    let ours = key(1);
    signed(&repository, "good", 1, &ours);
    unsigned(&repository, "bare", 2);
    let listed = trusting(&repository, &ours).images().unwrap();
    let states = listed.iter().map(|image| match &image.state {
        ImageState::Readable { name, signed, .. } => (name.as_str(), signed.clone()),
        ImageState::Unreadable { reason } => panic!("{reason}"),
    });
    let states: Vec<_> = states.collect();
    let good = Ok(Signed::Trusted(ours.public().id()));
    assert_eq!(states, [("good", good), ("bare", Err(Distrust::Unsigned))]);
}

#[test]
fn an_image_that_is_not_trusted_is_no_reason_to_take_an_older_one() {
    let (_, repository) = repository();
    let ours = key(1);
    let good = signed(&repository, "web1", 1, &ours);
    unsigned(&repository, "other", 2);
    let strict = trusting(&repository, &ours);
    assert_eq!(
        strict.image("web1").unwrap().id,
        good.id,
        "another machine's"
    );
    assert_eq!(why(strict.image("latest")), Distrust::Unsigned);
    unsigned(&repository, "web1", 3);
    assert_eq!(why(strict.image("web1")), Distrust::Unsigned);
}

/// The manifest with byte `at` changed, and a checksum that fits again: what
/// somebody would do who means it.
fn forged(manifest: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = manifest[..manifest.len() - 72].to_vec();
    bytes[at] ^= 1;
    let seal = format!("blake3 {}\n", blake3::hash(&bytes));
    bytes.extend_from_slice(seal.as_bytes());
    bytes
}

#[test]
fn every_changed_byte_of_a_manifest_is_refused_though_its_checksum_fits() {
    let (store, repository) = repository();
    let ours = key(1);
    let image = signed(&repository, "web1", 1, &ours);
    let strict = trusting(&repository, &ours);
    let name = image.id.object_name();
    let whole = store.get(&name, 1 << 20).unwrap();
    let mut believed_unsigned = 0;
    for at in 0..whole.len() - 72 {
        store.tamper(&name, |bytes| *bytes = forged(&whole, at));
        if repository.load(&image.id).is_ok() {
            believed_unsigned += 1;
            let reason = why(strict.load(&image.id));
            assert!(
                matches!(reason, Distrust::Mismatch { .. }),
                "byte {at}: {reason}"
            );
        } else {
            assert!(strict.load(&image.id).is_err(), "byte {at}");
        }
    }
    // Hashes, names, sizes: most changes make a manifest of something else.
    assert!(believed_unsigned > 200, "{believed_unsigned}");
    store.tamper(&name, |bytes| *bytes = whole);
    assert!(strict.load(&image.id).is_ok());
}

#[test]
fn a_signature_is_of_one_image() {
    let (store, repository) = repository();
    let ours = key(1);
    let one = signed(&repository, "web1", 1, &ours);
    let two = signed(&repository, "web1", 2, &ours);
    let strict = trusting(&repository, &ours);
    let get = |name: &str| store.get(name, 1 << 20).unwrap();
    let (manifest, signature) = (get(&one.id.object_name()), get(&one.id.signature_name()));
    // The signature alone, of another image of the same machine and key.
    store.tamper(&two.id.signature_name(), |bytes| *bytes = signature);
    assert!(matches!(
        why(strict.load(&two.id)),
        Distrust::Mismatch { .. }
    ));
    // Both: the older image in the newer one's name.
    store.tamper(&two.id.object_name(), |bytes| *bytes = manifest);
    let error = strict.load(&two.id).unwrap_err();
    assert!(error.to_string().contains(&one.id.to_string()), "{error}");
    assert!(matches!(error, Error::Damaged { .. }));
}

#[test]
fn an_existing_image_is_signed_once_and_only_replaced_when_asked() {
    let (store, repository) = repository();
    let (ours, theirs) = (key(1), key(2));
    let image = unsigned(&repository, "web1", 1);
    let sign = |key, existing| repository.sign(&image, key, now(), existing);
    assert!(sign(&theirs, Existing::Keep).unwrap());
    assert!(!sign(&theirs, Existing::Keep).unwrap(), "it was already");
    let error = sign(&ours, Existing::Keep).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&theirs.public().id().to_string()),
        "{error}"
    );
    assert!(sign(&ours, Existing::Replace).unwrap());
    assert!(trusting(&repository, &ours).load(&image.id).is_ok());
    // A damaged one is replaced like any other.
    store.tamper(&image.id.signature_name(), |bytes| bytes.truncate(50));
    assert!(matches!(
        why(trusting(&repository, &ours).load(&image.id)),
        Distrust::Damaged(_)
    ));
    assert!(matches!(
        repository.load(&image.id).unwrap().signed,
        Signed::Unreadable(_)
    ));
    assert!(sign(&ours, Existing::Keep).is_err());
    assert!(sign(&ours, Existing::Replace).unwrap());
    assert!(trusting(&repository, &ours).load(&image.id).is_ok());
}

/// A store that fails to put objects whose name ends like this.
struct Failing(Arc<MemoryStore>, &'static str);

impl Store for Failing {
    fn location(&self) -> String {
        self.0.location()
    }
    fn get(&self, name: &str, cap: u64) -> store::Result<Vec<u8>> {
        self.0.get(name, cap)
    }
    fn read_range(&self, name: &str, offset: u64, buf: &mut [u8]) -> store::Result<()> {
        self.0.read_range(name, offset, buf)
    }
    fn size(&self, name: &str) -> store::Result<u64> {
        self.0.size(name)
    }
    fn put(&self, name: &str, bytes: &[u8]) -> store::Result<()> {
        if name.ends_with(self.1) {
            return Err(store::Error::ReadOnly {
                location: self.location(),
                name: name.to_owned(),
            });
        }
        self.0.put(name, bytes)
    }
    fn list(&self, prefix: &str) -> store::Result<Vec<String>> {
        self.0.list(prefix)
    }
    fn delete(&self, name: &str) -> store::Result<()> {
        self.0.delete(name)
    }
}

#[test]
fn a_writer_that_stops_leaves_no_image_that_lacks_its_signature() {
    for end in [".minisig", ".man"] {
        let memory = Arc::new(MemoryStore::default());
        Repository::create(memory.clone(), Config::new([7; 32])).unwrap();
        let failing = Repository::open(Arc::new(Failing(memory.clone(), end))).unwrap();
        let bytes = noise(BLOCK as usize, 1);
        let (stored, manifest) = prepare(&failing, "web1", 1, &[(&bytes, &[])]);
        assert!(stored.commit_signed(manifest, &key(1), now()).is_err());
        let repository = Repository::open(memory.clone()).unwrap();
        assert!(repository.ids().unwrap().is_empty(), "{end}");
        assert!(repository.images().unwrap().is_empty(), "{end}");
        // The next capture does not mind what is left.
        let image = signed(&repository, "web1", 2, &key(1));
        assert_eq!(
            trusting(&repository, &key(1)).image("latest").unwrap().id,
            image.id
        );
        let left = names(&memory, "snap/");
        assert_eq!(
            left.iter().filter(|n| n.ends_with(".man")).count(),
            1,
            "{left:?}"
        );
    }
}
