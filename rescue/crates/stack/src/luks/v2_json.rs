//! The JSON of LUKS2: key slots, digests, segments.

use std::cmp::Reverse;

use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::kdf::{Hash, Kdf};
use super::v1::{KEY_CAP, STRIPES_CAP};
use super::{Digest, Header, Segment, Slot, damaged};
use crate::LuksProblem;

type Object = Map<String, Value>;

pub(super) fn parse(json: &[u8], uuid: &str) -> Result<Header, LuksProblem> {
    let tree: Value =
        serde_json::from_slice(json).map_err(|error| damaged(format!("its JSON: {error}")))?;
    let object = |name: &str| tree.get(name).and_then(Value::as_object);
    let lacks = |what: &str| damaged(format!("its JSON has no usable {what}"));
    let keyslots = object("keyslots").ok_or_else(|| lacks("keyslots"))?;
    requirements(&tree, keyslots)?;
    let (name, segment) = segment(object("segments").ok_or_else(|| lacks("segments"))?)?;
    let digests = object("digests").ok_or_else(|| lacks("digests"))?;
    let mut slots = Vec::new();
    let mut unusable = None;
    for digest in digests.values().filter_map(Value::as_object) {
        if !lists(digest, "segments", name) {
            continue;
        }
        for (number, slot) in keyslots {
            let Some(slot) = slot
                .as_object()
                .filter(|_| lists(digest, "keyslots", number))
            else {
                continue;
            };
            // 2 is preferred, 1 usual, 0 only on demand.
            let priority = whole(slot, "priority").unwrap_or(1);
            match keyslot(slot, digest) {
                Ok(slot) => slots.push((priority, slot)),
                Err(what) => drop(unusable.get_or_insert(what)),
            }
        }
    }
    slots.sort_by_key(|(priority, _)| Reverse(*priority));
    Ok(Header {
        uuid: uuid.to_owned(),
        slots: slots.into_iter().map(|(_, slot)| slot).collect(),
        unusable,
        segment,
    })
}

/// Refuses what is not a volume at rest.
fn requirements(tree: &Value, keyslots: &Object) -> Result<(), LuksProblem> {
    let kind = |slot: &Value| slot.get("type").and_then(Value::as_str).map(str::to_owned);
    if keyslots
        .values()
        .filter_map(kind)
        .any(|kind| kind == "reencrypt")
    {
        return Err(LuksProblem::Reencrypting);
    }
    let mandatory = tree.pointer("/config/requirements/mandatory");
    match mandatory
        .and_then(Value::as_array)
        .and_then(|list| list.first())
    {
        None => Ok(()),
        Some(first) if first.as_str().is_some_and(|is| is.contains("reencrypt")) => {
            Err(LuksProblem::Reencrypting)
        }
        Some(first) => Err(LuksProblem::Unsupported {
            what: format!("the requirement {first}"),
        }),
    }
}

/// The only segment, and its name.
fn segment(segments: &Object) -> Result<(&str, Segment), LuksProblem> {
    let mut all = segments.iter();
    let (Some((name, only)), None) = (all.next(), all.next()) else {
        return Err(LuksProblem::Reencrypting);
    };
    let only = only
        .as_object()
        .ok_or_else(|| damaged("its segment is none"))?;
    match only.get("type").and_then(Value::as_str) {
        Some("crypt") => {}
        other => {
            let what = format!("a segment of the type {}", other.unwrap_or("none"));
            return Err(LuksProblem::Unsupported { what });
        }
    }
    if only.contains_key("integrity") {
        return Err(LuksProblem::Integrity);
    }
    let read = || {
        let size = match only.get("size")?.as_str()? {
            "dynamic" => None,
            size => Some(size.parse().ok()?),
        };
        let sector = u32::try_from(whole(only, "sector_size")?).ok()?;
        Some(Segment {
            offset: number(only, "offset")?,
            size,
            cipher: only.get("encryption")?.as_str()?.to_owned(),
            sector: Some(sector).filter(|len| matches!(len, 512 | 1024 | 2048 | 4096))?,
            tweak: number(only, "iv_tweak")?,
        })
    };
    let segment = read().ok_or_else(|| damaged("its segment has values that cannot be"))?;
    match segment.offset {
        0 => Err(LuksProblem::DetachedHeader),
        _ => Ok((name, segment)),
    }
}

/// The error is what cannot be used here.
fn keyslot(slot: &Object, digest: &Object) -> Result<Slot, String> {
    let broken = || "a key slot with values that cannot be".to_owned();
    let part = |name: &str| slot.get(name).and_then(Value::as_object).ok_or_else(broken);
    let (split, area, kdf) = (part("af")?, part("area")?, part("kdf")?);
    if string(slot, "type") != Some("luks2") || string(split, "type") != Some("luks1") {
        return Err("a key slot of a type that is not known here".to_owned());
    }
    let length = |object, name, cap| {
        let length = whole(object, name).and_then(|len| usize::try_from(len).ok());
        length
            .filter(|len| (1..=cap).contains(len))
            .ok_or_else(broken)
    };
    let value = string(digest, "digest").and_then(|text| BASE64.decode(text.as_bytes()).ok());
    let value = value.filter(|value| (16..=64).contains(&value.len()));
    Ok(Slot {
        kdf: kdf_of(kdf)?,
        area: number(area, "offset").ok_or_else(broken)?,
        cipher: string(area, "encryption").ok_or_else(broken)?.to_owned(),
        cipher_key: length(area, "key_size", KEY_CAP)?,
        stripes: length(split, "stripes", STRIPES_CAP)?,
        split: Hash::named(string(split, "hash").ok_or_else(broken)?)?,
        key: length(slot, "key_size", KEY_CAP)?,
        digest: Digest {
            kdf: kdf_of(digest)?,
            value: value.ok_or_else(broken)?,
        },
    })
}

/// A digest is made in the same way as a slot's key.
fn kdf_of(object: &Object) -> Result<Kdf, String> {
    let broken = || "key derivation with values that cannot be".to_owned();
    let small = |name| {
        whole(object, name)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(broken)
    };
    let salt = string(object, "salt").and_then(|text| BASE64.decode(text.as_bytes()).ok());
    let salt = salt.ok_or_else(broken)?;
    match string(object, "type") {
        Some("pbkdf2") => Ok(Kdf::Pbkdf2 {
            hash: Hash::named(string(object, "hash").ok_or_else(broken)?)?,
            salt,
            rounds: small("iterations")?,
        }),
        Some(kind @ ("argon2i" | "argon2id")) => Ok(Kdf::Argon2 {
            id: kind == "argon2id",
            salt,
            passes: small("time")?,
            memory: small("memory")?,
            lanes: small("cpus")?,
        }),
        other => Err(format!("key derivation by {}", other.unwrap_or("nothing"))),
    }
}

fn string<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

fn whole(object: &Object, name: &str) -> Option<u64> {
    object.get(name)?.as_u64()
}

/// LUKS2 writes what may need 64 bits as a string.
fn number(object: &Object, name: &str) -> Option<u64> {
    string(object, name)?.parse().ok()
}

/// The list has the name.
fn lists(object: &Object, list: &str, name: &str) -> bool {
    let list = object.get(list).and_then(Value::as_array);
    list.is_some_and(|list| list.iter().any(|value| value.as_str() == Some(name)))
}
