//! The process's life: confine, open, listen, serve, end.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use link::{Listener, PacketError, Packets};
use model::Clock;
use service::{House, HouseError};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use vault::{LockError, Sealer};

use crate::certificate::{TlsError, TlsFiles};
use crate::confine::{ConfineError, confine};
use crate::connection::Attendance;
use crate::control;
use crate::desk::Desk;
use crate::front::Front;
use crate::host::Hosts;
use crate::limits::{ACCEPT_PAUSE, BLOCKING_THREADS_MAX, DESCRIPTORS_MAX, STOP_TIME, SWEEP_TICK, USES_TICK, WIPE_TICK, WORKERS};
use crate::listen::Bound;
use crate::places::{Network, Places};
use crate::rates::RateLimits;
use crate::rest::router::router;
use crate::tls::Tls;

/// What the api process is given.
pub struct Setup {
    /// Its address, bound and not yet listening.
    pub bound: Bound,
    /// The store's database, in a folder of its own.
    pub store: PathBuf,
    /// The api's folder.
    pub api_dir: PathBuf,
    /// Public keys to seal with and the api's own signing key.
    pub sealer: Arc<Sealer>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Names that the server answers to, beside the listen address and localhost.
    pub hosts: Vec<String>,
    /// The api's end of the socketpair to the gateway.
    pub link: Packets,
    /// Where whoever runs the server connects; it listens already.
    pub control: Listener,
    /// How often a caller may ask.
    pub rates: RateLimits,
    /// Whether devboxes may be asked for over the API: they are code that runs on the gateway's machine.
    pub devboxes: bool,
    /// The TLS port, where there is one.
    pub tls: Option<TlsPort>,
    /// The folder that must stay closed to the api: the gateway's.
    pub closed: PathBuf,
}

/// A port with TLS.
pub struct TlsPort {
    /// Its address, bound and not yet listening.
    pub bound: Bound,
    /// Its certificate and key.
    pub files: TlsFiles,
}

/// Why the api did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Threads run already, which no confinement would reach.
    #[error("failed to confine the api: other threads run in its process already")]
    Threads,
    /// The process could not be made unreadable to others.
    #[error("failed to keep the api's memory from being read or dumped")]
    Seclude(#[from] LockError),
    /// The process could not be confined.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store does not open.
    #[error("failed to open the store")]
    House(#[from] HouseError),
    /// The line to the gateway does not work.
    #[error("failed to use the line to the gateway")]
    Link(#[from] PacketError),
    /// The address cannot be listened on.
    #[error("failed to listen: another server may use the address; choose another with --listen")]
    Listen(#[source] io::Error),
    /// The socket of whoever runs the server cannot be served.
    #[error("failed to start a thread for control.sock")]
    Control(#[source] io::Error),
    /// The runtime does not start.
    #[error("failed to start the api's threads")]
    Runtime(#[source] io::Error),
}

/// Confines the process, opens the store, listens, and serves until `shutdown` comes back. Must be called while the process has one thread.
///
/// # Errors
/// [`StartError`]; nothing was served then.
pub fn run(setup: Setup, ready: impl FnOnce(SocketAddr), shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    if std::fs::read_dir("/proc/self/task").map_err(StartError::Runtime)?.count() != 1 {
        return Err(StartError::Threads);
    }
    make_signal_socket().map_err(StartError::Runtime)?;
    allow_descriptors();
    vault::seclude()?;
    let store_dir = setup.store.parent().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let addr = setup.bound.addr().map_err(StartError::Listen)?;
    let mut hosts = Hosts::new(addr, &setup.hosts);
    let mut readable = Vec::new();
    if let Some(port) = &setup.tls {
        hosts = hosts.and_at(port.bound.addr().map_err(StartError::Listen)?);
        readable = port.files.folders(&setup.closed)?;
    }
    confine(&store_dir, &setup.api_dir, &readable)?;
    let house = House::open(&setup.store, setup.sealer, Arc::clone(&setup.clock))?;
    let desk = Desk::new(house, Front::new(setup.link)?, hosts).limited(setup.rates);
    let desk = Arc::new(if setup.devboxes { desk.with_devboxes() } else { desk });
    let mut sockets = vec![(setup.bound.listen().map_err(StartError::Listen)?, None)];
    if let Some(port) = setup.tls {
        sockets.push((port.bound.listen().map_err(StartError::Listen)?, Some(Tls::load(port.files, &desk)?)));
    }
    control::serve(setup.control, Arc::downgrade(&desk)).map_err(StartError::Control)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(WORKERS).max_blocking_threads(BLOCKING_THREADS_MAX).enable_io().enable_time();
    let runtime = runtime.thread_name("api").build().map_err(StartError::Runtime)?;
    runtime.block_on(async {
        let doors = sockets.into_iter().map(|(listener, tls)| Door::new(listener, tls)).collect::<Result<_, _>>()?;
        ready(addr);
        serve(doors, desk, setup.clock, shutdown).await;
        Ok(())
    })
}

/// tokio makes one socketpair for signals, once per process, with its first runtime; confined, it could not.
fn make_signal_socket() -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_io().build().map(drop)
}

/// A socket on which clients are let in.
pub struct Door {
    listener: tokio::net::TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Door {
    /// A listening socket; with TLS where there is one. Must be called in a runtime.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn new(listener: TcpListener, tls: Option<Tls>) -> Result<Self, StartError> {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(StartError::Listen)?;
        Ok(Self { listener, tls: tls.map(Arc::new) })
    }
}

/// The usual limit is less than there may be connections. Where it cannot be raised, connections wait.
fn allow_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS_MAX, |maximum| maximum.min(DESCRIPTORS_MAX));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Serves on listening sockets until `shutdown` comes back, then refuses newcomers and lets open requests end.
pub async fn serve(doors: Vec<Door>, desk: Arc<Desk>, clock: Arc<dyn Clock>, shutdown: impl Future<Output = ()>) {
    let app = router(Arc::clone(&desk));
    let (places, visits) = (Places::new(), TaskTracker::new());
    let mut chores = JoinSet::new();
    chores.spawn(wipe_old_keys(Arc::clone(&desk)));
    chores.spawn(sweep_rates(Arc::clone(&desk)));
    let noting = chores.spawn(write_uses(Arc::clone(&desk)));
    for door in &doors {
        if let Some(tls) = door.tls.clone() {
            let (desk, clock) = (Arc::clone(&desk), Arc::clone(&clock));
            chores.spawn(async move { tls.watch(desk, clock).await });
        }
    }
    let open = doors.into_iter().map(|door| attend(door, Arc::clone(&desk), app.clone(), Arc::clone(&places), visits.clone()));
    tokio::select! {
        _ = futures_util::future::join_all(open) => {}
        () = shutdown => {}
    }
    desk.stop();
    visits.close();
    noting.abort();
    let last_uses = tokio::task::spawn_blocking({
        let desk = Arc::clone(&desk);
        move || desk.write_uses()
    });
    // What does not end by then is cut off: its client sees a broken connection and looks again.
    let _ = tokio::time::timeout(STOP_TIME, visits.wait()).await;
    // It says itself what went wrong.
    let _ = last_uses.await;
}

/// Lets clients in until the server stops, then closes the door.
async fn attend(door: Door, desk: Arc<Desk>, app: Router, places: Arc<Places>, visits: TaskTracker) {
    let door = Closing(door);
    loop {
        let free = places.free().await;
        let Ok((stream, peer)) = door.0.listener.accept().await else {
            // Out of descriptors, or a connection that was gone at once: neither ends the server.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = places.take(free, Network::of(peer)) else { continue };
        // Only a connection that is gone refuses it.
        let _ = stream.set_nodelay(true);
        let attendance = Attendance { app: app.clone(), desk: Arc::clone(&desk), place };
        match door.0.tls.clone() {
            Some(tls) => visits.spawn(attendance.tls(stream, tls)),
            None => visits.spawn(attendance.clear(stream)),
        };
    }
}

/// A door that is shut when it is dropped. The supervisor keeps its own handle on the socket, so that closing ours alone would let newcomers queue up
/// where nobody comes for them.
struct Closing(Door);

impl Drop for Closing {
    fn drop(&mut self) {
        // It fails where the socket does not listen any more.
        let _ = rustix::net::shutdown(&self.0.listener, rustix::net::Shutdown::Read);
    }
}

async fn sweep_rates(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(SWEEP_TICK).await;
        desk.rates.sweep();
    }
}

async fn wipe_old_keys(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(WIPE_TICK).await;
        desk.house.wipe_old_keys();
    }
}

async fn write_uses(desk: Arc<Desk>) {
    loop {
        tokio::time::sleep(USES_TICK).await;
        let desk = Arc::clone(&desk);
        // It says itself what went wrong.
        let _ = tokio::task::spawn_blocking(move || desk.write_uses()).await;
    }
}
