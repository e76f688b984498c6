//! Faults for the proof of the proof: a build for tests behaves wrongly in one way, and `tightlip prove` must find it. No build without the feature `faults` has
//! any of this, and none without debug assertions is made with it.

use std::sync::OnceLock;

#[cfg(not(debug_assertions))]
compile_error!("the feature `faults` is for tests alone: a build that is optimized for use must not have it");

/// A way to behave wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A value goes to every host that the devbox may reach.
    HostUnchecked,
    /// Replies are not scrubbed.
    Unscrubbed,
    /// A placeholder is swapped in every header.
    SwappedAnywhere,
    /// A refusal says the last value that was written.
    ValueInError,
    /// The address that was checked is not the one that is dialled.
    Unpinned,
    /// A row that was rolled back to an older version is opened.
    StaleRow,
}

/// Whether this process was told to behave wrongly in this way.
#[must_use]
pub fn is_seeded(fault: Fault) -> bool {
    static SEEDED: OnceLock<Option<Fault>> = OnceLock::new();
    *SEEDED.get_or_init(|| std::env::var(VARIABLE).ok().and_then(|word| parse(&word))) == Some(fault)
}

/// The fault of a word.
#[must_use]
pub fn parse(word: &str) -> Option<Fault> {
    Some(match word {
        "host-unchecked" => Fault::HostUnchecked,
        "unscrubbed" => Fault::Unscrubbed,
        "swapped-anywhere" => Fault::SwappedAnywhere,
        "value-in-error" => Fault::ValueInError,
        "unpinned" => Fault::Unpinned,
        "stale-row" => Fault::StaleRow,
        _ => return None,
    })
}

/// The variable that names the fault.
pub const VARIABLE: &str = "TIGHTLIP_SEEDED_FAULT";
