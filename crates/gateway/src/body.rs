//! Values in a request's body. Only a request that a binding for bodies covers is held until it is whole, up to a limit; every other body streams and is not
//! looked at.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vault::ArmError;
use vault::arm::body::{Media, arm_body, tokens_in};

use model::limits::ARMED_BODY_BYTES_MAX;
use model::{Refusal, Spot, Token};

use crate::charset::charsets;
use crate::coming::Coming;
use crate::disguises::drop_sums;
use crate::exchange::{Ask, resolve, settle};
use crate::listen::Devbox;
use crate::upstream::{RequestBody, Whole};

/// A request's body of which nothing, or not all, was read.
pub(crate) struct Unread {
    body: Coming,
    version: Version,
    /// Whether the client has yet to be asked for it (RFC 9110, section 10.1.1).
    sender_waits: bool,
}

impl Unread {
    /// The body of the request with this head.
    pub(crate) fn new(body: Incoming, head: &Parts) -> Self {
        Self { body: Coming::new(body, head.version), version: head.version, sender_waits: head.headers.contains_key(EXPECT) }
    }
}

/// The body as it goes to the upstream: with values in the places of those of `tokens` that stand in it, and framed anew; or streaming as it comes, where
/// there are none or nothing says how a value would be written.
///
/// # Errors
/// [`Refusal::BodyTooLarge`] and [`Refusal::BodyUnreadable`] where a token may stand in what is not looked through; the refusal of a token that does stand
/// there; [`Refusal::RequestMalformed`] where the body breaks off. What was not read stays in `left`.
pub(crate) async fn write_body(
    ask: &Arc<Ask>,
    headers: &mut HeaderMap,
    left: &mut Option<Unread>,
    tokens: Vec<Token>,
    cut: CancellationToken,
) -> Result<RequestBody, Refusal> {
    let Some(unread) = left else { return Err(Refusal::Undecided) };
    let (Some(media), false) = (media(headers), tokens.is_empty() || unread.body.is_end_stream()) else {
        return left.take().map(|unread| RequestBody::new(unread.body, cut)).ok_or(Refusal::Undecided);
    };
    if headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::BodyUnreadable);
    }
    if unread.body.size_hint().lower() > ARMED_BODY_BYTES_MAX as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let room = Arc::clone(&ask.devbox.bodies).acquire_owned().await.map_err(|_| Refusal::Undecided)?;
    unread.sender_waits = false;
    let mut whole = read(ask, &mut unread.body, room).await?;
    let asked = Arc::clone(ask);
    let decide = move || {
        if let Some(armed) = armed(&asked, media, &whole.data, &tokens)? {
            whole.data = armed;
            return Ok((whole, true));
        }
        Ok((whole, false))
    };
    let (whole, is_armed) = ask.devbox.blocking(decide).await.unwrap_or(Err(Refusal::Undecided))?;
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.data.len()));
    if is_armed {
        drop_sums(headers);
    }
    Ok(RequestBody::whole(whole, cut))
}

/// A body as a whole, where it is no longer than this; none where it is.
///
/// # Errors
/// [`Refusal::RequestMalformed`] where it breaks off, [`Refusal::LimitReached`] where it does not come.
pub(crate) async fn read_message(devbox: &Devbox, left: &mut Option<Unread>, bytes_max: usize) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(unread) = left else { return Err(Refusal::Undecided) };
    if unread.body.size_hint().lower() > bytes_max as u64 {
        return Ok(None);
    }
    let _room = Arc::clone(&devbox.bodies).acquire_owned().await.map_err(|_| Refusal::Undecided)?;
    unread.sender_waits = false;
    let mut message = Vec::new();
    loop {
        let next = poll_fn(|context| Pin::new(&mut unread.body).poll_frame(context));
        let frame = timeout(MESSAGE_WAIT, next).await.map_err(|_| Refusal::LimitReached)?;
        let Some(frame) = frame else { return Ok(Some(message)) };
        let Ok(data) = frame.map_err(|_| Refusal::RequestMalformed)?.into_data() else { continue };
        if message.len() + data.len() > bytes_max {
            return Ok(None);
        }
        message.extend_from_slice(&data);
    }
}

/// How values are written into a body of this type; none where nothing says how, in bodies of more than one type, and in text that is not UTF-8: a host would
/// read a value in it as other characters, and say those back. The agent writes the type too, so one that two readers could take for two types is none: with a
/// quoted parameter, more than one word of a coding, or a name that a reader of forms or of parts could take for its own.
pub(crate) fn media(headers: &HeaderMap) -> Option<Media> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else { return None };
    let one = one.to_str().ok()?.to_ascii_lowercase();
    let (name, parameters) = one.split_once(';').unwrap_or((&one, ""));
    let says_charset = parameters.matches("charset").count();
    let is_utf8 = || matches!(&charsets(&one)[..], [name] if ["utf-8", "utf8", "us-ascii"].contains(&name.as_str()));
    let is_plain = match says_charset {
        0 => !parameters.contains(['"', '\'', '\\']),
        1 => !parameters.replace("\"utf-8\"", "utf-8").contains(['"', '\'', '\\']) && is_utf8(),
        _ => false,
    };
    match name.trim_end() {
        _ if !is_plain => None,
        "application/json" => Some(Media::Json),
        FORM => Some(Media::Form),
        other => {
            let structured = other.strip_prefix("application/")?.strip_suffix("+json")?;
            (!OTHER_READERS.iter().any(|word| structured.contains(word))).then_some(Media::Json)
        }
    }
}

/// All of a body.
async fn read(ask: &Ask, body: &mut Coming, room: OwnedSemaphorePermit) -> Result<Whole, Refusal> {
    let (mut data, mut trailers) = (Vec::new(), None);
    loop {
        let next = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        let frame = timeout(ask.devbox.net.timeouts.body_idle, next).await.map_err(|_| Refusal::LimitReached)?;
        let Some(frame) = frame else { return Ok(Whole { data: Bytes::from(data), trailers, _room: room }) };
        match frame.map_err(|_| Refusal::RequestMalformed)?.into_data() {
            Ok(piece) if data.len() + piece.len() > ARMED_BODY_BYTES_MAX => return Err(Refusal::BodyTooLarge),
            Ok(piece) => data.extend_from_slice(&piece),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
}

/// Reads what a refused client of HTTP/1.1 goes on sending, up to a limit, and keeps none of it: otherwise the connection would be cut under it before it has
/// read why. Over HTTP/2 its stream is told to stop; and who waits to be asked sends nothing, so that connection ends.
pub(crate) fn discard(left: Option<Unread>) {
    let comes = |left: &Unread| left.version <= Version::HTTP_11 && !left.sender_waits && !left.body.is_end_stream();
    let Some(Unread { mut body, .. }) = left.filter(comes) else { return };
    let all = async move {
        let mut bytes_left = DISCARDED_BYTES_MAX;
        while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let Some(fewer) = bytes_left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            bytes_left = fewer;
        }
    };
    tokio::spawn(timeout(DISCARD_TIME, all));
}

/// The body with its values; none where no token stands in it. Waits for the databases.
fn armed(ask: &Ask, media: Media, data: &[u8], tokens: &[Token]) -> Result<Option<Bytes>, Refusal> {
    // Text of another coding, whatever its type says.
    if data.contains(&0) || std::str::from_utf8(data).is_err() {
        return Ok(None);
    }
    let mut values = Vec::new();
    for token in tokens_in(media, data, tokens) {
        ask.note_in_body(&token);
        let armed = resolve(ask, &token, Spot::Body)?;
        values.push((token, armed.value));
    }
    if values.is_empty() {
        return Ok(None);
    }
    settle(ask)?;
    let armed = arm_body(media, data, &values).map_err(|error| match error {
        ArmError::TooLarge => Refusal::BodyTooLarge,
        ArmError::Unfit | ArmError::TokenAbsent => Refusal::Undecided,
    })?;
    Ok(Some(Bytes::from_owner(armed)))
}

const FORM: &str = "application/x-www-form-urlencoded";
/// What hosts look for anywhere in a type's name, and then read it as something else.
const OTHER_READERS: [&str; 5] = ["urlencoded", "multipart", "form-data", "www-form", "xml"];
/// Between two pieces of a message to the gateway itself: its sender has it whole.
const MESSAGE_WAIT: Duration = Duration::from_secs(20);
/// Of one devbox at a time: each may be as large as the limit.
pub(crate) const BODIES_MAX: usize = 16;
/// Of a body that was refused: more than that and the client sees a broken connection.
const DISCARDED_BYTES_MAX: usize = 256 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_json_or_a_form_is_not_looked_at() {
        let of = |types: &[&'static str]| media(&types.iter().map(|text| (CONTENT_TYPE, HeaderValue::from_static(text))).collect());
        for types in [
            &[][..],
            &["text/plain"],
            &["multipart/form-data; boundary=x"],
            &["application/jsonp"],
            &["text/xml; application/json"],
            &["application/json", "application/json"],
            &["application/grpc"],
            &["application/x-urlencoded+json"],
            &["x/urlencoded+json"],
            &["multipart/form-data+json; boundary=x"],
            &["application/json; charset=utf-16le"],
            &["application/json; x=\"; charset=utf-8; y=\"; charset=utf-16le"],
            &["application/json; x=\"; charset=utf-8; y=\"; Charset*=utf-16le"],
            &["application/json; charset=utf-8; charset=utf-8"],
            &["application/json; charset*=utf-16le"],
            &["application/json; x=\"y\""],
            &["application/json; charset"],
            &["  application/json"],
        ] {
            assert_eq!(of(types), None, "{types:?}");
        }
        for text in [
            "application/json",
            "Application/JSON ; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; odata.metadata=minimal",
            "application/vnd.api+json",
            "application/vnd.platform.context+json",
        ] {
            assert_eq!(of(&[text]), Some(Media::Json), "{text}");
        }
        assert_eq!(of(&["application/x-www-form-urlencoded; charset=UTF-8"]), Some(Media::Form));
    }
}
