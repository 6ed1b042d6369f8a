//! Block devices: sizes, exclusive and direct opening, discarding, zeroing.
