//! Canaries: values planted only to be searched for, in every form in which a value could come back.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A planted value and the search for it.
pub struct Canary {
    value: String,
    windows: HashSet<[u8; WINDOW_BYTES]>,
}

impl Canary {
    /// A canary with this value, which should be random and at least 32 characters long.
    #[must_use]
    pub fn new(value: String) -> Self {
        let windows = forms(value.as_bytes()).iter().flat_map(|form| windows(form).collect::<Vec<_>>()).collect();
        Self { value, windows }
    }

    /// A canary of random letters and digits behind `prefix`, 40 characters in all.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn make(prefix: &str) -> anyhow::Result<Self> {
        let mut random = [0_u8; 64];
        getrandom::fill(&mut random)?;
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let tail = random
            .iter()
            .filter(|byte| usize::from(**byte) < letters.len() * 4)
            .map(|byte| char::from(letters[usize::from(*byte) % letters.len()]));
        let value: String = prefix.chars().chain(tail).take(CANARY_CHARS).collect();
        Ok(Self::new(value))
    }

    /// The planted value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether `bytes` hold eight bytes in a row of the value or of one of its encodings.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        windows(bytes).any(|window| self.windows.contains(&window))
    }
}

fn windows(bytes: &[u8]) -> impl Iterator<Item = [u8; WINDOW_BYTES]> + '_ {
    bytes.windows(WINDOW_BYTES).filter_map(|window| window.try_into().ok())
}

/// The value raw, backwards-compatible encodings of it, and those again in base64.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let hex_lower: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = value.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut forms = vec![
        value.to_vec(),
        hex_lower.to_uppercase().into_bytes(),
        hex_lower.into_bytes(),
        percent.to_lowercase().into_bytes(),
        percent.into_bytes(),
    ];
    for offset in 0..3 {
        let padded: Vec<u8> = std::iter::repeat_n(b'\0', offset).chain(value.iter().copied()).collect();
        for text in [STANDARD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            // The first and last characters depend on the neighbours; what lies between is the value's alone.
            let from = usize::from(offset > 0) * 4;
            let to = text.len().saturating_sub(4);
            forms.push(text.as_bytes().get(from..to).unwrap_or_default().to_vec());
        }
    }
    forms
}

const WINDOW_BYTES: usize = 8;
const CANARY_CHARS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form_and_in_nothing_else() {
        let canary = Canary::make("ghp_").expect("randomness");
        let value = canary.value().to_owned();
        assert_eq!(value.len(), CANARY_CHARS);
        let basic = STANDARD.encode(format!("x-access-token:{value}"));
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [value.clone(), format!("a{value}b"), basic, hex, value[10..18].to_owned()] {
            assert!(canary.is_in(text.as_bytes()));
        }
        let other = Canary::make("ghp_").expect("randomness");
        assert!(!canary.is_in(other.value().as_bytes()) && !canary.is_in(b"") && !canary.is_in(&value.as_bytes()[..7]));
    }
}
