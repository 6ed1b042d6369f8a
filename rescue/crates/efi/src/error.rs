//! Why bytes are no variable of the kind that was expected.

/// What is wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It ends too early.
    #[error("{what} at byte {at} has {expected} bytes, and {found} are left")]
    Short {
        /// What was read.
        what: &'static str,
        /// Where it begins.
        at: usize,
        /// Bytes that it needs.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// A device path's node is shorter than its own header.
    #[error(
        "the device path's node at byte {at} says that it has {found} bytes, expected at least 4"
    )]
    Node {
        /// Where it begins.
        at: usize,
        /// The length it gives.
        found: u16,
    },
    /// `BootOrder` holds numbers of two bytes each.
    #[error("the boot order has {found} bytes, expected an even number")]
    Order {
        /// Its bytes.
        found: usize,
    },
    /// More than a variable can hold.
    #[error("{what} has {found} bytes, expected at most {most}")]
    TooLong {
        /// What.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// Bytes that it may have.
        most: usize,
    },
}
