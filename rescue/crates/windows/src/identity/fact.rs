//! What a hive says, does not say, or cannot say any more.

use hive::{FileTime, Hive, Value, ValueType};

/// A hive, or why there is none to read.
pub type Source<'h> = Result<&'h Hive, String>;

/// No value read here is longer than this many bytes.
const LONGEST: usize = 64 << 10;

/// Something that a hive may tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// This is so.
    Known(T),
    /// There is no such thing: a machine that is in no domain has no SID of one.
    Absent,
    /// It cannot be told, and why.
    Unknown(String),
}

impl<T> Fact<T> {
    /// It, when it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            _ => None,
        }
    }

    /// Why it is not known, when it is not.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            _ => None,
        }
    }

    pub(super) fn map<U>(self, with: impl FnOnce(T) -> U) -> Fact<U> {
        self.then(|known| Fact::Known(with(known)))
    }

    pub(super) fn then<U>(self, with: impl FnOnce(T) -> Fact<U>) -> Fact<U> {
        match self {
            Self::Known(known) => with(known),
            Self::Absent => Fact::Absent,
            Self::Unknown(why) => Fact::Unknown(why),
        }
    }

    /// What should be there and is not, is not known.
    pub(super) fn or_unknown(self, why: &str) -> Self {
        match self {
            Self::Absent => Self::Unknown(why.to_owned()),
            other => other,
        }
    }

    pub(super) fn from_result<E: ToString>(found: Result<Option<T>, E>) -> Self {
        match found {
            Ok(Some(known)) => Self::Known(known),
            Ok(None) => Self::Absent,
            Err(error) => Self::Unknown(error.to_string()),
        }
    }
}

/// Looks a value up and reads it with `with`; the place of a value that cannot
/// be read is named.
pub(super) fn value<T>(
    source: &Source<'_>,
    path: &str,
    name: &str,
    with: impl FnOnce(&Value<'_>, &[u8]) -> Result<Option<T>, String>,
) -> Fact<T> {
    let hive = match source {
        Ok(hive) => hive,
        Err(why) => return Fact::Unknown(why.clone()),
    };
    let read = || {
        let Some(key) = hive.find(path).map_err(|e| e.to_string())? else {
            return Ok(None);
        };
        let Some(value) = key.value(name).map_err(|e| e.to_string())? else {
            return Ok(None);
        };
        let len = value.data_len();
        if len > LONGEST {
            return Err(format!("it has {len} bytes, expected at most {LONGEST}"));
        }
        with(&value, &value.data().map_err(|e| e.to_string())?)
    };
    let place = match name {
        "" => path.to_owned(),
        _ => format!("{path}\\{name}"),
    };
    Fact::from_result(read().map_err(|why: String| format!("{place}: {why}")))
}

/// The bytes of a value, whatever its type.
pub(super) fn bytes(source: &Source<'_>, path: &str, name: &str) -> Fact<Vec<u8>> {
    value(source, path, name, |_, data| Ok(Some(data.to_vec())))
}

/// The text of a value; an empty one counts as none.
pub(super) fn text(source: &Source<'_>, path: &str, name: &str) -> Fact<String> {
    value(source, path, name, |value, _| {
        let data = value.decode().map_err(|e| e.to_string())?;
        let text = data.text().map(str::trim);
        let text = text.ok_or_else(|| unexpected(value, "text"))?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    })
}

/// The number of a `REG_DWORD` or `REG_QWORD`.
pub(super) fn number(source: &Source<'_>, path: &str, name: &str) -> Fact<u64> {
    value(source, path, name, |value, data| {
        let number = match (value.value_type(), data) {
            (ValueType::DWORD, data) => data.try_into().map(u32::from_le_bytes).map(u64::from),
            (ValueType::QWORD, data) => data.try_into().map(u64::from_le_bytes),
            _ => return Err(unexpected(value, "a number")),
        };
        number.map(Some).map_err(|_| unexpected(value, "a number"))
    })
}

/// The time of a value of 8 bytes; 0 counts as none.
pub(super) fn time(source: &Source<'_>, path: &str, name: &str) -> Fact<FileTime> {
    value(source, path, name, |value, data| match data.try_into() {
        Ok(bytes) => match u64::from_le_bytes(bytes) {
            0 => Ok(None),
            time => Ok(Some(FileTime(time))),
        },
        Err(_) => Err(unexpected(value, "a time of 8 bytes")),
    })
}

fn unexpected(value: &Value<'_>, expected: &str) -> String {
    format!(
        "it is {} of {} bytes, expected {expected}",
        value.value_type(),
        value.data_len()
    )
}
