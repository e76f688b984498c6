//! Replies on their way to the devbox: nothing in them passes but through the scrubber.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ALT_SVC, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    TRAILER, TRANSFER_ENCODING,
};
use http::response::Parts;
use http::{Extensions, Method, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use vault::scrub::HEADER_NAME_BYTES_MAX;
use vault::{ScrubPlan, Scrubber};

use model::Refusal;

use crate::charset;
use crate::decode::{Coding, DecodeError, Decoder};
use crate::disguises::{drop_sums, is_disguised, is_sum};
use crate::envelopes::{EnvelopeError, Envelopes};
use crate::headers::strip_hop_by_hop;
use crate::listen::Devbox;
use crate::note::NOTE_HEADER;
use crate::refuse::REFUSAL_HEADER;
use crate::watch::Ticket;
use crate::websocket::dress_agreement;

/// What a devbox receives as a body.
pub(crate) struct ReplyBody(Inner);

enum Inner {
    /// The gateway's own words, or nothing.
    Whole(Bytes),
    /// An upstream's.
    Passing(Box<Passing>),
}

/// A body that is coming from an upstream.
struct Passing {
    body: Incoming,
    /// None: its bytes are its content.
    decoder: Option<Undoing>,
    /// None: there is nothing to look for.
    scrubber: Option<Scrubber>,
    /// Where its messages end, where it has such.
    envelopes: Option<Envelopes>,
    is_cautious: Arc<AtomicBool>,
    plans_set: usize,
    ticket: Ticket,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Pin<Box<Sleep>>,
    idle_limit: Duration,
    /// What comes after the body, scrubbed.
    trailers: Option<HeaderMap>,
    is_over: bool,
}

/// The codings of a body on their way off, and the memory that this takes.
struct Undoing {
    decoder: Decoder,
    _memory: OwnedSemaphorePermit,
}

/// What a body passes on its way; each is none where there is nothing for it to do.
struct Means {
    decoder: Option<Undoing>,
    scrubber: Option<Scrubber>,
    envelopes: Option<Envelopes>,
}

/// A reply that broke off: the devbox's connection is closed before the reply's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenOff {
    #[error("a value that this exchange carries was changed or removed")]
    Revoked,
    #[error("the upstream's reply broke off")]
    Upstream,
    #[error(transparent)]
    Coded(#[from] DecodeError),
    #[error("the upstream's reply stopped coming")]
    Idle,
    #[error(transparent)]
    Messages(#[from] EnvelopeError),
}

/// Turns an upstream's reply into what the devbox receives.
///
/// # Errors
/// [`Refusal::ReplyUnreadable`] where a coding that is not known here hides what is in it, [`Refusal::LimitReached`] where too many are decoded already,
/// [`Refusal::UpgradeUnsupported`] where it changes the protocol.
pub(crate) fn reply(
    response: Response<Incoming>,
    method: &Method,
    ticket: Ticket,
    devbox: &Devbox,
) -> Result<Response<ReplyBody>, Refusal> {
    let (mut parts, body) = response.into_parts();
    if parts.status.is_informational() {
        return Err(Refusal::UpgradeUnsupported);
    }
    let (Some(plan), plans_set) = ticket.live().plan() else { return Err(Refusal::Undecided) };
    let bodiless = *method == Method::HEAD || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let bodiless = bodiless || body.is_end_stream();
    if !bodiless && !plan.is_empty() && is_disguised(parts.status, &parts.headers) {
        return Err(Refusal::ReplyUnreadable);
    }
    let codings = if bodiless { Vec::new() } else { codings(&parts, &plan).ok_or(Refusal::ReplyUnreadable)? };
    if bodiless && !plan.is_empty() && is_coded(&parts) {
        undress(&mut parts.headers);
    }
    let announced: Vec<HeaderValue> = parts.headers.get_all(TRAILER).iter().cloned().collect();
    strip(&mut parts.headers);
    for value in announced {
        parts.headers.append(TRAILER, value);
    }
    parts.version = Version::default();
    scrub_head(&mut parts, &plan);
    let body = if bodiless {
        ReplyBody::whole(Bytes::new())
    } else {
        let decoder = undoing(&codings, devbox)?;
        if decoder.is_some() {
            undress(&mut parts.headers);
        }
        let is_framed = is_framed(&parts.headers);
        // As long as it was.
        let is_masked = is_framed || plan.masks_all();
        let scrubber = (!plan.is_empty()).then(|| if is_masked { Scrubber::masking(plan) } else { Scrubber::new(plan) });
        let is_text = begins(&parts.headers, &CONTENT_TYPE, b"application/grpc-web-text");
        let envelopes = (is_framed && scrubber.is_some()).then(|| if is_text { Envelopes::in_text() } else { Envelopes::new() });
        if scrubber.is_some() && !is_masked {
            parts.headers.remove(CONTENT_LENGTH);
        }
        ReplyBody::passing(body, Means { decoder, scrubber, envelopes }, plans_set, ticket, devbox)
    };
    Ok(Response::from_parts(parts, body))
}

/// Turns a host's agreement to speak WebSocket into what the devbox receives.
///
/// # Errors
/// [`Refusal::Undecided`] where nothing says what must not be in it.
pub(crate) fn agreement(response: &mut Response<Incoming>, ticket: &Ticket) -> Result<Response<ReplyBody>, Refusal> {
    let (Some(plan), _) = ticket.live().plan() else { return Err(Refusal::Undecided) };
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = response.status();
    parts.headers = std::mem::take(response.headers_mut());
    strip(&mut parts.headers);
    scrub_head(&mut parts, &plan);
    dress_agreement(&mut parts.headers);
    Ok(Response::from_parts(parts, ReplyBody::whole(Bytes::new())))
}

/// The codings that have to be undone before the body's bytes are its content; none where they would not be even then. Chunks (RFC 9112, section 7) hyper
/// undoes, and no other coding of the transfer passes. The rest matters only where there is something to look for.
fn codings(parts: &Parts, plan: &ScrubPlan) -> Option<Vec<Coding>> {
    let headers = &parts.headers;
    let plain_transfer = headers.get_all(TRANSFER_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !plain_transfer {
        return None;
    }
    if plan.is_empty() {
        return Some(Vec::new());
    }
    // Messages of gRPC and Connect are compressed one by one, or not at all.
    let is_plain = !is_piece(parts) && keeps_ascii(headers);
    Coding::of(headers).filter(|codings| is_plain && (codings.is_empty() || !is_framed(headers)))
}

/// Whether the body's parts have their lengths written before them.
fn is_framed(headers: &HeaderMap) -> bool {
    [&b"application/grpc"[..], b"application/connect+"].iter().any(|word| begins(headers, &CONTENT_TYPE, word))
}

/// What undoes these codings; none where there are none.
fn undoing(codings: &[Coding], devbox: &Devbox) -> Result<Option<Undoing>, Refusal> {
    if codings.is_empty() {
        return Ok(None);
    }
    let memory = devbox.room.decoding(codings.iter().map(|coding| coding.mib()).sum())?;
    Ok(Some(Undoing { decoder: Decoder::new(codings), _memory: memory }))
}

/// Takes away what is said of the coded bytes. Of a body that is equal byte for byte, no more is said than that it means the same (RFC 9110, section 8.8.1).
fn undress(headers: &mut HeaderMap) {
    drop_sums(headers);
    for name in [CONTENT_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    if let Some(tag) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) {
        match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
            Ok(weak) => headers.insert(ETAG, weak),
            Err(_) => headers.remove(ETAG),
        };
    }
}

/// Whether values would stand in the body as they are looked for. A devbox may ask a host for text in another coding.
fn keeps_ascii(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().all(|value| {
        let named = value.to_str().map(charset::charsets);
        named.is_ok_and(|names| names.iter().all(|name| charset::keeps_ascii(name)))
    })
}

/// Takes away what is between the upstream and us, what only we say, and what has a name that nobody looks through.
fn strip(headers: &mut HeaderMap) {
    if headers.keys().any(is_overlong) {
        let overlong: Vec<HeaderName> = headers.keys().filter(|name| is_overlong(name)).cloned().collect();
        for name in overlong {
            headers.remove(&name);
        }
    }
    strip_hop_by_hop(headers);
    for name in [ALT_SVC, ACCEPT_RANGES, REFUSAL_HEADER, NOTE_HEADER] {
        headers.remove(name);
    }
}

fn is_overlong(name: &HeaderName) -> bool {
    name.as_str().len() > HEADER_NAME_BYTES_MAX
}

/// Whether the body is a piece of another, which may begin or end inside a value. None was asked for in a way that we know, so every partial reply is one, whatever
/// it says of which part; other replies only where they name bytes, since some APIs count their records there.
fn is_piece(parts: &Parts) -> bool {
    let headers = &parts.headers;
    parts.status == StatusCode::PARTIAL_CONTENT
        || begins(headers, &CONTENT_RANGE, b"byte")
        || begins(headers, &CONTENT_TYPE, b"multipart/byteranges")
}

/// Whether a reply without a body speaks of one that would be coded: how long that is would tell how well what an agent had put there goes with a value.
fn is_coded(parts: &Parts) -> bool {
    Coding::of(&parts.headers).is_none_or(|codings| !codings.is_empty()) || is_disguised(parts.status, &parts.headers)
}

/// Whether a value of this header begins with `word`.
fn begins(headers: &HeaderMap, name: &HeaderName, word: &[u8]) -> bool {
    let values = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii_start());
    values.filter_map(|value| value.get(..word.len())).any(|start| start.eq_ignore_ascii_case(word))
}

/// Scrubs the reason phrase, every header's value, and drops what cannot be written after it. A header whose name holds a value is dropped whole.
fn scrub_head(parts: &mut Parts, plan: &ScrubPlan) {
    let reason = parts.extensions.get::<ReasonPhrase>().map(|reason| reason.as_bytes().to_vec());
    parts.extensions = Extensions::new();
    if let Some(reason) = reason
        && let Ok(reason) = ReasonPhrase::try_from(plan.scrub_all(&reason).unwrap_or(reason))
    {
        parts.extensions.insert(reason);
    }
    scrub_headers(&mut parts.headers, plan);
}

fn scrub_headers(headers: &mut HeaderMap, plan: &ScrubPlan) {
    if plan.is_empty() {
        return;
    }
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in names {
        if plan.is_in_name(name.as_str()) || (!plan.masks_all() && is_sum(&name)) {
            headers.remove(&name);
            continue;
        }
        let http::header::Entry::Occupied(mut entry) = headers.entry(&name) else { continue };
        let mut spoilt = false;
        for value in entry.iter_mut() {
            match plan.scrub_all(value.as_bytes()).map(|scrubbed| HeaderValue::from_bytes(&scrubbed)) {
                None => {}
                Some(Ok(scrubbed)) => *value = scrubbed,
                Some(Err(_)) => spoilt = true,
            }
        }
        if spoilt {
            entry.remove();
        }
    }
}

impl ReplyBody {
    /// A body that is known already.
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self(Inner::Whole(bytes))
    }

    fn passing(body: Incoming, means: Means, plans_set: usize, ticket: Ticket, devbox: &Devbox) -> Self {
        let Means { decoder, scrubber, envelopes } = means;
        let idle_limit = devbox.net.timeouts.body_idle;
        let cut: CancellationToken = ticket.cut();
        Self(Inner::Passing(Box::new(Passing {
            body,
            decoder,
            scrubber,
            envelopes,
            is_cautious: Arc::clone(&devbox.is_cautious),
            plans_set,
            ticket,
            cut: Box::pin(cut.cancelled_owned()),
            idle: Box::pin(sleep(idle_limit)),
            idle_limit,
            trailers: None,
            is_over: false,
        })))
    }
}

impl Passing {
    /// The next piece for the devbox.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if self.is_over {
                return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            if self.cut.as_mut().poll(context).is_ready() {
                return Poll::Ready(Some(Err(BrokenOff::Revoked)));
            }
            if let Some(decoded) = self.decoded()? {
                let carried = self.follow_plan()?;
                let piece = self.scrub(carried, decoded);
                if !piece.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                continue;
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                if let Some(piece) = self.between_messages() {
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                ready!(self.idle.as_mut().poll(context));
                return Poll::Ready(Some(Err(BrokenOff::Idle)));
            };
            self.idle.as_mut().reset(Instant::now() + self.idle_limit);
            let carried = self.follow_plan()?;
            let piece = match frame {
                Some(Err(_)) => return Poll::Ready(Some(Err(BrokenOff::Upstream))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if let Some(envelopes) = &mut self.envelopes {
                            envelopes.read(&data)?;
                        }
                        match &mut self.decoder {
                            None => self.scrub(carried, data),
                            Some(undoing) => {
                                undoing.decoder.feed(data);
                                Bytes::from(carried)
                            }
                        }
                    }
                    Err(frame) => {
                        self.end_decoding()?;
                        self.is_over = true;
                        self.trailers = self.scrub_trailers(frame);
                        self.scrub_end(carried)
                    }
                },
                None => {
                    self.end_decoding()?;
                    self.is_over = true;
                    self.scrub_end(carried)
                }
            };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }

    /// What can be decoded of what has come; none where more has to come first.
    fn decoded(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        match &mut self.decoder {
            Some(undoing) if !undoing.decoder.is_drained() => Ok(Some(Bytes::from(undoing.decoder.pull()?))),
            Some(_) | None => Ok(None),
        }
    }

    fn end_decoding(&self) -> Result<(), BrokenOff> {
        self.decoder.as_ref().map_or(Ok(()), |undoing| undoing.decoder.end().map_err(BrokenOff::Coded))
    }

    /// Goes over to a newer plan. What the old scrubber held back is given to the new one first, so that a value whose beginning it held is still whole.
    fn follow_plan(&mut self) -> Result<Vec<u8>, BrokenOff> {
        if self.ticket.live().plans_set() == self.plans_set {
            return Ok(Vec::new());
        }
        let (plan, plans_set) = self.ticket.live().plan();
        self.plans_set = plans_set;
        match (plan, &mut self.scrubber) {
            (Some(plan), Some(old)) => {
                let held_back = old.finish();
                let mut new = old.anew(plan);
                let out = new.feed(&held_back);
                self.scrubber = Some(new);
                Ok(out)
            }
            (Some(plan), None) if plan.is_empty() => Ok(Vec::new()),
            // Its length and coding were passed on as they were: it cannot be scrubbed any more.
            (Some(_) | None, None) | (None, Some(_)) => Err(BrokenOff::Revoked),
        }
    }

    fn scrub(&mut self, mut carried: Vec<u8>, data: Bytes) -> Bytes {
        match &mut self.scrubber {
            None => data,
            Some(scrubber) => {
                let scrubbed = scrubber.feed(&data);
                if carried.is_empty() {
                    return Bytes::from(scrubbed);
                }
                carried.extend_from_slice(&scrubbed);
                Bytes::from(carried)
            }
        }
    }

    /// What is held back of messages that are whole, where nothing more is at hand. Where it begins a value, a message was said to end there so that the value
    /// would come in two pieces. Then neither this nor any later reply to the devbox gives anything before more has come, whatever it is: whoever tries one
    /// guess after the other sees one of them held.
    fn between_messages(&mut self) -> Option<Bytes> {
        let scrubber = self.scrubber.as_mut().filter(|_| self.envelopes.as_ref().is_some_and(Envelopes::may_give))?;
        if self.is_cautious.load(Ordering::Acquire) {
            return None;
        }
        if scrubber.holds_beginning() {
            self.is_cautious.store(true, Ordering::Release);
            tracing::warn!("a host's message ended in the beginning of a value; messages to this devbox come a word late from now on");
            return None;
        }
        Some(Bytes::from(scrubber.finish())).filter(|rest| !rest.is_empty())
    }

    /// Trailers as the devbox may have them. None where it cannot be said what must not be in them.
    fn scrub_trailers(&self, frame: Frame<Bytes>) -> Option<HeaderMap> {
        let mut trailers = frame.into_trailers().ok()?;
        let (plan, _) = self.ticket.live().plan();
        strip(&mut trailers);
        trailers.remove(ETAG);
        scrub_headers(&mut trailers, &*plan?);
        Some(trailers)
    }

    fn scrub_end(&mut self, mut carried: Vec<u8>) -> Bytes {
        if let Some(scrubber) = &mut self.scrubber {
            carried.extend_from_slice(&scrubber.finish());
        }
        Bytes::from(carried)
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut self.0 {
            Inner::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Inner::Passing(passing) => passing.poll_piece(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Passing(passing) if passing.scrubber.is_none() => passing.body.size_hint(),
            Inner::Passing(_) => SizeHint::default(),
        }
    }
}
