//! Reading the objects of a store.

use std::collections::BTreeMap;

use hive::{Data, Hive, Key, ValueType};

use super::Error;
use super::device::{DeviceElement, DeviceError};

/// Numbers of elements.
pub mod element {
    /// Where the file of [`PATH`] is.
    pub const DEVICE: u32 = 0x1100_0001;
    /// What is started.
    pub const PATH: u32 = 0x1200_0002;
    /// What the menu shows.
    pub const DESCRIPTION: u32 = 0x1200_0004;
    /// The language.
    pub const LOCALE: u32 = 0x1200_0005;
    /// What is started when it fails.
    pub const RECOVERY: u32 = 0x1400_0008;
    /// Of loaders: where Windows is.
    pub const OS_DEVICE: u32 = 0x2100_0001;
    /// Of loaders: the folder of Windows.
    pub const SYSTEM_ROOT: u32 = 0x2200_0002;
    /// Of the boot manager: what is started unless something else is chosen.
    pub const DEFAULT: u32 = 0x2300_0003;
    /// Of the boot manager: the object that resumes from hibernation.
    pub const RESUME: u32 = 0x2300_0006;
    /// Of the boot manager: the menu.
    pub const DISPLAY_ORDER: u32 = 0x2400_0001;
    /// Of the boot manager: the menu's tools.
    pub const TOOLS: u32 = 0x2400_0010;
    /// Of the boot manager: go on from hibernation.
    pub const ATTEMPT_RESUME: u32 = 0x2600_0005;

    /// Whether the element is a device.
    #[must_use]
    pub const fn is_device(number: u32) -> bool {
        number >> 24 & 0xF == 1
    }
}

/// Types of objects.
pub mod kind {
    /// `{fwbootmgr}`: what the firmware starts.
    pub const FIRMWARE_BOOT_MANAGER: u32 = 0x1010_0001;
    /// `{bootmgr}`.
    pub const BOOT_MANAGER: u32 = 0x1010_0002;
    /// A Windows, also a recovery environment.
    pub const LOADER: u32 = 0x1020_0003;
    /// Resuming from hibernation.
    pub const RESUME: u32 = 0x1020_0004;
    /// The memory test.
    pub const MEMORY_TEST: u32 = 0x1020_0005;
    /// Options of a device, of a ramdisk for one.
    pub const DEVICE_OPTIONS: u32 = 0x3000_0000;
}

/// The well-known GUID of the boot manager.
pub(super) const BOOT_MANAGER_ID: &str = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}";
pub(super) const OBJECTS: &str = "Objects";

/// A boot store, read.
#[derive(Debug, Clone)]
pub struct Store {
    /// The objects, in the order of the hive.
    pub objects: Vec<Object>,
}

/// An object of a store.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its GUID, in braces, as the key is named.
    pub id: String,
    /// Its type, of [`kind`] or another; 0 when it has none.
    pub kind: u32,
    elements: BTreeMap<u32, (ValueType, Vec<u8>)>,
}

impl Store {
    /// Reads the objects. Keys that are named otherwise than in a store are
    /// passed over.
    ///
    /// # Errors
    /// When the hive is damaged or is no boot store.
    pub fn read(hive: &Hive) -> Result<Self, Error> {
        let objects = hive.find(OBJECTS)?.ok_or(Error::NoStore)?;
        let objects = objects.subkeys()?.into_iter().map(|key| Object::read(&key));
        let objects = objects.collect::<Result<_, _>>()?;
        Ok(Self { objects })
    }

    /// The object of this GUID, in braces; letters count without case.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<&Object> {
        let mut objects = self.objects.iter();
        objects.find(|object| object.id.eq_ignore_ascii_case(id))
    }

    /// The Windows boot manager.
    #[must_use]
    pub fn boot_manager(&self) -> Option<&Object> {
        let known = self.object(BOOT_MANAGER_ID);
        known.or_else(|| self.of_kind(kind::BOOT_MANAGER).next())
    }

    /// What is started unless something else is chosen.
    #[must_use]
    pub fn default(&self) -> Option<&Object> {
        self.object(&self.boot_manager()?.text(element::DEFAULT)?)
    }

    /// The objects of a type.
    pub fn of_kind(&self, kind: u32) -> impl Iterator<Item = &Object> {
        self.objects
            .iter()
            .filter(move |object| object.kind == kind)
    }

    /// Recovery environments: loaders that others name as theirs.
    #[must_use]
    pub fn recovery(&self) -> Vec<&Object> {
        let named = |object: &&Object| {
            let sequences = self
                .objects
                .iter()
                .map(|other| other.ids(element::RECOVERY));
            let mut ids = sequences.flatten();
            ids.any(|id| id.eq_ignore_ascii_case(&object.id))
        };
        self.of_kind(kind::LOADER).filter(named).collect()
    }
}

impl Object {
    fn read(key: &Key<'_>) -> Result<Self, Error> {
        let description = key.subkey("Description")?;
        let kind = description.map(|key| key.dword("Type")).transpose()?;
        let mut elements = BTreeMap::new();
        let keys = key
            .subkey("Elements")?
            .map(|key| key.subkeys())
            .transpose()?;
        for key in keys.unwrap_or_default() {
            let number = u32::from_str_radix(&key.name().to_string(), 16);
            if let (Ok(number), Some(value)) = (number, key.value("Element")?) {
                let data = value.data()?.into_owned();
                elements.insert(number, (value.value_type(), data));
            }
        }
        Ok(Self {
            id: key.name().to_string(),
            kind: kind.flatten().unwrap_or_default(),
            elements,
        })
    }

    /// The numbers of its elements.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.elements.keys().copied()
    }

    /// The bytes of an element.
    #[must_use]
    pub fn bytes(&self, number: u32) -> Option<&[u8]> {
        self.elements.get(&number).map(|(_, data)| data.as_slice())
    }

    /// A device.
    #[must_use]
    pub fn device(&self, number: u32) -> Option<Result<DeviceElement, DeviceError>> {
        self.bytes(number).map(DeviceElement::decode)
    }

    /// A text, or the GUID of an object.
    #[must_use]
    pub fn text(&self, number: u32) -> Option<String> {
        let (kind, data) = self.elements.get(&number)?;
        Data::decode(*kind, data).text().map(str::to_owned)
    }

    /// GUIDs of objects; none when the element is not there.
    #[must_use]
    pub fn ids(&self, number: u32) -> Vec<String> {
        let element = self.elements.get(&number);
        let data = element.map(|(kind, data)| Data::decode(*kind, data));
        let lines = data.and_then(|data| data.lines().map(<[String]>::to_vec));
        lines.unwrap_or_default()
    }

    /// Yes or no: one byte, not zero for yes.
    #[must_use]
    pub fn flag(&self, number: u32) -> Option<bool> {
        self.bytes(number)?.first().map(|byte| *byte != 0)
    }

    /// What the menu shows, or the GUID.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.text(element::DESCRIPTION);
        name.unwrap_or_else(|| self.id.clone())
    }

    /// The path of an element's key.
    pub(super) fn element_key(&self, number: u32) -> String {
        format!("{OBJECTS}\\{}\\Elements\\{number:08x}", self.id)
    }
}
