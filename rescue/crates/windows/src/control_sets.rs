//! `SYSTEM\ControlSetNNN`: `CurrentControlSet` is none of them, and exists only
//! while Windows runs. An edit goes into every one.

use hive::{Hive, Result};

/// The names of the control sets, such as `ControlSet001`.
///
/// # Errors
/// When the hive is damaged.
pub fn all(hive: &Hive) -> Result<Vec<String>> {
    let keys = hive.root()?.subkeys()?;
    let names = keys.iter().map(|key| key.name().to_string());
    Ok(names.filter(|name| is_one(name)).collect())
}

fn is_one(name: &str) -> bool {
    let Some((head, number)) = name.split_at_checked("ControlSet".len()) else {
        return false;
    };
    let digits = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    head.eq_ignore_ascii_case("ControlSet") && digits
}

/// The one that Windows is going to use.
///
/// # Errors
/// [`hive::Error::NoSuchKey`] when there is none; or when the hive is damaged.
pub fn current(hive: &Hive) -> Result<String> {
    let number = hive.key("Select")?.dword("Current")?.unwrap_or(1);
    let name = format!("ControlSet{number:03}");
    hive.key(&name)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn names() {
        let is_one = super::is_one;
        assert!(is_one("ControlSet001") && is_one("CONTROLSET123"));
        assert!(
            !is_one("CurrentControlSet") && !is_one("ControlSet01") && !is_one("ControlSet00a")
        );
    }
}
