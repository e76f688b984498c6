//! Asking the gateway at `gateway.sock`: one request, one reply.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use link::agents::{AskedView, Decided};
use link::cli::{BackedUp, BindingView, MadeRemote, Opened, PairingView, RefusedHere, Reply, Request, Verified};
use link::control::Begun;
use link::{PacketError, Packets, Peer};
use model::{DevboxId, SecretName};

use super::fault::{Exit, Fault};

/// A connection to the gateway.
pub(super) struct Gate(Packets);

impl Gate {
    /// Connects.
    pub(super) fn connect(socket: &Path) -> Result<Self, PacketError> {
        let packets = Packets::connect(socket)?;
        packets.limit_wait(Some(REPLY_WAIT))?;
        Ok(Self(packets))
    }

    /// Who listens there.
    pub(super) fn peer(&self) -> Result<Peer, PacketError> {
        self.0.peer()
    }

    /// Sends a request without waiting for its reply.
    pub(super) fn send(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(), PacketError> {
        self.0.send(request, fds)
    }

    /// Waits for a reply. What the gateway refused is a fault.
    pub(super) fn reply(&self) -> Result<Reply, Fault> {
        match self.0.recv::<Reply>()?.0 {
            Reply::Refused { why, message } => Err(Fault::denied(why, message)),
            reply @ (Reply::Ready
            | Reply::DevboxOpened(_)
            | Reply::Remote(_)
            | Reply::Bindings { .. }
            | Reply::BackedUp(_)
            | Reply::AccountBegun { .. }
            | Reply::DevboxClosed { .. }
            | Reply::Pairings(_)
            | Reply::Asked(_)
            | Reply::Decided(_)
            | Reply::Verifying { .. }
            | Reply::Verified(_)
            | Reply::Done) => Ok(reply),
        }
    }

    /// Asks for something that is done or not.
    pub(super) fn done(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(), Fault> {
        self.send(request, fds)?;
        let Reply::Done = self.reply()? else { return Err(unexpected()) };
        Ok(())
    }

    /// Asks whether the gateway can decide and record.
    pub(super) fn ready(&self) -> Result<(), Fault> {
        self.send(&Request::Status, &[])?;
        let Reply::Ready = self.reply()? else { return Err(unexpected()) };
        Ok(())
    }

    /// Opens a devbox.
    pub(super) fn open(&self, request: &Request) -> Result<Opened, Fault> {
        self.send(request, &[])?;
        let Reply::DevboxOpened(opened) = self.reply()? else { return Err(unexpected()) };
        Ok(opened)
    }

    /// Makes the environment of somebody else's sandbox.
    pub(super) fn open_remote(&self, request: &Request) -> Result<MadeRemote, Fault> {
        self.send(request, &[])?;
        let Reply::Remote(made) = self.reply()? else { return Err(unexpected()) };
        Ok(*made)
    }

    /// Ends a devbox, and gives what was refused to it.
    pub(super) fn close(&self, devbox: DevboxId) -> Result<Vec<RefusedHere>, Fault> {
        self.send(&Request::CloseDevbox { devbox }, &[])?;
        let Reply::DevboxClosed { refused } = self.reply()? else { return Err(unexpected()) };
        Ok(refused)
    }

    /// Changes bindings, and gives the secret's bindings as they are afterwards.
    pub(super) fn change(&self, request: &Request) -> Result<Vec<BindingView>, Fault> {
        self.page(request).map(|(bindings, _)| bindings)
    }

    /// Has an account's id and first key made, to be written down by the api.
    pub(super) fn begin_account(&self) -> Result<(Begun, String), Fault> {
        self.send(&Request::BeginAccount, &[])?;
        let Reply::AccountBegun { begun, key } = self.reply()? else { return Err(unexpected()) };
        Ok((begun, key))
    }

    /// Has a backup written into `file`. It takes as long as it takes: a gateway that ends meanwhile ends the connection.
    pub(super) fn backup(&self, request: &Request, file: BorrowedFd<'_>) -> Result<BackedUp, Fault> {
        self.0.limit_wait(None)?;
        self.send(request, &[file])?;
        let Reply::BackedUp(made) = self.reply()? else { return Err(unexpected()) };
        Ok(made)
    }

    /// Has everything looked at, and tells how far that has come.
    pub(super) fn verify(&self, admin_key: String, tell: &mut dyn FnMut(u64, u64)) -> Result<Verified, Fault> {
        self.0.limit_wait(None)?;
        self.send(&Request::Verify { admin_key }, &[])?;
        loop {
            match self.reply()? {
                Reply::Verifying { done, of } => tell(done, of),
                Reply::Verified(verified) => return Ok(*verified),
                Reply::Ready
                | Reply::DevboxOpened(_)
                | Reply::Remote(_)
                | Reply::Bindings { .. }
                | Reply::BackedUp(_)
                | Reply::AccountBegun { .. }
                | Reply::DevboxClosed { .. }
                | Reply::Pairings(_)
                | Reply::Refused { .. }
                | Reply::Asked(_)
                | Reply::Decided(_)
                | Reply::Done => return Err(unexpected()),
            }
        }
    }

    /// The bindings of one secret, or of all, every page.
    pub(super) fn bindings(&self, api_key: &str, name: Option<&SecretName>) -> Result<Vec<BindingView>, Fault> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let request = Request::Bindings { api_key: api_key.to_owned(), name: name.cloned(), after: after.clone() };
            let (page, next) = self.page(&request)?;
            all.extend(page);
            if next.is_none() || next == after {
                return Ok(all);
            }
            after = next;
        }
    }

    /// The pairings that wait.
    pub(super) fn pairings(&self, request: &Request) -> Result<Vec<PairingView>, Fault> {
        self.send(request, &[])?;
        let Reply::Pairings(waiting) = self.reply()? else { return Err(unexpected()) };
        Ok(waiting)
    }

    /// What agents ask of a person, all pages of it.
    pub(super) fn asked(&self, admin_key: Option<&str>, api_key: &str) -> Result<Vec<AskedView>, Fault> {
        let mut all: Vec<AskedView> = Vec::new();
        loop {
            let after = all.last().map(|view| view.entry.request.id.clone());
            self.send(&Request::Asked { admin_key: admin_key.map(str::to_owned), api_key: api_key.to_owned(), after }, &[])?;
            let Reply::Asked(page) = self.reply()? else { return Err(unexpected()) };
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Decides one of these.
    pub(super) fn decide(&self, request: &Request) -> Result<Decided, Fault> {
        self.send(request, &[])?;
        let Reply::Decided(decided) = self.reply()? else { return Err(unexpected()) };
        Ok(*decided)
    }

    fn page(&self, request: &Request) -> Result<(Vec<BindingView>, Option<model::SecretId>), Fault> {
        self.send(request, &[])?;
        let Reply::Bindings { bindings, next } = self.reply()? else { return Err(unexpected()) };
        Ok((bindings, next))
    }
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn unexpected() -> Fault {
    let fault = Fault::new(Exit::Failure, "the gateway's reply does not fit the request: it may be of another version than this command");
    fault.next("stop the running `tightlip up` and start it again")
}

/// The gateway answers within milliseconds; a restart of it takes under a second.
const REPLY_WAIT: Duration = Duration::from_secs(20);
