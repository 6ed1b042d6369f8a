//! What one site puts into a finished medium: configuration, keys and
//! certificates. All of it is data: nothing in it is ever executed.
//!
//! Written by `imagebuilder customize`, read by the rescue system at its start.
#![forbid(unsafe_code)]
