//! The clients that are there: does each of them reach the gateway, and trust it. They ask for a host that nobody may reach, so that the gateway answers and
//! nothing leaves.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A client, and how it fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Its name.
    pub client: String,
    /// What was wrong, where something was.
    pub trouble: Option<Trouble>,
    /// The last of what it said then.
    pub said: String,
}

/// What is wrong with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It does not trust the devbox's certificates.
    Untrusted,
    /// It gets no connection.
    Unreached,
    /// Something else.
    Other,
}

/// Tries every client that is there.
pub(super) fn try_all() -> Vec<Tried> {
    CLIENTS.into_iter().filter_map(|(client, command)| try_one(client, command)).collect()
}

fn try_one(client: &str, command: &[&str]) -> Option<Tried> {
    let (program, arguments) = command.split_first()?;
    let mut command = Command::new(program);
    command.args(arguments).env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let begun = Instant::now();
    // It says less than a pipe holds, so it never waits for a reader.
    while child.try_wait().ok()?.is_none() && begun.elapsed() < PATIENCE {
        std::thread::park_timeout(LOOK);
    }
    let is_late = child.try_wait().ok()?.is_none();
    if is_late {
        child.kill().ok()?;
    }
    let output = child.wait_with_output().ok()?;
    let late = if is_late { "timed out" } else { "" };
    let said = format!("{}{}{late}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if said.contains(NOT_THERE) {
        return None;
    }
    let trouble = trouble(&said);
    let last = if trouble.is_some() { said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing") } else { "" };
    Some(Tried { client: client.to_owned(), trouble, said: last.trim().chars().take(SAID_CHARS_MAX).collect() })
}

/// What is wrong, by the client's own words; nothing where the gateway's refusal came.
fn trouble(said: &str) -> Option<Trouble> {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(REFUSED) {
        None
    } else if says(UNTRUSTED) {
        Some(Trouble::Untrusted)
    } else if says(UNREACHED) {
        Some(Trouble::Unreached)
    } else {
        Some(Trouble::Other)
    }
}

/// A name that belongs to nobody (RFC 6761, section 6.4), and to no secret.
pub(super) const NOBODY: &str = "doctor.tightlip.invalid";
/// How each is asked. Git shows nothing of a refusal but its status.
const CLIENTS: [(&str, &[&str]); 5] = [
    ("curl", &["curl", "-sS", "-m", "10", "-o", "/dev/null", "-D", "-", "https://doctor.tightlip.invalid/"]),
    ("git", &["git", "-c", "credential.helper=", "ls-remote", "https://doctor.tightlip.invalid/x.git"]),
    ("python3", &["python3", "-c", URLLIB]),
    ("python3 requests", &["python3", "-c", REQUESTS]),
    ("node", &["node", "-e", FETCH]),
];
const URLLIB: &str = "
import urllib.error, urllib.request
try:
    urllib.request.urlopen('https://doctor.tightlip.invalid/', timeout=10)
except urllib.error.HTTPError as error:
    print(error.headers['x-tightlip-refusal'])
except OSError as error:
    print(error)
";
const REQUESTS: &str = "
try:
    import requests
except ImportError:
    print('it is not there')
else:
    try:
        print(requests.get('https://doctor.tightlip.invalid/', timeout=10).headers['x-tightlip-refusal'])
    except OSError as error:
        print(error)
";
const FETCH: &str = "
fetch('https://doctor.tightlip.invalid/').then(
  (reply) => console.log(reply.headers.get('x-tightlip-refusal')),
  (error) => console.log(String(error.cause ?? error), error.cause?.code ?? ''))
";
const NOT_THERE: &str = "it is not there";
const REFUSED: &[&str] = &["host_not_allowed", "error: 403"];
/// OpenSSL and GnuTLS in curl's and git's words, Python's, Node's; a file of certificates that is none.
const UNTRUSTED: &[&str] = &[
    "SSL certificate problem",
    "certificate verification failed",
    "error setting certificate",
    "CERTIFICATE_VERIFY_FAILED",
    "CA certificate",
    "TLS CA certificate bundle",
    "SSL CA cert",
    "SELF_SIGNED_CERT",
    "UNABLE_TO_",
    "self-signed certificate",
    "unable to verify the first certificate",
];
const UNREACHED: &[&str] = &[
    "Could not resolve",
    "Couldn't connect",
    "Failed to connect",
    "Connection refused",
    "Name or service not known",
    "ECONNREFUSED",
    "ENOTFOUND",
    "Cannot connect to proxy",
    "ProxyError",
    "Tunnel connection failed",
    "timed out",
];
const SAID_CHARS_MAX: usize = 200;
/// Their own limits are shorter, where they have any.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_asks_for_the_host_that_is_nobodys() {
        for (client, command) in CLIENTS {
            assert!(command.iter().any(|word| word.contains(&format!("https://{NOBODY}/"))), "{client}");
        }
    }

    #[test]
    fn a_clients_words_say_what_is_wrong() {
        for (said, expected) in [
            ("HTTP/2 403\r\nx-tightlip-refusal: host_not_allowed\r\n", None),
            ("fatal: unable to access 'https://x/': The requested URL returned error: 403", None),
            ("curl: (60) SSL certificate problem: unable to get local issuer certificate", Some(Trouble::Untrusted)),
            ("curl: (77) error setting certificate file: /x", Some(Trouble::Untrusted)),
            ("<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed>", Some(Trouble::Untrusted)),
            ("Error: unable to verify the first certificate UNABLE_TO_VERIFY_LEAF_SIGNATURE", Some(Trouble::Untrusted)),
            ("curl: (5) Could not resolve proxy: proxy.example.test", Some(Trouble::Unreached)),
            ("curl: (7) Failed to connect to proxy.example.test port 3128", Some(Trouble::Unreached)),
            ("ReferenceError: fetch is not defined", Some(Trouble::Other)),
        ] {
            assert_eq!(trouble(said), expected, "{said}");
        }
    }
}
