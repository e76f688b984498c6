//! Where the root key comes from. Today: a file that only its owner can read.
//!
//! What never lives here: what the root key opens.
#![forbid(unsafe_code)]

mod file;

pub use file::{RootKeyError, load, make};
