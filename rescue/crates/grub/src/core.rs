//! GRUB's core image.
//!
//! One sector that loads the rest, a program that unpacks, and what is unpacked: the
//! kernel, and behind it an area of modules with the prefix and the first lines that
//! GRUB executes.

use std::io::{Read, Write};

use lzma_rust2::{EncodeMode, LzmaOptions, LzmaReader, LzmaWriter, MfType};

use crate::bytes::{le_size, le_u32, put};
use crate::kernel::{LINK, flat};
use crate::sector::SECTOR;
use crate::{Error, Result, Set};

/// "gmim": the area of modules begins (include/grub/kernel.h).
const MAGIC: u32 = 0x676d_696d;
/// `grub_module_info32`: the magic number, where the first object is, and all bytes.
const INFO: usize = 12;
/// `grub_module_header`: type and bytes, this header included.
const HEADER: usize = 8;
/// Objects begin at multiples of an address' bytes.
const ALIGN: usize = 4;

/// Fields of lzma_decompress.img (include/grub/offsets.h), in bytes.
mod field {
    pub(super) const COMPRESSED: usize = 0x08;
    pub(super) const UNCOMPRESSED: usize = 0x0c;
    /// Zero: without it, nothing is repaired. (What `grub-bios-setup --no-rs-codes`
    /// leaves.)
    pub(super) const REDUNDANCY: usize = 0x10;
    /// 16 bits; 0xffff in a GRUB of another time (util/setup.c).
    pub(super) const NOT_PROTECTED: usize = 0x14;
}
/// It is loaded here, and has to end where the kernel is linked to.
const DECOMPRESSOR: usize = 0x8200;
/// Everything is loaded below this (util/mkimage.c: the sum is of the kernel's address).
const LOADED_END: usize = 0x78000;

/// The block list of diskboot.img grows from its end down (`grub_pc_bios_boot_blocklist`):
/// the first sector, 8 bytes, how many, 2 bytes, and the segment that they go to.
const LIST: usize = SECTOR - 12;
/// The first sector in it of a core that was put nowhere yet: it is made for sector 1.
const NOWHERE: u64 = 2;
/// `GRUB_BOOT_I386_PC_KERNEL_SEG` and a sector.
const SEGMENT: u16 = 0x820;

/// The parameters that GRUB's decompressor has built in (util/mkimage.c,
/// `compress_kernel_lzma`); the dictionary counts for the one who compresses only.
const LC: u32 = 3;
const LP: u32 = 0;
const PB: u32 = 2;
const DICTIONARY: u32 = 1 << 20;

/// Bytes that a core unpacks to, at most: far more than any has.
const UNPACKED_MOST: usize = 16 << 20;

/// What is in the area of modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A module: an ELF object.
    Module(Vec<u8>),
    /// Commands that are executed first.
    Config(String),
    /// Where the rest of GRUB is, until the commands say otherwise.
    Prefix(String),
    /// Another, by its type.
    Other(u32),
}

/// A core image that is not yet told where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core(Vec<u8>);

impl Core {
    /// Puts one together from the files of `set`: its kernel and the modules `modules`, in
    /// that order, which execute `config` first.
    ///
    /// # Errors
    /// A file is missing or not GRUB 2's, or all together is too large.
    pub fn new(set: &Set, modules: &[&str], prefix: &str, config: &str) -> Result<Self> {
        let mut content = flat(set.get("kernel.img")?)?;
        content.extend(area(set, modules, prefix, config)?);
        if content.len() > UNPACKED_MOST {
            return Err(Error::TooLarge {
                found: content.len(),
                most: UNPACKED_MOST,
            });
        }
        let packed = pack(&content)?;
        let mut core = diskboot(set)?;
        let decompressor = decompressor(set, packed.len(), content.len())?;
        let loaded = decompressor.len().saturating_add(packed.len());
        let most = LOADED_END - LINK;
        if loaded > most {
            return Err(Error::TooLarge {
                found: loaded,
                most,
            });
        }
        core.extend(decompressor);
        core.extend(packed);
        core.resize(core.len().next_multiple_of(SECTOR), 0);
        let sectors = core.len() / SECTOR - 1;
        let sectors = u16::try_from(sectors).unwrap_or(u16::MAX);
        let cut = || unknown("diskboot.img", "its block list");
        put(&mut core, LIST + 8, &sectors.to_le_bytes()).ok_or_else(cut)?;
        Ok(Self(core))
    }

    /// One that `grub-mkimage` has made.
    ///
    /// # Errors
    /// Its block list is not the one of a core that is nowhere yet.
    pub fn made(core: Vec<u8>) -> Result<Self> {
        match crate::bytes::array(&core, LIST) == Some(NOWHERE.to_le_bytes()) {
            true => Ok(Self(core)),
            false => Err(unknown("core.img", "its block list is another")),
        }
    }

    /// Bytes, in whole sectors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: there is a kernel in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is on a disk from sector `first` on.
    #[must_use]
    pub fn at(mut self, first: u64) -> Vec<u8> {
        let second = first.saturating_add(1).to_le_bytes();
        // (It has a block list: `new` put the length there.)
        let _ = put(&mut self.0, LIST, &second);
        self.0
    }

    /// The kernel and the objects of a core image as it is on a disk; `boots` are the bytes of its
    /// program that unpacks, which no field tells.
    ///
    /// # Errors
    /// It is none, or damaged.
    pub fn read(core: &[u8], decompressor: usize) -> Result<(Vec<u8>, Vec<Object>)> {
        let program = core.get(SECTOR..).unwrap_or_default();
        let field = |at| le_size(program, at);
        let sizes = field(field::COMPRESSED).zip(field(field::UNCOMPRESSED));
        let cut = || unknown("core.img", "it is cut short");
        let (packed, unpacked) = sizes.ok_or_else(cut)?;
        let unpacked = Some(unpacked).filter(|len| *len <= UNPACKED_MOST);
        let unpacked = unpacked.ok_or_else(|| unknown("core.img", "it unpacks to too much"))?;
        let packed = program
            .get(decompressor..)
            .and_then(|rest| rest.get(..packed));
        let content = unpack(packed.ok_or_else(cut)?, unpacked)?;
        let magic = MAGIC.to_le_bytes();
        // (Aligned as the kernel's data are, and the last one: the kernel has the number, too.)
        let info = content.windows(INFO).enumerate().rev();
        let mut info = info.filter(|(at, info)| {
            let size = le_size(info, 8);
            info.starts_with(&magic) && size == Some(content.len().saturating_sub(*at))
        });
        let none = || unknown("core.img", "it has no modules");
        let (at, _) = info.next().ok_or_else(none)?;
        let (kernel, area) = content.split_at_checked(at).ok_or_else(none)?;
        Ok((kernel.to_vec(), objects(area)?))
    }
}

fn unknown(file: &'static str, what: &str) -> Error {
    Error::Unknown {
        file,
        what: what.to_owned(),
    }
}

/// The objects, with the header before them.
fn area(set: &Set, modules: &[&str], prefix: &str, config: &str) -> Result<Vec<u8>> {
    /// Values of an enumeration in include/grub/kernel.h.
    const ELF: u32 = 0;
    const CONFIG: u32 = 2;
    const PREFIX: u32 = 3;
    let mut area = vec![0; INFO];
    let mut add = |kind: u32, bytes: &[u8]| {
        let padded = bytes.len().next_multiple_of(ALIGN);
        let size = u32::try_from(padded.saturating_add(HEADER)).unwrap_or(u32::MAX);
        area.extend(kind.to_le_bytes());
        area.extend(size.to_le_bytes());
        area.extend(bytes);
        area.resize(area.len().next_multiple_of(ALIGN), 0);
    };
    for name in modules {
        let file = format!("{name}.mod");
        let module = set.get(&file)?;
        if !module.starts_with(b"\x7fELF\x01") {
            return Err(unknown("module", &format!("{file} is no ELF of 32 bits")));
        }
        add(ELF, module);
    }
    for (kind, text) in [(CONFIG, config), (PREFIX, prefix)] {
        if text.contains('\0') {
            return Err(Error::Text(text.to_owned()));
        }
        add(kind, &[text.as_bytes(), &[0]].concat());
    }
    let size = u32::try_from(area.len()).unwrap_or(u32::MAX);
    let offset = u32::try_from(INFO).unwrap_or_default();
    let info = [MAGIC, offset, size].map(u32::to_le_bytes).concat();
    put(&mut area, 0, &info).ok_or_else(|| unknown("core.img", "it is cut short"))?;
    Ok(area)
}

fn objects(area: &[u8]) -> Result<Vec<Object>> {
    let cut = || unknown("core.img", "its modules are cut short");
    let mut at = le_size(area, 4).ok_or_else(cut)?;
    let mut found = Vec::new();
    while at < area.len() {
        let kind = le_u32(area, at).ok_or_else(cut)?;
        let size = at.checked_add(4).and_then(|at| le_size(area, at));
        let size = size.filter(|size| *size >= HEADER).ok_or_else(cut)?;
        let end = at.checked_add(size).ok_or_else(cut)?;
        let bytes = area.get(at..end).and_then(|object| object.get(HEADER..));
        let bytes = bytes.ok_or_else(cut)?;
        let text = || {
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        };
        found.push(match kind {
            0 => Object::Module(bytes.to_vec()),
            2 => Object::Config(text()),
            3 => Object::Prefix(text()),
            other => Object::Other(other),
        });
        at = end.checked_next_multiple_of(ALIGN).ok_or_else(cut)?;
    }
    Ok(found)
}

/// The sector that loads the rest.
fn diskboot(set: &Set) -> Result<Vec<u8>> {
    const FILE: &str = "diskboot.img";
    let bytes = set.get(FILE)?;
    if bytes.len() != SECTOR {
        return Err(Error::Size {
            file: FILE,
            found: bytes.len(),
            expected: "512",
        });
    }
    let list = [&NOWHERE.to_le_bytes()[..], &[0; 2], &SEGMENT.to_le_bytes()].concat();
    match bytes.ends_with(&list) {
        true => Ok(bytes.to_vec()),
        false => Err(unknown(FILE, "its block list is another")),
    }
}

/// The program that unpacks, told the sizes.
fn decompressor(set: &Set, packed: usize, unpacked: usize) -> Result<Vec<u8>> {
    const FILE: &str = "lzma_decompress.img";
    let mut bytes = set.get(FILE)?.to_vec();
    if bytes.len() > LINK - DECOMPRESSOR {
        return Err(Error::Size {
            file: FILE,
            found: bytes.len(),
            expected: "at most 3584",
        });
    }
    let own = crate::bytes::le_u16(&bytes, field::NOT_PROTECTED).map(usize::from);
    if own.is_none_or(|own| own > bytes.len()) {
        return Err(unknown(FILE, "it is of another version"));
    }
    let number = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    put(&mut bytes, field::COMPRESSED, &number(packed))
        .and_then(|()| put(&mut bytes, field::UNCOMPRESSED, &number(unpacked)))
        .and_then(|()| put(&mut bytes, field::REDUNDANCY, &number(0)))
        .ok_or_else(|| unknown(FILE, "it is cut short"))?;
    Ok(bytes)
}

/// As GRUB unpacks it: no header, no mark at the end.
fn pack(content: &[u8]) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::Compression(e.to_string());
    let options = LzmaOptions {
        dict_size: DICTIONARY,
        lc: LC,
        lp: LP,
        pb: PB,
        mode: EncodeMode::Normal,
        nice_len: LzmaOptions::NICE_LEN_MAX,
        mf: MfType::Bt4,
        depth_limit: 0,
        preset_dict: None,
    };
    let writer = LzmaWriter::new_no_header(Vec::new(), &options, false);
    let mut writer = writer.map_err(failed)?;
    writer.write_all(content).map_err(failed)?;
    let packed = writer.finish().map_err(failed)?;
    match unpack(&packed, content.len())? == content {
        true => Ok(packed),
        false => Err(Error::Compression(
            "it unpacks to something else".to_owned(),
        )),
    }
}

fn unpack(packed: &[u8], len: usize) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::Compression(e.to_string());
    let expected = len as u64;
    let reader = LzmaReader::new(packed, expected, LC, LP, PB, DICTIONARY, None);
    let mut content = Vec::new();
    let reader = reader.map_err(failed)?;
    let read = reader.take(expected).read_to_end(&mut content);
    match read.map_err(failed)? == len {
        true => Ok(content),
        false => Err(Error::Compression("it ends too early".to_owned())),
    }
}
