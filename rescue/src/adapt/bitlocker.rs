//! What is to be said of volumes that are encrypted with BitLocker.
//!
//! Nobody looks into them, so a Windows in one is not adapted. What opens it on
//! another machine is written beside the data and is in the image: see
//! [`fsmap::BitLocker`].

use std::sync::Arc;

use disk::{ReadAt, Window};
use fsmap::{BitLocker, Opens, Protector, State};
use image::{DiskImage, Filesystem, Region};

use super::Adaptation;

/// What images call it.
const KIND: &str = "bitlocker";
/// What there is to do where it matters that it is encrypted.
const DECRYPT: &str = "decrypt it on the machine (manage-bde -off) and capture again";

/// Whether a file system of an image is such a volume.
pub(crate) fn is_locked(fs: &Filesystem) -> bool {
    fs.kind == KIND
}

/// Tells `all` of those on the disk.
pub(super) fn tell(source: &Arc<dyn ReadAt>, disk: &DiskImage, all: &mut Adaptation) {
    let locked = |region: &&Region| region.fs.as_ref().is_some_and(is_locked);
    for region in disk.regions.iter().filter(locked) {
        let title = region.title();
        let (text, short) = match read(source, region) {
            Ok(volume) => (sentences(&volume), in_short(&volume)),
            Err(why) => (
                format!(
                    "a Windows in it is not adapted to this hardware. What opens it is not known \
                     ({why}): have its recovery key at hand"
                ),
                "have its recovery key at hand".to_owned(),
            ),
        };
        let text = format!("{title}: encrypted with BitLocker: {text}");
        all.warn(&text, &format!("BitLocker, {title}: {short}."));
    }
}

fn read(source: &Arc<dyn ReadAt>, region: &Region) -> Result<BitLocker, String> {
    let window = Window::new(Arc::clone(source), region.start, region.len);
    let window = window.ok_or("it is not inside the disk")?;
    BitLocker::read(&window).map_err(|e| e.to_string())?
}

/// "recovery key ID …", with where it was saved.
fn key(protector: &Protector) -> String {
    let id = format!("recovery key ID {}", protector.id);
    match protector.saved() {
        Some(places) => format!("{id}, which was saved {places}"),
        None => id,
    }
}

/// The whole of it.
fn sentences(volume: &BitLocker) -> String {
    let mut all = Vec::new();
    let name = volume.description.as_ref();
    let name = name.map_or(String::new(), |name| {
        format!(" (Windows called it {name:?})")
    });
    all.push(format!(
        "a Windows in it{name} is not adapted to this hardware; if it has to be, {DECRYPT}"
    ));
    all.extend(opening(volume));
    let conversion = &volume.conversion;
    match (conversion.current, conversion.next) {
        (State::Decrypted, State::Decrypted) => all.push(
            "it is decrypted, and Windows has only not yet taken the last traces away: it opens by \
             itself"
                .to_owned(),
        ),
        _ if conversion.is_under_way() => all.push(format!(
            "it was {conversion} when it was captured, and Windows goes on with that"
        )),
        _ => {}
    }
    if volume.unlocks_others {
        all.push(
            "other volumes that it opens by itself (auto-unlock) open when it does".to_owned(),
        );
    }
    all.join("; ")
}

/// What opens it here.
fn opening(volume: &BitLocker) -> Vec<String> {
    let has = |opens: fn(Opens) -> bool| volume.protectors.iter().any(|p| opens(p.opens));
    let keys: Vec<String> = volume.recovery().map(key).collect();
    let keys = keys.join(", or ");
    let mut all = Vec::new();
    if volume.is_suspended() {
        all.push(
            "its protection is suspended (or waits for activation): it opens by itself here, until \
             Windows switches the protection on again"
                .to_owned(),
        );
    }
    if has(Opens::needs_tpm) {
        let asks = match keys.is_empty() {
            false => format!("Windows asks for the recovery password: have it at hand, {keys}"),
            true => "nothing opens it but what is named here".to_owned(),
        };
        all.push(format!(
            "the TPM that opens it is in the machine that it comes from; on any other, {asks}"
        ));
    } else if !keys.is_empty() {
        all.push(format!("a recovery password opens it: {keys}"));
    }
    all.extend(volume.protectors.iter().filter_map(other_way));
    if keys.is_empty() && !has(|o| !o.needs_tpm()) && has(Opens::needs_tpm) {
        all.push(
            "WITHOUT THAT TPM IT DOES NOT OPEN: it has no recovery password and no other key"
                .to_owned(),
        );
    }
    all
}

/// What opens it beside TPM and recovery password.
fn other_way(protector: &Protector) -> Option<String> {
    let id = &protector.id;
    match protector.opens {
        Opens::Key => Some(format!(
            "the USB stick with the file {{{id}}}.BEK opens it, or, if that is its key for \
             auto-unlock, the Windows of this machine does"
        )),
        Opens::Password => Some("its password opens it as before".to_owned()),
        Opens::Certificate => Some("its smart card opens it as before".to_owned()),
        Opens::Other(number) => Some(format!(
            "something opens it that is not known here ({number:#06x})"
        )),
        _ => None,
    }
}

/// A few words.
fn in_short(volume: &BitLocker) -> String {
    if volume.is_suspended() || volume.conversion.next == State::Decrypted {
        return "suspended or decrypted, it opens by itself".to_owned();
    }
    let first = |id: &str| id.get(..8).unwrap_or(id).to_owned();
    let keys: Vec<String> = volume.recovery().map(|p| first(&p.id)).collect();
    match (
        keys.is_empty(),
        volume.protectors.iter().find_map(other_way),
    ) {
        (false, _) => format!("recovery key ID {}", keys.join(" or ")),
        (true, Some(_)) => "opens with its password or key, no recovery password".to_owned(),
        (true, None) => "no recovery password: only its old TPM opens it".to_owned(),
    }
}

#[cfg(test)]
mod tests;
