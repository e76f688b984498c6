//! Faults of the gateway for the proof of the proof (`service::faults`).

use std::sync::Mutex;

use http::header::{HeaderMap, HeaderName};
use service::Places;
use service::faults::{Fault, is_seeded};

use crate::unpoisoned::lock;

/// Whether placeholders are swapped in every header.
pub(crate) fn is_everywhere() -> bool {
    is_seeded(Fault::SwappedAnywhere)
}

/// The places in which placeholders are looked for: every header of the request, where that fault is seeded.
pub(crate) fn everywhere(mut places: Places, headers: &HeaderMap) -> Places {
    if is_everywhere() {
        places.headers.extend(headers.keys().map(ToString::to_string));
    }
    places
}

/// Keeps the last header that was written, where refusals are to say it.
pub(crate) fn note(headers: &HeaderMap, name: &HeaderName) {
    if let Some(value) = headers.get(name).filter(|_| is_seeded(Fault::ValueInError)) {
        *lock(&NOTED) = String::from_utf8_lossy(value.as_bytes()).into_owned();
    }
}

/// What was kept.
pub(crate) fn noted() -> String {
    lock(&NOTED).clone()
}

static NOTED: Mutex<String> = Mutex::new(String::new());
