//! Which server a command means, which key it shows there, and who said so: an option, a variable, or the data folder.

use std::fmt;
use std::net::IpAddr;

/// Whose server it is.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) enum Place {
    /// The data folder's, started where none runs.
    Local,
    /// Another.
    Url(Url),
}

/// Another server's address. As it was given it may hold a password; [`Url`]'s `Display` shows none.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Url {
    text: String,
    named_by: NamedBy,
}

/// Who named a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedBy {
    /// The option.
    Option,
    /// Our variable.
    Variable,
    /// The variable of Runloop's SDKs.
    RunloopVariable,
}

/// An API key that was given, and where.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) from: &'static str,
}

/// What the environment says, read once.
#[derive(Default)]
pub(super) struct Environment {
    url: Option<String>,
    runloop_url: Option<String>,
    key: Option<String>,
    runloop_key: Option<String>,
}

/// What follows from options and environment.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Choice {
    pub(super) place: Place,
    pub(super) key: Option<Key>,
    /// There is a key for another service, which the data folder's server is not shown.
    pub(super) ignores_a_key: bool,
}

impl Environment {
    pub(super) fn read() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            url: set(NamedBy::Variable.as_str()),
            runloop_url: set(NamedBy::RunloopVariable.as_str()),
            key: set(API_KEY),
            runloop_key: set(RUNLOOP_API_KEY),
        }
    }
}

impl Choice {
    /// The place and the key. A `RUNLOOP_API_KEY` alone belongs to Runloop's own service and is not shown to the local server, unless it is one of ours.
    pub(super) fn make(option: Option<&str>, environment: Environment, address: Option<&str>) -> Self {
        let Environment { url, runloop_url, key, runloop_key } = environment;
        let named = option
            .map(|url| Url { text: url.to_owned(), named_by: NamedBy::Option })
            .or_else(|| url.map(|text| Url { text, named_by: NamedBy::Variable }))
            .or_else(|| runloop_url.map(|text| Url { text, named_by: NamedBy::RunloopVariable }));
        let place = named.filter(|url| !address.is_some_and(|address| url.is_at(address))).map_or(Place::Local, Place::Url);
        let key = key.map(|text| Key { text, from: API_KEY });
        let runloops = runloop_key.map(|text| Key { text, from: RUNLOOP_API_KEY });
        let (runloops, foreign) = match place {
            Place::Url(_) => (runloops, None),
            Place::Local if runloops.as_ref().is_some_and(|key| !key.text.starts_with(API_KEY_PREFIX)) => (None, runloops),
            Place::Local => (runloops, None),
        };
        let ignores_a_key = key.is_none() && foreign.is_some();
        Self { place, key: key.or(runloops), ignores_a_key }
    }
}

impl Url {
    /// The address, to be connected to.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Who named it.
    pub(super) const fn named_by(&self) -> NamedBy {
        self.named_by
    }

    /// Whether it is the server at `address`. The names of this machine's loopback are one.
    fn is_at(&self, address: &str) -> bool {
        parts(&self.text).is_some_and(|ours| parts(address) == Some(ours))
    }

    /// Whether a value sent to it could be read on the way.
    pub(super) fn is_in_the_clear(&self) -> bool {
        let Some(rest) = self.text.strip_prefix("http://") else { return false };
        host_and_port(rest.split(['/', '?']).next().unwrap_or(rest)).0 != LOOPBACK
    }
}

/// The address as it may be shown: without what could be a password, and nothing that a terminal would obey.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.text.split_once("://").unwrap_or(("", ""));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let fits = !authority.is_empty() && authority.chars().count() <= SHOWN_CHARS_MAX && authority.chars().all(plain);
        if fits && matches!(scheme, "http" | "https") {
            write!(f, "{scheme}://{authority}")
        } else {
            f.write_str("an address that is no URL")
        }
    }
}

impl NamedBy {
    /// The option or variable.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Option => "--url",
            Self::Variable => "TIGHTLIP_URL",
            Self::RunloopVariable => "RUNLOOP_BASE_URL",
        }
    }

    /// How a person takes it back.
    pub(super) fn mend(self) -> String {
        match self {
            Self::Option => "leave --url out".to_owned(),
            Self::Variable | Self::RunloopVariable => format!("unset {}", self.as_str()),
        }
    }
}

/// Scheme, host and port. Loopback is one host, however it is written; a path leads elsewhere.
fn parts(url: &str) -> Option<(&str, String, u16)> {
    let (scheme, rest) = url.trim_end_matches('/').split_once("://")?;
    let port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    if rest.contains(['/', '?', '#', '@']) {
        return None;
    }
    let (host, written) = host_and_port(rest);
    Some((scheme, host, written.map_or(Some(port), |port| port.parse().ok())?))
}

/// The host, in lower case and loopback by one name, and the port, where one is written.
fn host_and_port(authority: &str) -> (String, Option<&str>) {
    let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let host = port.map_or(authority, |(host, _)| host).trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (if is_here { LOOPBACK.to_owned() } else { host }, port.map(|(_, port)| port))
}

/// Our variable for an API key.
pub(super) const API_KEY: &str = "TIGHTLIP_API_KEY";
const RUNLOOP_API_KEY: &str = "RUNLOOP_API_KEY";
const API_KEY_PREFIX: &str = "tlk_";
/// What stands for every name of this machine's loopback.
const LOOPBACK: &str = "127.0.0.1";
/// A host's name has at most 253 characters, and a port follows.
const SHOWN_CHARS_MAX: usize = 260;

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn url(text: &str, named_by: NamedBy) -> Place {
        Place::Url(Url { text: text.to_owned(), named_by })
    }

    fn key(text: &str, from: &'static str) -> Option<Key> {
        Some(Key { text: text.to_owned(), from })
    }

    #[test]
    fn the_folders_own_key_goes_to_its_own_server_only() {
        let choice = Choice::make(Some("https://api.runloop.ai"), Environment::default(), Some("http://127.0.0.1:7080"));
        assert_eq!((choice.place, choice.key), (url("https://api.runloop.ai", NamedBy::Option), None));
    }

    #[test]
    fn the_folders_own_server_is_known_by_every_name_of_loopback_and_nothing_else_is() {
        let place = |url: &str| Choice::make(Some(url), Environment::default(), Some("http://127.0.0.1:7080")).place;
        for same in
            ["http://127.0.0.1:7080", "http://127.0.0.1:7080/", "http://localhost:7080", "http://LOCALHOST:7080", "http://[::1]:7080"]
        {
            assert_eq!(place(same), Place::Local, "{same}");
        }
        for other in [
            "http://127.0.0.1:7081",
            "http://127.0.0.1",
            "https://127.0.0.1:7080",
            "http://10.0.0.1:7080",
            "http://127.0.0.1:7080/else",
            "http://localhost.example:7080",
            "http://localhost@127.0.0.1:7080",
            "127.0.0.1:7080",
        ] {
            assert_eq!(place(other), url(other, NamedBy::Option), "{other}");
        }
        assert_eq!(
            Choice::make(Some("http://localhost:1"), Environment::default(), None).place,
            url("http://localhost:1", NamedBy::Option)
        );
    }

    #[test]
    fn another_services_key_is_not_shown_to_the_local_server() {
        let environment =
            |key: Option<&str>| Environment { runloop_key: owned("ak_foreign"), key: key.map(str::to_owned), ..Environment::default() };
        let choice = Choice::make(None, environment(None), None);
        assert_eq!((choice.place, choice.key, choice.ignores_a_key), (Place::Local, None, true));
        assert!(!Choice::make(None, environment(Some("tlk_ours")), None).ignores_a_key);
        let environment = Environment { runloop_key: owned("tlk_ours"), ..Environment::default() };
        let choice = Choice::make(None, environment, None);
        assert_eq!((choice.place, choice.key, choice.ignores_a_key), (Place::Local, key("tlk_ours", RUNLOOP_API_KEY), false));
    }

    #[test]
    fn the_option_goes_before_our_variables_and_those_before_runloops() {
        let environment =
            || Environment { url: owned("http://a"), runloop_url: owned("http://b"), key: owned("k"), runloop_key: owned("r") };
        let chosen = |option, environment| {
            let Choice { place, key, .. } = Choice::make(option, environment, None);
            (place, key)
        };
        assert_eq!(chosen(Some("http://c"), environment()), (url("http://c", NamedBy::Option), key("k", API_KEY)));
        assert_eq!(chosen(None, environment()), (url("http://a", NamedBy::Variable), key("k", API_KEY)));
        let runloops = Environment { url: None, key: None, ..environment() };
        assert_eq!(chosen(None, runloops), (url("http://b", NamedBy::RunloopVariable), key("r", RUNLOOP_API_KEY)));
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        let in_the_clear = |text: &str| Url { text: text.to_owned(), named_by: NamedBy::Option }.is_in_the_clear();
        for url in ["http://127.0.0.1:7080", "http://localhost", "http://[::1]:80/", "https://example.com"] {
            assert!(!in_the_clear(url), "{url}");
        }
        for url in ["http://example.com", "http://127.0.0.1.evil.net:80", "http://10.0.0.1:7080", "http://user@localhost.evil"] {
            assert!(in_the_clear(url), "{url}");
        }
    }

    #[test]
    fn an_address_is_shown_without_what_could_be_a_password() {
        let shown = |text: &str| Url { text: text.to_owned(), named_by: NamedBy::Option }.to_string();
        assert_eq!(shown("https://me:hidden@a.example:8443/path?key=hidden"), "https://a.example:8443");
        for text in ["ghp_hidden", "https://", "https://a\u{1b}[31m", "ftp://hidden"] {
            assert_eq!(shown(text), "an address that is no URL");
        }
    }
}
