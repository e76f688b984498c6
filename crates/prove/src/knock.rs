//! A knock from inside a devbox, for `tightlip doctor`: are names answered, do the clients that are there reach the gateway, and what comes back from each host
//! for one request with the placeholder.

use std::io::Write;
use std::net::ToSocketAddrs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::probe::Knowledge;

mod clients;

pub use clients::{Tried, Trouble};

/// What there is to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The devbox's certificates, whatever its variables say.
    pub bundle: PathBuf,
    /// Where to knock.
    pub doors: Vec<Door>,
}

/// Where to knock, and how the placeholder is written there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The host.
    pub host: String,
    /// The path.
    pub path: String,
    /// Where the placeholder stands.
    pub spot: Spot,
}

/// Where a placeholder stands in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// In a header.
    Header {
        /// Its name.
        name: String,
        /// What stands before the placeholder in it, such as `Bearer `.
        before: String,
    },
    /// It is a parameter of the query.
    Query {
        /// Its name.
        name: String,
    },
}

/// What was seen: a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Whether a name has an address. Where none has, no client is tried.
    Names {
        /// It has.
        found: bool,
    },
    /// A client that is there.
    Client(Tried),
    /// A host.
    Door(Answered),
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The host.
    pub host: String,
    /// The status, where there was an answer.
    pub status: Option<u16>,
    /// The gateway's code, where it was the gateway that answered.
    pub refusal: Option<String>,
    /// The gateway's words, or what went wrong before there was an answer.
    pub message: Option<String>,
    /// What the answer says of the time.
    pub date: Option<String>,
}

/// Does the errand of `TIGHTLIP_KNOCK` (JSON), and writes a line of JSON for each thing that it saw.
///
/// # Errors
/// When there is no errand to read, or standard output is closed.
pub fn run() -> anyhow::Result<()> {
    let errand: Errand = serde_json::from_str(&std::env::var(ERRAND_VARIABLE)?)?;
    let knowledge = Knowledge { env: TOKEN_VARIABLE.to_owned(), bundle: Some(errand.bundle), ..Knowledge::default() };
    let found = (clients::NOBODY, 443).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some());
    say(&Said::Names { found })?;
    if !found {
        return Ok(());
    }
    for tried in clients::try_all() {
        say(&Said::Client(tried))?;
    }
    for door in errand.doors {
        let answer = knowledge.ask(&door.host, &door.request(&knowledge.token()));
        say(&Said::Door(read(door.host, &answer)))?;
    }
    Ok(())
}

impl Door {
    /// One GET with the placeholder in its place.
    fn request(&self, token: &str) -> String {
        let Self { host, path, spot } = self;
        let (query, credential) = match spot {
            Spot::Header { name, before } => (String::new(), format!("{name}: {before}{token}\r\n")),
            Spot::Query { name } => (format!("?{}={token}", percent(name)), String::new()),
        };
        format!(
            "GET {path}{query} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tightlip-doctor\r\nAccept: */*\r\n{credential}Connection: close\r\n\r\n"
        )
    }
}

/// A parameter's name as a query has it (RFC 3986, section 2.1).
fn percent(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn say(said: &Said) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

fn read(host: String, bytes: &[u8]) -> Answered {
    let text = String::from_utf8_lossy(bytes);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let Some(status) = status else {
        let message = Some(text.chars().take(SAID_CHARS_MAX).collect());
        return Answered { host, status: None, refusal: None, message, date: None };
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let header = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
    };
    let refusal = header("x-tightlip-refusal");
    let body: serde_json::Value = refusal.as_ref().and_then(|_| serde_json::from_str(body).ok()).unwrap_or_default();
    let date = header("date");
    Answered { host, status: Some(status), refusal, message: body["message"].as_str().map(str::to_owned), date }
}

/// The variable in which the errand is handed in.
pub const ERRAND_VARIABLE: &str = "TIGHTLIP_KNOCK";
/// The variable that holds the placeholder.
pub const TOKEN_VARIABLE: &str = "TIGHTLIP_KNOCK_TOKEN";
/// Of what is said where there was no answer.
const SAID_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_stands_where_its_binding_says() {
        let ask = |spot| Door { host: "h".into(), path: "/p".into(), spot }.request("token");
        let header = ask(Spot::Header { name: "authorization".into(), before: "Bearer ".into() });
        assert!(header.starts_with("GET /p HTTP/1.1\r\nHost: h\r\n") && header.contains("\r\nauthorization: Bearer token\r\n"), "{header}");
        let query = ask(Spot::Query { name: "a key[]".into() });
        assert!(query.starts_with("GET /p?a%20key%5B%5D=token HTTP/1.1\r\n") && query.ends_with("close\r\n\r\n"), "{query}");
    }

    #[test]
    fn our_refusals_are_told_from_a_hosts() {
        let ours =
            b"HTTP/1.1 403 Forbidden\r\nX-Tightlip-Refusal: host_not_bound\r\n\r\n{\"message\":\"bind it\",\"code\":\"host_not_bound\"}";
        let told = read("h".into(), ours);
        assert_eq!((told.status, told.refusal.as_deref(), told.message.as_deref()), (Some(403), Some("host_not_bound"), Some("bind it")));
        let theirs = read("h".into(), b"HTTP/1.1 401 Unauthorized\r\nDate: now\r\n\r\n{\"message\":\"who are you\"}");
        assert_eq!((theirs.status, theirs.refusal, theirs.message, theirs.date.as_deref()), (Some(401), None, None, Some("now")));
        let none = read("h".into(), b"[connection refused]");
        assert_eq!((none.status, none.message.as_deref()), (None, Some("[connection refused]")));
    }
}
