//! The pages for people: the one on which a value is typed that an agent asked for, and the first one.
//!
//! They work without scripts and have none. What never lives here: a decision (the gateway opens links, counts proofs and binds hosts), a value that goes out
//! again, anything of another site's.

pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod form;
pub(crate) mod home;
pub(crate) mod pages;
mod session;
mod words;
