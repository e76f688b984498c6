//! Where the root key comes from: a file that only its owner can read, or a passphrase.
//!
//! What never lives here: what the root key opens.
#![forbid(unsafe_code)]

mod file;
pub mod passphrase;

pub use file::{RootKeyError, load, make, write};
pub use passphrase::{Passphrase, PassphraseError};
