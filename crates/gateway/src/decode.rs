//! Content codings (RFC 9110, section 8.4.1) undone, so that a reply which came compressed can be looked through. It is pushed into here as it comes, and pulled
//! out in pieces of limited size: what is decodable is given at once, and a reply that grows a thousandfold waits for its reader like any other.
//!
//! Whatever is not exactly what its coding says (broken, cut off, followed by something) is an error, after which nothing more may pass.

use bytes::{Buf, Bytes};
use http::header::{CONTENT_ENCODING, HeaderMap};

mod brotli;
mod deflate;
mod gzip;

/// A coding that is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950; by many, RFC 1951 alone.
    Deflate,
    /// RFC 7932.
    Brotli,
}

/// All codings of one body.
pub(crate) struct Decoder {
    /// The outermost first.
    links: Vec<Link>,
    has_begun: bool,
    is_drained: bool,
}

/// One coding, and what has yet to go through it.
struct Link {
    stage: Stage,
    waiting: Bytes,
}

enum Stage {
    Gzip(Box<gzip::Gzip>),
    Deflate(Box<deflate::Deflate>),
    Brotli(Box<brotli::Brotli>),
}

/// What one call of a stage did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    taken: usize,
    given: usize,
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It is not what its coding says.
    #[error("a compressed reply is broken")]
    Broken,
    /// It ended too early.
    #[error("a compressed reply was cut off")]
    CutOff,
    /// Something stands behind its end.
    #[error("something follows a compressed reply")]
    Followed,
}

impl Coding {
    /// The codings of a body with this head, in the order in which they were applied; none where one is not known here, or there are more than
    /// [`CODINGS_MAX`].
    pub(crate) fn of(headers: &HeaderMap) -> Option<Vec<Self>> {
        let mut codings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',').map(str::trim) {
                match name.to_ascii_lowercase().as_str() {
                    "" | "identity" => {}
                    "gzip" | "x-gzip" => codings.push(Self::Gzip),
                    "deflate" => codings.push(Self::Deflate),
                    "br" => codings.push(Self::Brotli),
                    _ => return None,
                }
            }
        }
        (codings.len() <= CODINGS_MAX).then_some(codings)
    }

    /// What undoing it takes at most, in MiB: its window and its tables.
    pub(crate) const fn mib(self) -> u32 {
        match self {
            Self::Gzip | Self::Deflate => 1,
            Self::Brotli => 20,
        }
    }

    fn stage(self) -> Stage {
        match self {
            Self::Gzip => Stage::Gzip(Box::default()),
            Self::Deflate => Stage::Deflate(Box::default()),
            Self::Brotli => Stage::Brotli(Box::default()),
        }
    }
}

impl Decoder {
    /// A decoder of a body to which these codings were applied in this order.
    pub(crate) fn new(codings: &[Coding]) -> Self {
        let links = codings.iter().rev().map(|coding| Link { stage: coding.stage(), waiting: Bytes::new() }).collect();
        Self { links, has_begun: false, is_drained: true }
    }

    /// Takes the next bytes of the body. All that came before has been pulled.
    pub(crate) fn feed(&mut self, bytes: Bytes) {
        self.has_begun |= !bytes.is_empty();
        self.is_drained = false;
        if let Some(first) = self.links.first_mut() {
            first.waiting = bytes;
        }
    }

    /// Whether nothing can be pulled before more was fed.
    pub(crate) const fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// The next decoded bytes, no more than [`PIECE_BYTES`]; fewer where more has to come first.
    ///
    /// # Errors
    /// [`DecodeError`]; nothing may pass any more.
    pub(crate) fn pull(&mut self) -> Result<Vec<u8>, DecodeError> {
        let mut piece = vec![0; PIECE_BYTES];
        let given = pull(&mut self.links, &mut piece)?;
        self.is_drained = given < piece.len();
        piece.truncate(given);
        Ok(piece)
    }

    /// Whether the body may end here. Where nothing of it came, there was nothing to decode.
    ///
    /// # Errors
    /// [`DecodeError::CutOff`]
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        let is_whole = self.links.iter().all(|link| link.waiting.is_empty() && link.stage.is_whole());
        if is_whole || !self.has_begun { Ok(()) } else { Err(DecodeError::CutOff) }
    }
}

/// Fills `out` from the last of these, as far as what was fed goes.
fn pull(links: &mut [Link], out: &mut [u8]) -> Result<usize, DecodeError> {
    let Some((last, before)) = links.split_last_mut() else { return Ok(0) };
    let mut filled = 0;
    while filled < out.len() {
        let step = last.stage.step(&last.waiting, &mut out[filled..])?;
        last.waiting.advance(step.taken);
        filled += step.given;
        if step != Step::default() {
            continue;
        }
        if !last.waiting.is_empty() {
            return Err(DecodeError::Broken);
        }
        let mut more = vec![0; PIECE_BYTES];
        let given = pull(before, &mut more)?;
        more.truncate(given);
        if more.is_empty() {
            break;
        }
        last.waiting = Bytes::from(more);
    }
    Ok(filled)
}

impl Stage {
    /// Decodes as much of `input` as fits into `output`.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, DecodeError> {
        match self {
            Self::Gzip(gzip) => gzip.step(input, output),
            Self::Deflate(deflate) => deflate.step(input, output),
            Self::Brotli(brotli) => brotli.step(input, output),
        }
    }

    /// Whether the coded bytes may end here.
    fn is_whole(&self) -> bool {
        match self {
            Self::Gzip(gzip) => gzip.is_whole(),
            Self::Deflate(deflate) => deflate.is_whole(),
            Self::Brotli(brotli) => brotli.is_whole(),
        }
    }
}

/// Codings upon each other. Hosts apply one; a proxy of theirs may add another.
const CODINGS_MAX: usize = 2;
/// What is decoded at a time.
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
