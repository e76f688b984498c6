//! The door of people's tools: `gateway.sock`. Opens and closes devboxes, takes their listeners, asks the house what people decide, makes backups.
//!
//! The kernel says who is at the other end, and only our own user is let in. A devbox lives as long as the connection that opened it; when the gateway
//! itself stops, its devboxes stay open in the database and may be taken up again for a short while after its next start.

use std::collections::HashSet;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use link::cli::{Opened, Reply, Request, Role, Wanted};
use link::{Listener, PacketError, Packets};
use model::{Clock, DevboxId, HostPattern};
use service::backup::Sources;
use service::{DevboxCard, DevboxDenial, Gate, NewCa};
use tokio::runtime::Handle;

use crate::activity::{Activity, Visit};
use crate::ca::Authority;
use crate::hosted::Hosting;
use crate::listen::check_listener;
use crate::net::{Attached, Net};
use crate::unpoisoned::lock;

mod people;
mod refused;

use refused::Refused;

/// What all connections share.
pub(crate) struct Local {
    gate: Arc<Gate>,
    net: Arc<Net>,
    runtime: Handle,
    clock: Arc<dyn Clock>,
    activity: Arc<Activity>,
    hosting: Arc<Hosting>,
    backup: Sources,
    /// Devboxes that an earlier gateway left open and nobody has taken up yet.
    lost: Mutex<HashSet<DevboxId>>,
    stopping: AtomicBool,
}

/// One connection.
struct Session {
    local: Arc<Local>,
    peer: Packets,
    tenant: Option<Tenant>,
    _visit: Visit,
}

/// The devbox of a connection. Ends when it is dropped.
struct Tenant {
    local: Arc<Local>,
    devbox: DevboxId,
    stage: Stage,
}

enum Stage {
    /// Opened; its listeners are not here yet.
    Opened { card: DevboxCard, authority: Box<Authority> },
    /// Served.
    Attached { _network: Attached },
    /// Its listeners could not be used, or it is ending.
    Dead,
}

impl Local {
    /// The door, knowing which devboxes an earlier gateway left open.
    pub(crate) fn new(
        gate: Arc<Gate>,
        net: Arc<Net>,
        runtime: Handle,
        clock: Arc<dyn Clock>,
        activity: Arc<Activity>,
        hosting: Arc<Hosting>,
        backup: Sources,
    ) -> Result<Arc<Self>, DevboxDenial> {
        let lost = Mutex::new(gate.open_devboxes()?.into_iter().collect());
        Ok(Arc::new(Self { gate, net, runtime, clock, activity, hosting, backup, lost, stopping: AtomicBool::new(false) }))
    }

    /// Takes connections, each on a thread of its own, for as long as the process lives.
    pub(crate) fn serve(self: &Arc<Self>, listener: &Listener) {
        loop {
            match listener.accept() {
                Ok(peer) => self.admit(peer),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a tool's connection");
                    std::thread::park_timeout(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Closes the devboxes that nobody took up in time.
    pub(crate) fn close_lost(&self) {
        let mut lost = self.lost();
        for devbox in lost.drain() {
            self.close(&devbox);
        }
    }

    /// How many devboxes may still be taken up.
    pub(crate) fn lost_count(&self) -> usize {
        self.lost().len()
    }

    /// From here on, a connection that ends leaves its devbox open.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    fn admit(self: &Arc<Self>, peer: Packets) {
        let ours = rustix::process::geteuid().as_raw();
        if !peer.peer().is_ok_and(|peer| peer.uid == ours) {
            tracing::warn!("another user's process was turned away");
            let _gone = peer.send(&Refused::OTHER_USER.into_reply(), &[]);
            return;
        }
        let Some(visit) = self.activity.visit(CONNECTIONS_MAX) else {
            let _gone = peer.send(&Refused::TOO_MANY.into_reply(), &[]);
            return;
        };
        let session = Session { local: Arc::clone(self), peer, tenant: None, _visit: visit };
        let started = std::thread::Builder::new().name("tool".to_owned()).spawn(move || session.serve());
        if let Err(error) = started {
            tracing::warn!(%error, "failed to start a thread for a tool's connection");
        }
    }

    fn close(&self, devbox: &DevboxId) {
        match self.gate.close(devbox) {
            Ok(()) => tracing::info!(%devbox, "devbox closed"),
            Err(error) => tracing::error!(%devbox, "failed to record a devbox's end: {error}"),
        }
    }

    fn lost(&self) -> MutexGuard<'_, HashSet<DevboxId>> {
        lock(&self.lost)
    }
}

impl Session {
    fn serve(mut self) {
        loop {
            let reply = match self.peer.recv::<Request>() {
                Ok((request, fds)) => self.obey(request, fds).unwrap_or_else(Refused::into_reply),
                Err(PacketError::Malformed) => Refused::PROTOCOL.into_reply(),
                Err(PacketError::Closed | PacketError::Timeout | PacketError::Io(_)) => return,
            };
            if self.peer.send(&reply, &[]).is_err() {
                return;
            }
        }
    }

    fn obey(&mut self, request: Request, fds: Vec<OwnedFd>) -> Result<Reply, Refused> {
        let local = Arc::clone(&self.local);
        let gate = &*local.gate;
        match request {
            Request::Status => Ok(gate.check().map(|()| Reply::Ready)?),
            Request::OpenDevbox { api_key, secrets, allow } => self.open(&api_key, secrets, allow).map(Reply::DevboxOpened),
            Request::OpenRemote { api_key, wanted } => {
                let caller = gate.authenticate(Some(&api_key))?;
                let made = local.runtime.block_on(local.hosting.create_remote(caller, wanted));
                Ok(Reply::Remote(Box::new(made?)))
            }
            Request::HandListeners { devbox, roles } => self.attach(&devbox, &roles, fds),
            Request::ResumeDevbox { devbox, resume, roles } => self.resume(&devbox, &resume, &roles, fds),
            Request::CloseDevbox { devbox } => {
                let refused = gate.take_refused(&devbox);
                let ended = self.tenant.take_if(|tenant| tenant.devbox == devbox);
                ended.map(|_ended| Reply::DevboxClosed { refused }).ok_or(Refused::NO_DEVBOX)
            }
            Request::Bind { admin_key, api_key, name, binding } => people::bind(gate, &admin_key, &api_key, &name, binding),
            Request::Unbind { admin_key, api_key, name, host } => people::unbind(gate, &admin_key, &api_key, &name, host.as_ref()),
            Request::Bindings { api_key, name, after } => people::bindings(gate, &api_key, name.as_ref(), after.as_ref()),
            Request::Requests { api_key } => people::requests(gate, &api_key),
            Request::Approve { admin_key, api_key, id } => people::approve(gate, &admin_key, &api_key, &id),
            Request::Refuse { admin_key, api_key, id } => people::refuse(gate, &admin_key, &api_key, &id),
            Request::Asked { admin_key, api_key, after } => {
                let views = people::asked(gate, admin_key.as_deref(), &api_key, after.as_ref())?;
                views.iter().for_each(|view| local.activity.expect_at_link(&view.entry.request));
                Ok(Reply::Asked(views))
            }
            Request::ApproveAsked { admin_key, api_key, id, meant } => {
                people::approve_asked(gate, &admin_key, &api_key, &id, meant.as_ref())
            }
            Request::RefuseAsked { admin_key, api_key, id } => people::refuse_asked(gate, &admin_key, &api_key, &id),
            Request::Expose { admin_key, api_key, name, exposure } => people::expose(gate, &admin_key, &api_key, &name, exposure),
            Request::Verify { admin_key } => {
                let mut told = 0;
                let mut tell = |done: u64, of: u64| {
                    // A hundred words are enough for any length, and one that is gone hears none.
                    if done.saturating_mul(100) / of.max(1) > told {
                        told = done.saturating_mul(100) / of.max(1);
                        let _gone = self.peer.send(&Reply::Verifying { done, of }, &[]);
                    }
                };
                let verified = gate.verify(&admin_key, &local.backup, &mut tell)?;
                tracing::info!(findings = verified.findings.len(), "every row and event was looked at");
                Ok(Reply::Verified(Box::new(verified)))
            }
            Request::BeginAccount => {
                let (begun, key) = gate.begin_account()?;
                Ok(Reply::AccountBegun { begun, key: key.to_string() })
            }
            Request::Backup { admin_key, api_key } => {
                let [file] = <[OwnedFd; 1]>::try_from(fds).map_err(|_| Refused::ONE_FILE)?;
                let caller = gate.authenticate(Some(&api_key))?;
                let made = gate.back_up(&admin_key, &caller, &local.backup, file.into())?;
                tracing::info!(bytes = made.bytes, secrets = made.secrets, "backup made");
                Ok(Reply::BackedUp(made))
            }
        }
    }

    fn open(&mut self, api_key: &str, secrets: Option<Vec<Wanted>>, allow: Vec<HostPattern>) -> Result<Opened, Refused> {
        if self.tenant.is_some() {
            return Err(Refused::ONE_DEVBOX);
        }
        let local = &self.local;
        let caller = local.gate.authenticate(Some(api_key))?;
        let devbox = local.gate.make_devbox_id()?;
        let authority = Authority::make(&devbox, local.clock.now())?;
        let ca = NewCa { devbox: devbox.clone(), pem: authority.pem().to_owned(), key: authority.key_der() };
        let opened = local.gate.open(&caller, secrets, allow, ca)?;
        tracing::info!(%devbox, secrets = opened.card.grants.len(), "devbox opened");
        let stage = Stage::Opened { card: opened.card, authority: Box::new(authority) };
        self.tenant = Some(Tenant { local: Arc::clone(local), devbox, stage });
        Ok(opened.opened)
    }

    fn attach(&mut self, devbox: &DevboxId, roles: &[Role], fds: Vec<OwnedFd>) -> Result<Reply, Refused> {
        let sockets = Sockets::check(roles, fds)?;
        let tenant = self.tenant.as_mut().filter(|tenant| tenant.devbox == *devbox).ok_or(Refused::NO_DEVBOX)?;
        let Stage::Opened { card, authority } = std::mem::replace(&mut tenant.stage, Stage::Dead) else {
            // Handing listeners over twice could leave some unserved: the devbox is ended instead.
            self.tenant = None;
            return Err(Refused::ATTACHED);
        };
        tenant.stage = self.local.serve_devbox(card, *authority, sockets)?;
        Ok(Reply::Done)
    }

    fn resume(&mut self, devbox: &DevboxId, resume: &str, roles: &[Role], fds: Vec<OwnedFd>) -> Result<Reply, Refused> {
        if self.tenant.is_some() {
            return Err(Refused::ONE_DEVBOX);
        }
        let sockets = Sockets::check(roles, fds)?;
        let local = Arc::clone(&self.local);
        let resumed = {
            let mut lost = local.lost();
            if !lost.contains(devbox) {
                return Err(Refused::NO_DEVBOX);
            }
            let resumed = local.gate.resume(devbox, resume)?;
            lost.remove(devbox);
            resumed
        };
        let mut tenant = Tenant { local: Arc::clone(&local), devbox: devbox.clone(), stage: Stage::Dead };
        let authority = Authority::restore(&resumed.ca_pem, &resumed.ca_key)?;
        tenant.stage = local.serve_devbox(resumed.card, authority, sockets)?;
        tracing::info!(%devbox, "devbox resumed");
        self.tenant = Some(tenant);
        Ok(Reply::Done)
    }
}

impl Local {
    fn serve_devbox(&self, card: DevboxCard, authority: Authority, sockets: Sockets) -> Result<Stage, Refused> {
        let _within = self.runtime.enter();
        let network = self.net.attach(card, authority, sockets.tcp, sockets.dns)?;
        Ok(Stage::Attached { _network: network })
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // Its network first: nothing passes for a devbox whose end is being recorded.
        self.stage = Stage::Dead;
        if !self.local.stopping.load(Ordering::SeqCst) {
            self.local.close(&self.devbox);
        }
    }
}

/// A devbox's listeners, looked at.
pub(crate) struct Sockets {
    pub(crate) tcp: Vec<(u16, TcpListener)>,
    pub(crate) dns: Vec<UdpSocket>,
}

impl Sockets {
    pub(crate) fn check(roles: &[Role], fds: Vec<OwnedFd>) -> Result<Self, Refused> {
        if roles.len() != fds.len() || fds.is_empty() {
            return Err(Refused::DESCRIPTORS);
        }
        let mut sockets = Self { tcp: Vec::new(), dns: Vec::new() };
        for (role, fd) in roles.iter().zip(fds) {
            check_listener(fd.as_fd(), *role)?;
            match role {
                Role::Tcp(port) => sockets.tcp.push((*port, TcpListener::from(fd))),
                Role::Dns => sockets.dns.push(UdpSocket::from(fd)),
            }
        }
        Ok(sockets)
    }
}

/// How long after its start the gateway waits for the devboxes of its predecessor.
pub(crate) const RESUME_WAIT: Duration = Duration::from_secs(30);
/// Connections at `gateway.sock`: one for each devbox that runs, and a few more.
const CONNECTIONS_MAX: usize = 512;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
