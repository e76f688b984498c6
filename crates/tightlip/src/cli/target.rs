//! Which server, which data folder, which key: from the options, then the environment, then the data folder itself.
//!
//! The data folder's own key is shown to the data folder's own server and to nobody else.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use client::Client;
use link::{PacketError, Packets};

use super::fault::{Exit, Fault};
use super::gate::Gate;
use super::output::Output;
use crate::folder::DataFolder;

/// Where a command goes.
pub(super) struct Target {
    folder: DataFolder,
    place: Place,
    key: Option<String>,
    served: Cell<bool>,
    out: Output,
}

/// Whose server it is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The data folder's, started where none runs.
    Local,
    /// Another, at this address.
    Url(String),
}

/// What the environment says, read once.
#[derive(Default)]
struct Environment {
    url: Option<String>,
    runloop_url: Option<String>,
    key: Option<String>,
    runloop_key: Option<String>,
}

impl Target {
    /// Finds out where a command goes, from the options and the process's environment. Nothing is started or read but `address`.
    pub(super) fn find(data: Option<&Path>, url: Option<&str>, out: Output) -> Result<Self, Fault> {
        let folder = DataFolder::locate(data)?;
        let address = std::fs::read_to_string(folder.address()).ok();
        let (place, key) = choose(url, Environment::read(), address.as_deref().map(str::trim));
        Ok(Self { folder, place, key, served: Cell::new(false), out })
    }

    /// The data folder.
    pub(super) const fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// Whether the data folder's own server is meant.
    pub(super) fn is_local(&self) -> bool {
        self.place == Place::Local
    }

    /// A client of the server. The data folder's own is started where none runs.
    pub(super) fn client(&self) -> Result<Client, Fault> {
        match &self.place {
            Place::Local => {
                self.serve()?;
                let url = read_line(&self.folder.address(), "the running server's address")?;
                Ok(Client::new(&url, Some(&self.api_key()?))?)
            }
            Place::Url(url) => {
                let key = self.api_key()?;
                if in_the_clear(url) {
                    return Err(Fault::usage(
                        "this address has no TLS and is not on this machine: values and the API key would travel in the clear",
                    )
                    .next("use an https:// address"));
                }
                Ok(Client::new(url, Some(&key))?)
            }
        }
    }

    /// A connection to the gateway, which is on this machine or nowhere. The data folder's own server is started where none runs.
    pub(super) fn gate(&self) -> Result<Gate, Fault> {
        if self.is_local() {
            self.serve()?;
        }
        Gate::connect(&self.folder.socket()).map_err(|error| match (error, self.is_local()) {
            (PacketError::Io(_), false) => {
                Fault::new(Exit::Unreachable, "the gateway is not on this machine: nothing listens at gateway.sock of the data folder")
                    .next("run this where `tightlip up` runs, or name its data folder with --data DIR")
            }
            (error @ (PacketError::Io(_) | PacketError::Closed | PacketError::Timeout | PacketError::Malformed), _) => {
                Fault::from(error).next("tightlip up")
            }
        })
    }

    /// A connection to the api's door for whoever runs the server, which is on this machine or nowhere.
    pub(super) fn control(&self) -> Result<Packets, Fault> {
        if self.is_local() {
            self.serve()?;
        }
        let connected = Packets::connect(&self.folder.control_socket()).and_then(|end| {
            end.limit_wait(Some(CONTROL_WAIT))?;
            Ok(end)
        });
        connected.map_err(|error| match (error, self.is_local()) {
            (PacketError::Io(_), false) => Fault::new(
                Exit::Unreachable,
                "accounts are made on the server's own machine: nothing listens at control.sock of the data folder",
            )
            .next("run this where `tightlip up` runs, or name its data folder with --data DIR"),
            (error @ (PacketError::Io(_) | PacketError::Closed | PacketError::Timeout | PacketError::Malformed), _) => {
                Fault::from(error).next("tightlip up")
            }
        })
    }

    /// The API key to show.
    pub(super) fn api_key(&self) -> Result<String, Fault> {
        match (&self.key, &self.place) {
            (Some(key), _) => Ok(key.clone()),
            (None, Place::Local) => {
                self.serve()?;
                read_line(&self.folder.api_key(), "the owner's API key")
            }
            (None, Place::Url(_)) => {
                Err(Fault::new(Exit::NotAuthenticated, "no API key for this server").next("export TIGHTLIP_API_KEY=tlk_..."))
            }
        }
    }

    /// The admin key, which only the gateway is ever shown.
    pub(super) fn admin_key(&self) -> Result<String, Fault> {
        read_line(&self.folder.admin_key(), "the admin key")
    }

    /// Starts the data folder's server where none runs.
    fn serve(&self) -> Result<(), Fault> {
        if !self.served.get() {
            super::up::ensure(&self.folder, self.out)?;
            self.served.set(true);
        }
        Ok(())
    }
}

impl Environment {
    fn read() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            url: set("TIGHTLIP_URL"),
            runloop_url: set("RUNLOOP_BASE_URL"),
            key: set("TIGHTLIP_API_KEY"),
            runloop_key: set("RUNLOOP_API_KEY"),
        }
    }
}

/// The place and the key. A `RUNLOOP_API_KEY` alone belongs to Runloop's own service and is not shown to the local server, unless it is one of ours.
fn choose(option: Option<&str>, environment: Environment, address: Option<&str>) -> (Place, Option<String>) {
    let url = option.map(ToOwned::to_owned).or(environment.url).or(environment.runloop_url);
    let same = |url: &str| address.is_some_and(|address| address.trim_end_matches('/') == url.trim_end_matches('/'));
    match url {
        Some(url) if !same(&url) => (Place::Url(url), environment.key.or(environment.runloop_key)),
        Some(_) | None => {
            let ours = environment.runloop_key.filter(|key| key.starts_with(API_KEY_PREFIX));
            (Place::Local, environment.key.or(ours))
        }
    }
}

/// Whether a value sent to `url` could be read on the way.
fn in_the_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host != "localhost" && !host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_line(path: &Path, what: &str) -> Result<String, Fault> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::PermissionDenied { Exit::NotAuthenticated } else { Exit::Failure };
        Fault::new(exit, format!("failed to read {what} at {}: {error}", path.display()))
            .next("run this as the user who owns the data folder, or name yours with --data DIR")
    })?;
    Ok(text.trim().to_owned())
}

const API_KEY_PREFIX: &str = "tlk_";
/// The api answers within milliseconds; a restart of it takes under a second.
const CONTROL_WAIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_folders_own_key_goes_to_its_own_server_only() {
        let (place, key) = choose(Some("https://api.runloop.ai"), Environment::default(), Some("http://127.0.0.1:7080"));
        assert_eq!((place, key), (Place::Url("https://api.runloop.ai".to_owned()), None));
        let (place, _) = choose(Some("http://127.0.0.1:7080/"), Environment::default(), Some("http://127.0.0.1:7080"));
        assert_eq!(place, Place::Local);
    }

    #[test]
    fn another_services_key_is_not_shown_to_the_local_server() {
        let environment = || Environment { runloop_key: owned("ak_foreign"), ..Environment::default() };
        assert_eq!(choose(None, environment(), None), (Place::Local, None));
        let environment = Environment { runloop_key: owned("tlk_ours"), ..Environment::default() };
        assert_eq!(choose(None, environment, None), (Place::Local, owned("tlk_ours")));
    }

    #[test]
    fn the_option_goes_before_our_variables_and_those_before_runloops() {
        let environment =
            || Environment { url: owned("http://a"), runloop_url: owned("http://b"), key: owned("k"), runloop_key: owned("r") };
        assert_eq!(choose(Some("http://c"), environment(), None), (Place::Url("http://c".to_owned()), owned("k")));
        assert_eq!(choose(None, environment(), None), (Place::Url("http://a".to_owned()), owned("k")));
        let runloops = Environment { url: None, key: None, ..environment() };
        assert_eq!(choose(None, runloops, None), (Place::Url("http://b".to_owned()), owned("r")));
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for url in ["http://127.0.0.1:7080", "http://localhost", "http://[::1]:80/", "https://example.com"] {
            assert!(!in_the_clear(url), "{url}");
        }
        for url in ["http://example.com", "http://127.0.0.1.evil.net:80", "http://10.0.0.1:7080", "http://user@localhost.evil"] {
            assert!(in_the_clear(url), "{url}");
        }
    }
}
