//! Device paths: where a boot loader lies.
//!
//! A path is a row of nodes (type, subtype, length in bytes with this header of
//! four) that ends with the node 7f ff. Only two kinds matter here: the partition
//! of a disk (UEFI 2.10, 10.3.5.1) and the file on it (10.3.5.4); all others are
//! kept as they are.

use uuid::Uuid;

use crate::Error;
use crate::bytes::{Reader, put_text};

const MEDIA: u8 = 4;
const HARD_DRIVE: u8 = 1;
const FILE: u8 = 4;
const END: u8 = 0x7f;
const ENTIRE: u8 = 0xff;
/// Bytes of type, subtype and length.
const HEADER: u16 = 4;
/// Bytes of a node for a partition.
const HARD_DRIVE_LEN: usize = 42;

/// How a partition is told from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signature {
    /// By its GUID in a GPT.
    Gpt(Uuid),
    /// By the signature of the MBR that it is in, and by its number.
    Mbr(u32),
}

/// A partition of a disk: `HD(1,GPT,GUID,START,SIZE)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HardDrive {
    /// Its number, from 1.
    pub number: u32,
    /// Its first sector, in sectors of the disk.
    pub start: u64,
    /// How many it has.
    pub size: u64,
    /// Which one it is.
    pub signature: Signature,
}

/// One part of a device path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A partition.
    HardDrive(HardDrive),
    /// A file on it, `\EFI\debian\grubx64.efi`: UTF-16 without the NUL.
    File(Vec<u16>),
    /// Anything else: type, subtype and the bytes behind the header.
    Other(u8, u8, Vec<u8>),
}

/// A device path without the node that ends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DevicePath(pub Vec<Node>);

impl HardDrive {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut body = Reader::new(body);
        let what = "a partition";
        let (number, start, size) = (
            body.u32(what).ok()?,
            body.u64(what).ok()?,
            body.u64(what).ok()?,
        );
        let signature: [u8; 16] = body.array(what).ok()?;
        let [first, second, third, fourth, rest @ ..] = signature;
        let signature = match (body.rest(), rest) {
            ([2, 2], _) => Signature::Gpt(Uuid::from_bytes_le(signature)),
            ([1, 1], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) => {
                Signature::Mbr(u32::from_le_bytes([first, second, third, fourth]))
            }
            _ => return None,
        };
        Some(Self {
            number,
            start,
            size,
            signature,
        })
    }

    fn body(&self) -> Vec<u8> {
        let mut out = self.number.to_le_bytes().to_vec();
        out.extend(self.start.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        match self.signature {
            Signature::Gpt(guid) => {
                out.extend(guid.to_bytes_le());
                out.extend([2, 2]);
            }
            Signature::Mbr(signature) => {
                out.extend(signature.to_le_bytes());
                out.extend([0; 12]);
                out.extend([1, 1]);
            }
        }
        out
    }

    /// Whether `other` names the same partition, wherever it may lie.
    #[must_use]
    pub fn is_named_as(&self, other: &Self) -> bool {
        match self.signature {
            Signature::Gpt(_) => self.signature == other.signature,
            Signature::Mbr(_) => (self.signature, self.number) == (other.signature, other.number),
        }
    }
}

impl Node {
    fn parse(kind: u8, sub: u8, body: &[u8]) -> Self {
        let other = || Self::Other(kind, sub, body.to_vec());
        match (kind, sub) {
            (MEDIA, HARD_DRIVE) => HardDrive::parse(body).map_or_else(other, Self::HardDrive),
            (MEDIA, FILE) => {
                let mut text = Reader::new(body);
                match text.text("a file") {
                    Ok(units) if text.rest().is_empty() => Self::File(units),
                    _ => other(),
                }
            }
            _ => other(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (kind, sub, body) = match self {
            Self::HardDrive(partition) => (MEDIA, HARD_DRIVE, partition.body()),
            Self::File(units) => {
                let mut body = Vec::new();
                put_text(&mut body, units);
                (MEDIA, FILE, body)
            }
            Self::Other(kind, sub, body) => (*kind, *sub, body.clone()),
        };
        let len = u16::try_from(body.len()).ok();
        let len = len.and_then(|len| len.checked_add(HEADER));
        let len = len.ok_or(Error::TooLong {
            what: "a device path's node",
            found: body.len(),
            most: usize::from(u16::MAX - HEADER),
        })?;
        out.extend([kind, sub]);
        out.extend(len.to_le_bytes());
        out.extend(body);
        Ok(())
    }
}

impl DevicePath {
    /// The short form that finds a partition on whatever controller its disk is, and
    /// a file on it (UEFI 2.10, 3.1.2).
    #[must_use]
    pub fn to_file(partition: HardDrive, file: &str) -> Self {
        let file = Node::File(file.encode_utf16().collect());
        Self(vec![Node::HardDrive(partition), file])
    }

    /// Reads a path from the beginning of `bytes`; the bytes behind it.
    ///
    /// # Errors
    /// [`Error`] where it does not end, or a node is none.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let mut reader = Reader::new(bytes);
        let mut nodes = Vec::new();
        loop {
            let at = reader.at();
            let [kind, sub] = reader.array("a device path's node")?;
            let len = reader.u16("a device path's node")?;
            let body = len.checked_sub(HEADER);
            let body = body.ok_or(Error::Node { at, found: len })?;
            let body = reader.take(usize::from(body), "a device path's node")?;
            match (kind, sub, body) {
                (END, ENTIRE, []) => return Ok((Self(nodes), reader.rest())),
                _ => nodes.push(Node::parse(kind, sub, body)),
            }
        }
    }

    /// The bytes of it, with the node that ends it.
    ///
    /// # Errors
    /// [`Error::TooLong`] for a node of more than 64 KiB.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.0.iter().try_for_each(|node| node.write(&mut out))?;
        out.extend([END, ENTIRE, 4, 0]);
        Ok(out)
    }

    /// The partition that it leads to, and the file on it (nodes of files are joined,
    /// as firmware does). `None` where it leads elsewhere: to a network card, say.
    #[must_use]
    pub fn file(&self) -> Option<(HardDrive, String)> {
        let mut nodes = self.0.iter();
        let partition = nodes.find_map(|node| match node {
            Node::HardDrive(partition) => Some(*partition),
            _ => None,
        })?;
        let mut file = Vec::new();
        for node in nodes {
            match node {
                Node::File(units) => file.extend(units),
                _ => return None,
            }
        }
        Some((partition, String::from_utf16_lossy(&file)))
    }
}

const _: () = assert!(HARD_DRIVE_LEN == HEADER as usize + 38);

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> HardDrive {
        HardDrive {
            number: 1,
            start: 2048,
            size: 204_800,
            signature: Signature::Gpt(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
        }
    }

    #[test]
    fn a_partition_of_an_mbr_is_named_by_signature_and_number() {
        let one = HardDrive {
            signature: Signature::Mbr(7),
            ..partition()
        };
        let path = DevicePath(vec![Node::HardDrive(one)]);
        let bytes = path.to_bytes().unwrap();
        assert_eq!(bytes.len(), HARD_DRIVE_LEN + 4);
        assert_eq!(DevicePath::parse(&bytes).unwrap(), (path, &[][..]));
        assert!(one.is_named_as(&HardDrive { start: 1, ..one }));
        assert!(!one.is_named_as(&HardDrive { number: 2, ..one }));
        assert!(partition().is_named_as(&HardDrive {
            number: 2,
            ..partition()
        }));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let good = DevicePath::to_file(partition(), "\\a").to_bytes().unwrap();
        let told = |bytes: &[u8]| DevicePath::parse(bytes).unwrap_err().to_string();
        assert!(
            told(&good[..good.len() - 4]).contains("at byte 52"),
            "{}",
            told(&good[..good.len() - 4])
        );
        let mut short = good.clone();
        short[44] = 3;
        assert!(told(&short).contains("at byte 42 says that it has 3 bytes"));
    }

    #[test]
    fn nodes_of_files_are_joined_and_what_follows_them_is_not_understood() {
        let file = |text: &str| Node::File(text.encode_utf16().collect());
        let mut nodes = vec![
            Node::Other(2, 1, vec![1, 2]),
            Node::HardDrive(partition()),
            file("\\EFI"),
            file("\\a.efi"),
        ];
        let found = DevicePath(nodes.clone()).file();
        assert_eq!(found, Some((partition(), "\\EFI\\a.efi".to_owned())));
        nodes.push(Node::Other(4, 3, vec![]));
        assert_eq!(DevicePath(nodes).file(), None);
        assert_eq!(DevicePath(vec![file("x")]).file(), None);
    }
}
