//! Where a command goes, and with what: the server, the data folder, the key.
//!
//! The data folder's own key is shown to the data folder's own server and to nobody else.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use client::Client;
use link::{Packets, Peer};
use service::small::{self, Links};

use super::fault::{Exit, Fault};
use super::gate::Gate;
use super::output::Output;
use super::place::{API_KEY, Choice, Environment, Key, Place, Url};
use crate::folder::DataFolder;

/// Where a command goes.
pub(super) struct Target {
    folder: DataFolder,
    choice: Choice,
    served: Cell<bool>,
    out: Output,
}

/// Which server and which key a command used, for the words of its failure.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The server, where it is not the data folder's.
    url: Option<String>,
    /// The same in words, for a key that was refused.
    server: String,
    key: String,
}

impl Target {
    /// Finds out where a command goes, from the options and the process's environment. Nothing is started or read but `address`.
    pub(super) fn find(data: Option<&Path>, url: Option<&str>, out: Output) -> Result<Self, Fault> {
        let folder = DataFolder::locate(data)?;
        let address = std::fs::read_to_string(folder.address()).ok();
        let choice = Choice::make(url, Environment::read(), address.as_deref().map(str::trim));
        Ok(Self { folder, choice, served: Cell::new(false), out })
    }

    /// The data folder.
    pub(super) const fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// Whether the data folder's own server is meant.
    pub(super) fn is_local(&self) -> bool {
        self.choice.place == Place::Local
    }

    /// Which server and key this is about.
    pub(super) fn told(&self) -> Told {
        let folder = self.folder.path().display();
        let (url, server) = match &self.choice.place {
            Place::Local => (None, format!("the data folder's own ({folder})")),
            Place::Url(url) => {
                let words = format!("{url} (from {})", url.named_by().as_str());
                (Some(words.clone()), words)
            }
        };
        let mut key = match &self.choice {
            Choice { key: Some(Key { from, .. }), .. } => format!("the key that of {from}"),
            Choice { key: None, place: Place::Local, .. } => format!("the key that of the file {folder}/api-key"),
            Choice { key: None, place: Place::Url(_), .. } => "no key was given".to_owned(),
        };
        if self.choice.ignores_a_key {
            key.push_str("; the key of RUNLOOP_API_KEY is none of tightlip's (tlk_...), so it was not used");
        }
        Told { url, server, key }
    }

    /// A client of the server. The data folder's own is started where none runs.
    pub(super) fn client(&self) -> Result<Client, Fault> {
        match &self.choice.place {
            Place::Local => {
                self.serve()?;
                let url = read_line(&self.folder.address(), "the running server's address")?;
                Ok(Client::new(&url, Some(&self.api_key()?))?)
            }
            Place::Url(url) => {
                let key = self.api_key()?;
                if url.is_in_the_clear() {
                    return Err(Fault::usage(format!(
                        "{url} (from {}) has no TLS and is not on this machine: values and the API key would travel in the clear",
                        url.named_by().as_str()
                    ))
                    .next("use an https:// address"));
                }
                Ok(Client::new(url.as_str(), Some(&key))?)
            }
        }
    }

    /// A client of the server where that is one which runs already; nothing is started.
    pub(super) fn running_client(&self) -> Option<Client> {
        let runs = !self.is_local() || (self.folder.is_held() && self.folder.address().exists());
        self.served.set(self.served.get() || (runs && self.is_local()));
        if runs { self.client().ok() } else { None }
    }

    /// A connection to the gateway of the data folder, which is on this machine. The data folder's own server is started where none runs.
    ///
    /// Where another server was named, nothing is asked: what was meant for one server is not done at another.
    pub(super) fn gate(&self) -> Result<Gate, Fault> {
        self.require_local()?;
        self.serve()?;
        let gate = Gate::connect(&self.folder.socket()).and_then(|gate| Ok((gate.peer()?, gate)));
        gate.map_err(|error| Fault::from(error).next("tightlip up")).and_then(|(peer, gate)| our_own(peer).map(|()| gate))
    }

    /// A connection by which the data folder's own server stays while it is held, where it is that one that is meant and it can be held.
    pub(super) fn hold(&self) -> Option<Gate> {
        self.gate().ok()
    }

    /// Looks for the data folder's server anew when it is wanted next: the one that ran may be gone.
    pub(super) fn forget(&self) {
        self.served.set(false);
    }

    /// A connection to the api's door for whoever runs the server, as with [`Target::gate`].
    pub(super) fn control(&self) -> Result<Packets, Fault> {
        self.require_local()?;
        self.serve()?;
        let connected = Packets::connect(&self.folder.control_socket()).and_then(|end| {
            end.limit_wait(Some(CONTROL_WAIT))?;
            Ok((end.peer()?, end))
        });
        connected.map_err(|error| Fault::from(error).next("tightlip up")).and_then(|(peer, end)| our_own(peer).map(|()| end))
    }

    /// The API key to show.
    pub(super) fn api_key(&self) -> Result<String, Fault> {
        match (&self.choice.key, &self.choice.place) {
            (Some(key), _) => Ok(key.text.clone()),
            (None, Place::Local) => {
                self.serve()?;
                read_line(&self.folder.api_key(), "the owner's API key")
            }
            (None, Place::Url(_)) => {
                let fault = Fault::new(Exit::NotAuthenticated, "this server was named, and no API key for it");
                Err(fault.next(format!("export {API_KEY}=tlk_...")))
            }
        }
    }

    /// Where the server of the data folder answers.
    pub(super) fn address(&self) -> Result<String, Fault> {
        read_line(&self.folder.address(), "the running server's address")
    }

    /// The admin key, which only the gateway is ever shown.
    pub(super) fn admin_key(&self) -> Result<String, Fault> {
        read_line(&self.folder.admin_key(), "the admin key")
    }

    /// Refuses where another server than the data folder's was named.
    fn require_local(&self) -> Result<(), Fault> {
        match &self.choice.place {
            Place::Local => Ok(()),
            Place::Url(url) => Err(elsewhere(url, &self.folder)),
        }
    }

    /// Starts the data folder's server where none runs.
    fn serve(&self) -> Result<(), Fault> {
        if !self.served.get() {
            super::up::ensure(&self.folder, &self.out)?;
            self.served.set(true);
        }
        Ok(())
    }
}

impl Told {
    /// The failure, with which server and key it is about where that matters.
    pub(super) fn to_fault(&self, fault: Fault) -> Fault {
        let about_key = fault.exit == Exit::NotAuthenticated || fault.code == Exit::NotAuthenticated.word();
        match (&self.url, fault.code.as_str()) {
            (_, NOT_READABLE) => fault,
            (_, _) if about_key => {
                let message = format!("{}; the server was {}, {}", fault.message, self.server, self.key);
                Fault { message, ..fault }
            }
            (Some(url), "unreachable" | "untrusted") => Fault { message: format!("{}; the server was {url}", fault.message), ..fault },
            (_, _) => fault,
        }
    }
}

/// The refusal of a command that works with the data folder's own server alone.
fn elsewhere(url: &Url, folder: &DataFolder) -> Fault {
    let named_by = url.named_by();
    let message = format!(
        "this works on the server's own machine, at its data folder, and {} names another server ({url}) than the one of {}; nothing was done",
        named_by.as_str(),
        folder.path().display()
    );
    let fault = Fault { code: "other_server".to_owned(), ..Fault::usage(message) };
    fault.next(format!(
        "for the server of that address: run this on its machine, with --data DIR naming its data folder\nfor this data folder: {}",
        named_by.mend()
    ))
}

/// Refuses a server that another user runs, which would hang up.
fn our_own(peer: Peer) -> Result<(), Fault> {
    if peer.uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let message = format!(
        "this data folder is served by another user (with id {}); run tightlip as that user, or with your own data folder (--data DIR)",
        peer.uid
    );
    Err(Fault::new(Exit::Refused, message))
}

fn read_line(path: &Path, what: &str) -> Result<String, Fault> {
    let text = small::read(path, Links::Follow).and_then(|bytes| {
        let text = std::str::from_utf8(&bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
        Ok(text.trim().to_owned())
    });
    text.map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::PermissionDenied { Exit::NotAuthenticated } else { Exit::Failure };
        let message = format!("failed to read {what} at {}: {error}", path.display());
        Fault { code: NOT_READABLE.to_owned(), ..Fault::new(exit, message) }
            .next("run this as the user who owns the data folder, or name yours with --data DIR")
    })
}

/// The api answers within milliseconds; a restart of it takes under a second.
const CONTROL_WAIT: Duration = Duration::from_secs(20);
/// The word for a file of the data folder that cannot be read.
const NOT_READABLE: &str = "not_readable";

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: Option<&str>) -> Told {
        let words = url.map(str::to_owned);
        Told { url: words.clone(), server: words.unwrap_or_else(|| "its own".to_owned()), key: "the key that of X".to_owned() }
    }

    #[test]
    fn a_refused_key_is_told_with_its_server_and_where_both_came_from() {
        let refused = Fault::new(Exit::NotAuthenticated, "no");
        assert_eq!(told(None).to_fault(refused).message, "no; the server was its own, the key that of X");
        let in_run = Fault::new(Exit::NotAuthenticated, "no").before_the_command();
        assert!(told(None).to_fault(in_run).message.contains("the key that of X"));
        let unread = Fault { code: NOT_READABLE.to_owned(), ..Fault::new(Exit::NotAuthenticated, "no") };
        assert_eq!(told(Some("u")).to_fault(unread).message, "no");
    }

    #[test]
    fn a_server_that_does_not_answer_is_named_where_it_is_not_the_folders() {
        let away = || Fault::new(Exit::Unreachable, "away");
        assert_eq!(told(Some("http://a (from --url)")).to_fault(away()).message, "away; the server was http://a (from --url)");
        assert_eq!(told(None).to_fault(away()).message, "away");
        assert_eq!(told(Some("u")).to_fault(Fault::new(Exit::NotFound, "none")).message, "none");
    }
}
