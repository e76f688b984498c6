//! What the fuzz targets call: the readers of what devboxes and hosts send, as they are. In no build that is shipped.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Uri};
use service::Candidate;
use tokio::io::{AsyncRead, ReadBuf};
use vault::arm::body::Media;
use vault::arm::query::FoundInQuery;
use vault::{Found, ScrubPlan, Scrubber};

use model::{Host, Refusal};

use crate::decode::{Coding, Decoder};
use crate::greet::{Destination, Scheme, ServerName};
use crate::path::Path;

/// A path's one reading; none where it has many; an error where it is devious.
pub type Reading = Result<Option<String>, Devious>;

/// It could leave the place that it seems to name.
#[derive(Debug, PartialEq, Eq)]
pub struct Devious;

/// See `find::find`.
///
/// # Errors
/// As there.
pub fn find(headers: &HeaderMap, extra: &[String], lookup: impl Fn(&str) -> Result<Candidate, Refusal>) -> Result<Vec<Found>, Refusal> {
    crate::find::find(headers, extra, lookup)
}

/// See `query::find_in`.
///
/// # Errors
/// As there.
pub fn find_in(query: &str, lookup: impl Fn(&str) -> Result<Candidate, Refusal>) -> Result<Vec<FoundInQuery>, Refusal> {
    crate::query::find_in(query, |name| name == "key", lookup)
}

/// See `body::media`.
#[must_use]
pub fn media(headers: &HeaderMap) -> Option<Media> {
    crate::body::media(headers)
}

/// See `path::Path::judge`.
///
/// # Errors
/// For a devious path.
pub fn judge(path: &str) -> Reading {
    reading(Path::judge(path))
}

/// See `greet::greet`.
///
/// # Errors
/// As there.
pub fn greet(parts: &Parts, host: Host, port: u16) -> Result<Reading, Refusal> {
    crate::greet::greet(parts, &Destination { host, port, scheme: Scheme::Https }).map(reading)
}

/// Whom a CONNECT is for.
///
/// # Errors
/// As `proxy::target::of_connect`.
pub fn of_connect(parts: &Parts) -> Result<(Host, u16), Refusal> {
    crate::proxy::target::of_connect(parts)
}

/// Whom a plain request to the proxy is for.
///
/// # Errors
/// As `proxy::target::of_plain`.
pub fn of_plain(uri: &Uri) -> Result<(Host, u16), Refusal> {
    crate::proxy::target::of_plain(uri)
}

/// The bytes of a TLS hello that comes in pieces, and the name that it says; the name is none where it says none or an illegible one. Nothing where it is none.
#[must_use]
pub fn hello(bytes: &[u8], piece: usize) -> Option<(Vec<u8>, Option<Host>)> {
    let mut stream = Pieces { bytes, piece };
    let reading = pin!(crate::splice::read_hello(&mut stream));
    let Poll::Ready(read) = reading.poll(&mut Context::from_waker(Waker::noop())) else { return None };
    let (bytes, said) = read.ok()?;
    match said {
        ServerName::Named(host) => Some((bytes, Some(host))),
        ServerName::Absent | ServerName::Illegible => Some((bytes, None)),
    }
}

/// See `frames::Frames`.
pub struct Frames(crate::frames::Frames);

impl Frames {
    /// A host's frames on their way through a plan.
    #[must_use]
    pub fn new(plan: Arc<ScrubPlan>) -> Self {
        Self(crate::frames::Frames::new(Scrubber::masking(plan)))
    }

    /// None for what no host may send.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.0.feed(bytes).ok()
    }

    /// What was held back.
    pub fn finish(&mut self) -> Vec<u8> {
        self.0.finish()
    }

    /// Goes over to another plan.
    pub fn follow(&mut self, plan: Arc<ScrubPlan>) {
        self.0.follow(plan);
    }
}

/// See `envelopes::Envelopes`: whether a body ends between two messages, in pieces of this length. None for what may not pass.
#[must_use]
pub fn ends_between(body: &[u8], piece: usize) -> Option<bool> {
    let mut envelopes = crate::envelopes::Envelopes::new();
    for piece in body.chunks(piece) {
        envelopes.read(piece).ok()?;
    }
    Some(envelopes.is_between())
}

/// A body decoded as its `Content-Encoding` says, in pieces of this length; none where it is not what that says, or the coding is not known. Of more than
/// [`DECODED_BYTES_MAX`] no more is decoded.
#[must_use]
pub fn decoded(headers: &HeaderMap, body: &[u8], piece: usize) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(&Coding::of(headers)?);
    let mut out = Vec::new();
    for piece in body.chunks(piece) {
        decoder.feed(Bytes::copy_from_slice(piece));
        while !decoder.is_drained() {
            out.extend(decoder.pull().ok()?);
            if out.len() > DECODED_BYTES_MAX {
                return Some(out);
            }
        }
    }
    decoder.end().ok()?;
    Some(out)
}

fn reading(path: Path) -> Reading {
    match path {
        Path::Plain(text) => Ok(Some(text)),
        Path::Loose => Ok(None),
        Path::Devious => Err(Devious),
    }
}

/// Bytes that come so many at a time.
struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (now, later) = self.bytes.split_at(self.piece.min(self.bytes.len()).min(out.remaining()));
        out.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// A few kilobytes may stand for many megabytes.
pub const DECODED_BYTES_MAX: usize = 4 * 1024 * 1024;
