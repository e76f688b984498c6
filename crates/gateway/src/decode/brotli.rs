//! Brotli (RFC 7932), with windows of up to 16 MiB; larger ones ("large window") are none of HTTP.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{DecodeError, Step};

/// A body in brotli.
pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    is_over: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        let state = BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
        Self { state, is_over: false }
    }
}

impl Brotli {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, DecodeError> {
        if self.is_over {
            return if input.is_empty() { Ok(Step::default()) } else { Err(DecodeError::Followed) };
        }
        let (mut in_left, mut taken) = (input.len(), 0);
        let (mut out_left, mut given, mut given_ever) = (output.len(), 0, 0);
        let state = &mut self.state;
        match BrotliDecompressStream(&mut in_left, &mut taken, input, &mut out_left, &mut given, output, &mut given_ever, state) {
            BrotliResult::ResultSuccess => self.is_over = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultFailure => return Err(DecodeError::Broken),
        }
        Ok(Step { taken, given })
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.is_over
    }
}
