//! Numbers as INF files write them.

/// Decimal or `0x…`, 32 bits; negative ones are their two's complement.
pub(crate) fn parse(text: &str) -> Option<u32> {
    let text = text.trim();
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match (hex, text.strip_prefix('-')) {
        // "+" would pass from_str_radix.
        (Some(digits), _) if digits.starts_with('+') => None,
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (_, Some(digits)) => digits.parse::<u32>().ok().map(u32::wrapping_neg),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers() {
        assert_eq!(parse(" 0x0001000B "), Some(0x1_000B));
        assert_eq!(parse("12"), Some(12));
        assert_eq!(parse("-1"), Some(u32::MAX));
        assert_eq!(parse("0x100000000"), None);
        assert_eq!(parse("0x+1"), None);
        assert_eq!(parse("12h"), None);
    }
}
