//! A knock from inside a devbox: one request with the placeholder to each of its hosts, and what came back. For `tightlip doctor`.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::probe::Knowledge;

/// Where to knock, and how the placeholder is written there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// The host.
    pub host: String,
    /// The path.
    pub path: String,
    /// The header in which the credential stands.
    pub header: String,
    /// What stands before the placeholder in it, such as `Bearer `.
    pub before: String,
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
}

/// Knocks at every door of `TIGHTLIP_KNOCK` (JSON), and writes a line of JSON for each.
///
/// # Errors
/// When there are no doors to read, or standard output is closed.
pub fn run() -> anyhow::Result<()> {
    let doors: Vec<Door> = serde_json::from_str(&std::env::var(DOORS_VARIABLE)?)?;
    let knowledge = Knowledge {
        env: TOKEN_VARIABLE.to_owned(),
        bound: String::new(),
        unbound: String::new(),
        data: Default::default(),
        api: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        pid: 0,
        direct: BTreeMap::new(),
        bundle: None,
    };
    let mut out = std::io::stdout().lock();
    for door in doors {
        let Door { host, path, header, before } = door;
        let credential = format!("{header}: {before}{}", knowledge.token());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tightlip-doctor\r\nAccept: */*\r\n{credential}\r\nConnection: close\r\n\r\n"
        );
        serde_json::to_writer(&mut out, &read(host.clone(), &knowledge.ask(&host, &request)))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn read(host: String, bytes: &[u8]) -> Answered {
    let text = String::from_utf8_lossy(bytes);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let Some(status) = status else {
        return Answered { host, status: None, refusal: None, message: Some(text.chars().take(SAID_CHARS_MAX).collect()) };
    };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let refusal = head.lines().filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("x-tightlip-refusal"));
    let refusal = refusal.map(|(_, code)| code.to_owned());
    let body: serde_json::Value = refusal.as_ref().and_then(|_| serde_json::from_str(body).ok()).unwrap_or_default();
    Answered { host, status: Some(status), refusal, message: body["message"].as_str().map(str::to_owned) }
}

/// The variable in which the doors are handed in.
pub const DOORS_VARIABLE: &str = "TIGHTLIP_KNOCK";
/// The variable that holds the placeholder.
pub const TOKEN_VARIABLE: &str = "TIGHTLIP_KNOCK_TOKEN";
/// Of what is said where there was no answer.
const SAID_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_refusals_are_told_from_a_hosts() {
        let ours =
            b"HTTP/1.1 403 Forbidden\r\nX-Tightlip-Refusal: host_not_bound\r\n\r\n{\"message\":\"bind it\",\"code\":\"host_not_bound\"}";
        let told = read("h".into(), ours);
        assert_eq!((told.status, told.refusal.as_deref(), told.message.as_deref()), (Some(403), Some("host_not_bound"), Some("bind it")));
        let theirs = read("h".into(), b"HTTP/1.1 401 Unauthorized\r\n\r\n{\"message\":\"who are you\"}");
        assert_eq!((theirs.status, theirs.refusal, theirs.message), (Some(401), None, None));
        let none = read("h".into(), b"[connection refused]");
        assert_eq!((none.status, none.message.as_deref()), (None, Some("[connection refused]")));
    }
}
