//! Whom a new file belongs to, and who may do what with it: what Windows gives a
//! file that its system account puts there.
//!
//! Layouts: [MS-DTYP] 2.4.4 to 2.4.6; inheritance: [MS-DTYP] 2.5.3.4.

/// Inheritance flags of an entry.
const FOR_FILES: u8 = 0x01;
const FOR_FOLDERS: u8 = 0x02;
const NOT_FURTHER: u8 = 0x04;
const ONLY_FOR_HEIRS: u8 = 0x08;
const INHERITED: u8 = 0x10;

/// An entry that allows, or denies, to one account.
const ALLOW: u8 = 0;
const DENY: u8 = 1;

/// Full access to a file.
const ALL: u32 = 0x001F_01FF;
/// Generic rights, and what they mean for files.
const GENERIC: [(u32, u32); 4] = [
    (0x8000_0000, 0x0012_0089),
    (0x4000_0000, 0x0012_0116),
    (0x2000_0000, 0x0012_00A0),
    (0x1000_0000, ALL),
];

/// S-1-5-32-544: the owner of what the system account makes.
const ADMINISTRATORS: &[u8] = &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
/// S-1-5-18, the system account.
const SYSTEM: &[u8] = &[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
/// S-1-3-0: whoever owns what is made.
const CREATOR_OWNER: &[u8] = &[1, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0];
/// S-1-3-1: its group.
const CREATOR_GROUP: &[u8] = &[1, 1, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0];

/// Self-relative, with a list of rights, which was inherited.
const CONTROL: u16 = 0x8404;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    File,
    Folder,
}

/// The security descriptor of something new in the folder that has the
/// descriptor `folder`; `None` when that is damaged.
pub(super) fn inherit(folder: &[u8], made: Made) -> Option<Vec<u8>> {
    let mut entries = Vec::new();
    for entry in list(folder)? {
        let [kind, flags, ..] = *entry else {
            return None;
        };
        let entry = Entry {
            kind,
            flags,
            body: entry.get(4..)?,
        };
        entry.pass_on(made, &mut entries)?;
    }
    if entries.is_empty() {
        for account in [SYSTEM, ADMINISTRATORS] {
            let body = [&ALL.to_le_bytes(), account].concat();
            entries.push(whole(ALLOW, 0, &body)?);
        }
    }
    descriptor(&entries)
}

struct Entry<'b> {
    kind: u8,
    flags: u8,
    /// Rights (u32), then whose.
    body: &'b [u8],
}

impl Entry<'_> {
    /// What something new has of this entry of its folder.
    fn pass_on(&self, made: Made, out: &mut Vec<Vec<u8>>) -> Option<()> {
        let meant = match made {
            Made::File => FOR_FILES,
            Made::Folder => FOR_FOLDERS,
        };
        let own = self.own()?;
        let further = made == Made::Folder && self.flags & NOT_FURTHER == 0;
        let kept = self.flags & (FOR_FILES | FOR_FOLDERS);
        if self.flags & meant != 0 && (!further || own != self.body) {
            out.push(whole(self.kind, INHERITED, &own)?);
        }
        if further && kept != 0 {
            let effective = self.flags & meant != 0 && own == self.body;
            let only = if effective { 0 } else { ONLY_FOR_HEIRS };
            out.push(whole(self.kind, kept | only | INHERITED, self.body)?);
        }
        Some(())
    }

    /// The body with rights and account as they are of the thing itself.
    fn own(&self) -> Option<Vec<u8>> {
        let (rights, account) = self.body.split_first_chunk::<4>()?;
        if ![ALLOW, DENY].contains(&self.kind) {
            return Some(self.body.to_vec());
        }
        let mut rights = u32::from_le_bytes(*rights);
        for (generic, specific) in GENERIC {
            if rights & generic != 0 {
                rights = rights & !generic | specific;
            }
        }
        let account = match account {
            CREATOR_OWNER => ADMINISTRATORS,
            CREATOR_GROUP => SYSTEM,
            other => other,
        };
        Some([&rights.to_le_bytes(), account].concat())
    }
}

/// The entries of a descriptor's list; none when it has no list.
fn list(descriptor: &[u8]) -> Option<Vec<&[u8]>> {
    let at = u32_at(descriptor, 16)?;
    if at == 0 {
        return Some(Vec::new());
    }
    let list = descriptor.get(at as usize..)?;
    let list = list.get(..u16_at(list, 2)?.into())?;
    let mut rest = list.get(8..)?;
    let mut entries = Vec::new();
    for _ in 0..u16_at(list, 4)? {
        let (entry, later) = rest.split_at_checked(u16_at(rest, 2)?.into())?;
        entries.push(entry);
        rest = later;
    }
    Some(entries)
}

fn whole(kind: u8, flags: u8, body: &[u8]) -> Option<Vec<u8>> {
    let len = u16::try_from(body.len().checked_add(4)?).ok()?;
    let mut out = vec![kind, flags];
    out.extend(len.to_le_bytes());
    out.extend(body);
    Some(out)
}

fn descriptor(entries: &[Vec<u8>]) -> Option<Vec<u8>> {
    const HEADER: u32 = 20;
    let body = entries.concat();
    let len = u16::try_from(body.len().checked_add(8)?).ok()?;
    let owner = HEADER.checked_add(len.into())?;
    let group = owner.checked_add(ADMINISTRATORS.len() as u32)?;
    let mut out = vec![1, 0];
    out.extend(CONTROL.to_le_bytes());
    for offset in [owner, group, 0, HEADER] {
        out.extend(offset.to_le_bytes());
    }
    out.extend([2, 0]);
    for half in [len, u16::try_from(entries.len()).ok()?, 0] {
        out.extend(half.to_le_bytes());
    }
    out.extend(body);
    out.extend(ADMINISTRATORS);
    out.extend(SYSTEM);
    Some(out)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// S-1-5-32-545.
    const USERS: &[u8] = &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x21, 2, 0, 0];

    fn entry(flags: u8, rights: u32, account: &[u8]) -> Vec<u8> {
        whole(ALLOW, flags, &[&rights.to_le_bytes(), account].concat()).unwrap()
    }

    /// As the folders of Windows have it: for the folder itself, then for what
    /// is made in it.
    fn folder() -> Vec<u8> {
        descriptor(&[
            entry(0, 0x0013_01BF, SYSTEM),
            entry(0x0B, 0x1000_0000, SYSTEM),
            entry(0x0B, 0xA000_0000, USERS),
            entry(0x0B, 0x1000_0000, CREATOR_OWNER),
            entry(FOR_FOLDERS, 0x0012_00A9, USERS),
        ])
        .unwrap()
    }

    #[test]
    fn a_file_gets_what_is_meant_for_files() {
        let made = inherit(&folder(), Made::File).unwrap();
        let expected = [
            entry(INHERITED, ALL, SYSTEM),
            entry(INHERITED, 0x0012_00A9, USERS),
            entry(INHERITED, ALL, ADMINISTRATORS),
        ];
        assert_eq!(list(&made).unwrap(), expected);
        assert_eq!(made, descriptor(&expected).unwrap());
        assert!(made.ends_with(&[ADMINISTRATORS, SYSTEM].concat()));
    }

    #[test]
    fn a_folder_passes_on_what_it_got() {
        let made = inherit(&folder(), Made::Folder).unwrap();
        let expected = [
            entry(INHERITED, ALL, SYSTEM),
            entry(0x1B, 0x1000_0000, SYSTEM),
            entry(INHERITED, 0x0012_00A9, USERS),
            entry(0x1B, 0xA000_0000, USERS),
            entry(INHERITED, ALL, ADMINISTRATORS),
            entry(0x1B, 0x1000_0000, CREATOR_OWNER),
            entry(0x12, 0x0012_00A9, USERS),
        ];
        assert_eq!(list(&made).unwrap(), expected);
        // A file in it has the same as one in the first.
        assert_eq!(inherit(&made, Made::File), inherit(&folder(), Made::File));
    }

    #[test]
    fn where_nothing_is_passed_on_the_system_and_administrators_may() {
        let alone = descriptor(&[entry(0, ALL, USERS)]).unwrap();
        let made = inherit(&alone, Made::File).unwrap();
        let expected = [entry(0, ALL, SYSTEM), entry(0, ALL, ADMINISTRATORS)];
        assert_eq!(list(&made).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn damage_is_no_panic(at in 0_usize..100, value in any::<u8>(), cut in 0_usize..200) {
            let mut bytes = folder();
            bytes[at] = value;
            bytes.truncate(cut);
            for made in [Made::File, Made::Folder] {
                let _ = inherit(&bytes, made);
            }
        }
    }
}
