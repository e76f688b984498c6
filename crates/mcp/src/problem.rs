//! What is wrong with a message of the protocol's, as its sender is told: JSON-RPC errors (section 5.1), each with our own code and no word of what was sent.

use http::StatusCode;
use serde_json::{Value, json};

use crate::server::{NO_SUCH_METHOD, NO_SUCH_RESOURCE, NO_SUCH_TOOL};

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Something in it looks like a value.
    LooksSecret,
    /// A text in it is longer than any that is taken.
    TextTooLong,
    /// No JSON.
    NotJson,
    /// Not of the protocol.
    NotOfProtocol,
    /// Larger than what is read.
    TooLarge,
    /// A header that cannot be read.
    Header,
    /// Not sent by POST.
    Method,
    /// The client takes no such answer.
    NotAcceptable,
    /// Not said to be JSON.
    MediaType,
    /// From a page.
    Origin,
    /// A fault of ours.
    Internal,
}

impl Problem {
    /// What a status of the protocol's own machinery means.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_ACCEPTABLE => Self::NotAcceptable,
            // It says so of JSON that is no message, too; what is not said to be JSON was told so before.
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::FORBIDDEN => Self::Origin,
            StatusCode::METHOD_NOT_ALLOWED => Self::Method,
            other if other.is_client_error() => Self::NotOfProtocol,
            _ => Self::Internal,
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::LooksSecret | Self::TextTooLong | Self::NotJson | Self::NotOfProtocol | Self::Header => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::LooksSecret => "looks_like_secret",
            Self::TextTooLong => "text_too_long",
            Self::NotJson => "body_not_json",
            Self::NotOfProtocol => "not_of_protocol",
            Self::TooLarge => "body_too_large",
            Self::Header => "header_illegal",
            Self::Method => "method_unknown",
            Self::NotAcceptable => "not_acceptable",
            Self::MediaType => "media_type",
            Self::Origin => "origin_refused",
            Self::Internal => "internal",
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::NotJson => -32700,
            Self::LooksSecret | Self::TextTooLong => INVALID_PARAMS,
            Self::Internal => -32603,
            Self::NotOfProtocol | Self::TooLarge | Self::Header | Self::Method | Self::NotAcceptable | Self::MediaType | Self::Origin => {
                INVALID_REQUEST
            }
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::LooksSecret => {
                "the message holds something that looks like a secret's value, so it was not looked at and is kept nowhere; it has been in your context: tell the person to rotate it"
            }
            Self::TextTooLong => {
                "the message holds a text of more than 4000 bytes, so it was not looked at: the longest that is taken is a reason of 1000 characters"
            }
            Self::NotJson => "the message is not JSON: send one JSON-RPC message",
            Self::NotOfProtocol => {
                "the message is not of the protocol: send one JSON-RPC request or notification, with the headers and _meta that its revision asks for"
            }
            Self::TooLarge => "the message is larger than 65536 bytes",
            Self::Header => "one of the protocol's headers cannot be read, or is given more than once",
            Self::Method => "this address takes POST only: there is no stream to open and no session to end",
            Self::NotAcceptable => "the client must take application/json (Accept)",
            Self::MediaType => {
                "the message is not a JSON-RPC message that is said to be JSON: send it with `Content-Type: application/json`"
            }
            Self::Origin => "pages in a browser have no business here",
            Self::Internal => "the message could not be answered: try again, and look at the output of `tightlip up`",
        }
    }

    /// The answer to the message with this number.
    pub(crate) fn message(self, id: Option<Value>) -> Value {
        let error = json!({ "code": self.number(), "message": self.words(), "data": { "code": self.code() } });
        json!({ "jsonrpc": "2.0", "id": id.unwrap_or(Value::Null), "error": error })
    }
}

/// Puts an error of the protocol's own machinery into words of ours. What it says beside its number stays where it is of the protocol's (which revisions and
/// capabilities), and goes where it could be the sender's.
pub(crate) fn reword(message: &mut Value) {
    let Some(error) = message.get_mut("error") else { return };
    let number = error.get("code").and_then(Value::as_i64).unwrap_or(INVALID_REQUEST);
    let said = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let ours = [NO_SUCH_TOOL, NO_SUCH_RESOURCE, NO_SUCH_METHOD].into_iter().find(|ours| *ours == said);
    let words = ours.unwrap_or(match number {
        -32700 => "the message is not JSON: send one JSON-RPC message",
        METHOD_NOT_FOUND => NO_SUCH_METHOD,
        INVALID_PARAMS => "the parameters, or their _meta, are not what the method takes in this revision: tools/list shows the tools' schemas",
        RESOURCE_NOT_FOUND => NO_SUCH_RESOURCE,
        HEADER_MISMATCH => "the protocol's headers do not say what the message says",
        UNSUPPORTED_VERSION => "this server does not speak that revision of the protocol; `supported` lists those that it does",
        MISSING_CAPABILITY => "the client did not say that it can do what this needs",
        -32603 => "the message could not be answered: try again, and look at the output of `tightlip up`",
        _ => "the message is not of the protocol: send one JSON-RPC request or notification, with the headers and _meta that its revision asks for",
    });
    let data = error.get("data").filter(|_| [UNSUPPORTED_VERSION, MISSING_CAPABILITY].contains(&number)).cloned();
    let mut reworded = json!({ "code": number, "message": words });
    if let Some(mut data) = data {
        // A date; whatever else was sent is not said back.
        let is_date = |text: &str| text.len() == "2026-07-28".len() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if data.get("requested").is_some_and(|requested| !requested.as_str().is_some_and(is_date)) {
            data["requested"] = json!("unknown");
        }
        reworded["data"] = data;
    }
    *error = reworded;
}

// JSON-RPC 2.0, section 5.1, and the protocol's own (2025-11-25; 2026-07-28).
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const RESOURCE_NOT_FOUND: i64 = -32002;
const HEADER_MISMATCH: i64 = rmcp::model::ErrorCode::HEADER_MISMATCH.0 as i64;
const UNSUPPORTED_VERSION: i64 = rmcp::model::ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0 as i64;
const MISSING_CAPABILITY: i64 = rmcp::model::ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY.0 as i64;
