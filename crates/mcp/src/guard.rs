//! The guard before everything: a message in which something looks like a value goes no further as it is. It runs on the bytes that came, before the protocol's own
//! machinery sees them, since that keeps and repeats what it reads.

use model::RequestId;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::limits::{HEADER_BYTES_MAX, TEXT_BYTES_MAX};
use crate::problem::Problem;
use crate::tool::Tool;
use crate::twice::names_a_member_twice;

/// What is to be done with a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing in it looks like a value.
    Clean(Value),
    /// A call of a tool, without anything that it came with but what the protocol needs: the tool says why.
    Emptied(Value),
    /// Anything else: it is answered at once with this, under this number where it has one.
    Refused(Problem, Option<Value>),
    /// A message that wants no answer.
    Dropped,
    /// No message at all.
    Illegible,
}

/// Why a text goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It looks like a value.
    Secret,
    /// It is longer than any that is taken, so it was not looked at.
    TooLong,
}

/// Looks through a message. Work for a thread that may take its time: it grows with the message.
pub(crate) fn judge(bytes: &[u8]) -> Verdict {
    let Ok(message) = serde_json::from_slice::<Value>(bytes) else { return Verdict::Illegible };
    // A list of messages, which no revision that is spoken here has, or a bare value.
    let Value::Object(mut object) = message else {
        let problem = in_value(&message).map_or(Problem::NotOfProtocol, Problem::from);
        return Verdict::Refused(problem, None);
    };
    if names_a_member_twice(bytes) {
        return Verdict::Refused(doubt_of_message(&object).map_or(Problem::NotOfProtocol, Problem::from), None);
    }
    let Some(doubt) = doubt_of_message(&object) else { return Verdict::Clean(Value::Object(object)) };
    let id = object.remove("id").filter(is_plain_id);
    let method = object.get("method").and_then(Value::as_str);
    match (id, method) {
        (Some(id), Some("tools/call")) => Verdict::Emptied(emptied(id, &object, doubt)),
        (None, Some(_)) => Verdict::Dropped,
        (id, _) => Verdict::Refused(doubt.into(), id),
    }
}

/// Whether a header of the protocol's may be read.
pub(crate) fn is_plain_header(value: &[u8]) -> bool {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= HEADER_BYTES_MAX);
    text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && !looks_secret(text))
}

/// Why a call's arguments go no further; also of a call that was emptied here. Once more, where they are used: every way in must have a guard, and one that had none
/// would be noticed here.
pub(crate) fn doubt(arguments: &JsonObject) -> Option<Doubt> {
    let marked = [Doubt::Secret, Doubt::TooLong].into_iter().find(|doubt| arguments.contains_key(doubt.mark()));
    marked.or_else(|| in_object(arguments))
}

/// A client's own numbers and words (`id`, `_meta`, who it is) are not looked at: they are random as they should be, and reach nobody but the client.
fn doubt_of_message(message: &JsonObject) -> Option<Doubt> {
    message.iter().find_map(|(key, value)| match key.as_str() {
        "id" | "jsonrpc" => None,
        "params" => in_params(value),
        _ => in_text(key).or_else(|| in_value(value)),
    })
}

fn in_params(params: &Value) -> Option<Doubt> {
    let Value::Object(params) = params else { return in_value(params) };
    params.iter().find_map(|(key, value)| match key.as_str() {
        "_meta" | "clientInfo" | "capabilities" | "protocolVersion" => None,
        _ => in_text(key).or_else(|| in_value(value)),
    })
}

fn in_value(value: &Value) -> Option<Doubt> {
    match value {
        Value::Null | Value::Bool(_) => None,
        // A number has no alphabet, and the longest that a tool takes has three digits.
        Value::Number(number) => (number.to_string().len() > NUMBER_DIGITS_MAX).then_some(Doubt::Secret),
        Value::String(text) => in_text(text),
        Value::Array(values) => values.iter().find_map(in_value),
        Value::Object(object) => in_object(object),
    }
}

fn in_object(object: &JsonObject) -> Option<Doubt> {
    object.iter().find_map(|(key, value)| in_text(key).or_else(|| in_value(value)))
}

fn in_text(text: &str) -> Option<Doubt> {
    match text.len() {
        0..=TEXT_BYTES_MAX => looks_secret(text).then_some(Doubt::Secret),
        _ => Some(Doubt::TooLong),
    }
}

/// A request's id is random and ours, and no secret.
fn looks_secret(text: &str) -> bool {
    text.parse::<RequestId>().is_err() && model::looks_like_secret(text)
}

fn is_plain_id(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= HEADER_BYTES_MAX,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The call with nothing of its own but the tool, where that is one of ours, and what the protocol says of itself.
fn emptied(id: Value, message: &JsonObject, doubt: Doubt) -> Value {
    let params = message.get("params").and_then(Value::as_object);
    let tool = params.and_then(|params| params.get("name")).and_then(Value::as_str).and_then(Tool::find);
    let meta = params.and_then(|params| params.get("_meta")).cloned();
    let mut emptied = json!({ "name": tool.map_or(Tool::ListSecrets, |tool| tool).name(), "arguments": { doubt.mark(): true } });
    if let Some(meta) = meta {
        emptied["_meta"] = meta;
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": emptied })
}

impl Doubt {
    /// No tool has such an argument. Whoever sends it is told what whoever sends such a text is told.
    const fn mark(self) -> &'static str {
        match self {
            Self::Secret => "looks_like_secret",
            Self::TooLong => "text_too_long",
        }
    }
}

impl From<Doubt> for Problem {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Secret => Self::LooksSecret,
            Doubt::TooLong => Self::TextTooLong,
        }
    }
}

/// A time in milliseconds, with room.
const NUMBER_DIGITS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = "ghp_abcdEFGH1234ijklMNOP5678qrstUVWX90yz";

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _either = judge(&bytes);
        }

        #[test]
        fn a_value_is_found_in_whatever_stands_around_it(
            before in "[ -~]{0,20} ", after in " [ -~]{0,20}", depth in 0_usize..20, as_key in any::<bool>(),
        ) {
            let text = format!("{before}{VALUE}{after}");
            let mut place = if as_key { json!({ text: 1 }) } else { json!(text) };
            for level in 0..depth {
                place = if level % 2 == 0 { json!([place]) } else { json!({ "x": place }) };
            }
            let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "how_to_use", "arguments": { "name": place } } });
            let Verdict::Emptied(emptied) = judge(call.to_string().as_bytes()) else { panic!("let through") };
            prop_assert!(!emptied.to_string().contains("abcdEFGH") && emptied["params"]["name"] == "how_to_use");
        }
    }

    #[test]
    fn a_clients_own_numbers_and_words_pass() {
        let uuid = "550e8400-e29b-41d4-a716-446655440000";
        for message in [
            json!({ "jsonrpc": "2.0", "id": uuid, "method": "tools/list", "params": { "_meta": { "progressToken": uuid } } }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "clientInfo": { "name": uuid }, "capabilities": { uuid: {} } } }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "request_status", "arguments": { "id": "req_0UHQpqQ3K0m7W2xT5yBcD" } } }),
        ] {
            assert_eq!(judge(message.to_string().as_bytes()), Verdict::Clean(message.clone()), "{message}");
        }
    }
}
