//! Numbers of load options, and the order in which firmware tries them.

use std::fmt;
use std::str::FromStr;

use crate::{Error, LARGEST};

/// The number of a load option: 3 is `Boot0003`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootNumber(pub u16);

impl fmt::Display for BootNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boot{:04X}", self.0)
    }
}

/// From the name of its variable, which has capitals (UEFI 2.10, 3.1.1).
impl FromStr for BootNumber {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let digits = name.strip_prefix("Boot").ok_or(())?;
        let digit = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        if digits.len() != 4 || !digits.bytes().all(digit) {
            return Err(());
        }
        u16::from_str_radix(digits, 16).map(Self).map_err(|_| ())
    }
}

/// Reads the value of `BootOrder`.
///
/// # Errors
/// [`Error::Order`] for half a number, [`Error::TooLong`] for more than there can be.
pub fn parse_order(bytes: &[u8]) -> Result<Vec<BootNumber>, Error> {
    let found = bytes.len();
    if found > LARGEST {
        return Err(Error::TooLong {
            what: "the boot order",
            found,
            most: LARGEST,
        });
    }
    let (numbers, rest) = bytes.as_chunks::<2>();
    match rest {
        [] => Ok(numbers
            .iter()
            .map(|number| BootNumber(u16::from_le_bytes(*number)))
            .collect()),
        _ => Err(Error::Order { found }),
    }
}

/// The value of `BootOrder`.
#[must_use]
pub fn write_order(order: &[BootNumber]) -> Vec<u8> {
    order.iter().flat_map(|n| n.0.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_four_capital_digits_are_numbers() {
        assert_eq!("Boot00AF".parse(), Ok(BootNumber(0xaf)));
        assert_eq!(BootNumber(0xaf).to_string(), "Boot00AF");
        for name in [
            "Boot00af",
            "Boot0",
            "BootOrder",
            "Boot+0AF",
            "Boot00AF0",
            "Driver0000",
        ] {
            assert!(name.parse::<BootNumber>().is_err(), "{name}");
        }
    }

    #[test]
    fn half_a_number_is_refused() {
        let order = [BootNumber(3), BootNumber(0x2001)];
        assert_eq!(write_order(&order), [3, 0, 1, 0x20]);
        assert_eq!(parse_order(&[3, 0, 1, 0x20]), Ok(order.to_vec()));
        assert_eq!(parse_order(&[3, 0, 1]), Err(Error::Order { found: 3 }));
    }
}
