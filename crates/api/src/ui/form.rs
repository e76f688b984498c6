//! What the entry page's form sends: read into memory that is wiped, taken apart without a copy, never repeated.
//!
//! The parser takes what browsers write (WHATWG URL, `application/x-www-form-urlencoded` serializing) and nothing looser: what could be read in two ways is
//! refused.

use axum::body::Body;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use link::agents::EntryProof;
use service::authenticate::ADMIN_KEY_PREFIX;
use service::keys::API_KEY_PREFIX;
use tokio::time::{Instant, timeout_at};
use vault::{SecretValue, ValueError};
use zeroize::Zeroizing;

use crate::bodies::{self, BodyError, Held};
use crate::limits::{BODY_TIME, FORM_BYTES_MAX, PROOF_BYTES_MAX};
use crate::places::Network;
use crate::shares::Shares;

/// A form as it was filled in.
pub(crate) struct Form {
    /// The value, which can be stored.
    pub(crate) value: SecretValue,
    /// How the person shows that they may.
    pub(crate) proof: EntryProof,
    /// The digest of what was shown.
    pub(crate) digest: String,
}

/// Why a form is of no use. Never contains any of it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormError {
    /// Said to be something else than a form.
    #[error("what was sent is not said to be this page's form: fill in the form again")]
    MediaType,
    /// Too large.
    #[error("the value is longer than 65536 bytes: enter a shorter credential, or what it is fetched with")]
    TooLarge,
    /// It did not arrive.
    #[error("the form broke off or took too long on its way: fill it in again")]
    Broken,
    /// Too many at a time.
    #[error("the server reads too many forms at a time: try again in a moment")]
    Busy,
    /// Not the fields of the form, each once, written as browsers write them.
    #[error("what was sent is not what this page's form sends: fill in the form again")]
    Shape,
    /// The value is not UTF-8.
    #[error("the value is not text in UTF-8: encode it, for example in base64, and enter that")]
    NotText,
    /// No value.
    #[error("the value is missing: paste or type it into the first field")]
    ValueMissing,
    /// No proof.
    #[error("the code is missing: `tightlip requests` shows it in your terminal, or enter an API key of your own")]
    ProofMissing,
    /// The admin key.
    #[error(
        "this is the admin key, which is for the gateway alone: enter the code that `tightlip requests` shows, or an API key (tlk_...), and replace the admin \
         key, which has been sent to the wrong process: remove the file gateway/admin-key, then `tightlip down` and `tightlip up`"
    )]
    AdminKey,
}

impl FormError {
    /// The stable code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::MediaType => "media_type",
            Self::TooLarge => "body_too_large",
            Self::Broken => "body_broken",
            Self::Busy => "bodies_full",
            Self::Shape => "body_shape",
            Self::NotText => "value_not_text",
            Self::ValueMissing => "value_missing",
            Self::ProofMissing => "proof_missing",
            Self::AdminKey => "admin_key_refused",
        }
    }
}

/// Reads a form, of which one network may send so many bytes at a time.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    room: &Shares<Option<Network>>,
    from: Option<Network>,
) -> Result<Held, FormError> {
    let bytes_max = body.size_hint().upper().map_or(FORM_BYTES_MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let refused = if !is_form(headers) {
        Some(FormError::MediaType)
    } else if bytes_max > FORM_BYTES_MAX {
        Some(FormError::TooLarge)
    } else {
        None
    };
    if let Some(error) = refused {
        bodies::discard(body).await;
        return Err(error);
    }
    let limit = Instant::now() + BODY_TIME;
    let permits = u32::try_from(bytes_max).expect("less than a megabyte");
    let room = timeout_at(limit, room.take(&from, permits)).await.map_err(|_| FormError::Busy)?;
    let bytes = timeout_at(limit, bodies::gather(body, bytes_max)).await.map_err(|_| FormError::Broken)?;
    Ok(Held::new(bytes.map_err(unread)?, room))
}

fn unread(error: BodyError) -> FormError {
    if error == BodyError::TooLarge { FormError::TooLarge } else { FormError::Broken }
}

/// Takes a form apart.
///
/// # Errors
/// [`FormError`]; the value is wiped.
pub(crate) fn parse(bytes: &[u8]) -> Result<Form, FormError> {
    let [mut value, mut proof, mut digest] = [None, None, None];
    for pair in bytes.split(|byte| *byte == b'&') {
        let at = pair.iter().position(|byte| *byte == b'=').ok_or(FormError::Shape)?;
        let (name, written) = (&pair[..at], &pair[at + 1..]);
        let field = match name {
            b"value" => &mut value,
            b"proof" => &mut proof,
            b"digest" => &mut digest,
            _ => return Err(FormError::Shape),
        };
        if field.replace(written).is_some() {
            return Err(FormError::Shape);
        }
    }
    let (Some(value), Some(proof), Some(digest)) = (value, proof, digest) else { return Err(FormError::Shape) };
    Ok(Form { digest: plain(digest, FormError::Shape)?.to_string(), value: value_of(value)?, proof: proof_of(proof)? })
}

/// The value as it was typed: browsers send line ends as CR LF, whatever they were, and never a CR without its LF (HTML, constructing the entry list). One at the
/// end is a slip of pasting, as on the command line.
fn value_of(written: &[u8]) -> Result<SecretValue, FormError> {
    let mut bytes = decode(written).ok_or(FormError::Shape)?;
    let mut kept = 0;
    for at in 0..bytes.len() {
        if bytes[at] == b'\r' {
            if bytes.get(at + 1) != Some(&b'\n') {
                return Err(FormError::Shape);
            }
            continue;
        }
        bytes[kept] = bytes[at];
        kept += 1;
    }
    bytes.truncate(kept);
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    SecretValue::from_input(std::mem::take(&mut *bytes)).map_err(|error| match error {
        ValueError::Empty => FormError::ValueMissing,
        ValueError::TooLarge => FormError::TooLarge,
        ValueError::NotText => FormError::NotText,
    })
}

/// An API key where it reads like one, the code otherwise.
fn proof_of(written: &[u8]) -> Result<EntryProof, FormError> {
    let proof = plain(written, FormError::Shape)?;
    let proof = proof.trim();
    if proof.is_empty() {
        Err(FormError::ProofMissing)
    } else if proof.starts_with(ADMIN_KEY_PREFIX) {
        Err(FormError::AdminKey)
    } else if proof.starts_with(API_KEY_PREFIX) {
        Ok(EntryProof::Key(proof.to_owned()))
    } else {
        Ok(EntryProof::Code(proof.to_owned()))
    }
}

/// A short field's text.
fn plain(written: &[u8], wrong: FormError) -> Result<Zeroizing<String>, FormError> {
    if written.len() > PROOF_BYTES_MAX {
        return Err(wrong);
    }
    let mut bytes = decode(written).ok_or(wrong)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|_| wrong)
}

/// Undoes the percent-encoding; none where it is not one. The buffer never grows, so that no copy is left behind.
fn decode(written: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(written.len()));
    let mut rest = written;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match first {
            b'%' => {
                let (digits, after) = after.split_first_chunk::<2>()?;
                (hex(digits[0])? << 4 | hex(digits[1])?, after)
            }
            b'+' => (b' ', after),
            // Everything else is encoded (WHATWG URL, the application/x-www-form-urlencoded percent-encode set).
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => (*first, after),
            _ => return None,
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Whether the headers say that a form comes, and nothing else.
fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (named, more) = (types.next(), types.next());
    let named = named.filter(|_| more.is_none()).and_then(|named| named.to_str().ok()).unwrap_or_default();
    named.split(';').next().is_some_and(|named| named.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

#[cfg(test)]
#[path = "form/tests.rs"]
mod tests;
