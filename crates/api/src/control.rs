//! The door of whoever runs the server: `control.sock`. Makes and lists accounts, which no API key may do.
//!
//! The socket was bound by the supervisor, since a confined api makes none. The kernel says who is at the other end, and only our own user is let in. One
//! request to a connection, one connection at a time: it is people who ask here.

use std::io;
use std::sync::{Arc, Weak};

use link::cli::Denial;
use link::control::{Created, Reply, Request};
use link::{Listener, PacketError, Packets};
use service::{AccountPlan, AccountsError, Operator};

use crate::desk::Desk;
use crate::limits::{ACCEPT_PAUSE, CONTROL_TIME};

/// Serves the socket on a thread of its own, for as long as there is a desk.
///
/// # Errors
/// When the system gives no thread.
pub fn serve(listener: Listener, desk: Weak<Desk>) -> io::Result<()> {
    std::thread::Builder::new().name("control".to_owned()).spawn(move || take_turns(&listener, &desk)).map(drop)
}

fn take_turns(listener: &Listener, desk: &Weak<Desk>) {
    loop {
        let peer = match listener.accept() {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection at control.sock");
                std::thread::park_timeout(ACCEPT_PAUSE);
                continue;
            }
        };
        // The process is about to end: whoever connected sees that nobody answers.
        let Some(desk) = desk.upgrade() else { return };
        attend_apart(peer, desk);
    }
}

/// One connection on a thread of its own, so that a panic in it ends nothing else.
fn attend_apart(peer: Packets, desk: Arc<Desk>) {
    match std::thread::Builder::new().spawn(move || attend(&peer, &desk)) {
        // A panic has said what it was.
        Ok(attending) => drop(attending.join()),
        Err(error) => tracing::warn!(%error, "failed to start a thread for control.sock"),
    }
}

/// A request that was not done: never with anything of it.
struct Refused {
    why: Denial,
    message: String,
}

/// One connection.
fn attend(peer: &Packets, desk: &Desk) {
    let reply = answer(peer, desk).unwrap_or_else(|Refused { why, message }| Reply::Refused { why, message });
    // Whoever has gone by now wants no answer.
    let _gone = peer.send(&reply, &[]);
}

fn answer(peer: &Packets, desk: &Desk) -> Result<Reply, Refused> {
    let operator = Operator::check(peer.peer().map_err(unread)?.uid, rustix::process::geteuid().as_raw())?;
    peer.limit_wait(Some(CONTROL_TIME)).map_err(unread)?;
    let (request, _unasked_descriptors) = peer.recv::<Request>().map_err(unread)?;
    Ok(obey(request, desk, &operator)?)
}

fn unread(error: PacketError) -> Refused {
    let (why, message) = match error {
        PacketError::Malformed => {
            (Denial::Invalid, "the server does not know this request; it may be of another version: stop it and start `tightlip up` anew")
        }
        PacketError::Closed | PacketError::Timeout | PacketError::Io(_) => {
            (Denial::Unavailable, "the server could not read the request in time; try again")
        }
    };
    Refused { why, message: message.to_owned() }
}

fn obey(request: Request, desk: &Desk, operator: &Operator) -> Result<Reply, AccountsError> {
    match request {
        Request::CreateAccount { name, devbox_capability, begun } => {
            let (account, key) = desk.house.create_account(operator, AccountPlan { name, devbox_capability, begun })?;
            tracing::info!(account = %account.id, "an account was made");
            Ok(Reply::AccountCreated(Created { account, key_id: key.id, scopes: key.scopes.iter().collect(), created: key.created }))
        }
        Request::Accounts { after } => {
            let page = desk.house.accounts(operator, after.as_ref())?;
            let next = page.accounts.last().filter(|_| page.has_more).map(|last| last.id.clone());
            Ok(Reply::Accounts { accounts: page.accounts, next })
        }
    }
}

impl From<AccountsError> for Refused {
    fn from(error: AccountsError) -> Self {
        if let AccountsError::Unavailable(cause) = &error {
            tracing::warn!("{error}: {cause}");
        }
        Self { why: error.denial(), message: error.to_string() }
    }
}
