//! Others' sandboxes while they are served: who shows which credential at the forward proxy is which devbox.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use model::limits::PROXY_CREDENTIAL_BYTES_MAX;
use model::{Network, TokenHash};
use service::may_come_from;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::listen::{CONNECTIONS_MAX, Devbox};
use crate::unpoisoned::lock;

/// All of them, by the hash of the credential.
#[derive(Default)]
pub(crate) struct Remotes(Mutex<HashMap<TokenHash, Arc<Remote>>>);

/// One.
pub(crate) struct Remote {
    pub(crate) devbox: Arc<Devbox>,
    /// Where its connections may come from; empty: from anywhere.
    sources: Vec<Network>,
    /// Cancelled when it ends, and every connection of it with it.
    pub(crate) ended: CancellationToken,
    /// Its connections at a time.
    pub(crate) seats: Arc<Semaphore>,
}

/// Keeps one served. It ends when this is dropped.
pub(crate) struct Enrolled {
    all: Arc<Remotes>,
    credential: TokenHash,
    _ends: DropGuard,
}

impl Remotes {
    /// Serves a devbox from now on.
    pub(crate) fn enrol(self: &Arc<Self>, devbox: Arc<Devbox>, credential: TokenHash, sources: Vec<Network>) -> Enrolled {
        let ended = CancellationToken::new();
        let remote = Remote { devbox, sources, ended: ended.clone(), seats: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
        lock(&self.0).insert(credential, Arc::new(remote));
        Enrolled { all: Arc::clone(self), credential, _ends: ended.drop_guard() }
    }

    /// Whose credential this is. Looked up by its hash, so that how long it takes says nothing about the credentials that there are.
    pub(crate) fn find(&self, shown: &str) -> Option<Arc<Remote>> {
        let fits = shown.len() <= PROXY_CREDENTIAL_BYTES_MAX;
        let hash = vault::hash_token(if fits { shown } else { "" });
        lock(&self.0).get(&hash).filter(|_| fits).cloned()
    }
}

impl Remote {
    /// Whether a connection from there may be its.
    pub(crate) fn may_come_from(&self, address: IpAddr) -> bool {
        may_come_from(&self.sources, address)
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        lock(&self.all.0).remove(&self.credential);
    }
}
